"""What our objects mend of asyncio's is said once, with the line and the right call; else nothing is said."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))
from launch import INTERLOCK, PATIENCE, start

SAID = "It works here because interlock"


def run(directory: Path, program: str) -> str:
    (directory / "prog.py").write_text(program)
    with start(*INTERLOCK, "run", "--quiet", "prog.py", cwd=directory) as process:
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err.decode()
    return err.decode()


FROM_AFAR = """
import asyncio, threading

async def main():
    for _ in range(2):
        event = asyncio.Event()
        def work():
            event.set()
        threading.Timer(0.1, work).start()
        await event.wait()

asyncio.run(main())
"""


def test_an_event_set_by_another_thread(tmp_path: Path) -> None:
    err = run(tmp_path, FROM_AFAR)
    assert err.count(SAID) == 1
    assert "asyncio.Event.set is called by another thread than its loop's, at prog.py:8 in work" in err
    assert "call_soon_threadsafe" in err


CONDITION = """
import asyncio

async def waiter(condition):
    async with condition:
        await condition.wait()

async def main():
    for _ in range(2):
        condition = asyncio.Condition()
        tasks = [asyncio.create_task(waiter(condition)) for _ in range({tasks})]
        await asyncio.sleep(0.05)
        {before}
        async with condition:
            condition.{notify}()
            {after}
        await asyncio.wait(tasks)

asyncio.run(main())
"""


@pytest.mark.parametrize("pause", ["", "await asyncio.sleep(0.05); "])
def test_a_notified_waiter_that_is_cancelled(tmp_path: Path, pause: str) -> None:
    program = CONDITION.format(tasks=2, before="", notify="notify", after=f"{pause}tasks[0].cancel()")
    err = run(tmp_path, program)
    if sys.version_info >= (3, 13):
        assert SAID not in err  # asyncio's own does so, too
    else:
        assert err.count(SAID) == 1
        assert "the task that asyncio.Condition.notify() had woken was cancelled, at prog.py:6 in waiter" in err
        assert "Use notify_all() at prog.py:15 in main" in err


@pytest.mark.parametrize(
    ("tasks", "before", "notify", "after"),
    [
        (2, "", "notify_all", "tasks[0].cancel()"),  # all know
        (2, "tasks[0].cancel(); await asyncio.sleep(0)", "notify", "pass"),  # it had not been notified
        (1, "", "notify", "tasks[0].cancel()"),  # nobody else waits
        (2, "", "notify_all", "pass"),
    ],
)
def test_what_asyncio_does_as_well(tmp_path: Path, tasks: int, before: str, notify: str, after: str) -> None:
    assert SAID not in run(tmp_path, CONDITION.format(tasks=tasks, before=before, notify=notify, after=after))


def test_our_own_promise_it(tmp_path: Path) -> None:
    program = CONDITION.format(tasks=2, before="", notify="notify", after="tasks[0].cancel()")
    program = program.replace("import asyncio\n", "import asyncio, interlock\n").replace(
        "asyncio.Condition()", "interlock.Condition()"
    )
    program = program.replace("condition.wait()", "condition.wait_async()")
    assert SAID not in run(tmp_path, program)
