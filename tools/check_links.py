"""Checks the links of the built site without a network: each leads to a file of it, and to a place in that file.

Sphinx checks what it resolves itself; this looks at what has come out, with the eyes of a browser.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name == "id" and value:
                self.anchors.add(value)
            elif name in ("href", "src") and value and tag != "form":
                self.links.append(value)


def main(root: Path) -> None:
    pages = {path.resolve(): Page(path) for path in root.rglob("*.html")}
    broken = []
    checked = 0
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            checked += 1
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target /= "index.html"
            fragment = unquote(parts.fragment)
            if not target.exists():
                broken.append(f"{path.relative_to(root.resolve())}: {link} leads nowhere")
            elif fragment and target in pages and fragment not in pages[target].anchors:
                broken.append(f"{path.relative_to(root.resolve())}: {link} leads to no place in its page")
    if broken:
        sys.exit("\n".join(broken))
    if not checked:
        sys.exit(f"no links found in {root}")
    print(f"{checked:,} links of {len(pages)} pages lead to what is there")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
