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

    def show(document: dict[str, Any], scheme: str = "light", **how: Any) -> browser.Timeline:
        path = tmp_path / f"{len(opened)}.html"
        path.write_text(render(document), encoding="utf-8")
        opened.append(browser.Timeline(chromium, path, scheme, **how))
        return opened[-1]

    yield show
    for timeline in opened:
        timeline.page.close()
        assert timeline.complaints == []
        asked_for = [url.partition("#")[0] for url in timeline.requests if not url.startswith("data:")]
        assert asked_for == [timeline.address]


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
    assert "a cycle, each waits for the next" in timeline.text("#details")
    assert "nobody in it could go on when the recording ended" in timeline.text("#details")
    picture(timeline, "cycle")


def test_granted_waits_are_no_cycle(show: Open) -> None:
    """One lock that all go through: a party that is in another's way now may wait for that one later."""
    document = documents.busy(600, threads=8, locks=1)
    timeline = show(document)
    timeline.press("n")
    for _ in range(60):
        assert "cycle" not in timeline.text("#details")
        timeline.press("n")


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
    assert timeline.state["to"] == before["to"], "without Ctrl the wheel scrolls the lanes"
    assert "Ctrl + wheel zooms" in timeline.text("#hint"), "and says so where there is nothing to scroll"
    timeline.wheel(-300, "Control")
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

    timeline.wheel(120, "Shift")
    assert timeline.state["from"] > dragged["from"]

    timeline.page.click("#fit")
    assert (timeline.state["from"], timeline.state["to"]) == (0, documents.small()["duration"])
    timeline.page.click("#zoom-in")
    assert timeline.state["to"] - timeline.state["from"] == documents.small()["duration"] / 2
    # The strip that shows all of it: a drag there is the new window.
    timeline.page.click("#fit")
    drag(timeline, 100, 300, y=20)
    state = timeline.state
    share = documents.small()["duration"] / (state["width"] - state["gutter"])
    assert (state["from"], state["to"]) == (pytest.approx(100 * share, rel=0.02), pytest.approx(300 * share, rel=0.02))


def drag(timeline: browser.Timeline, start: float, end: float, y: float) -> None:
    """Drag in the strip (y up to 40) or the ruler (from 40 on); pixels from where the lanes begin."""
    top = timeline.page.locator("#top").bounding_box()
    left = top["x"] + timeline.state["gutter"]
    timeline.page.mouse.move(left + start, top["y"] + y)
    timeline.page.mouse.down()
    timeline.page.mouse.move(left + end, top["y"] + y, steps=3)
    timeline.page.mouse.up()


def test_a_range_tells_its_sums(show: Open) -> None:
    timeline = show(documents.small())
    state = timeline.state
    pixels = (state["width"] - state["gutter"]) / 70  # per millisecond
    drag(timeline, 20 * pixels, 30 * pixels, y=52)
    state = timeline.state
    assert (state["from"], state["to"]) == (0, 70 * documents.MS), "the window stays"
    assert state["range"]["from"] == pytest.approx(20 * documents.MS, rel=0.02)
    details = timeline.text("#details")
    # ann waits for the stock, MainThread for the orders, refresh for the event: each the whole of it.
    assert re.search(r"(9\.9\d|10\.\d) ms selected", details)
    assert re.search(r"Waited\n(29\.\d|30\.\d) ms in 3 waits", details)
    assert re.search(r"Held\n(19\.\d|20\.\d) ms in 2 holds", details)
    assert "Lock Shop._orders" in details
    picture(timeline, "range")
    timeline.page.click("#details button:text('Zoom to it')")
    assert timeline.state["from"] == pytest.approx(20 * documents.MS, rel=0.02)
    # A filter changes the sums; a click on a name in them leads there; Escape ends the selection, then the range.
    timeline.page.click("[data-layer=holds]")
    assert "Held\nnothing" in timeline.text("#details")
    timeline.page.click("#details td button:text('refresh')")
    assert timeline.state["selected"]["party"] == 3
    timeline.press("Escape")
    assert "selected" in timeline.text("#details")
    timeline.press("Escape")
    assert timeline.state["range"] is None

    # With Shift in the lanes, too.
    timeline.press("0")
    box = timeline.page.locator("#canvas").bounding_box()
    left = box["x"] + timeline.state["gutter"]
    timeline.page.keyboard.down("Shift")
    timeline.page.mouse.move(left + 10 * pixels, box["y"] + 30)
    timeline.page.mouse.down()
    timeline.page.mouse.move(left + 40 * pixels, box["y"] + 40, steps=3)
    timeline.page.mouse.up()
    timeline.page.keyboard.up("Shift")
    state = timeline.state
    assert (state["from"], state["range"]["to"]) == (0, pytest.approx(40 * documents.MS, rel=0.02))


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
    timeline.press("Escape", "f")
    assert timeline.page.evaluate("document.activeElement.id") == "lane-filter"
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


def test_findings_rows_and_names_are_links(show: Open) -> None:
    document = documents.small()
    timeline = show(document)
    holds = len(document["holds"])
    timeline.page.click("#findings button >> nth=0")
    assert timeline.state["selected"]["span"] == holds + 3
    assert timeline.text("#worst-at") == "1 of 8"
    details = "#details dd button"
    timeline.page.click("#details .why button:text('RLock Shop._stock')")
    assert timeline.state["selected"]["span"] == holds + 2, "a primitive leads to its worst wait"
    timeline.page.click(f"{details}:text('orders.py:51 in count')")
    assert timeline.state["selected"]["span"] == holds + 7, "a line leads to the longest wait there"
    timeline.page.click(f"{details}:text-is('bob')")
    assert timeline.state["selected"] == {"span": -1, "mark": -1, "party": 2}, "a party leads to its lane"
    assert "13.0 ms, 18% of the time, in 2 waits" in timeline.text("#details")
    timeline.page.click("#details button:text('Longest wait')")
    assert timeline.state["selected"]["span"] == holds + 7
    # The name in front of the lanes, too.
    box = timeline.page.locator("#canvas").bounding_box()
    timeline.press("0")
    timeline.page.mouse.click(box["x"] + 60, timeline.where("wait", 3)["y"])
    assert timeline.state["selected"] == {"span": -1, "mark": -1, "party": 0}


def test_the_worst_waits_are_counted(show: Open) -> None:
    document = documents.small()
    timeline = show(document)
    assert timeline.text("#worst-at") == "8 waits"
    timeline.press("n", "n", "n")
    assert timeline.text("#worst-at") == "3 of 8"
    timeline.press("0")
    timeline.click("wait", 4)
    longest = sorted(range(8), key=lambda i: document["waits"][i][2] - document["waits"][i][3])
    assert timeline.text("#worst-at") == f"{longest.index(4) + 1} of 8", "a click tells the place of that wait"
    timeline.page.uncheck("input[aria-label='Show Lock Shop._orders']")
    assert timeline.text("#worst-at") == "4 waits"


def test_who_held_it_is_told_with_the_share_and_the_others(show: Open) -> None:
    document = documents.busy(2_000, threads=10, locks=1)
    timeline = show(document)
    worst = document["summary"][0]["worst_wait"]
    timeline.press("n")
    wait = document["waits"][worst]
    held, others = document["holders"][worst]
    assert others > 1
    share = round(10_000 * held / (wait[3] - wait[2])) // 100
    holder = document["parties"][wait[8]]["name"]
    assert f"Held by\n{holder}, {share}% of it, and {others} others" in timeline.text("#details")


def test_a_wait_looks_like_one_however_wide_it_is(show: Open) -> None:
    """At least a quarter of it is hatching that no label covers, and its label covers no more than letters need."""
    timeline = show(documents.small())
    for zoom in range(7):
        place = timeline.where("wait", 3)
        if place["width"] < 8:
            break
        left = place["x"] - place["width"] / 2
        columns = range(3, int(place["width"]) - 3)
        red = [x for x in columns if is_red(timeline, left + x, place["y"])]
        right = [x for x in red if x > 0.8 * place["width"]]
        assert len(red) > len(columns) / 10, f"zoomed out {zoom} times"
        assert right, f"zoomed out {zoom} times"
        timeline.press("-") if zoom else timeline.press("+", "+", "+")


def is_red(timeline: browser.Timeline, x: float, y: float) -> bool:
    red, green, blue = timeline.pixel(x, y)
    return red > 150 and green < 110 and blue < 110


@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080)])
def test_the_table_shows_its_columns_and_can_be_widened(show: Open, size: tuple[int, int]) -> None:
    timeline = show(documents.small(), size=size)
    seen = """[...document.querySelectorAll("#columns th")].filter((cell) => {
        const panel = document.querySelector("aside").getBoundingClientRect();
        return cell.getBoundingClientRect().right <= panel.right + 1;
    }).map((cell) => cell.dataset.column)"""
    assert timeline.page.evaluate(seen)[:5] == ["name", "wait_total", "wait_longest", "contended", "acquired"]
    timeline.page.dblclick("#splitter")
    assert len(timeline.page.evaluate(seen)) == 9
    assert timeline.state["width"] > 300
    picture(timeline, f"wide-table-{size[0]}")
    timeline.page.dblclick("#splitter")
    before = timeline.page.locator("aside").bounding_box()["width"]
    place = timeline.page.locator("#splitter").bounding_box()
    timeline.page.mouse.move(place["x"] + 3, 400)
    timeline.page.mouse.down()
    timeline.page.mouse.move(place["x"] - 97, 400, steps=3)
    timeline.page.mouse.up()
    assert timeline.page.locator("aside").bounding_box()["width"] == pytest.approx(before + 100, abs=3)
    timeline.page.focus("#splitter")
    timeline.press("ArrowRight")
    assert timeline.page.locator("aside").bounding_box()["width"] == pytest.approx(before + 60, abs=3)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_small_window_shows_the_answer_to_a_click(show: Open, scheme: str) -> None:
    timeline = show(documents.small(), scheme, size=(800, 600))
    timeline.click("wait", 3)
    for words in ("MainThread waited 32.5 ms for Lock Shop._orders", "Held by", "Waited at"):
        place = timeline.page.locator(f"#details :text('{words}') >> nth=0").bounding_box()
        assert place["y"] >= 0
        assert place["y"] + place["height"] <= 600, words
    lanes = timeline.page.locator("#lanes").bounding_box()
    assert lanes["height"] > 120, "and the lanes are still there"
    assert timeline.page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    picture(timeline, f"narrow-{scheme}")


def test_lanes_are_as_high_as_what_they_show(show: Open) -> None:
    timeline = show(documents.small())
    whole = timeline.state["laneHeights"]
    timeline.page.evaluate("location.hash = 'at=57000000-59000000'")  # ann holds the orders, and nothing else happens
    timeline.until("interlockTimeline.state().from === 57000000")
    now = timeline.state["laneHeights"]
    assert now[1] < whole[1], "ann held two locks at a time, and marks stood below them"
    assert now[0] <= whole[0]


def test_a_zoom_keeps_the_lane_under_the_pointer(show: Open) -> None:
    timeline = show(documents.busy(20_000, threads=60))
    timeline.page.mouse.move(700, 500)
    timeline.page.mouse.wheel(0, 600)
    timeline.until("interlockTimeline.state().scrollTop === 600")
    timeline.page.mouse.click(700, 500)
    party = (timeline.state["selected"] or {}).get("party")
    where = f"interlockTimeline.laneTop({party})"
    before = timeline.page.evaluate(where)
    for _ in range(3):
        timeline.wheel(-400, "Control")
    assert timeline.page.evaluate(where) == pytest.approx(before, abs=2)


def test_the_state_of_the_view_is_in_the_address(show: Open) -> None:
    document = documents.busy(3000, threads=8, tasks=80)
    timeline = show(document)
    assert "#" not in timeline.page.url
    timeline.press("n", "+")
    timeline.page.fill("#lane-filter", "request")
    timeline.page.select_option("#sorting", "waited")
    timeline.page.uncheck("input[aria-label='Show Semaphore cache']")
    drag(timeline, 50, 150, y=52)
    timeline.press("n")
    timeline.page.click("[data-layer=arrows]")
    state = timeline.state
    timeline.until("location.hash.slice(1) === interlockTimeline.state().fragment")
    fragment = "#" + timeline.page.url.partition("#")[2]
    again = show(document, fragment=fragment)
    other = again.state
    for key in ("selected", "lanes", "shown", "range", "fragment"):
        assert other[key] == state[key], key
    assert (other["from"], other["to"]) == (pytest.approx(state["from"], abs=1), pytest.approx(state["to"], abs=1))
    assert again.text("#details") == timeline.text("#details")
    # An address that is changed by hand is followed, and one that makes no sense shows the whole.
    again.page.evaluate("location.hash = 'at=9-1&on=w999999&hide=x'")
    again.until("interlockTimeline.state().from === 0")
    assert again.state["selected"] is None
    assert again.state["to"] == document["duration"]


def test_lanes_are_filtered_by_name(show: Open) -> None:
    document = documents.busy(3000, threads=8, tasks=80)
    timeline = show(document)
    timeline.press("f")
    timeline.page.keyboard.type("REQUEST-7")
    assert timeline.state["lanes"] == ["request-7", *(f"request-{n}" for n in range(70, 80))]
    assert timeline.text("#hidden-lanes") == "77 lanes have not the name and are hidden."
    timeline.press("Enter", "n")
    assert set(timeline.state["lanes"]) != {"request-7"}
    timeline.page.fill("#lane-filter", "worker-3")
    # A link to a lane that is filtered out ends the filter.
    timeline.press("n", "n")
    timeline.page.click("#details dd button >> nth=0")
    timeline.page.fill("#lane-filter", "")
    assert len(timeline.state["lanes"]) == 88


def test_groups_can_be_folded(show: Open) -> None:
    timeline = show(documents.busy(3000, threads=8, tasks=80))
    box = timeline.page.locator("#canvas").bounding_box()
    timeline.page.mouse.click(box["x"] + 60, box["y"] + 10)
    assert timeline.state["lanes"][0] == "request-0"
    timeline.page.mouse.click(box["x"] + 60, box["y"] + 10)
    assert timeline.state["lanes"][0] == "worker-0"


def test_thousands_of_lanes(show: Open) -> None:
    timeline = show(documents.crowd(5_000))
    assert timeline.page.get_attribute("#in-view", "aria-pressed") == "true"
    timeline.press("n")
    state = timeline.state
    assert 0 < len(state["lanes"]) < 1_000, "what has nothing in the window is out of the way"
    assert "nothing in this window" in timeline.text("#hidden-lanes")
    assert (
        timeline.where("wait", state["selected"]["span"] - timeline.page.evaluate("interlockTimeline.holds"))["width"]
        > 100
    )
    picture(timeline, "thousands")
    box = timeline.page.locator("#lanes").bounding_box()
    timeline.page.mouse.move(box["x"] + 700, box["y"] + 300)
    frames = []
    for turn in (-200, 200, 200, 200, 200, -200):
        timeline.wheel(turn, "Control")
        frames.append(timeline.state["paintedIn"])
    assert sorted(frames)[3] < 2_000
    timeline.page.fill("#lane-filter", "request-4999")
    timeline.press("Enter", "0")
    assert timeline.state["lanes"] == ["request-4999"]


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
    timeline.page.mouse.move(box["x"] + 600, box["y"] + 200)
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
        timeline.wheel(-200, "Control")
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
