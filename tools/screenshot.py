"""Makes the picture of the timeline page: records a program, opens the page in Chromium, writes a PNG.

The program is one of the examples, unless another is named. `make screenshot` has what this needs beside Chromium.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from interlock.watch.document import document
from interlock.watch.recording import Recording
from interlock.watch.timeline import render

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "watch"))

import browser  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", nargs="?", type=Path, default=ROOT / "examples" / "see" / "pool_funnel.py")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "timeline.png")
    parser.add_argument("--theme", choices=["light", "dark"], default="light")
    options = parser.parse_args()
    if browser.chromium() is None:
        sys.exit("no chromium found: install it (Debian: apt-get install chromium)")
    with tempfile.TemporaryDirectory() as folder, browser.browser() as context:
        path = Path(folder) / "timeline.html"
        record = Path(folder) / "record"
        run = [sys.executable, "-m", "interlock", "run", "--quiet", "--record", str(record), options.program.name]
        subprocess.run(run, check=True, cwd=options.program.parent, stdout=subprocess.DEVNULL)
        path.write_text(render(document(Recording.load(record))), encoding="utf-8")
        timeline = browser.Timeline(context, path, options.theme)
        timeline.page.set_viewport_size({"width": 1440, "height": 860})
        # The worst wait is selected, with the whole recording in view.
        timeline.press("n", "0")
        timeline.picture(options.out)
        if timeline.complaints:
            sys.exit(f"the page complains: {timeline.complaints}")
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
