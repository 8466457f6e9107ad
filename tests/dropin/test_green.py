"""gevent and eventlet patch `threading` before us or after us: the program works, and one line says who does."""

import importlib.util
import subprocess
import sys
import textwrap

import pytest

PATCH = {
    "gevent": "import gevent.monkey; gevent.monkey.patch_all()",
    "eventlet": "import warnings; warnings.simplefilter('ignore'); import eventlet; eventlet.monkey_patch()",
}
SPAWN = {
    "gevent": "import gevent\njobs = [gevent.spawn(green, n) for n in 'abc']\ngevent.joinall(jobs, timeout=30)",
    "eventlet": "pool = eventlet.GreenPool()\nfor n in 'abc': pool.spawn_n(green, n)\npool.waitall()",
}
PROGRAM = """
import logging, queue, threading, time
logging.basicConfig(format="%(message)s", level=logging.INFO)
lock, condition, done = threading.Lock(), threading.Condition(), []
event, semaphore, jobs_of_all = threading.Event(), threading.Semaphore(1), queue.Queue(1)

def green(name):
    for turn in range(3):
        with lock, semaphore:
            time.sleep(0.001)
            logging.info("%s %s", name, turn)
    with condition:
        done.append(name)
        condition.notify_all()
    event.wait(0.001)
    jobs_of_all.put(name)

def take():
    with condition:
        condition.wait_for(lambda: done)
    for _ in range(4):
        jobs_of_all.get()

taker = threading.Thread(target=take)
taker.start()
{spawn}
thread = threading.Thread(target=green, args=("t",))
thread.start()
thread.join()
taker.join()
print(sorted(done), type(lock).__module__.startswith("interlock"))
"""


def run(program: str) -> tuple[str, str]:
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout, ran.stderr


@pytest.fixture(params=PATCH)
def green(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed: it is no pure Python, so it stands in the extra 'green', not in 'test'")
    return name


@pytest.mark.parametrize("order", ["before", "after", "imported before, patched after"])
def test_the_program_works_and_is_told(green: str, order: str) -> None:
    install = "import interlock; interlock.install()"
    lines = {
        "before": [PATCH[green], install],
        "after": [install, PATCH[green]],
        "imported before, patched after": [PATCH[green].rpartition(";")[0], install, PATCH[green]],
    }[order]
    printed, errors = run("\n".join([*lines, PROGRAM.format(spawn=SPAWN[green])]))
    assert printed == "['a', 'b', 'c', 't'] False\n"
    assert errors.count(f"interlock: {green} patches threading") == 1


def test_where_threads_are_left_alone_ours_stay(green: str) -> None:
    patch = {
        "gevent": "import gevent.monkey; gevent.monkey.patch_all(thread=False)",
        "eventlet": "import warnings; warnings.simplefilter('ignore'); import eventlet; "
        "eventlet.monkey_patch(socket=True)",
    }[green]
    printed, errors = run(
        f"import interlock; interlock.install()\n{patch}\n"
        "import threading; print(threading.Lock is interlock.Lock); interlock.uninstall(); "
        "print(threading.Lock is interlock.Lock)"
    )
    assert printed == "True\nFalse\n"
    assert "patches threading" not in errors
