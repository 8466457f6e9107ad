"""The pytest plugin: silent until it is asked.

`pytest --interlock` runs every test on interlock's primitives, and a test fails that has a deadlock, takes locks in two
orders, waits for longer than `--interlock-stall`, or leaves a lock held by a thread or task that it has started.

`@pytest.mark.interlock(schedules=500, at="lines")` explores the schedules of a test, with or without `--interlock`: its
fixtures are made once, its function is called once for each schedule. What has failed is kept in `.interlock/explore/`
in the root directory, and is tried first the next time.
"""

import asyncio
import contextlib
import functools
import json
import os
import random
import re
import signal
import threading
import time
import unittest
import zlib
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from _pytest.unittest import TestCaseFunction

import interlock

_STORE = os.path.join(".interlock", "explore")
_LAST_STEPS = 1.0  # seconds; only a thread that goes on uses them up
_OPTIONS = {
    "schedules": int, "seconds": (int, float), "at": str, "seed": int, "strategy": str, "pause": (int, float),
    "order": str, "all": bool, "limit": int,
}  # fmt: skip


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("interlock", "locks, deadlocks, schedules")
    group.addoption(
        "--interlock",
        action="store_true",
        help="run the tests on interlock's primitives: deadlocks, two orders of locks, locks left held are failures",
    )
    group.addoption(
        "--interlock-stall",
        type=float,
        metavar="SECONDS",
        help="with --interlock: a test fails in which a wait without a timeout lasts longer than this",
    )
    group.addoption(
        "--interlock-report", action="store_true", help="with --interlock: show which tests waited for which locks"
    )
    group.addoption("--interlock-replay", metavar="TOKEN", help="run the one schedule of this token in marked tests")
    group.addoption("--interlock-schedules", type=int, metavar="N", help="how many schedules for each marked test")
    group.addoption(
        "--interlock-seed", metavar="N", help="of the schedules of marked tests: a number or 'random' (by their names)"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    # Before any test is imported, so that `from threading import Lock` gets ours.
    if early_config.known_args_namespace.interlock:
        interlock.install(asyncio=True)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "interlock(schedules=1000, at='lines', ...): explore the schedules of this test; the arguments are those of "
        "interlock.explore",
    )
    seed = config.getoption("--interlock-seed")
    if seed is not None and seed != "random" and not seed.lstrip("-").isdecimal():
        raise pytest.UsageError(f"--interlock-seed: not a number, and not 'random': {seed!r}")
    if config.getoption("--interlock"):
        config.pluginmanager.register(_Watch(config), "interlock-watch")
    elif config.getoption("--interlock-stall") is not None or config.getoption("--interlock-report"):
        raise pytest.UsageError("--interlock-stall and --interlock-report go with --interlock")


# --- schedules ----------------------------------------------------------------------------------------------------


@pytest.fixture(name="interlock")
def interlock_fixture(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """`interlock.explore`, with a seed of this test's own."""

    def explore(function: Callable[[], object], **options: Any) -> Any:
        options.setdefault("seed", _seed(request.config, request.node.nodeid))
        return interlock.explore(function, **options)

    return explore


def _seed(config: pytest.Config, name: str) -> int:
    asked = config.getoption("--interlock-seed")
    if asked == "random":
        return random.SystemRandom().getrandbits(31)
    return zlib.crc32(name.encode()) if asked is None else int(asked)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    marker = pyfuncitem.get_closest_marker("interlock")
    if marker is None:
        return None
    _explore(pyfuncitem, marker)
    return True


def _explore(item: pytest.Function, marker: pytest.Mark) -> None:
    __tracebackhide__ = True
    if marker.args:
        pytest.fail("the marker interlock takes arguments by name: interlock(schedules=500)", pytrace=False)
    options = dict(marker.kwargs)
    for name, value in options.items():
        if name not in _OPTIONS or not isinstance(value, _OPTIONS[name]):  # type: ignore[arg-type]
            wrong = "no such argument" if name not in _OPTIONS else f"cannot be {value!r}"
            pytest.fail(f"the marker interlock: {name}: {wrong}; there are {', '.join(_OPTIONS)}", pytrace=False)
    if type(item).__module__.partition(".")[0] == "pytest_asyncio":
        pytest.fail(
            "interlock explores a test of asyncio in a loop of its own for each schedule: without pytest-asyncio's "
            "marker",
            pytrace=False,
        )
    if getattr(item.obj, "is_hypothesis_test", False):
        _explore_examples(item, options)
        return
    function = _function_of(item)
    config = item.config
    token = config.getoption("--interlock-replay")
    if token is not None and ":" in token:
        pytest.fail("interlock: this token is of a test of Hypothesis, and this is none", pytrace=False)
    kept = _Kept(config, item.nodeid)
    if token is None:
        before = kept.token()
        if before is not None:
            found = _run(item, function, options, before)
            if found.failed:
                _report(item, found, "failed again, with the schedule kept from before: ")
            kept.forget()
    found = _run(item, function, options, token)
    if found.failed:
        kept.remember(found.token or "")
        _report(item, found, "")
    _tell_open(item, found)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Threads that fixtures start cannot be switched: where they are used, it is told which these are."""
    if item.get_closest_marker("interlock") is None:
        return (yield)
    from interlock.explore.earlier import noting_starts
    from interlock.explore.explorer import program_files

    with noting_starts(program_files(str(item.config.rootpath))):
        return (yield)


def _exploring(item: pytest.Function, marker: pytest.Mark) -> Callable[[], None]:
    def run() -> None:
        __tracebackhide__ = True
        expected = any(getattr(each, "__unittest_expecting_failure__", False) for each in (item.obj, item.cls))
        try:
            _explore(item, marker)
        except pytest.fail.Exception as error:
            if not expected:
                raise
            pytest.xfail(str(error))
        if expected:
            pytest.fail("unexpected success: no schedule has failed", pytrace=False)

    return run


def _tell_open(item: pytest.Function, found: Any) -> None:
    """What is no failure of the test, and yet not nothing."""
    __tracebackhide__ = True
    if found.kind == "limit":
        import warnings

        warnings.warn(pytest.PytestWarning(f"{item.nodeid}: {found.story}"), stacklevel=1)
    elif found.kind is not None:
        pytest.fail(f"interlock: not conclusive: {found.story}", pytrace=False)
    elif found.notes:
        import warnings

        warnings.warn(pytest.PytestWarning(f"{item.nodeid}: interlock: {'. '.join(found.notes)}"), stacklevel=1)


def _arguments(item: pytest.Function) -> dict[str, Any]:
    return {name: item.funcargs[name] for name in item._fixtureinfo.argnames}


def _function_of(item: pytest.Function) -> Callable[[], object]:
    """What is to be called for each schedule."""
    if isinstance(item, TestCaseFunction):
        return _case_of(item)
    return _call_of(item.obj, (), _arguments(item))


def _call_of(test: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[[], object]:
    from interlock.explore.explorer import as_call

    return as_call(functools.partial(test, *args, **kwargs))


def _case_of(item: pytest.Function) -> Callable[[], object]:
    """A method of a TestCase, with its `setUp` and `tearDown` for each schedule."""
    case: Any = item.parent
    outer = item.instance

    def one() -> None:
        fresh = case.obj(item.name)
        for name, value in vars(outer).items():
            vars(fresh).setdefault(name, value)  # what fixtures have put there
        try:
            fresh.debug()
        except BaseException:
            # It leaves out the rest then.
            with contextlib.suppress(Exception):
                fresh.doCleanups()
            runner = getattr(fresh, "_asyncioRunner", None)
            if runner is not None:
                with contextlib.suppress(Exception):
                    runner.close()
            raise

    return one


def _explore_examples(item: pytest.Function, options: dict[str, Any]) -> None:
    """A test of Hypothesis: each of its examples is explored, and Hypothesis shrinks the one that fails.

    Such a failure is a schedule and an example, so what replays it is TOKEN:EXAMPLE, the latter as in Hypothesis's
    `reproduce_failure`. One that was written down, by `@example`, is found by the token alone.
    """
    __tracebackhide__ = True
    options.setdefault("schedules", 20)
    asked = item.config.getoption("--interlock-replay")
    kept = _Kept(item.config, item.nodeid)
    before = kept.token() if asked is None else asked
    if before is not None:
        again = "" if asked is not None else "failed again, with the schedule and the example kept from before: "
        if _replay_example(item, options, before, again, asked is not None) or asked is not None:
            return
        kept.forget()
    failure = _call_examples(item, options, None, [], print_blob=True)
    if failure is not None:
        _report_example(item, failure, "", None)


def _call_examples(
    item: pytest.Function, options: dict[str, Any], token: str | None, ran: list[Any], **settings: Any
) -> Any:
    """Let Hypothesis call the test. Returns the `ScheduleError` of the example that fails, or None.

    With a token, examples with which its schedule cannot be run do not fail. ``ran``: gets what each example came to.
    """
    import hypothesis

    from interlock.explore.explorer import ScheduleError, raise_found

    __tracebackhide__ = True
    test: Any = getattr(item.obj, "__func__", item.obj)
    handle = test.hypothesis
    inner = handle.inner_test
    there = test._hypothesis_internal_use_settings

    @functools.wraps(inner)
    def explored(*args: Any, **kwargs: Any) -> None:
        found = _run(item, _call_of(inner, args, kwargs), options, token)
        ran.append(found)
        if found.failed:
            raise_found(found)
        if token is None or found.kind != "split":
            _tell_open(item, found)

    handle.inner_test = explored
    # A deadline is for one call of the test, and this is many. One failure is one schedule to replay.
    test._hypothesis_internal_use_settings = hypothesis.settings(
        there, deadline=None, report_multiple_bugs=False, **settings
    )
    try:
        item.obj(**_arguments(item))
    except ScheduleError as error:
        return error
    finally:
        handle.inner_test = inner
        test._hypothesis_internal_use_settings = there
    return None


def _replay_example(item: pytest.Function, options: dict[str, Any], text: str, before: str, tell: bool) -> bool:
    """Run the one schedule with the one example. ``tell``: where that cannot be, the test fails, and says why."""
    import hypothesis

    __tracebackhide__ = True
    token, _, example = text.partition(":")
    test: Any = getattr(item.obj, "__func__", item.obj)
    ran: list[Any] = []
    if not example:
        if not getattr(test, "hypothesis_explicit_examples", None):
            if tell:
                pytest.fail(
                    "interlock: this is a test of Hypothesis, and the token does not say with which example: pass "
                    "TOKEN:EXAMPLE, as the last line of its failure has it",
                    pytrace=False,
                )
            return False
        failure = _call_examples(item, options, token, ran, phases=[hypothesis.Phase.explicit])
    else:
        test._hypothesis_internal_use_reproduce_failure = (hypothesis.__version__, example.encode())
        try:
            failure = _call_examples(item, options, token, ran)
        except hypothesis.errors.DidNotReproduce:
            failure = None
        except hypothesis.errors.InvalidArgument as error:
            if tell:
                pytest.fail(f"interlock: what follows the token is no example of Hypothesis: {error}", pytrace=False)
            failure = None
        finally:
            test._hypothesis_internal_use_reproduce_failure = None
    if failure is None:
        if tell and not ran:
            pytest.fail("interlock: the test does not accept the example that follows the token", pytrace=False)
        if tell and all(found.kind == "split" for found in ran):
            _tell_open(item, ran[0])
        return False
    _report_example(item, failure, before, example)
    return True


def _report_example(item: pytest.Function, failure: Any, before: str, example: str | None) -> None:
    """The test fails. ``example``: as Hypothesis spells it; None: it is in what Hypothesis says."""
    __tracebackhide__ = True
    said = "\n".join(getattr(failure, "__notes__", ()))
    spelled = re.search(r"\n*[^\n]*@reproduce_failure\('[^']*', b'([^']*)'\)[^\n]*", said)
    if spelled is not None:
        said = said.replace(spelled[0], "")
        example = example or spelled[1]
    found = failure.exploration
    found.token += f":{example}" if example else ""
    _Kept(item.config, item.nodeid).remember(found.token)
    found.story += f"\n\n{said.strip()}" if said.strip() else ""
    _report(item, found, before)


# Fixtures that keep what a test prints or logs: each schedule begins without what the one before has left.
_CAUGHT = ("capsys", "capfd", "capsysbinary", "capfdbinary", "caplog")


def _run(item: pytest.Function, function: Callable[[], object], options: dict[str, Any], token: str | None) -> Any:
    from interlock.explore.explorer import Explorer
    from interlock.explore.patches import silence
    from interlock.explore.token import TokenError, read_token

    __tracebackhide__ = True
    config = item.config
    options = dict(options)
    schedules = config.getoption("--interlock-schedules") or options.pop("schedules", 1000)
    options.pop("schedules", None)
    seconds = options.pop("seconds", None)
    every = options.pop("all", False)
    options.setdefault("seed", _seed(config, item.nodeid))
    if token is not None:
        try:
            known = read_token(token)
        except TokenError as error:
            pytest.fail(f"interlock: {error}", pytrace=False)
        options |= {"at": known.at, "order": known.order, "pause": known.pause}
    caught: list[Any] = [item.funcargs[name] for name in _CAUGHT if name in item.funcargs]

    def call() -> object:
        for each in caught:
            each.clear() if hasattr(each, "clear") else each.readouterr()
        return function()

    passing = (pytest.skip.Exception, pytest.exit.Exception, pytest.xfail.Exception, unittest.SkipTest)
    try:
        explorer = Explorer(call, passing=passing, directory=str(config.rootpath), **options)
    except ValueError as error:
        pytest.fail(f"the marker interlock: {error}", pytrace=False)
    # What a test prints a thousand times is of no use, but where it looks at it itself.
    with contextlib.nullcontext() if caught else silence(), explorer:
        if token is not None:
            return explorer.replay(token)
        return explorer.search_all(schedules) if every else explorer.search(schedules, seconds)


def _report(item: pytest.Function, found: Any, before: str) -> None:
    from interlock.explore.explorer import headline

    __tracebackhide__ = True
    again = f"replay: pytest {_quoted(item.nodeid)} --interlock-replay={found.token}"
    pytest.fail(f"interlock: {before}{headline(found)}\n{found.story}\n\n{again}", pytrace=False)


def _quoted(text: str) -> str:
    import shlex

    return shlex.quote(text)


class _Kept:
    """The schedule that a test failed with, in a file."""

    def __init__(self, config: pytest.Config, name: str) -> None:
        self.name = name
        self.file = Path(config.rootpath, _STORE, f"{zlib.crc32(name.encode()):08x}.json")

    def token(self) -> str | None:
        try:
            kept = json.loads(self.file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if not isinstance(kept, dict) or kept.get("test") != self.name:
            return None
        token = kept.get("token")
        from interlock.explore.token import TokenError, read_token

        try:
            read_token(str(token).partition(":")[0])
        except TokenError:
            return None  # of another version of Python
        return str(token)

    def remember(self, token: str) -> None:
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            ignore = self.file.parent.parent / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n", encoding="utf-8")
            text = json.dumps({"test": self.name, "token": token})
            fresh = self.file.with_suffix(f".{os.getpid()}")
            fresh.write_text(text, encoding="utf-8")
            fresh.replace(self.file)
        except OSError:
            return  # nowhere to keep it

    def forget(self) -> None:
        with contextlib.suppress(OSError):
            self.file.unlink()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What failed the last time comes first."""
    for item in items:
        marker = item.get_closest_marker("interlock")
        if marker is not None and isinstance(item, TestCaseFunction):
            # unittest calls its methods by itself, and not by `pytest_pyfunc_call`.
            item.runtest = _exploring(item, marker)  # type: ignore[method-assign]
    if not Path(config.rootpath, _STORE).is_dir():
        return
    failed = [
        item
        for item in items
        if item.get_closest_marker("interlock") is not None and _Kept(config, item.nodeid).token() is not None
    ]
    if failed:
        chosen = set(map(id, failed))
        items[:] = failed + [item for item in items if id(item) not in chosen]


# --- every test on our primitives ---------------------------------------------------------------------------------


class _Stalled(BaseException):
    """Raised in the main thread by the signal that ends a stalled test."""


class _Watch:
    """Looks at each test, with `--interlock`."""

    def __init__(self, config: pytest.Config) -> None:
        self.stall: float | None = config.getoption("--interlock-stall")
        if self.stall is not None and self.stall <= 0:
            raise pytest.UsageError("--interlock-stall: not a number of seconds above 0")
        self.report = bool(config.getoption("--interlock-report"))
        self.tallies: dict[str, list[Any]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        if item.get_closest_marker("interlock") is not None:
            return (yield)
        look = _Look(self.stall)
        if self.report:
            from interlock.core.kernel.probe import start_counting

            start_counting()
        raised: BaseException | None = None
        try:
            with look:
                result = yield
        except _Stalled as error:
            raised = error
            result = None
        finally:
            if self.report:
                from interlock.core.kernel.probe import stop_counting

                self.tallies[item.nodeid] = [tally for tally in stop_counting() if tally.waited]
        if look.found:
            pytest.fail("interlock: " + "\n\ninterlock: ".join(look.found), pytrace=False)
        if raised is not None:
            raise raised
        return result

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if not self.report:
            return
        rows = [
            (tally.waited_ns, tally.waited, name, _called(tally))
            for name, tallies in self.tallies.items()
            for tally in tallies
        ]
        terminalreporter.section("interlock: who waited for what")
        if not rows:
            terminalreporter.line("no test had to wait for a lock")
        for nanoseconds, times, name, what in sorted(rows, reverse=True)[:50]:
            terminalreporter.line(f"{nanoseconds / 1e6:10.1f} ms  {times:7,} waits  {what}  {name}")

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """With xdist the tests have run there, and what they counted comes with the reports."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: Any) -> Generator[None, Any, Any]:
        report = yield
        if self.report and call.when == "call":
            report.user_properties.append(
                (
                    "interlock",
                    [
                        (tally.waited_ns, tally.waited, item.nodeid, _called(tally))
                        for tally in self.tallies.get(item.nodeid, [])
                    ],
                )
            )
        return report

    def pytest_runtest_logreport(self, report: Any) -> None:
        if self.report and report.when == "call" and report.nodeid not in self.tallies:
            for name, rows in report.user_properties:
                if name == "interlock":
                    self.tallies[report.nodeid] = [_Row(*row) for row in rows]


class _Row:
    """A tally that has come from another process."""

    def __init__(self, waited_ns: int, waited: int, name: str, called: str) -> None:
        self.waited_ns = waited_ns
        self.waited = waited
        self.called = called


def _called(tally: Any) -> str:
    if isinstance(tally, _Row):
        return tally.called
    if tally.name is not None:
        return f"{tally.kind} {tally.name!r}"
    where = tally.outer or (tally.file, tally.line)
    return f"{tally.kind} ({os.path.basename(where[0])}:{where[1]})" if where[0] else str(tally.kind)


class _Look:
    """A context manager around one test. ``found``: what makes it fail."""

    def __init__(self, stall: float | None) -> None:
        self.stall = stall
        self.found: list[str] = []

    def __enter__(self) -> "_Look":
        from interlock.core.graph.waitgraph import primitives
        from interlock.core.primitives.mutex import Mutex

        self._held_before = {id(each) for each in primitives() if isinstance(each, Mutex) and each.owner is not None}
        self._threads_before = set(threading.enumerate())
        self._order = interlock.watch_order(self.found.append)
        self._hook = threading.excepthook
        threading.excepthook = self._thread_failed
        self._over = _raw_event()
        self._in_main = threading.current_thread() is threading.main_thread()
        if self.stall is not None:
            self._began = time.monotonic_ns()
            self._handler = signal.signal(signal.SIGINT, self._interrupt) if self._in_main else None
            self._told = False
            self._thread = threading.Thread(target=self._watch, name="interlock-stall", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        if self.stall is not None:
            self._over.set()
            self._thread.join()
            if self._in_main:
                signal.signal(signal.SIGINT, self._handler)
        threading.excepthook = self._hook
        self._order.stop()
        self._look_for_held()

    def _thread_failed(self, arguments: Any) -> None:
        if issubclass(arguments.exc_type, interlock.DeadlockError):
            name = arguments.thread.name if arguments.thread is not None else "a thread"
            self.found.append(f"a deadlock, told to {name}: {arguments.exc_value}")
        else:
            self._hook(arguments)

    def _look_for_held(self) -> None:
        """Locks that are held by somebody whom this test has left behind, or who has ended."""
        from interlock.core.graph.waitgraph import holders, primitives
        from interlock.core.kernel.party import Party
        from interlock.core.primitives.mutex import Mutex
        from interlock.watch.dump import name_of

        for each in primitives():
            if not isinstance(each, Mutex) or id(each) in self._held_before:
                continue
            for party in holders(each):
                owner = each.owner
                if owner is threading.current_thread() or owner in self._threads_before or owner is None:
                    continue
                if isinstance(owner, Party) or party.ended or isinstance(owner, (threading.Thread, asyncio.Task)):
                    # A thread that was joined is no more for `threading`, and has a few instructions left to run.
                    patience = time.monotonic() + _LAST_STEPS
                    while isinstance(owner, Party) and not party.ended and time.monotonic() < patience:
                        time.sleep(0.001)
                    state = "has ended" if party.ended else "was left behind"
                    self.found.append(f"{name_of(each)} is still held by {party.name}, which {state}")

    def _interrupt(self, number: int, frame: Any) -> None:
        if self._told:
            self._told = False
            raise _Stalled
        if callable(self._handler):
            self._handler(number, frame)

    def _watch(self) -> None:
        from interlock.core.graph.waitgraph import waits
        from interlock.watch.dump import dump_text
        from interlock.watch.view import View, helpers

        assert self.stall is not None
        helpers.add(threading.get_ident())
        try:
            while not self._over.wait(min(0.1, self.stall / 4)):
                now = time.monotonic_ns()
                long = [
                    each
                    for each in waits()
                    if each.parked
                    and not each.timed
                    and each.since >= self._began
                    and now - each.since > self.stall * 1e9
                    and each.party.ident != threading.get_ident()
                ]
                if long:
                    title = f"a wait lasts longer than {self.stall:g} s"
                    self.found.append(dump_text(View().find_held(), title).removeprefix("interlock: "))
                    self._end_test()
                    return
        finally:
            helpers.discard(threading.get_ident())

    def _end_test(self) -> None:
        if not self._in_main:
            return
        self._told = True
        if hasattr(signal, "pthread_kill"):
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)  # type: ignore[arg-type]
        else:
            signal.raise_signal(signal.SIGINT)


def _raw_event() -> Any:
    """An event that is none of ours, so that it is no part of what is looked at."""
    import _thread

    class Event:
        def __init__(self) -> None:
            self._lock = _thread.allocate_lock()
            self._lock.acquire()

        def set(self) -> None:
            self._lock.release()

        def wait(self, seconds: float) -> bool:
            return self._lock.acquire(timeout=seconds)

    return Event()
