"""The site: Sphinx with Furo and MyST. `make docs` builds it into build/site/html; a warning is an error.

A page is taken in where its file exists: the toctrees of index.md name whole folders. A chapter that is not there is
left out.
"""

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import interlock

project = "interlock"
author = "The interlock authors"
project_copyright = f"2026, {author}"
release = version = interlock.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
suppress_warnings = ["toc.not_included"]
default_role = "code"
nitpicky = True

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints = "none"
autoclass_content = "class"

html_theme = "furo"
pygments_dark_style = "monokai"  # the default underlines imported names, as if they were links
toc_object_entries_show_parents = "hide"
html_title = f"interlock {release}"
html_copy_source = False
html_theme_options = {"source_directory": "docs/", "navigation_with_keys": True}


class Names(SphinxDirective):
    """The public names of a module that are of one kind, with their docstrings: `classes`, `functions` or `errors`."""

    required_arguments = 2  # module, kind

    def run(self) -> list[nodes.Node]:
        name, kind = self.arguments
        module = __import__(name, fromlist=["*"])
        lines = [f".. currentmodule:: {name}", ""]
        for public in module.__all__:
            thing = getattr(module, public)
            if kind_of(thing) != kind:
                continue
            directive = {"classes": "autoclass", "functions": "autofunction", "errors": "autoexception"}[kind]
            lines.append(f".. {directive}:: {name}.{public}")
            if kind == "classes":
                lines += ["   :members:", "   :inherited-members:"]
            lines.append("")
        return self.parse_lines(lines)

    def parse_lines(self, lines: list[str]) -> list[nodes.Node]:
        node = nodes.Element()
        self.state.nested_parse(StringList(lines, source=self.env.docname), self.content_offset, node)
        return node.children


def kind_of(thing: object) -> str:
    if isinstance(thing, type):
        return "errors" if issubclass(thing, BaseException) else "classes"
    return "functions" if inspect.isroutine(thing) else "others"


class CommandHelp(SphinxDirective):
    """What `interlock COMMAND --help` prints."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        command = [sys.executable, "-m", "interlock", *self.arguments, "--help"]
        environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1"}
        told = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
        return [nodes.literal_block(told, told, language="text")]


def chapters(app: Sphinx, docname: str, source: list[str]) -> None:
    """Leave out of index.md what is not there: `queues*` while no file is called so, and a toctree without entries."""
    if docname != "index":
        return
    there = {path.name for path in Path(app.srcdir).iterdir()}
    missing = [name for name in re.findall(r"^(\w+)\*$", source[0], re.MULTILINE) if f"{name}.md" not in there]
    for name in missing:
        source[0] = re.sub(rf"^{name}\*\n", "", source[0], flags=re.MULTILINE)
    source[0] = re.sub(r"^```\{toctree\}\n(?::.*\n)*\n```\n", "", source[0], flags=re.MULTILINE)


def plain(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """A text may begin with a call, whose `*` is none of reStructuredText."""
    lines[:1] = [re.sub(r"^\w+\([^)]*\)", r"``\g<0>``", line) for line in lines[:1]]


def outside(app: Sphinx, docname: str, source: list[str]) -> None:
    """A link to something of the repository that is no page becomes its name: the site does not know where that is."""

    def named(found: re.Match[str]) -> str:
        text, target = found[1], found[2].partition("#")[0]
        path = os.path.normpath(os.path.join(app.srcdir, os.path.dirname(docname), target))
        inside = os.path.relpath(path, app.srcdir)
        if "://" in target or not target or not inside.startswith(".."):
            return found[0]
        shown = os.path.relpath(path, os.path.dirname(app.srcdir))
        return text if text.startswith("`") else f"{text} (`{shown}`)" if shown not in text else f"`{text}`"

    source[0] = re.sub(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)", named, source[0])


def setup(app: Sphinx) -> None:
    app.add_directive("interlock-names", Names)
    app.add_directive("interlock-help", CommandHelp)
    for kind in ("output", "output-masked"):
        app.add_lexer(kind, TextLexer)
    app.connect("source-read", chapters)
    app.connect("source-read", outside)
    app.connect("autodoc-process-docstring", plain)
