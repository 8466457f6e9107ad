"""The timeline page as a file: complete, alone, and not to be broken out of."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import documents
import pytest

from interlock.watch.timeline import render


class Reader(HTMLParser):
    """What an HTML parser makes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.inside: str | None = None
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag
        if tag in ("script", "style", "title"):
            self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = None

    def handle_data(self, data: str) -> None:
        if self.inside in ("script", "style", "title"):
            self.texts[self.inside][-1] += data


@pytest.mark.parametrize("made", [documents.small, documents.empty, documents.hostile, documents.cycle])
def test_recording_comes_out_as_it_went_in(made: object) -> None:
    document = made()  # type: ignore[operator]
    reader = Reader(render(document))
    recording, _ = reader.texts["script"]
    assert json.loads(recording) == document


def test_names_do_not_break_out() -> None:
    plain, hostile = render(documents.small()), render(documents.hostile())
    assert [tag for tag, _ in Reader(plain).tags] == [tag for tag, _ in Reader(hostile).tags]
    assert Reader(plain).texts["script"][1] == Reader(hostile).texts["script"][1]
    hostile.encode("utf-8")  # lone surrogates in names do not keep the file from being written


def test_policy_allows_this_script_and_this_style_and_nothing_else() -> None:
    reader = Reader(render(documents.small()))
    policy = next(
        attrs["content"] for tag, attrs in reader.tags if attrs.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    for text in (reader.texts["script"][1], reader.texts["style"][0]):
        assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in policy


def test_page_refers_to_nothing_outside() -> None:
    page = render(documents.empty())
    assert not re.search(r"(?:https?:)?//[a-z]|@import|url\(|\bfetch\(|XMLHttpRequest|WebSocket|importScripts", page)
    for tag, attrs in Reader(page).tags:
        assert not {"src", "srcset", "action"} & attrs.keys(), tag
        assert attrs.get("href", "data:,") == "data:,"


def test_not_a_number_is_refused_instead_of_drawn() -> None:
    document = documents.small()
    document["summary"][0]["contended"] = float("nan")
    with pytest.raises(ValueError, match="JSON"):
        render(document)
