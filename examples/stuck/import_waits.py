"""A module waits, while it is imported, for a thread that imports it."""

import os
import sys
import threading

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(__file__))
    import import_waits  # noqa: F401
else:

    def load() -> None:
        import import_waits  # noqa: F401

    loader = threading.Thread(target=load, name="loader")
    loader.start()
    loader.join()
