"""What recordings, dumps and the wait graph show of locks between machines."""

import io
import socket
import threading

import pytest
from parties import blocked, wait_until

import interlock
import interlock.cluster
from interlock import cli


def test_a_recording_shows_holds_and_waits(connect, parties):
    one, two = connect(), connect()
    lock, other = one.Lock("orders"), two.Lock("orders")
    a, b = parties(2)
    with interlock.record() as recording:
        a.do(lock.acquire)
        waiting = b.begin(other.acquire)
        blocked(lock, 1)
        a.do(lock.release)
        assert waiting.result()
        b.do(other.release)
    named = {str(each.name): each for each in recording.primitives}
    found = [each for name, each in named.items() if name.startswith("orders on ")]
    assert [(each.kind, each.family) for each in found] == [("Lock", "Lock")]


def test_a_dump_says_what_is_waited_for(connect):
    one, two = connect(), connect()
    lock = one.Lock("orders")
    waiter = threading.Thread(target=two.Lock("orders").acquire, name="ann")
    with lock:
        waiter.start()
        blocked(lock, 1)
        text = io.StringIO()
        name = f"Lock 'orders on {lock.cluster.url.partition(':')[0]}'"
        wait_until(lambda: (interlock.dump(text), f" s for {name}, at" in text.getvalue())[1], "ann waits")
        assert f"\n      holds {name}\n" in text.getvalue()
    waiter.join(10)


@pytest.fixture
def elsewhere(connect, monkeypatch):
    """A handle as of another machine, whose label is worker-3."""
    with monkeypatch.context() as there:
        there.setattr(socket, "gethostname", lambda: "b")
        made = connect(label="worker-3")
        with made.Lock("first"):
            pass
    return made


def told_of(name):
    """What is known of the holders of what is waited for here."""
    waits = [party["waits"] for party in interlock.snapshot()["parties"] if party["waits"]]
    return [wait["elsewhere"] for wait in waits if (wait["primitive"]["name"] or "").startswith(f"{name} on ")]


def test_the_holder_on_another_host_is_named(connect, elsewhere, tmp_path, capsys):
    """By a dump, a snapshot, and a recording and its report."""
    theirs, ours = elsewhere.Lock("orders"), connect().Lock("orders")
    theirs.acquire()
    with interlock.record() as recording:
        waiter = threading.Thread(target=lambda: ours.acquire() and ours.release(), name="ann")
        waiter.start()
        wait_until(lambda: any(told_of("orders")), "it is known who holds it")
        text = io.StringIO()
        interlock.dump(text)
        assert "\n      held by worker-3 (pid " in text.getvalue()
        assert ") on host b, MainThread at test_seen.py:" in text.getvalue()
        (found,) = told_of("orders")
        assert (found["host"], found["label"], found["thread"]) == ("b", "worker-3", "MainThread")
        elsewhere.close()  # nothing of it is an event of this process
        waiter.join(10)
        assert told_of("orders") == []
    assert "worker-3 on host b" in [party.name for party in recording.parties]
    recording.save(tmp_path / "recording")
    cli.main(["report", str(tmp_path / "recording")])
    first = capsys.readouterr().out.partition("\n\nPrimitives")[0]
    assert "orders on " in first
    assert "while worker-3 on host b held it" in first


def test_what_is_missing_elsewhere_is_told(connect, elsewhere):
    """Not that a semaphore with several holders is held by one, and nothing of what nobody is known to hold."""
    here = connect()
    semaphore, other = elsewhere.Semaphore("permits", 2), here.Semaphore("permits", 2)
    semaphore.acquire()
    semaphore.acquire()
    rwlock = elsewhere.RWLock("table")
    readers = [rwlock.read(), rwlock.read()]
    for reader in readers:
        reader.acquire()
    barrier, latch = here.Barrier("meeting", 2), here.Latch("ready", 3)
    waits = [
        lambda: other.acquire(timeout=60) and other.release(),
        lambda: here.RWLock("table").write().within(60).__enter__(),
        lambda: barrier.wait(60),
        lambda: latch.wait(60),
    ]
    threads = [threading.Thread(target=each) for each in waits]
    for thread in threads:
        thread.start()
    said = [
        "2 of 2 permits were held ",
        "2 readers held it ",
        "1 of 2 had arrived ",
        "3 of 3 count-downs were missing ",
    ]
    text = io.StringIO()

    def all_told():
        text.seek(0)
        interlock.dump(text)
        return all(each in text.getvalue() for each in said)

    wait_until(all_told, "all is known")
    assert told_of("permits") == [None]
    semaphore.release()
    semaphore.release()
    for reader in readers:
        reader.release()
    elsewhere.Barrier("meeting", 2).wait(10)
    for _ in range(3):
        latch.count_down()
    for thread in threads:
        thread.join(10)


@pytest.mark.parametrize("kind", ["RWLock", "Latch", "Barrier", "Condition"])
def test_each_kind_is_called_what_it_is(connect, kind):
    """In dumps and in recordings, where it is one object however often it is waited for."""
    one, two = connect(), connect()
    make = {
        "RWLock": lambda handle: handle.RWLock("it"),
        "Latch": lambda handle: handle.Latch("it", 1),
        "Barrier": lambda handle: handle.Barrier("it", 2),
        "Condition": lambda handle: handle.Condition("it"),
    }[kind]
    mine, other = make(one), make(two)

    def wait() -> None:
        if kind == "RWLock":
            with other.read():
                pass
        elif kind == "Condition":
            with other:
                other.wait()
        else:
            other.wait()

    def let_go() -> None:
        if kind == "RWLock":
            mine.write().release()
        elif kind == "Condition":
            with mine:
                mine.notify()
        elif kind == "Latch":
            mine.count_down()
        else:
            mine.wait()

    with interlock.record() as recording:
        if kind == "RWLock":
            mine.write().acquire()
        waiter = threading.Thread(target=wait)
        waiter.start()
        blocked(mine, 1)
        text = io.StringIO()
        # The engine knows of the wait a moment before this process does.
        wait_until(lambda: (interlock.dump(text), f"{kind} 'it on" in text.getvalue())[1], "it is seen to wait")
        let_go()
        waiter.join(10)
    found = [each for each in recording.primitives if str(each.name).startswith("it on ")]
    assert [(each.kind, each.family) for each in found] == [(kind, kind)]


@pytest.mark.parametrize("kind", ["Lock", "RLock"])
def test_a_cycle_with_a_local_lock_is_refused(connect, kind):
    """One holds the lock between machines and wants the local one, the other the other way round."""
    one, two = connect(), connect()
    far, far_too = getattr(one, kind)("orders"), getattr(two, kind)("orders")
    near = interlock.RLock(name="table")
    said: list[str] = []

    def first():
        with far:
            inside.wait(10)
            try:
                with near:
                    pass
            except interlock.DeadlockError as error:
                said.append(str(error))

    inside = threading.Event()
    thread = threading.Thread(target=first)
    with near:
        thread.start()
        wait_until(lambda: far.locked(), "the other holds it")
        inside.set()
        blocked(near, 1)
        with pytest.raises(interlock.DeadlockError) as raised, far_too:
            pass
        blocked(far, 0)
    thread.join(10)
    assert said == []
    # Not what the lines of this test say of it.
    told = [line.strip().partition(",")[0] for line in str(raised.value).splitlines() if line[:4] == "    "]
    assert f"holds {kind} 'orders on {far.cluster.url.partition(':')[0]}'" in told
    assert f"waits for {kind} 'orders on {far.cluster.url.partition(':')[0]}'" in told
    assert "loop" not in str(raised.value)


def test_no_cycle_where_another_may_release_it(connect):
    """A lock that was taken by `acquire` may be released by anybody."""
    one, two = connect(), connect()
    far, far_too = one.Lock("orders"), two.Lock("orders")
    near = interlock.RLock(name="table")

    def first():
        far.acquire()
        inside.wait(10)
        with near:
            pass

    inside = threading.Event()
    thread = threading.Thread(target=first)
    with near:
        thread.start()
        wait_until(lambda: far.locked(), "the other holds it")
        inside.set()
        blocked(near, 1)
        releaser = threading.Thread(target=lambda: (blocked(far, 1), far.release()))
        releaser.start()
        with far_too:
            pass
    releaser.join(10)
    thread.join(10)


def test_no_cycle_where_the_wait_has_a_timeout(connect):
    one, two = connect(), connect()
    far, far_too = one.Lock("orders"), two.Lock("orders")
    near = interlock.RLock(name="table")

    def first():
        with far:
            inside.wait(10)
            with near:
                pass

    inside = threading.Event()
    thread = threading.Thread(target=first)
    with near:
        thread.start()
        wait_until(lambda: far.locked(), "the other holds it")
        inside.set()
        blocked(near, 1)
        assert far_too.acquire(timeout=0.05) is False
    thread.join(10)


def test_nothing_is_said_of_what_another_handle_has_lost(connect):
    one = connect(lease=5.0)
    lock = one.Lock("orders")
    with lock:
        board = lock.board
    text = io.StringIO()
    interlock.dump(text)
    assert "orders on" not in text.getvalue()
    assert board is not None


def test_handles_with_other_options_share_nothing_that_is_shown(prefix):
    """They may lead elsewhere: to another database, say. So one is never taken for the other in a cycle."""
    made = [interlock.cluster.connect("memory://", prefix=prefix, **options) for options in ({}, {}, {"db": 1})]
    one, same, other = (handle.Lock("orders").board for handle in made)
    assert one is not None
    assert other is not None
    assert one is same
    assert one is not other
    for handle in made:
        handle.close()
