"""Chromium without a window, and a page in it that is watched for what it must not do."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FLAGS = [
    "--headless",
    "--no-sandbox",  # which refuses to run as root, as in a container
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def browser() -> Iterator[Any]:
    """A Chromium with a profile of its own that is gone afterwards."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=chromium(), args=FLAGS, headless=True, viewport={"width": 1440, "height": 900}
        )
        try:
            yield context
        finally:
            context.close()


class Timeline:
    """The timeline page, open in a browser, as a user has it before them."""

    def __init__(
        self, context: Any, path: Path, scheme: str = "light", fragment: str = "", size: tuple[int, int] = (1440, 900)
    ) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page = context.new_page()
        self.page.set_viewport_size({"width": size[0], "height": size[1]})
        self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.address = path.as_uri()
        self.page.goto(self.address + fragment)
        self.still()

    def until(self, condition: str) -> None:
        # The page's policy forbids the eval that Playwright's own waiting needs.
        self.page.evaluate(
            "new Promise((done) => {"
            f"const look = () => ({condition}) ? done() : requestAnimationFrame(look); look();"
            "})"
        )

    def still(self) -> None:
        self.until("!interlockTimeline.state().moving")

    @property
    def state(self) -> dict[str, Any]:
        self.still()
        return self.page.evaluate("interlockTimeline.state()")  # type: ignore[no-any-return]

    def where(self, kind: str, index: int) -> dict[str, float]:
        self.still()
        place = self.page.evaluate("([kind, index]) => interlockTimeline.where(kind, index)", [kind, index])
        assert place is not None, f"{kind} {index} is not on the page"
        return place  # type: ignore[no-any-return]

    def click(self, kind: str, index: int) -> None:
        place = self.where(kind, index)
        self.page.mouse.click(place["x"], place["y"])

    def wheel(self, turned: float, key: str) -> None:
        """Turn the wheel where the pointer is, with a key held down."""
        before = self.state
        self.page.keyboard.down(key)
        self.page.mouse.wheel(0, turned)
        self.until(
            f"interlockTimeline.state().from !== {before['from']} || interlockTimeline.state().to !== {before['to']}"
        )
        self.page.keyboard.up(key)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
            self.still()

    def text(self, selector: str) -> str:
        return self.page.inner_text(selector)  # type: ignore[no-any-return]

    def picture(self, path: Path) -> None:
        self.still()
        # Playwright would write the file in a thread that it then keeps.
        path.write_bytes(self.page.screenshot())

    def pixel(self, x: float, y: float) -> tuple[int, ...]:
        """The colour of the lanes at a point of the page, as red, green, blue."""
        found = self.page.evaluate(
            """([x, y]) => {
                const canvas = document.getElementById("canvas");
                const box = canvas.getBoundingClientRect();
                const ratio = canvas.width / box.width;
                const at = [Math.round((x - box.left) * ratio), Math.round((y - box.top) * ratio)];
                // Read from a copy: the browser warns of canvases that are read again and again.
                const copy = new OffscreenCanvas(1, 1).getContext("2d");
                copy.drawImage(canvas, ...at, 1, 1, 0, 0, 1, 1);
                return [...copy.getImageData(0, 0, 1, 1).data];
            }""",
            [x, y],
        )
        return tuple(found[:3])
