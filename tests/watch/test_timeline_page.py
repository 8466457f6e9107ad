"""The timeline page in a real browser: what is drawn, and what happens when a user points, types and turns the wheel.

Leaves pictures in build/screenshots.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import browser
import documents
import pytest

from interlock.watch.timeline import render

pytest.importorskip("playwright.sync_api", reason="needs Playwright: make browser")
if browser.chromium() is None:
    pytest.skip("needs chromium", allow_module_level=True)

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
HOLD_BLUE, HOLD_ORANGE = (0x00, 0x72, 0xB2), (0xE6, 0x9F, 0x00)

Open = Callable[..., browser.Timeline]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser.browser() as context:
        yield context


@pytest.fixture
def show(chromium: Any, tmp_path: Path) -> Iterator[Open]:
    """Open the page of a document; in the end it must have asked for nothing but itself, and complained of nothing."""
    opened = []

    def show(document: dict[str, Any], scheme: str = "light") -> browser.Timeline:
        path = tmp_path / f"{len(opened)}.html"
        path.write_text(render(document), encoding="utf-8")
        opened.append(browser.Timeline(chromium, path, scheme))
        return opened[-1]

    yield show
    for timeline in opened:
        timeline.page.close()
        assert timeline.complaints == []
        assert [url for url in timeline.requests if not url.startswith("data:")] == [timeline.address]


def picture(timeline: browser.Timeline, name: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    timeline.picture(SCREENSHOTS / f"{name}.png")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_draws_what_was_recorded(show: Open, scheme: str) -> None:
    timeline = show(documents.small(), scheme)
    state = timeline.state
    assert state["theme"] == scheme
    assert state["lanes"] == ["MainThread", "ann", "bob", "refresh"]
    drawn = state["drawn"]
    assert (drawn["holds"], drawn["waits"], drawn["columns"]) == (5, 8, 0)
    assert drawn["arrows"] == 5
    assert drawn["marks"] >= 8
    # Solid where it was held, the colour of the primitive; hatched red where it was waited.
    for index, colour in ((1, HOLD_BLUE), (0, HOLD_ORANGE)):
        place = timeline.where("hold", index)
        assert timeline.pixel(place["x"] + place["width"] / 4, place["y"]) == colour
    place = timeline.where("wait", 3)
    row = {timeline.pixel(place["x"] + place["width"] / 4 + dx, place["y"]) for dx in range(8)}
    assert len(row) > 2, "a wait is hatched"
    assert any(red > green + 60 for red, green, _ in row)
    assert timeline.text("#title") == "orders.py"
    assert timeline.text("#facts") == "70.0 ms · 3 threads · 1 task · 5 holds · 8 waits"
    assert timeline.page.is_hidden("#dropped")
    picture(timeline, f"small-{scheme}")


def test_click_tells_both_lines_and_who_held(show: Open) -> None:
    timeline = show(documents.small())
    timeline.click("wait", 3)
    details = timeline.text("#details")
    assert "MainThread waited 32.5 ms for Lock Shop._orders" in details
    for fact in ("orders.py:72 in report", "orders.py:34 in sell", "ann, running 500 µs later", "granted"):
        assert fact in details
    # Why: ann itself waited for bob.
    assert "ann meanwhile waited for RLock Shop._stock, 28.2 ms of it" in details
    assert "bob held RLock Shop._stock at orders.py:51 in count" in details
    assert "MainThread waited 32.5 ms" in timeline.text("#spoken")
    assert timeline.state["related"] == [1], "the hold that was in the way is marked"
    picture(timeline, "selected-wait")

    timeline.page.click("#details dd >> text=ann")
    assert timeline.state["selected"]["span"] == 1
    assert "ann held Lock Shop._orders for 36.0 ms" in timeline.text("#details")
    assert "Made 2 waits longer" in timeline.text("#details")

    lanes = timeline.page.locator("#lanes").bounding_box()
    timeline.page.mouse.click(lanes["x"] + lanes["width"] - 30, lanes["y"] + lanes["height"] - 20)
    assert timeline.state["selected"] is None


def test_outcomes_and_cycles_are_told(show: Open) -> None:
    timeline = show(documents.small())
    for index, words in ((4, "timed out"), (6, "cancelled"), (7, "still waits")):
        timeline.click("wait", index)
        assert words in timeline.text("#details")
    timeline = show(documents.cycle())
    timeline.click("wait", 0)
    assert "a cycle, nobody in it can go on" in timeline.text("#details")
    picture(timeline, "cycle")


def test_marks_can_be_selected(show: Open) -> None:
    timeline = show(documents.small())
    # bob's "set" stands at 29 ms, in the row under his holds.
    state = timeline.state
    lanes = timeline.page.locator("#canvas").bounding_box()
    x = lanes["x"] + state["gutter"] + 29 / 70 * (state["width"] - state["gutter"])
    below = timeline.where("hold", 0)["y"]
    timeline.page.mouse.click(x, below + 22)
    assert "bob set Event ready" in timeline.text("#details")


def test_wheel_drag_and_buttons_zoom_and_pan(show: Open) -> None:
    timeline = show(documents.small())
    place = timeline.where("wait", 3)
    before = timeline.state
    timeline.page.mouse.move(place["x"], place["y"])
    timeline.page.mouse.wheel(0, -300)
    zoomed = timeline.state
    assert zoomed["to"] - zoomed["from"] < 0.7 * (before["to"] - before["from"])
    width = zoomed["to"] - zoomed["from"]

    def under(state: dict[str, Any]) -> float:
        x = place["x"] - timeline.page.locator("#canvas").bounding_box()["x"] - state["gutter"]
        return float(state["from"] + x / (state["width"] - state["gutter"]) * (state["to"] - state["from"]))

    assert under(zoomed) == pytest.approx(under(before), abs=width / 100), "the time under the pointer stays"

    timeline.page.mouse.move(place["x"], place["y"])
    timeline.page.mouse.down()
    timeline.page.mouse.move(place["x"] + 100, place["y"], steps=3)
    timeline.page.mouse.up()
    dragged = timeline.state
    assert dragged["from"] < zoomed["from"]
    assert dragged["to"] - dragged["from"] == pytest.approx(width)
    assert dragged["selected"] is None, "a drag is no click"

    timeline.page.keyboard.down("Shift")
    timeline.page.mouse.wheel(0, 120)
    timeline.page.keyboard.up("Shift")
    assert timeline.state["from"] > dragged["from"]

    timeline.page.click("#fit")
    assert (timeline.state["from"], timeline.state["to"]) == (0, documents.small()["duration"])
    timeline.page.click("#zoom-in")
    assert timeline.state["to"] - timeline.state["from"] == documents.small()["duration"] / 2
    # The ruler: a drag there is the new window.
    timeline.page.click("#fit")
    ruler = timeline.page.locator("#top").bounding_box()
    left = ruler["x"] + timeline.state["gutter"]
    timeline.page.mouse.move(left + 100, ruler["y"] + 52)
    timeline.page.mouse.down()
    timeline.page.mouse.move(left + 300, ruler["y"] + 52, steps=3)
    timeline.page.mouse.up()
    state = timeline.state
    share = documents.small()["duration"] / (state["width"] - state["gutter"])
    assert (state["from"], state["to"]) == (pytest.approx(100 * share, rel=0.02), pytest.approx(300 * share, rel=0.02))


def test_keys_walk_zoom_and_find(show: Open) -> None:
    timeline = show(documents.small())
    timeline.page.focus("#lanes")
    timeline.press("Home")
    first = timeline.state["selected"]
    timeline.press("ArrowRight")
    second = timeline.state["selected"]
    assert first["party"] == second["party"] == 0
    assert first["span"] != second["span"]
    timeline.press("ArrowLeft")
    assert timeline.state["selected"]["span"] == first["span"]
    timeline.press("ArrowDown")
    assert timeline.state["selected"]["party"] == 1
    timeline.press("ArrowUp", "End")
    assert timeline.state["selected"]["span"] == 3
    timeline.press("Enter")
    zoomed = timeline.state
    assert zoomed["to"] - zoomed["from"] < 12 * documents.MS
    timeline.press("0", "+", "d")
    assert timeline.state["from"] > 0
    timeline.press("0", "n")
    assert timeline.state["selected"]["span"] == 5 + 3, "n goes to the worst wait"
    timeline.press("n", "N")
    assert timeline.state["selected"]["span"] == 5 + 3
    timeline.press("Escape")
    assert timeline.state["selected"] is None
    timeline.press("?")
    assert timeline.page.is_visible("#keys")
    picture(timeline, "keys")
    timeline.press("Escape", "/")
    assert timeline.page.evaluate("document.activeElement.id") == "search"


def test_everything_is_reached_with_tab_and_has_a_name(show: Open) -> None:
    timeline = show(documents.small())
    reached = []
    for _ in range(60):
        timeline.page.keyboard.press("Tab")
        element = timeline.page.evaluate(
            """() => {
                const element = document.activeElement;
                const name = element.getAttribute("aria-label") || element.innerText || element.labels?.[0]?.innerText;
                const style = getComputedStyle(element);
                const canvas = element.nextElementSibling;
                const seen = style.outlineStyle !== "none" ||
                    (canvas && getComputedStyle(canvas).outlineStyle !== "none");
                return [element.id || element.tagName, name || "", seen];
            }"""
        )
        if element[0] == "BODY":
            break
        assert element[1], f"{element[0]} has no name"
        assert element[2], f"{element[0]} does not show that it has the focus"
        reached.append(element[0])
    order = [reached.index(name) for name in ("search", "zoom-in", "theme", "help", "sorting", "worst-next", "lanes")]
    assert order == sorted(order)


def test_legend_filters(show: Open) -> None:
    timeline = show(documents.small())
    whole = timeline.state["drawn"]
    timeline.page.uncheck("input[aria-label='Show Lock Shop._orders']")
    state = timeline.state
    assert state["shown"][0] == 0
    assert state["drawn"]["holds"] == 2
    assert state["drawn"]["waits"] == whole["waits"] - 4
    timeline.page.click("#show-none")
    assert timeline.state["lanes"] == []
    assert timeline.text("#hidden-lanes") == "4 lanes have nothing of what is shown and are hidden."
    timeline.page.check("input[aria-label='Show Event ready']")
    assert "refresh" in timeline.state["lanes"]
    timeline.page.click("#show-all")
    timeline.page.click("[data-layer=waits]")
    assert timeline.state["drawn"]["waits"] == 0
    timeline.page.click("[data-layer=arrows]")
    timeline.page.click("[data-layer=marks]")
    assert (timeline.state["drawn"]["arrows"], timeline.state["drawn"]["marks"]) == (0, 0)
    picture(timeline, "filtered")


def test_row_of_the_table_goes_to_its_worst_wait(show: Open) -> None:
    document = documents.busy(3000)
    timeline = show(document)
    for row in document["summary"][:3]:
        name = document["primitives"][row["primitive"]]["name"]
        timeline.page.click(f"#rows tr:has(button.link:text-is({json.dumps(name)})) td:nth-child(2)")
        state = timeline.state
        assert state["selected"]["span"] == len(document["holds"]) + row["worst_wait"]
        worst = document["waits"][row["worst_wait"]]
        assert state["from"] <= worst[2] < worst[3] <= state["to"]
        assert timeline.where("wait", row["worst_wait"])["width"] > 100
    picture(timeline, "worst-wait")
    timeline.page.click("th[data-column=name] button")
    names = timeline.page.locator("#rows button.link").all_inner_texts()
    assert names == sorted(names)


def test_search_finds_lanes_primitives_and_lines(show: Open) -> None:
    document = documents.busy(3000, threads=8, tasks=80)
    timeline = show(document)
    timeline.press("/")
    timeline.page.keyboard.type("request-77")
    assert timeline.page.is_visible("#results")
    picture(timeline, "search")
    timeline.press("ArrowDown", "ArrowUp", "Enter")
    assert timeline.page.is_hidden("#results")
    state = timeline.state
    assert document["parties"][state["selected"]["party"]]["name"] == "request-77"
    assert state["scrollTop"] > 0, "its lane was out of sight"
    assert timeline.page.evaluate("document.activeElement.id") == "lanes"
    for words, matches in (
        ("cache", lambda span: document["primitives"][span[0]]["name"] == "cache"),
        ("pool.py:107", lambda span: document["places"][span[4]].startswith("pool.py:107")),
    ):
        timeline.page.fill("#search", words)
        timeline.press("Enter")
        chosen = timeline.state["selected"]["span"] - len(document["holds"])
        assert matches(document["waits"][chosen])
        timeline.page.focus("#search")
    timeline.page.fill("#search", "no such thing")
    assert "Nothing has that in its name" in timeline.text("#results")


def test_colours_follow_the_system_and_the_switch(show: Open) -> None:
    timeline = show(documents.small(), "dark")

    def background() -> int:
        box = timeline.page.locator("#canvas").bounding_box()
        return sum(timeline.pixel(box["x"] + 400, timeline.where("hold", 0)["y"] + 13))

    assert background() < 200
    timeline.page.emulate_media(color_scheme="light")
    timeline.until("interlockTimeline.state().theme === 'light'")
    assert background() > 600
    timeline.page.click("#theme")
    timeline.page.click("#theme")
    assert timeline.text("#theme") == "● Dark"
    assert timeline.state["theme"] == "dark"
    timeline.page.click("#theme")


def test_hostile_names_stay_names(show: Open) -> None:
    document = documents.hostile()
    timeline = show(document)
    assert timeline.page.title() == re.sub(r"\s+", " ", document["title"])
    timeline.click("hold", 0)
    assert document["parties"][0]["name"] in timeline.text("#details")
    timeline.page.fill("#search", "script")
    assert document["parties"][0]["name"] in timeline.text("#results")
    assert timeline.page.locator("img, li script, td script").count() == 0
    assert timeline.text("#dropped").startswith("12,345 events")


def test_empty_recording_says_so(show: Open) -> None:
    timeline = show(documents.empty())
    assert "Nothing was recorded" in timeline.text("#nothing")
    timeline.page.focus("#lanes")
    timeline.press("ArrowRight", "ArrowDown", "+", "n", "Home")
    assert timeline.state["selected"] is None
    picture(timeline, "empty")


def test_hundreds_of_lanes_are_scrolled_and_only_the_visible_drawn(show: Open) -> None:
    timeline = show(documents.busy(20_000, threads=20, tasks=400))
    state = timeline.state
    assert len(state["lanes"]) == 420
    assert state["drawn"]["lanes"] < 60
    box = timeline.page.locator("#lanes").bounding_box()
    timeline.page.mouse.move(box["x"] + 60, box["y"] + 200)  # over the names the wheel scrolls
    timeline.page.mouse.wheel(0, 4000)
    timeline.until("interlockTimeline.state().scrollTop > 1000")
    assert timeline.state["from"] == 0
    timeline.page.select_option("#sorting", "waited")
    assert timeline.state["lanes"] != state["lanes"]
    picture(timeline, "many-lanes")


def test_two_hundred_thousand_spans(show: Open, capsys: pytest.CaptureFixture[str]) -> None:
    document = documents.busy(200_000, threads=40, tasks=160, locks=30)
    timeline = show(document)
    opened = timeline.page.evaluate(
        "performance.getEntriesByType('navigation')[0].responseEnd < interlockTimeline.state().openedAt"
        " ? interlockTimeline.state().openedAt : NaN"
    )
    state = timeline.state
    box = timeline.page.locator("#lanes").bounding_box()
    timeline.page.mouse.move(box["x"] + 700, box["y"] + 300)
    frames = []
    for _ in range(12):
        timeline.page.mouse.wheel(0, -200)
        frame = timeline.state
        frames.append(frame["paintedIn"])
        drawn = frame["drawn"]
        shapes = drawn["holds"] + drawn["waits"] + drawn["columns"]
        # Per lane at most two rectangles for each two pixels and one for what reaches into the window.
        assert shapes <= drawn["lanes"] * 8 * frame["width"]
        assert drawn["lanes"] < 60
        assert drawn["arrows"] <= 251
    assert state["drawn"]["waits"] + state["drawn"]["columns"] > 1000
    with capsys.disabled():
        print(
            f"\n200,000 spans on the timeline page: open after {opened:.0f} ms, the longest of {len(frames)} frames"
            f" {max(frames):.0f} ms"
        )
    assert opened < 30_000
    picture(timeline, "dense")
    timeline.press("n")
    picture(timeline, "dense-worst-wait")
