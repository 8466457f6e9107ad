"""Makes the picture of the timeline page: renders a recording's document, opens it in Chromium, writes a PNG.

Without a document of your own it draws the one of the tests that has something of everything. `make screenshot` has
what this needs beside Chromium.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from interlock.watch.timeline import render

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "watch"))

import browser  # noqa: E402
import documents  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("document", nargs="?", type=Path, help="a recording's document as JSON")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "timeline.png")
    parser.add_argument("--theme", choices=["light", "dark"], default="light")
    options = parser.parse_args()
    if browser.chromium() is None:
        sys.exit("no chromium found: install it (Debian: apt-get install chromium)")
    document = json.loads(options.document.read_text(encoding="utf-8")) if options.document else documents.small()
    with tempfile.TemporaryDirectory() as folder, browser.browser() as context:
        path = Path(folder) / "timeline.html"
        path.write_text(render(document), encoding="utf-8")
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
