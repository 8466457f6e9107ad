"""The timeline page: a recording as one HTML file that shows who held what, who waited, and who made them wait.

The file needs nothing beside it and loads nothing: style, scripts and the recording stand in it. Names in a recording
come from the program that was recorded, so nothing in them may be taken for markup: the recording is JSON without a
single `<`, and the page's policy allows exactly the scripts and the style of this package, by their hashes.
"""

import base64
import hashlib
import html
import json
import re
from importlib import resources

SCRIPTS = ("model.js", "paint.js", "timeline.js")
PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")


def render(document: dict[str, object]) -> str:
    """Return the timeline page of a recording, as HTML.

    `document` is a recording as data, from `interlock.watch.document.document`. All times are in nanoseconds since its
    start.
    """
    style = _part("timeline.css")
    script = "\n".join(_part(name) for name in SCRIPTS)
    title = str(document.get("title") or "interlock recording")
    parts = {
        "policy": f"default-src 'none'; img-src data:; script-src {_hash(script)}; style-src {_hash(style)}",
        # A file name can hold what no encoding can write (a lone surrogate).
        "title": html.escape(title.encode("utf-8", "replace").decode("utf-8")),
        "style": style,
        "script": script,
        "recording": _json(document),
    }
    # One pass: what is put in is never looked at for placeholders again.
    return PLACEHOLDER.sub(lambda found: parts[found[1]], _part("timeline.html"))


def _json(document: dict[str, object]) -> str:
    """JSON that no HTML parser can leave early: `</script>` and `<!--` begin with the one character it does without."""
    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _part(name: str) -> str:
    text = resources.files(__package__).joinpath("page", name).read_text(encoding="utf-8")
    assert name.endswith(".html") or not re.search("</script|</style|<!--", text)
    return text
