"""Leases, losses and outages, on the engine in memory, whose clock and failures the test makes itself."""

import asyncio
import os
import threading
from typing import Any

import pytest
import trio
from parties import PATIENCE, wait_until

import interlock.cluster
from interlock.cluster import EngineUnavailable, ForkedLock, LeaseLost, NotHeld
from interlock.cluster import session as sessions
from interlock.cluster.engine import Unreachable
from interlock.cluster.engines.memory import Store, store_of


class World:
    """Two handles on one store whose calls the test can cut off, one by one."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.cut: set[str] = set()  # session ids, or "*"
        self.lost_answers: set[str] = set()  # ops of which the next answer is lost
        self.ops: list[str] = []
        self.made: list[interlock.cluster.Cluster] = []

    def connect(self, **options: Any) -> interlock.cluster.Cluster:
        handle = interlock.cluster.connect("memory://world", **{"prefix": self.prefix, "lease": 10.0, **options})
        self.store: Store = store_of(handle.engine.settings)
        self.store.fault = self.fault
        self.made.append(handle)
        return handle

    def fault(self, when: str, op: str, arguments: Any) -> None:
        if when == "before":
            self.ops.append(op)
            if "*" in self.cut or (arguments and arguments[0] in self.cut):
                raise Unreachable("cut")
        elif op in self.lost_answers:
            self.lost_answers.discard(op)
            raise Unreachable("reset in the middle of the answer")


@pytest.fixture
def set_clock(monkeypatch):
    """Have the process read its time from what is given."""

    def set_clock(read):
        monkeypatch.setattr("interlock.cluster.session.now", read)
        monkeypatch.setattr("interlock.cluster.client.now", read)

    return set_clock


@pytest.fixture
def world(prefix):
    made = World(prefix)
    yield made
    made.cut.clear()
    for handle in made.made:
        handle.close()


def session_of(handle):
    return handle.sessions[handle.lease]


def cut_off(world, handle):
    world.cut.add(session_of(handle).id)


class TestLoss:
    def test_a_holder_that_is_cut_off_is_told_before_the_next_one_starts(self, world):
        one, two = world.connect(lease=1.0), world.connect(lease=1.0)
        lock = one.Lock("orders")
        lock.acquire()
        grant, lost = lock.find(), lock.lost
        cut_off(world, one)
        assert two.Lock("orders").acquire(timeout=PATIENCE)
        assert lost.is_set()
        assert isinstance(lost.reason, LeaseLost)
        with pytest.raises(LeaseLost, match="did not renew"):
            grant.check()
        with pytest.raises(LeaseLost):
            _ = lock.token
        with pytest.raises(LeaseLost, match="lost while it was held"):
            lock.release()

    def test_with_raises_on_leaving_and_keeps_what_the_body_raised(self, world):
        one = world.connect(lease=0.3)
        lock = one.Lock("orders")

        def body(error):
            with lock as grant:
                world.cut.add("*")
                assert grant.lost.wait(PATIENCE)
                if error is not None:
                    raise error

        with pytest.raises(LeaseLost) as caught:
            body(None)
        assert caught.value.__cause__ is None
        world.cut.clear()
        with pytest.raises(LeaseLost) as caught:
            body(KeyError("inner"))
        assert isinstance(caught.value.__cause__, KeyError)
        world.cut.clear()
        with pytest.raises(KeyboardInterrupt):
            body(KeyboardInterrupt())

    def test_on_lost_is_called_with_the_grant(self, world):
        one = world.connect(lease=0.3)
        called: list[Any] = []
        lock = one.Lock("orders", on_lost=called.append)
        lock.acquire()
        grant = lock.find()
        world.cut.add("*")
        wait_until(lambda: called == [grant], "on_lost called")

    def test_one_renewal_keeps_all_locks(self, world):
        one = world.connect(lease=1.5)
        locks = [one.Lock(f"lock {i}") for i in range(50)]
        for lock in locks:
            lock.acquire()
        session = session_of(one)
        begun = session.beats
        began = sessions.now()
        wait_until(lambda: session.beats >= begun + 4, "four beats")
        assert sessions.now() - began > 1.5
        for lock in locks:
            lock.check()
            lock.release()

    def test_a_lock_with_its_own_lease_is_kept_apart(self, world):
        one = world.connect(lease=10.0)
        quick = one.Lock("quick", lease=0.3)
        slow = one.Lock("slow")
        quick.acquire()
        slow.acquire()
        lost = quick.lost
        world.cut.add(one.sessions[0.3].id)
        assert lost.wait(PATIENCE)
        slow.check()
        slow.release()

    def test_an_engine_that_forgot_everything(self, world):
        one, two = world.connect(lease=3.0), world.connect(lease=3.0)
        lock = one.Lock("orders")
        lock.acquire()
        lost = lock.lost
        waiting: list[bool] = []
        waiter = threading.Thread(target=lambda: waiting.append(two.Lock("orders").acquire(timeout=PATIENCE)))
        waiter.start()
        wait_until(lambda: two.sessions and session_of(two).waiting, "two waits")
        with world.store.guard:
            world.store.machine.sessions.clear()
            world.store.machine.records.clear()
        assert lost.wait(PATIENCE)
        assert isinstance(lost.reason, interlock.EngineRestarted)
        waiter.join(PATIENCE)
        assert waiting == [True]
        assert two.requeued == 1

    def test_a_hold_that_the_engine_lost_alone_is_told(self, world):
        one = world.connect(lease=0.6)
        kept, gone = one.Lock("kept"), one.Lock("gone")
        kept.acquire()
        gone.acquire()
        lost = gone.lost
        with world.store.guard:
            machine = world.store.machine
            machine.drop(machine.sessions[session_of(one).id], gone.find().waiter)
        assert lost.wait(PATIENCE)
        kept.check()

    def test_a_beat_in_the_middle_of_a_release_does_not_make_it_a_loss(self, world):
        """The beat's answer names a hold that is on its way out; nobody but its release may leave it."""
        one = world.connect()
        lock = one.Lock("orders")
        lock.acquire()
        session = session_of(one)
        fault = world.store.fault

        def beat_before_leave(when, op, arguments):
            if when == "before" and op == "leave":
                world.store.fault = fault
                session.beat()
                assert session.owed == {}

        world.store.fault = beat_before_leave
        lock.release()

    def test_a_clock_that_jumps_ends_the_session(self, world, set_clock):
        """As after a sleep of the machine: the first look at the clock tells, whoever looks."""
        one = world.connect(lease=10.0)
        lock = one.Lock("orders")
        lock.acquire()
        now = sessions.now
        set_clock(lambda: now() + 11)
        with pytest.raises(LeaseLost):
            lock.check()

    @pytest.mark.parametrize("op", ["enter", "beat"])
    def test_an_answer_that_comes_when_the_lease_is_over_is_worth_nothing(self, world, set_clock, op):
        """The process was stopped in between: what the engine granted then may be somebody else's by now."""
        one = world.connect(lease=10.0)
        lock = one.Lock("orders")
        with lock:
            session = session_of(one)
        lock = one.Lock("other")
        now, fault = sessions.now, world.store.fault

        def stop(when, what, arguments):
            if when == "after" and what == op and arguments[0] == session.id:
                world.store.fault = fault
                set_clock(lambda: now() + 11)

        world.store.fault = stop
        if op == "beat":
            session.beat()
            assert session.over is not None
            assert session.deadline < sessions.now()
        assert lock.acquire(timeout=PATIENCE)
        assert session.over is not None
        assert lock.find().session is session_of(one) is not session
        lock.check()

    def test_who_asks_need_not_wait_for_the_clock_thread(self, world, set_clock):
        one = world.connect(lease=10.0)
        names = ["check", "token", "lost", "release"]
        grants = []
        for name in names:
            lock = one.Lock(name, lease=len(grants) + 10.0 - len(names))
            lock.acquire()
            grants.append((lock, lock.find(), lock.lost))
        now = sessions.now
        for session in one.sessions.values():
            session.closing = True  # its line does nothing more
            sessions.clock.forget(session)
        set_clock(lambda: now() + 11)
        (_, check, _), (_, token, _), (_, _, lost), (released, _, _) = grants
        with pytest.raises(LeaseLost):
            check.check()
        with pytest.raises(LeaseLost):
            _ = token.token
        assert lost.is_set()
        assert isinstance(lost.reason, LeaseLost)
        with pytest.raises(LeaseLost, match="did not renew"):
            released.release()

    def test_a_check_after_the_release_does_not_pass(self, world):
        one = world.connect()
        for lock in (one.Lock("lock"), one.RLock("rlock"), one.Semaphore("semaphore", 2), one.RWLock("rwlock").write()):
            with lock as grant:
                grant.check()
                lost = grant.lost
            for ask in (grant.check, lambda grant=grant: grant.token):
                with pytest.raises(NotHeld, match="it was released"):
                    ask()
            assert not lost.is_set()

    def test_the_grant_is_that_of_the_new_hold_after_a_wait_at_a_condition(self, world):
        one = world.connect()
        condition = one.Condition("news")
        with condition as grant:
            before, lost = grant.token, grant.lost
            for _ in range(3):
                assert not condition.wait(timeout=0.001)
                assert grant.token == condition.lock.token > before
                before = grant.token
                grant.check()
                assert grant.lost is lost
            assert len(grant.latest) == 1
            session_of(one).end(LeaseLost("by the test"))
            assert lost.is_set()
            assert lost.wait(timeout=0)
            with pytest.raises(LeaseLost, match="by the test"):
                grant.check()
            with pytest.raises(LeaseLost):
                condition.lock.release()
            condition.acquire()  # what the end of the block releases

    def test_an_answer_to_open_that_comes_late_does_not_move_a_deadline(self, world):
        """On the engine it may have begun anew what was over, and what was held in it is gone."""
        one = world.connect(lease=10.0)
        one.Lock("orders").acquire()
        session = session_of(one)
        before = session.deadline
        session.opened(sessions.now() + 5)
        assert session.deadline == before

    def test_a_deadline_that_has_passed_is_not_moved(self, world, set_clock, monkeypatch):
        """Though the thread that takes the answer was stopped after it had looked at the clock."""
        one = world.connect(lease=10.0)
        one.Lock("orders").acquire()
        session = session_of(one)
        before = session.deadline
        session.closing = True  # its line does nothing more
        sessions.clock.forget(session)
        now = sessions.now
        looked = sessions.Session.look_at_clock

        def stopped(self):
            looked(self)
            set_clock(lambda: now() + 20)

        monkeypatch.setattr(sessions.Session, "look_at_clock", stopped)
        session.renewed(now() + 15)
        assert session.deadline == before
        monkeypatch.setattr(sessions.Session, "look_at_clock", looked)

    def test_told_a_tenth_before_the_engine_lets_anybody_in(self, prefix, set_clock):
        """On one clock that the test moves, whatever took its time on the way."""
        time = [1000.0]
        set_clock(lambda: time[0])
        world = World(prefix)
        one = world.connect(lease=10.0)
        machine = world.store.machine
        machine.clock = lambda: int(time[0] * 1_000_000)
        world.store.fault = lambda when, op, arguments: time.__setitem__(0, time[0] + 1.0)
        machine.step("open", ("other", 60_000_000, "{}"))
        lock = one.Lock("orders")
        lock.acquire()
        session, lost = session_of(one), lock.lost
        session.closing = True  # its line does nothing more
        end = machine.sessions[session.id].deadline / 1_000_000
        assert session.deadline <= end - 1.0
        assert session.told_at == session.deadline - 1.0
        time[0] = session.told_at - 0.001
        assert not lost.is_set()
        time[0] = session.told_at
        assert lost.is_set()
        ask = ("other", "other:1", "orders", "lock", 1, 1, 0, "{}")
        time[0] = end - 0.001
        assert machine.step("enter", ask) == ["busy"]
        time[0] = end
        assert machine.step("enter", ask)[0] == "granted"
        session.closing = False
        world.store.fault = None
        one.close()


class TestTasks:
    def test_asyncio_body_is_left_at_once(self, world):
        one = world.connect(lease=0.3)
        lock = one.Lock("orders")

        async def main():
            async with lock:
                world.cut.add("*")
                await asyncio.Event().wait()

        with pytest.raises(LeaseLost):
            asyncio.run(main())

    def test_asyncio_around_a_task_group(self, world):
        one = world.connect(lease=0.3)
        lock = one.Lock("orders")

        async def main():
            async with lock, asyncio.TaskGroup() as group:
                group.create_task(asyncio.Event().wait())
                world.cut.add("*")

        with pytest.raises(LeaseLost):
            asyncio.run(main())

    def test_asyncio_under_a_timeout_that_does_not_strike(self, world):
        one = world.connect(lease=0.3)
        lock = one.Lock("orders")

        async def main():
            try:
                async with asyncio.timeout(1000), lock:
                    world.cut.add("*")
                    await asyncio.Event().wait()
            except LeaseLost:
                task = asyncio.current_task()
                assert task is not None
                assert task.cancelling() == 0
                await asyncio.sleep(0)  # nothing is left pending
                return "told"

        assert asyncio.run(main()) == "told"

    def test_asyncio_cancellation_from_outside_stays_one(self, world):
        one = world.connect(lease=0.3)
        lock = one.Lock("orders")

        async def main():
            inside = asyncio.Event()

            async def body():
                async with lock as grant:
                    world.cut.add("*")
                    inside.set()
                    lost = grant.lost
                    try:
                        await asyncio.Event().wait()
                    finally:
                        await asyncio.shield(asyncio.sleep(0))
                        assert lost.is_set()

            task = asyncio.create_task(body())
            await inside.wait()
            held = lock.held
            (grant,) = next(iter(held.values()))
            # The loss is told in the loop; cancel in the same breath, before the task has run.
            await grant.lost.wait_async()
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                return "cancelled"

        assert asyncio.run(main()) == "cancelled"

    def test_asyncio_body_that_has_ended_already(self, world):
        one = world.connect(lease=0.3)
        lock = one.Lock("orders")

        async def main():
            try:
                async with lock as grant:
                    world.cut.add("*")
                    assert grant.lost.wait(PATIENCE)  # blocks the loop, so the cancellation is still to come
            except LeaseLost:
                await asyncio.sleep(0)
                return "told"

        assert asyncio.run(main()) == "told"

    def test_trio_body_is_left_at_once(self, world):
        one = world.connect(lease=0.3)
        lock = one.Lock("orders")

        async def main():
            with trio.fail_after(1000):
                async with lock:
                    world.cut.add("*")
                    await trio.sleep_forever()

        with pytest.raises(LeaseLost):
            trio.run(main)

    def test_not_where_that_is_switched_off(self, world):
        one = world.connect(lease=0.3)
        lock = one.Lock("orders", cancel_on_loss=False)
        ends: list[str] = []

        async def main():
            async with lock as grant:
                world.cut.add("*")
                await grant.lost.wait_async()
                await asyncio.sleep(0)
                ends.append("by itself")

        with pytest.raises(LeaseLost):
            asyncio.run(main())
        assert ends == ["by itself"]

    def test_a_cancelled_wait_leaves_nothing_behind(self, world):
        one, two = world.connect(), world.connect()
        lock, other = one.Lock("orders"), two.Lock("orders")

        async def main():
            async with lock:
                task = asyncio.create_task(other.acquire_async())
                while not (await lock.look_async()).waiters:
                    await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                while (await lock.look_async()).waiters:
                    await asyncio.sleep(0)
            assert await lock.acquire_async()
            await lock.release_async()

        asyncio.run(main())

    def test_a_cancelled_wait_at_a_condition_comes_back_with_the_lock(self, world):
        one, two = world.connect(), world.connect()
        mine, other = one.Condition("news"), two.Condition("news")

        async def main():
            held: list[bool] = []

            async def waiter():
                async with mine:
                    try:
                        await mine.wait_async()
                    finally:
                        held.append((await mine.lock.look_async()).holders[0].session == session_of(one).id)

            task = asyncio.create_task(waiter())
            while not (await mine.look_async()).waiters:
                await asyncio.sleep(0)
            async with other:
                task.cancel()
                while not (await mine.lock.look_async()).waiters:
                    await asyncio.sleep(0)
            with pytest.raises(asyncio.CancelledError):
                await task
            assert held == [True]
            assert not await mine.lock.locked_async()

        asyncio.run(main())

    @pytest.mark.parametrize("library", ["asyncio", "trio"])
    def test_a_wait_that_is_cancelled_on_its_way_to_the_condition_comes_back_with_the_lock(self, world, library):
        """The answer that says that it waits is still under way. It is known first, and the wait is ended then."""
        cluster = world.connect()
        condition = cluster.Condition("news")
        parks, goes_on = threading.Event(), threading.Event()
        held: list[bool] = []
        began = world.store.fault

        def fault(when, op, arguments):
            began(when, op, arguments)
            if (when, op) == ("after", "park"):
                parks.set()
                assert goes_on.wait(PATIENCE)

        world.store.fault = fault

        async def body():
            async with condition:
                try:
                    await condition.wait_async()
                finally:
                    held.append(bool(condition.lock.find()))

        async def with_asyncio():
            loop = asyncio.get_running_loop()
            with pytest.raises(TimeoutError):  # noqa: PT012 - the block is what is tested
                async with asyncio.timeout(None) as limit:
                    loop.run_in_executor(None, strike, limit, loop)
                    await body()
            assert asyncio.current_task().cancelling() == 0

        def strike(limit, loop):
            assert parks.wait(PATIENCE)
            done = threading.Event()
            loop.call_soon_threadsafe(lambda: (limit.reschedule(loop.time()), loop.call_later(0, done.set)))
            assert done.wait(PATIENCE)
            goes_on.set()

        async def with_trio():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(body)
                await trio.to_thread.run_sync(parks.wait, PATIENCE)
                nursery.cancel_scope.cancel()
                goes_on.set()

        if library == "asyncio":
            asyncio.run(with_asyncio())
        else:
            trio = pytest.importorskip("trio")
            trio.run(with_trio)
        assert held == [True]
        wait_until(lambda: not condition.lock.locked(), "it was released")
        assert condition.waiters == ()

    def test_what_breaks_off_a_wait_is_not_hidden_by_a_lock_that_it_gave_up(self, world):
        cluster = world.connect()
        condition = cluster.Condition("news")
        began = world.store.fault

        def fault(when, op, arguments):
            began(when, op, arguments)
            if (when, op) == ("after", "park"):
                raise KeyboardInterrupt

        world.store.fault = fault
        with pytest.raises(KeyboardInterrupt), condition:
            condition.wait()
        world.store.fault = began
        wait_until(lambda: not condition.lock.locked() and not condition.waiters, "all of it was given up")

    def test_a_handle_that_is_closed_while_it_waits_at_a_condition_says_so(self, world):
        cluster, other = world.connect(), world.connect()
        condition = cluster.Condition("news")
        failed: list[BaseException] = []

        def wait():
            try:
                with condition:
                    condition.wait()
            except BaseException as error:
                failed.append(error)

        waiter = threading.Thread(target=wait)
        waiter.start()
        wait_until(lambda: other.Condition("news").waiters, "it waits")
        cluster.close()
        waiter.join(PATIENCE)
        assert [type(error) for error in failed] == [interlock.ClusterError]
        assert "was closed" in str(failed[0])


class TestOutage:
    @pytest.mark.parametrize("op", ["enter", "leave"])
    def test_an_answer_that_was_lost_doubles_nothing(self, world, op):
        one, two = world.connect(), world.connect()
        lock = one.Lock("orders")
        lock.acquire()
        lock.release()
        world.lost_answers.add(op)
        lock.acquire()
        lock.release()
        assert not world.lost_answers
        assert two.Lock("orders").acquire(timeout=PATIENCE)

    def test_a_count_whose_answer_was_lost_counts_once(self, world):
        one = world.connect()
        latch = one.Latch("started", 3)
        assert latch.count == 3
        world.lost_answers.add("signal")
        latch.count_down()
        assert not world.lost_answers
        assert latch.count == 2

    @pytest.mark.parametrize("op", ["park", "notify", "wake"])
    def test_a_condition_survives_lost_answers(self, world, op):
        one, two = world.connect(), world.connect()
        mine, other = one.Condition("news"), two.Condition("news")
        came: list[bool] = []

        def waiter():
            with mine:
                came.append(mine.wait(None if op != "wake" else 0.05))

        if op != "notify":
            world.lost_answers.add(op)
        thread = threading.Thread(target=waiter)
        thread.start()
        if op != "wake":
            wait_until(lambda: len(other.waiters) == 1, "one waits")
            world.lost_answers.add(op) if op == "notify" else None
            with other:
                other.notify()
        thread.join(PATIENCE)
        assert came == [op != "wake"]
        assert not world.lost_answers
        assert not other.locked()

    def test_a_hint_that_was_lost_is_found_by_the_beat(self, world):
        one, two = world.connect(lease=0.6), world.connect(lease=0.6)
        lock, other = one.Lock("orders"), two.Lock("orders")
        lock.acquire()
        came: list[bool] = []
        thread = threading.Thread(target=lambda: came.append(other.acquire(timeout=PATIENCE)))
        thread.start()
        wait_until(lambda: len(lock.waiters) == 1, "two waits")
        wait_until(lambda: not world.store.inboxes[session_of(two).id].first, "two reads")
        world.store.machine.tell = lambda *told: None
        lock.release()
        thread.join(PATIENCE)
        assert came == [True]

    def test_a_wait_goes_on_through_an_outage(self, world):
        one = world.connect()
        lock = one.Lock("orders")
        lock.acquire()
        lock.release()
        world.cut.add("*")
        came: list[bool] = []
        thread = threading.Thread(target=lambda: came.append(lock.acquire()))
        thread.start()
        wait_until(lambda: one.out_since is not None, "the outage is seen")
        assert lock.acquire(timeout=0.05) is False
        assert "out of reach" in repr(one)
        world.cut.clear()
        thread.join(PATIENCE)
        assert came == [True]
        assert one.out_since is None

    def test_patience_ends_it_and_the_error_says_which_engine(self, world):
        one = world.connect(patience=0.05)
        lock = one.Lock("orders")
        lock.acquire()
        world.cut.add("*")
        other = one.Lock("other")
        with pytest.raises(
            EngineUnavailable, match=r"memory://world does not answer, not since ..:..:.. \(enter, tried"
        ):
            other.acquire()

    def test_an_engine_that_was_never_reached_is_an_error_at_once(self, world):
        one = world.connect()
        world.cut.add("*")
        with pytest.raises(EngineUnavailable, match="tried once"):
            one.Lock("orders").acquire()

    def test_release_in_an_outage_is_made_up_for(self, world):
        one, two = world.connect(lease=0.9), world.connect(lease=0.9)
        lock = one.Lock("orders")
        lock.acquire()
        world.cut.add("*")
        lock.release()
        world.cut.clear()
        assert two.Lock("orders").acquire(timeout=PATIENCE)
        session_of(one).look_at_clock()
        assert session_of(one).over is None, "the release came through, not the end of the lease"

    def test_a_call_that_was_given_up_and_comes_through_late_holds_nothing(self, world):
        one, two = world.connect(lease=0.6), world.connect(lease=0.6)
        one.Lock("other").acquire()
        session = session_of(one)
        with world.store.guard:
            late = world.store.machine.step("enter", (session.id, f"{session.id}:999", "orders", "lock", 1, 1, 1, "{}"))
        assert late[0] == "granted"
        assert two.Lock("orders").acquire(timeout=PATIENCE)
        assert session.over is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
class TestFork:
    def test_a_child_has_no_session_and_holds_nothing(self, world):
        one = world.connect()
        lock = one.Lock("orders")
        lock.acquire()
        grant = lock.find()
        parent = session_of(one).id
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                try:
                    lock.release()
                except ForkedLock:
                    code = 0
                for ask in (grant.check, lambda: grant.token):
                    try:
                        ask()
                    except ForkedLock:
                        code += 1
                if not grant.lost.is_set():
                    code = 1
                # In memory the child is a world of its own.
                if code == 2 and lock.acquire(timeout=5) and session_of(one).id != parent:
                    lock.release()
                    code = 3
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
        lock.check()
        lock.release()


@pytest.fixture
def no_thread(monkeypatch):
    """The system has no thread for those whose name begins so."""
    start = threading.Thread.start
    short: set[str] = set()

    def start_or_not(thread):
        if thread.name.startswith(tuple(short)):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_or_not)
    return short


@pytest.mark.parametrize("which", ["interlock-cluster-line", "interlock-cluster-clock"])
def test_a_session_without_its_threads_is_given_up(world, no_thread, monkeypatch, which):
    monkeypatch.setattr(sessions, "clock", sessions.Clock())  # that of the process may have its thread already
    lock = world.connect().Lock("orders")
    no_thread.add(which)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        lock.acquire()
    assert not sessions.clock.sessions
    no_thread.clear()
    with lock as grant:
        grant.check()
        assert sessions.clock.thread is not None


def test_others_are_told_their_loss_where_on_lost_gets_no_thread(world, monkeypatch, caplog):
    start, refused, told = threading.Thread.start, iter([True, False]), [threading.Event(), threading.Event()]

    def start_the_second(thread):
        if thread.name == "interlock-on-lost" and next(refused):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_the_second)
    handle = world.connect()
    for name, event in zip(("first", "second"), told, strict=True):
        handle.Lock(name, on_lost=lambda grant, event=event: event.set()).acquire()
    session_of(handle).end(LeaseLost("a test"))
    assert told[1].wait(PATIENCE)
    assert not told[0].is_set()
    assert "the lease of 'first' is lost, and on_lost could not be called: can't start new thread" in caplog.text


def test_tasks_go_on_after_there_was_no_thread(world, no_thread):
    handle = world.connect()
    lock = handle.Lock("orders")
    with lock:  # the threads of the session
        pass

    async def main():
        no_thread.add("interlock-cluster-calls")
        for _ in range(10):
            with pytest.raises(RuntimeError, match="can't start new thread"):
                await lock.acquire_async()
        assert not handle.caller.trips
        no_thread.clear()
        async with lock:
            pass

    asyncio.run(main())
    assert not lock.look().waiters


def test_what_is_no_engine():
    with pytest.raises(ValueError, match="not the URL of an engine"):
        interlock.cluster.connect("mysql://host")
    with pytest.raises(ValueError, match="max_lease"):
        interlock.cluster.connect("memory://", lease=20, max_lease=10)
    with pytest.raises(ValueError, match="after_restart"):
        interlock.cluster.connect("memory://", after_restart="now")


def test_nothing_is_imported_before_it_is_needed():
    import subprocess
    import sys

    code = (
        "import sys, interlock.cluster\n"
        "interlock.cluster.connect('memory://')\n"
        "print([m for m in sys.modules if m.partition('.')[0] in ('redis', 'psycopg', 'grpc')])\n"
        "print(interlock.LeaseLost is interlock.cluster.LeaseLost)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "True"]
