"""A program must not notice that it runs under `interlock run`.

Each program here runs under python and under interlock. Output, errors and exit code have to be the same to the byte.
To add one, add its text to a table; the key says what is at stake.
"""

import inspect
import os
import py_compile
import zipfile
from pathlib import Path

import pytest
from launch import INTERLOCK, ROOT, assert_same, python

ENDINGS = {
    "runs off its end": "print('done')",
    "exit()": "import sys; sys.exit()",
    "exit code": "import sys; sys.exit(7)",
    "exit code beyond a byte": "import sys; sys.exit(256 + 3)",
    "exit message": "import sys; sys.exit('out of paper')",
    "exit object": "import sys; sys.exit([1, 2])",
    "exit True": "import sys; sys.exit(True)",
    "raises SystemExit of its own": """
        class Stop(SystemExit):
            pass
        raise Stop(5)
    """,
    "exits by builtin": "exit(4)",
    "error": """
        def inner():
            raise ValueError("bad: \\N{SNOWMAN}")
        def outer():
            inner()
        outer()
    """,
    "error at module level": "1 / 0",
    "error with a cause": """
        try:
            {}["missing"]
        except KeyError as error:
            raise RuntimeError("no such thing") from error
    """,
    "error while handling another": """
        try:
            {}["missing"]
        except KeyError:
            nonsense
    """,
    "error group with notes": """
        error = ValueError("one")
        error.add_note("a note")
        try:
            raise error
        except ValueError as first:
            raise ExceptionGroup("both", [first, TypeError("two")])
    """,
    "error raised again": """
        def fail():
            raise ValueError("first")
        try:
            fail()
        except ValueError as caught:
            kept = caught
        raise kept
    """,
    "error that cannot be printed": """
        class Mute(Exception):
            def __str__(self):
                raise TypeError
        raise Mute
    """,
    "syntax error in what it compiles": "compile('a b', '<text>', 'exec')",
    "error in an exec without names": "exec('raise ValueError(1)', {'__name__': None})",
    "assertion": "assert 1 == 2, 'sums'",
    "KeyboardInterrupt": "raise KeyboardInterrupt",
    "KeyboardInterrupt of its own": """
        class Stop(KeyboardInterrupt):
            pass
        raise Stop
    """,
    "SIGINT": """
        import atexit, os, signal
        atexit.register(print, 'atexit')
        def inner():
            os.kill(os.getpid(), signal.SIGINT)
            while True:
                pass
        inner()
    """,
    "GeneratorExit": "raise GeneratorExit",
    "excepthook": """
        import sys
        def hook(kind, error, traceback):
            frames = []
            while traceback is not None:
                frames.append((traceback.tb_frame.f_code.co_name, traceback.tb_lineno))
                traceback = traceback.tb_next
            print(kind, error, frames, sys.excepthook is hook, sys.exc_info(), sys.last_value is error)
        sys.excepthook = hook
        def f():
            raise ValueError(1)
        f()
    """,
    "excepthook that fails": """
        import sys
        def hook(kind, error, traceback):
            raise KeyError("in the hook")
        sys.excepthook = hook
        1 / 0
    """,
    "excepthook that exits": """
        import sys
        def hook(kind, error, traceback):
            sys.exit(9)
        sys.excepthook = hook
        1 / 0
    """,
    "excepthook that is set back": """
        import sys
        sys.excepthook = lambda *_: print('never')
        sys.excepthook = sys.__excepthook__
        1 / 0
    """,
    "last error, seen at exit": """
        import atexit, sys, traceback
        def look():
            print(sys.last_type, sys.last_value, traceback.format_tb(sys.last_traceback))
            print(traceback.format_tb(sys.last_value.__traceback__), getattr(sys, 'last_exc', None))
            print(sys.excepthook is sys.__excepthook__)
        atexit.register(look)
        1 / 0
    """,
    "tracebacklimit": """
        import sys
        sys.tracebacklimit = 1
        def f(): g()
        def g(): 1 / 0
        f()
    """,
    "error at exit": """
        import atexit
        @atexit.register
        def fail():
            1 / 0
    """,
    "exit at exit": """
        import atexit, sys
        atexit.register(sys.exit, 3)
    """,
    "error in a thread": """
        import threading
        def fail():
            raise ValueError("in a thread")
        thread = threading.Thread(target=fail, name="worker")
        thread.start()
        thread.join()
    """,
    "error in a deallocator": """
        class Bad:
            def __del__(self):
                raise ValueError("while dying")
        Bad()
    """,
    "stdin is read": "import sys; print(sys.stdin.read())",
    "stdin is left alone": "print('not interested')",
    "output without line end": "print('a', end='')",
    "stdout closed": "import sys; print('x'); sys.stdout.close()",
    "stdout replaced": """
        import io, sys
        sys.stdout = io.StringIO()
        print('into nothing')
    """,
    "stderr replaced": """
        import io, sys
        sys.stderr = io.StringIO()
        1 / 0
    """,
}

MAINS = {
    "globals": """
        def show(value):
            return repr(value) if value is None or isinstance(value, (str, dict)) else type(value)
        for name, value in sorted(globals().items()):
            print(name, show(value))
    """,
    "docstring": '''"""About me."""\nprint(__doc__)\n''',
    "annotations": "x: int = 1\nprint(__annotations__)",
    "is the main module": """
        import sys, __main__
        print(__main__.__dict__ is globals(), sys.modules['__main__'] is __main__)
        assert __builtins__ is sys.modules['builtins']
    """,
    "argv and path": "import sys; print(sys.argv, sys.path, sys.orig_argv[0] == sys.executable)",
    "no future flags of ours": """
        def f(x: undefined): pass
    """,
    "its own future flags": """
        from __future__ import annotations
        def f(x: undefined): pass
        print(f.__annotations__)
    """,
    "pickles its classes": """
        import pickle
        class Thing: pass
        text = pickle.dumps(Thing())
        print(text, type(pickle.loads(text)) is Thing)
    """,
    "dataclass": """
        import dataclasses, typing
        @dataclasses.dataclass
        class Point:
            x: "int"
            y: "typing.ClassVar[int]" = 2
        print(Point(1), typing.get_type_hints(Point))
    """,
    "finds its source": """
        import inspect, linecache
        def f():
            return 1
        class C:
            pass
        print(inspect.getsource(f), inspect.getsource(C), linecache.getline(__file__, 2))
    """,
    "guard": """
        if __name__ == "__main__":
            print("main")
    """,
    "warnings": """
        import warnings
        def f():
            warnings.warn("old", DeprecationWarning, stacklevel=2)
        f()
        print("\\d" == "\\\\d")
    """,
    "coding cookie": "# -*- coding: latin-1 -*-\nprint(ascii('\xe4'))\n".encode("latin-1"),
    "byte order mark": b"\xef\xbb\xbfprint('bom')\n",
    "other line ends": b"x = '''a\r\nb'''\r\nprint(repr(x))\r\n",
    "form feed and no last line end": b"\x0cprint('end')",
    "empty": b"",
    "shebang": b"#!/usr/bin/env python3\nprint('hi')\n",
}

LIFETIMES = {
    "a thread outlives the main one": """
        import sys, threading, time
        word = "still here"
        def work():
            main.join()
            print(word, __file__ is not None)
        main = threading.main_thread()
        threading.Thread(target=work).start()
        sys.exit(3)
    """,
    "a thread outlives an error": """
        import threading
        word = "still here"
        def work():
            threading.main_thread().join()
            print(word)
        threading.Thread(target=work).start()
        1 / 0
    """,
    "atexit functions find their globals": """
        import atexit
        word = "still here"
        @atexit.register
        def last():
            print(word, __name__)
    """,
    "threads before atexit, atexit in reverse": """
        import atexit, threading
        def work():
            threading.main_thread().join()
            print("thread")
        atexit.register(print, "first")
        atexit.register(print, "second")
        threading.Thread(target=work).start()
    """,
    "globals die in the usual order": """
        class Loud:
            def __init__(self, name):
                self.name = name
            def __del__(self):
                print("dead", self.name)
        a = Loud("a")
        b = Loud("b")
        _c = Loud("c")
    """,
    "daemon threads are at work": """
        import threading
        lock, started = threading.Lock(), threading.Semaphore(0)
        def work():
            started.release()
            while True:
                with lock:
                    pass
        for _ in range(4):
            threading.Thread(target=work, daemon=True).start()
        for _ in range(4):
            started.acquire()
    """,
    "daemon threads are blocked": """
        import threading
        lock, started = threading.Lock(), threading.Semaphore(0)
        def work():
            started.release()
            lock.acquire()
        lock.acquire()
        for _ in range(4):
            threading.Thread(target=work, daemon=True).start()
        for _ in range(4):
            started.acquire()
    """,
    "locks are used at exit": """
        import atexit, threading
        lock = threading.RLock()
        @atexit.register
        def last():
            with lock, lock:
                print(lock.acquire(blocking=False), threading.current_thread().name)
    """,
    "a thread subclass and a timer": """
        import threading
        class Worker(threading.Thread):
            def run(self):
                print("run", self.name)
        worker = Worker(name="w")
        worker.start()
        worker.join()
        timer = threading.Timer(0, print, ["timer"])
        timer.start()
        timer.join()
        print(worker.is_alive(), threading.active_count())
    """,
    "asyncio": """
        import asyncio
        async def main():
            return await asyncio.to_thread(lambda: 5)
        print(asyncio.run(main()))
    """,
    "asyncio interrupted": """
        import asyncio, os, signal
        async def main():
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(60)
        try:
            asyncio.run(main())
        except KeyboardInterrupt:
            print("interrupted")
    """,
    "a pool of threads, not shut down": """
        from concurrent.futures import ThreadPoolExecutor
        pool = ThreadPoolExecutor(2)
        future = pool.submit(pow, 2, 5)
        future.add_done_callback(lambda future: print(future.result()))
    """,
    "queue and logging": """
        import logging, queue, threading
        logging.basicConfig(format="%(threadName)s %(message)s")
        items = queue.Queue()
        def work():
            while (item := items.get()) is not None:
                logging.warning("item %s", item)
                items.task_done()
        thread = threading.Thread(target=work, name="worker")
        thread.start()
        for item in 1, 2, 3:
            items.put(item)
        items.join()
        items.put(None)
        thread.join()
    """,
    "faulthandler": """
        import faulthandler
        faulthandler.enable()
        print(faulthandler.is_enabled())
    """,
    "a forked child ends by itself": """
        import atexit, os, sys
        atexit.register(lambda: print("at exit", flush=True))
        child = os.fork()
        if child == 0:
            sys.exit(5)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """,
    "processes, forked": """
        import multiprocessing
        def square(x):
            return x * x
        if __name__ == "__main__":
            with multiprocessing.get_context("fork").Pool(2) as pool:
                print(pool.map(square, range(5)))
    """,
    "processes, spawned": """
        import multiprocessing
        print("main" if __name__ == "__main__" else "child", __name__, flush=True)
        def square(x):
            return x * x
        if __name__ == "__main__":
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                print(pool.map(square, range(5)))
    """,
    "a spawned process fails": """
        import multiprocessing
        def fail():
            raise ValueError("in the child")
        if __name__ == "__main__":
            process = multiprocessing.get_context("spawn").Process(target=fail, name="child")
            process.start()
            process.join()
            print(process.exitcode)
    """,
    "a process from a forked one": """
        from concurrent.futures import ProcessPoolExecutor
        import multiprocessing
        if __name__ == "__main__":
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("forkserver")) as pool:
                print(pool.submit(pow, 2, 5).result())
    """,
}

REPORTED_AT_ONCE = {
    "os._exit": "import os; print('x', flush=True); os._exit(6)",
    "os._exit in a thread": """
        import os, threading, time
        threading.Thread(target=os._exit, args=(6,)).start()
        time.sleep(60)
    """,
    "killed": "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "hung up": "import os, signal; os.kill(os.getpid(), signal.SIGHUP)",
    "stderr closed": "import sys; sys.stderr.close(); print('x')",
    "stderr's descriptor closed": "import os; os.close(2); print('x')",
}
UNREPORTED = {
    "alarm": "import signal; signal.raise_signal(signal.SIGALRM)",
    "killed for good": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "a child killed": """
        import os, signal
        for _ in range(20):  # the signal comes before the child is set up, in it, or after that
            child = os.fork()
            while not child: signal.pause()
            os.kill(child, signal.SIGTERM)
            print(os.WTERMSIG(os.waitpid(child, 0)[1]), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """,
    "aborted": "import os; os.abort()",
    "another program takes over": "import os, sys; os.execv(sys.executable, [sys.executable, '-c', 'print(1)'])",
}


def write(path: Path, program: str | bytes) -> None:
    if isinstance(program, str):
        program = inspect.cleandoc(program).encode()
    path.write_bytes(program)


@pytest.mark.parametrize("what", [*ENDINGS, *MAINS, *LIFETIMES])
def test_a_file(tmp_path: Path, what: str) -> None:
    write(tmp_path / "prog.py", {**ENDINGS, **MAINS, **LIFETIMES}[what])
    assert_same(tmp_path, "prog.py", "one", stdin=b"typed\n")


@pytest.mark.parametrize("what", REPORTED_AT_ONCE)
def test_with_a_report_at_once(tmp_path: Path, what: str) -> None:
    write(tmp_path / "prog.py", REPORTED_AT_ONCE[what])
    assert_same(tmp_path, "prog.py")


@pytest.mark.parametrize("what", UNREPORTED)
def test_without_a_report(tmp_path: Path, what: str) -> None:
    write(tmp_path / "prog.py", UNREPORTED[what])
    assert_same(tmp_path, "prog.py", reports=False)


# For these, python shows the program the frames of runpy, which is none of its business.
SEES_FRAMES = {"excepthook", "last error, seen at exit"}


MODULES = [what for what in [*ENDINGS, *MAINS] if what not in SEES_FRAMES]


def assert_same_as_module(tmp_path: Path, what: str) -> None:
    (tmp_path / "pack").mkdir()
    write(tmp_path / "pack" / "__init__.py", "")
    write(tmp_path / "pack" / "prog.py", {**ENDINGS, **MAINS}[what])
    assert_same(tmp_path, "-m", "pack.prog", "one", stdin=b"typed\n")


@pytest.mark.parametrize("what", MODULES[::8])  # tests/slow has all of them
def test_a_module(tmp_path: Path, what: str) -> None:
    assert_same_as_module(tmp_path, what)


# --- where it is found --------------------------------------------------------------------------------------------

WHERE = """
    '''Where am I?'''
    import sys
    import beside
    print(sys.argv, sys.path, __name__, __file__, __package__, __spec__, __loader__, __cached__)
    raise ValueError(beside.__file__)
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Programs in all the forms that python takes, each with a module beside it."""
    for place in tmp_path, tmp_path / "pack", tmp_path / "pack" / "deep":
        place.mkdir(exist_ok=True)
        for name in "prog.py", "__main__.py":
            write(place / name, WHERE)
        write(place / "beside.py", "")
    write(tmp_path / "pack" / "__init__.py", "import sys; print('package', sys.argv)")
    (tmp_path / "link.py").symlink_to("pack/prog.py")
    (tmp_path / "link to link.py").symlink_to("link.py")
    (tmp_path / "folder").symlink_to("pack")
    with zipfile.ZipFile(tmp_path / "app.zip", "w") as archive:
        for name in "__main__.py", "prog.py", "beside.py":
            archive.write(tmp_path / name, name)
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        ["prog.py"],
        ["./prog.py"],
        ["pack/prog.py", "-m", "x"],
        ["pack/../prog.py"],
        ["pack//prog.py"],
        ["link.py"],
        ["link to link.py"],
        ["folder/prog.py"],
        ["pack"],
        ["pack/"],
        ["folder"],
        ["."],
        [""],
        ["app.zip", "--quiet"],
        ["-m", "prog"],
        ["-m", "pack.prog", "-x", "--", "y"],
        ["-m", "pack"],
        ["-m", "pack.deep"],
        ["-mprog", "x"],
    ],
    ids=" ".join,
)
def test_where(tree: Path, command: list[str]) -> None:
    (tree / "pack" / "deep" / "__init__.py").touch()
    assert_same(tree, *command)


@pytest.mark.parametrize("command", ["prog.py", "pack/prog.py", "pack", "app.zip"])
def test_safe_path(tree: Path, command: str) -> None:
    assert_same(tree, command, flags=["-P"])
    assert_same(tree, command, environment={"PYTHONSAFEPATH": "1"})


def test_absolute(tree: Path) -> None:
    assert_same(tree, str(tree / "prog.py"))
    assert_same(tree / "pack", str(tree / "app.zip"))


def test_compiled(tree: Path) -> None:
    py_compile.compile(str(tree / "prog.py"), str(tree / "compiled.pyc"), doraise=True)
    assert_same(tree, "compiled.pyc")


@pytest.mark.parametrize("command", [["prog.py"], ["-m", "prog"]], ids=" ".join)
def test_a_directory_that_is_gone(tree: Path, command: list[str]) -> None:
    write(tree / "prog.py", "import sys; print(sys.argv, sys.path)")
    go = "import os, sys; os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone');"
    start = f"{go} os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    place = {"PYTHONPATH": os.pathsep.join([str(tree), ROOT])}
    if command == ["prog.py"]:
        command = [str(tree / "prog.py")]
    alone = python("-c", start, *command, cwd=tree, environment=place)
    ours = python("-c", start, *INTERLOCK, "run", "--quiet", *command, cwd=tree, environment=place)
    assert ours == alone


def test_an_error_in_the_package_of_a_module(tree: Path) -> None:
    write(tree / "pack" / "__init__.py", "def f():\n    1 / 0\nf()")
    assert_same(tree, "-m", "pack.prog")
    write(tree / "pack" / "__init__.py", "import broken")
    write(tree / "broken.py", "a b")
    assert_same(tree, "-m", "pack.prog")


def test_a_module_that_its_package_has_imported(tree: Path) -> None:
    write(tree / "pack" / "early.py", "print(__name__)")
    write(tree / "pack" / "__init__.py", "import pack.early")
    assert_same(tree, "-m", "pack.early")  # with runpy's warning


def test_names_that_are_not_text(tree: Path) -> None:
    name = os.fsdecode(b"caf\xe9.py")
    write(tree / name, WHERE)
    assert_same(tree, name, name, environment={"PYTHONIOENCODING": "utf-8:surrogateescape"})


def test_a_syntax_error_in_an_import(tree: Path) -> None:
    write(tree / "broken.py", "x = (")
    write(tree / "importer.py", "def f():\n    import broken\nf()")
    assert_same(tree, "importer.py")
    assert_same(tree, "-m", "importer")


# --- how the interpreter was started ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "flags", [["-X", "dev"], ["-W", "error"], ["-b"], ["-O"], ["-u"], ["-B"], ["-X", "utf8=0"]], ids=" ".join
)
def test_flags(tmp_path: Path, flags: list[str]) -> None:
    write(tmp_path / "prog.py", "import sys; print(sys.flags, sys.warnoptions, sys._xoptions)\nassert False")
    assert_same(tmp_path, "prog.py", flags=flags)


def test_interactive_afterwards(tmp_path: Path) -> None:
    write(tmp_path / "prog.py", "word = 'still here'\ndef f():\n    1 / 0\nf()")
    typed = b"print(word, __name__)\nimport sys\nprint(sys.last_value)\n"
    assert_same(tmp_path, "prog.py", flags=["-i", "-q"], stdin=typed)
    write(tmp_path / "prog.py", "word = 'still here'")
    assert_same(tmp_path, "prog.py", flags=["-i", "-q"], stdin=typed)


@pytest.fixture
def installed(tree: Path) -> Path:
    """The `interlock` command as an installer writes it."""
    (tree / "bin").mkdir()
    command = tree / "bin" / "interlock"
    write(command, "import sys\nfrom interlock.cli import main\nsys.exit(main())")
    return command


@pytest.mark.parametrize("command", [["prog.py"], ["-m", "pack.prog"], ["app.zip"], ["pack", "x"]], ids=" ".join)
def test_the_installed_command(tree: Path, installed: Path, command: list[str]) -> None:
    # What the other tests compare with python. Its own directory must not be left in sys.path.
    by_module = python(*INTERLOCK, "run", "--quiet", *command, cwd=tree)
    by_command = python(installed, "run", "--quiet", *command, cwd=tree)
    assert by_command == by_module
    assert "ValueError" in by_command.err


def test_few_modules_are_loaded_for_it(tmp_path: Path, installed: Path) -> None:
    """Each costs the program time, and hides a module beside the program that has its name."""
    write(tmp_path / "prog.py", "import sys; print(*sorted(sys.modules))")
    loaded = set(python(installed, "run", "prog.py", cwd=tmp_path).out.split())
    needed = "import sys, interlock.core.kernel.probe, interlock.dropin; print(*sorted(sys.modules))"
    more = loaded - set(python("-c", needed, cwd=tmp_path).out.split())
    assert {name for name in more if name.partition(".")[0] != "interlock"} <= {
        *("atexit", "collections.abc", "enum", "signal", "warnings", "_posixsubprocess"),
        *("collections", "_collections", "itertools", "keyword", "operator", "_operator", "reprlib"),
        *("importlib", "importlib._bootstrap", "importlib._bootstrap_external", "importlib.machinery"),
        *("enum", "signal"),  # for the dump on a keystroke; whoever only imports interlock does without
    }
