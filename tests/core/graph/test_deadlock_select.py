"""A select in the wait graph: refused where every alternative is in a cycle, or its owner is gone; else never."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
import trio
from parties import PATIENCE, Parties, blocked, fail_with_stacks, wait_until

import interlock
from interlock import DeadlockError, Event, Lock, Queue, RLock, RWLock, Semaphore, select, select_async

NEVER_ENDS = "this wait would never end"


class Worker:
    """A thread that runs a function to its end; what that returned or raised is its result."""

    def __init__(self, function: Callable[[], object], name: str):
        self.outcome: object = None
        self.function = function
        self.thread = threading.Thread(target=self.run, name=name, daemon=True)
        self.thread.start()

    def run(self) -> None:
        try:
            self.outcome = self.function()
        except DeadlockError as error:
            self.outcome = error

    def result(self) -> Any:
        self.thread.join(PATIENCE)
        if self.thread.is_alive():
            fail_with_stacks("still blocked")
        return self.outcome


def nested(*locks: Any, before: Event | None = None) -> Callable[[], str]:
    """Enter the locks one in another, the last of them after `before`."""

    def run() -> str:
        def enter(i: int) -> None:
            if i == len(locks) - 1 and before is not None:
                before.wait()
            if i < len(locks):
                with locks[i]:
                    enter(i + 1)

        enter(0)
        return "through"

    return run


def choosing(held: Any, *locks: Any) -> Callable[[], Any]:
    """Enter one, and select from others."""

    def run() -> Any:
        with held:
            index, _ = select(*[each.acquiring() for each in locks])
            locks[index].release()
            return index

    return run


class Triangle:
    """One holds `a` and selects from `b` and `c`; the others hold those and want `a`."""

    def __init__(self, kind: Any = Lock) -> None:
        self.a, self.b, self.c = kind(name="a"), kind(name="b"), kind(name="c")
        self.all = (self.a, self.b, self.c)

    def free(self) -> bool:
        return not any(each.locked() or each.waiters for each in self.all)


@pytest.mark.parametrize("kind", [Lock, RLock])
def test_the_one_who_selects_closes_it(kind: Any) -> None:
    for _ in range(10):
        three = Triangle(kind)
        with three.a:
            others = [Worker(nested(three.b, three.a), "B"), Worker(nested(three.c, three.a), "C")]
            blocked(three.a, 2)
            with pytest.raises(DeadlockError, match=NEVER_ENDS) as refused:
                select(three.b.acquiring(), three.c.acquiring())
        assert [each.result() for each in others] == ["through", "through"]
        assert three.free()
        text = str(refused.value)
        assert f"waits for {kind.__name__} 'b' or {kind.__name__} 'c'" in text
        assert text.count(f"waits for {kind.__name__} 'a'") == 2
        assert f"holds {kind.__name__} 'a', taken at" in text
        assert "in one order everywhere" in text


@pytest.mark.parametrize("last", ["b", "c"])
def test_another_closes_it(last: str) -> None:
    for _ in range(10):
        three = Triangle()
        go = {"b": Event(), "c": Event()}
        others = {name: Worker(nested(getattr(three, name), three.a, before=go[name]), name) for name in go}
        wait_until(lambda three=three: three.b.locked() and three.c.locked(), "both held")
        chooser = Worker(choosing(three.a, three.b, three.c), "chooser")
        blocked(three.b, 1)
        blocked(three.c, 1)
        go["c" if last == "b" else "b"].set()
        blocked(three.a, 1)
        go[last].set()
        outcomes = {name: each.result() for name, each in others.items()}
        assert isinstance(outcomes.pop(last), DeadlockError)
        assert list(outcomes.values()) == ["through"]
        assert chooser.result() == (0 if last == "b" else 1)
        assert three.free()


def test_all_at_once_and_one_is_told() -> None:
    for _ in range(30):
        three = Triangle()
        barrier = interlock.Barrier(3)

        def enter(first: Any, then: Callable[[], Any], barrier: Any = barrier) -> Callable[[], Any]:
            def run() -> Any:
                with first:
                    barrier.wait()
                    return then()

            return run

        def choose(three: Triangle = three) -> Any:
            index, _ = select(three.b.acquiring(), three.c.acquiring())
            (three.b, three.c)[index].release()
            return "through"

        workers = [
            Worker(enter(three.a, choose), "A"),
            Worker(enter(three.b, nested(three.a)), "B"),
            Worker(enter(three.c, nested(three.a)), "C"),
        ]
        outcomes = [each.result() for each in workers]
        assert sum(isinstance(each, DeadlockError) for each in outcomes) == 1
        assert outcomes.count("through") == 2
        assert three.free()


def test_two_who_select_from_each_others() -> None:
    for _ in range(10):
        locks = [Lock(name=f"lock {i}") for i in range(4)]
        ready = interlock.Barrier(2)

        def one(mine: list[Any], others: list[Any], ready: Any = ready) -> Callable[[], Any]:
            def run() -> Any:
                with mine[0], mine[1]:
                    ready.wait()
                    index, _ = select(*[each.acquiring() for each in others])
                    others[index].release()
                return "through"

            return run

        first = Worker(one(locks[:2], locks[2:]), "first")
        second = Worker(one(locks[2:], locks[:2]), "second")
        outcomes = [first.result(), second.result()]
        assert sum(isinstance(each, DeadlockError) for each in outcomes) == 1
        assert "through" in outcomes


def test_what_the_caller_holds_itself() -> None:
    lock, rw = Lock(name="mine"), RWLock()
    with lock:
        with pytest.raises(DeadlockError, match="waits for what it holds itself, and nothing else"):
            select(lock.acquiring())
        assert lock.waiters == ()
    with rw.read():
        with pytest.raises(DeadlockError, match="would wait for itself to write"):
            select(rw.writing(), timeout=10)
        stop = Event()
        stopped = Worker(lambda: wait_until(lambda: stop.waiters, "selecting") or stop.set(), "stopper")
        # It cannot write, and is in nobody's way.
        assert select(rw.writing(), stop.waiting()) == (1, True)
        stopped.result()
        assert rw.waiters == ()


def test_a_task_in_it() -> None:
    three = Triangle()
    others = []

    async def main() -> None:
        async with three.a:
            others.append(Worker(nested(three.b, three.c), "B"))
            await select_async(three.b.acquiring(), three.c.acquiring())

    with three.c:
        # The loop's task needs b or c; b is held by one that waits for c, c by this thread, which would run the loop.
        runner = Worker(lambda: asyncio.run(main()), "runner")
        wait_until(lambda: others, "started")
        blocked(three.c, 2)
        with pytest.raises(DeadlockError, match="or Lock 'c'"), three.a:
            pass
    others[0].result()
    runner.result()


@pytest.mark.parametrize("run", [asyncio.run, trio.run])
def test_a_task_is_told_that_all_owners_have_ended(run: Any) -> None:
    one, two = RLock(name="one"), RLock(name="two")
    go = Event()
    owners = []
    for lock in (one, two):
        owners.append(Worker(lambda lock=lock: (lock.acquire(), go.wait()), "owner"))
        wait_until(lock.locked, "held")

    async def main() -> None:
        await select_async(one.acquiring(), two.acquiring())

    def let_owners_end() -> None:
        blocked(one, 1)
        blocked(two, 1)
        go.set()

    ending = Worker(let_owners_end, "ending")
    with pytest.raises(DeadlockError, match="nothing of it can ever happen"):
        run(main) if run is trio.run else run(main())
    ending.result()


def test_owners_that_have_ended() -> None:
    one, two, rw = RLock(name="one"), RLock(name="two"), RWLock(name="rw")
    ends = {name: Event() for name in ("one", "two", "rw")}

    def own(take: Callable[[], object], end: Event) -> Callable[[], object]:
        return lambda: (take(), end.wait())

    owners = [
        Worker(own(one.acquire, ends["one"]), "owner of one"),
        Worker(own(two.acquire, ends["two"]), "owner of two"),
        Worker(own(rw.write().acquire, ends["rw"]), "owner of rw"),
    ]
    wait_until(lambda: one.locked() and two.locked() and rw.locked(), "all held")
    chooser = Worker(lambda: select(one.acquiring(), two.acquiring(), rw.reading()), "chooser")
    blocked(rw, 1)
    for owner, end in zip(owners, ends.values(), strict=True):
        assert chooser.thread.is_alive()
        end.set()
        owner.result()
    told = chooser.result()
    assert isinstance(told, DeadlockError)
    for name in ("one", "two", "rw"):
        assert f"owner of {name} can never release it" in str(told)
    # One who comes later is told at once; with anything else to hope for, it is not told.
    with pytest.raises(DeadlockError, match="owner of one can never release it"):
        select(one.acquiring())
    stop = Event()
    hoping = Worker(lambda: select(one.acquiring(), stop.waiting()), "hoping")
    blocked(one, 1)
    stop.set()
    assert hoping.result() == (1, True)


def test_one_owner_has_ended_and_the_other_waits_for_us() -> None:
    gone, b, a = RLock(name="gone"), Lock(name="b"), Lock(name="a")
    Worker(gone.acquire, "dead owner").result()
    with a:
        other = Worker(nested(b, a), "other")
        blocked(a, 1)
        with pytest.raises(DeadlockError, match="RLock 'gone' was never released by dead owner, which has ended"):
            select(gone.acquiring(), b.acquiring())
    assert other.result() == "through"


# --- what is no deadlock ------------------------------------------------------------------------------------------


def alternatives_that_may_happen() -> list[Any]:
    queue: Queue[int] = Queue(1)
    queue.put(1)
    return [Event().waiting(), Semaphore(0).acquiring(), Queue().getting(), queue.putting(2)]


@pytest.mark.parametrize("which", range(4))
def test_a_way_out(which: int) -> None:
    """Lock by lock it would be a cycle; the last alternative opens it."""
    three = Triangle()
    other = alternatives_that_may_happen()[which]
    done: list[Any] = []

    def choose() -> None:
        with three.a:
            done.append(select(three.b.acquiring(), other)[0])

    with three.b:
        chooser = Worker(choose, "chooser")
        wait_until(lambda: three.b.waiters, "selecting")
        last = Worker(lambda: open_way_out(three, other), "way out")
        with three.a:  # blocks until the chooser has gone the other way
            assert done == [1]
    chooser.result()
    last.result()


def open_way_out(three: Triangle, other: Any) -> None:
    blocked(three.a, 1)
    target = interlock.core.graph.waitgraph.waits()  # somebody looks meanwhile
    assert target
    for wait in target:
        for each in wait.alternatives or ():
            if isinstance(each.at, Event):
                each.at.set()
            elif isinstance(each.at, Semaphore):
                each.at.release()
            elif isinstance(each.at, Queue):
                each.at.put(1) if each.at.empty() else each.at.get()


def test_an_owner_that_could_let_go_is_a_way_out() -> None:
    """One of the locks was taken with `acquire`, so any party may release it."""
    three = Triangle()
    three.c.acquire()
    with three.a:
        other = Worker(nested(three.b, three.a), "other")
        blocked(three.a, 1)
        releasing = Worker(lambda: blocked(three.c, 1) or three.c.release(), "releasing")
        assert select(three.b.acquiring(), three.c.acquiring()) == (1, True)
        three.c.release()
        releasing.result()
    assert other.result() == "through"


def test_a_timed_select_is_no_edge() -> None:
    three = Triangle()
    with three.a:
        other = Worker(nested(three.b, three.a), "other")
        blocked(three.a, 1)
        with pytest.raises(TimeoutError):
            select(three.b.acquiring(), timeout=0.01)
    assert other.result() == "through"


def test_a_cycle_elsewhere_is_not_for_the_caller_to_hear_of() -> None:
    """The one who selects waits for one in our way, and for one who waits with a timeout."""
    a, b, c = (Lock(name=name) for name in "abc")
    never = Event()
    slow = Worker(lambda: nested_in(c, lambda: never.wait(0.3)), "slow")
    wait_until(c.locked, "held")
    with a:
        chooser = Worker(choosing(b, a, c), "chooser")
        wait_until(lambda: a.waiters and c.waiters, "selecting")
        with b:  # chooser gets c once the timeout is over
            pass
    assert chooser.result() == 1
    slow.result()


def nested_in(lock: Any, call: Callable[[], object]) -> object:
    with lock:
        return call()


def test_a_reader_behind_a_writer_that_selects_is_in_no_cycle() -> None:
    """That writer may go another way, and then the reader is let in past the readers."""
    rw, lock, stop = RWLock(name="rw"), Lock(name="lock"), Event()
    entered: list[str] = []

    def read_inside() -> None:
        with lock:
            blocked(rw, 1)
            with rw.read():
                entered.append("reader")

    def stop_later() -> None:
        blocked(lock, 1)
        stop.set()

    with rw.read():
        reader = Worker(read_inside, "reader")
        writer = Worker(lambda: select(rw.writing(), stop.waiting())[0], "writer")
        blocked(rw, 2)
        stopping = Worker(stop_later, "stopping")
        with lock:
            assert entered == ["reader"]
    assert writer.result() == 1
    reader.result()
    stopping.result()
    assert not rw.locked()
    assert rw.waiters == ()


def test_everybody_sees_all_alternatives(parties: Parties) -> None:
    a = parties.one()
    lock, jobs = Lock(name="the lock"), Queue[int](name="the jobs")
    parties.main.do(lock.acquire)
    waiting = a.begin(lambda: select(lock.acquiring(), jobs.getting()))
    blocked(jobs, 1)
    (wait,) = [each for each in interlock.core.graph.waitgraph.waits() if each.alternatives]
    assert [each.at for each in wait.alternatives] == [lock, jobs]
    jobs.put(3)
    assert waiting.result() == (1, 3)
    lock.release()
