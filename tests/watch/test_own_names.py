"""Reports and recordings call waits by their own names, and fold away what the standard library made for itself."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import asyncio, queue, threading, time
from concurrent.futures import ThreadPoolExecutor

def resize(page):
    time.sleep(0.02)
    return page

images = ThreadPoolExecutor(1, thread_name_prefix="images")
jobs = queue.Queue()

def feed():
    for number in range(3):
        time.sleep(0.02)
        jobs.put(number)

for each in [images.submit(resize, page) for page in range(3)]:
    each.result()
feeder = threading.Thread(target=feed, name="feeder")
feeder.start()
for _ in range(3):
    jobs.get()
feeder.join()

async def flush():
    await asyncio.sleep(0.02)

async def main():
    flushing = asyncio.create_task(flush(), name="flushing")
    await flushing
    await asyncio.gather(*[asyncio.create_task(flush(), name=f"part-{number}") for number in range(2)])

asyncio.run(main())
"""


def interlock(directory: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "interlock", *words],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    directory = tmp_path_factory.mktemp("names")
    (directory / "prog.py").write_text(PROGRAM)
    ended = interlock(directory, "run", "--record", "prog.rec", "prog.py")
    assert ended.returncode == 0, ended.stderr
    return directory, ended.stderr


def test_a_recording_calls_futures_by_their_jobs(recorded: tuple[Path, str]) -> None:
    text = interlock(recorded[0], "report", "prog.rec").stdout
    assert "result of job resize(2) in pool images" in text
    # Who made them wait: the job, and not the line of the standard library that set the future.
    assert "prog.py:5 in resize" in text
    assert "set_result" not in text


def test_a_recording_says_what_is_done_with_a_queue(recorded: tuple[Path, str]) -> None:
    text = interlock(recorded[0], "report", "prog.rec").stdout
    assert "get from Queue jobs" in text


def test_a_recording_has_what_tasks_await(recorded: tuple[Path, str]) -> None:
    text = interlock(recorded[0], "report", "prog.rec").stdout
    assert "await flushing" in text
    assert "await part-0, part-1" in text
    blamed = text.partition("Who made them wait")[2]
    assert "in flush" in blamed


def test_what_the_standard_library_made_is_folded_away(recorded: tuple[Path, str]) -> None:
    directory, report = recorded
    for text in report, interlock(directory, "report", "prog.rec").stdout:
        assert "_shutdown_lock" not in text
        assert "that the standard library made for itself" in text
    for text in (
        interlock(directory, "report", "--internals", "prog.rec").stdout,
        interlock(directory, "run", "--internals", "prog.py").stderr,
    ):
        assert "_shutdown_lock" in text


def test_the_report_of_a_run_calls_futures_by_the_line_that_submits(recorded: tuple[Path, str]) -> None:
    assert "result of job resize(page) in pool images" in recorded[1]


def test_a_page_has_those_names(recorded: tuple[Path, str]) -> None:
    directory = recorded[0]
    assert interlock(directory, "report", "--timeline", "page.html", "prog.rec").returncode == 0
    page = (directory / "page.html").read_text(encoding="utf-8")
    assert "result of job resize(2) in pool images" in page
    assert "await flushing" in page
    assert '"get from"' in page  # what was done with the queue, for each line that waited for it


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("pool = ThreadPoolExecutor(1)\njob = pool.submit(int, '1')", "result of job int('1') in pool pool"),
        ("pool = ThreadPoolExecutor(1)\njobs = list(pool.map(int, '1'))", "result of job int(...) in pool pool"),
        ("from concurrent.futures import Future\nreply = Future()\nreply.set_result(1)", "result of reply"),
        ("pool = ThreadPoolExecutor(1)\nsubmit = pool.submit\njob = submit(int, '1')", "result of job int('1')"),
    ],
)
def test_what_a_future_is_called(tmp_path: Path, source: str, name: str) -> None:
    (tmp_path / "prog.py").write_text(f"from concurrent.futures import ThreadPoolExecutor\n{source}\n")
    assert name in interlock(tmp_path, "run", "prog.py").stderr


def test_what_still_waits_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "prog.py").write_text(
        "import asyncio, threading\n"
        "async def sleeps(): await asyncio.sleep(100)\n"
        "async def main():\n"
        "    task = asyncio.create_task(sleeps(), name='sleeper')\n"
        "    await asyncio.wait({task})\n"
        "threading.Thread(target=asyncio.run, args=(main(),), daemon=True).start()\n"
        "import time; time.sleep(0.5)\n"
    )
    text = interlock(tmp_path, "run", "prog.py").stderr
    assert "for task sleeper" in text
