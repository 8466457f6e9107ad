"""What the primitives do, on every engine, for threads and for tasks, between two handles that know nothing of each
other: as two processes would."""

import copy
import pickle
import threading

import pytest
from parties import blocked, wait_until

import interlock
from interlock.cluster import ClusterError, LeaseLost, NotHeld, ShapeError


@pytest.fixture
def pair(connect):
    return connect(label="one"), connect(label="two")


class TestLock:
    def test_one_at_a_time_in_order(self, pair, parties):
        locks = [handle.Lock("orders") for handle in pair]
        a, b, c = parties(3)
        assert a.do(locks[0].acquire) is True
        second = b.begin(locks[1].acquire)
        blocked(locks[0], 1)
        third = c.begin(locks[0].acquire)
        blocked(locks[0], 2)
        a.do(locks[0].release)
        assert second.result() is True
        assert not third.done
        b.do(locks[1].release)
        assert third.result() is True
        c.do(locks[0].release)
        assert not locks[0].locked()

    def test_with_gives_a_token_that_grows(self, pair, parties):
        (a,) = parties(1)
        locks = [handle.Lock("orders") for handle in pair]
        tokens = []
        for lock in locks * 2:
            grant = a.enter(lock)
            assert grant.token == grant.value > 0
            tokens.append(grant.token)
            a.leave(lock)
        assert tokens == sorted(set(tokens))

    def test_a_timeout_leaves_nothing_behind(self, pair, parties):
        locks = [handle.Lock("orders") for handle in pair]
        a, b = parties(2)
        a.do(locks[0].acquire)
        assert b.do(locks[1].acquire, timeout=0.05) is False
        assert b.do(locks[1].acquire, timeout=0) is False
        assert b.do(locks[1].acquire, False) is False
        assert locks[0].waiters == ()
        with pytest.raises(TimeoutError, match="not acquired within"):
            b.enter(locks[1].within(0.01))
        a.do(locks[0].release)
        assert b.do(locks[1].acquire, timeout=10) is True
        b.do(locks[1].release)

    def test_owner_and_waiters_say_who(self, pair, parties):
        locks = [handle.Lock("orders") for handle in pair]
        a, b = parties(2)
        a.do(locks[0].acquire)
        waiting = b.begin(locks[1].acquire)
        blocked(locks[0], 1)
        assert locks[1].owner.label == "one"
        assert locks[1].owner.token == locks[0].find().token
        (waiter,) = locks[0].waiters
        assert waiter.label == "two"
        assert waiter.pid > 0
        assert waiter.host
        assert 0 < waiter.left <= 10
        assert waiter.thread
        a.do(locks[0].release)
        assert waiting.result()
        b.do(locks[1].release)
        assert locks[0].owner is None

    def test_release_of_what_is_not_held(self, pair, parties):
        a, b = parties(2)
        lock, other = (handle.Lock("orders") for handle in pair)
        with pytest.raises(NotHeld) as caught:
            a.do(lock.release)
        assert isinstance(caught.value, RuntimeError)
        assert isinstance(caught.value, interlock.ClusterError)
        a.do(lock.acquire)
        with pytest.raises(NotHeld):
            b.do(other.release)
        b.do(lock.release)  # another party of the same process may, as with threading

    def test_misuse(self, cluster):
        lock = cluster.Lock("orders")
        with pytest.raises(ValueError, match="non-blocking"):
            lock.acquire(False, 1)
        with pytest.raises(ValueError, match="non-negative"):
            lock.acquire(timeout=-2)
        with pytest.raises(OverflowError):
            lock.acquire(timeout=1e20)
        with pytest.raises(ValueError, match="0 or more"):
            lock.within(-1)
        for bad in ("", "a\nb", "x" * 401):
            with pytest.raises(ValueError, match="name must be"):
                cluster.Lock(bad)
        with pytest.raises(TypeError):
            cluster.Lock(1)
        with pytest.raises(ValueError, match="lease must be"):
            cluster.Lock("orders", lease=100)


class TestRLock:
    def test_owner_may_take_it_again_and_only_it_may_release(self, pair, parties):
        locks = [handle.RLock("orders") for handle in pair]
        a, b = parties(2)
        a.do(locks[0].acquire)
        a.do(locks[0].acquire)
        waiting = b.begin(locks[1].acquire)
        blocked(locks[0], 1)
        (stranger,) = parties(1)
        with pytest.raises(NotHeld):
            stranger.do(locks[0].release)
        a.do(locks[0].release)
        blocked(locks[0], 1)
        a.do(locks[0].release)
        assert waiting.result()
        b.do(locks[1].release)
        with pytest.raises(NotHeld):
            a.do(locks[0].release)

    def test_with_again(self, cluster, parties):
        lock = cluster.RLock("orders")
        (a,) = parties(1)
        first = a.enter(lock)
        assert a.enter(lock) is first
        a.leave(lock)
        assert lock.locked()
        a.leave(lock)
        assert not lock.locked()


class TestSemaphore:
    def test_as_many_as_it_has(self, pair, parties):
        one, two = (handle.Semaphore("api", 2) for handle in pair)
        a, b, c = parties(3)
        a.do(one.acquire)
        b.do(two.acquire)
        waiting = c.begin(one.acquire)
        blocked(one, 1)
        b.do(two.release)
        assert waiting.result()
        c.do(one.release)
        a.do(one.release)
        with pytest.raises(ValueError, match="does not hold"):
            a.do(one.release)

    def test_several_permits_are_all_or_none_and_keep_their_place(self, pair, parties):
        one, two = (handle.BoundedSemaphore("api", 3) for handle in pair)
        a, b, c = parties(3)
        a.do(one.acquire)
        big = b.begin(two.acquire, permits=3)
        blocked(one, 1)
        small = c.begin(one.acquire)
        blocked(one, 2)  # one is free, but nobody passes the head
        a.do(one.release)
        assert big.result()
        b.do(two.release, 3)
        assert small.result()
        c.do(one.release)

    def test_head_that_gives_up_lets_the_next_through(self, pair, parties):
        one, two = (handle.Semaphore("api", 2) for handle in pair)
        a, b, c = parties(3)
        a.do(one.acquire)
        big = b.begin(two.acquire, timeout=0.5, permits=2)
        wait_until(lambda: big.done or len(one.waiters) == 1, "b waits")
        small = c.begin(one.acquire)
        assert big.result() is False
        assert small.result() is True
        a.do(one.release)
        c.do(one.release)

    def test_another_capacity_is_an_error_that_names_both(self, pair):
        one, two = pair
        with one.Semaphore("api", 5), pytest.raises(ShapeError, match=r"Semaphore of 5 .* Semaphore of 3"):
            two.Semaphore("api", 3).acquire()
        with one.Semaphore("api", 5), pytest.raises(ShapeError, match=r"a Semaphore of 5 .* a Lock"):
            two.Lock("api").acquire(timeout=0)

    def test_bad_values(self, cluster):
        for bad in (0, -1, 2**31):
            with pytest.raises(ValueError, match="value must be"):
                cluster.Semaphore("api", bad)
        with pytest.raises(ValueError, match="permits must be"):
            cluster.Semaphore("api", 2).acquire(permits=3)


class TestRWLock:
    def test_readers_together_writers_alone_in_order(self, pair, parties):
        one, two = (handle.RWLock("config") for handle in pair)
        a, b, c, d = parties(4)
        a.enter(one.read())
        b.enter(two.read())
        assert one.readers == 2
        writing = c.begin_enter(two.write())
        blocked(one, 1)
        reading = d.begin_enter(one.read())
        blocked(one, 2)
        a.leave(one.read())
        b.leave(two.read())
        writing.result()
        assert one.owner.label == "two"
        assert one.locked()
        assert not reading.done
        c.leave(two.write())
        reading.result()
        assert one.owner is None
        d.leave(one.read())
        assert not one.locked()


class TestEvent:
    def test_set_lets_all_go_on(self, pair, parties):
        one, two = (handle.Event("ready") for handle in pair)
        a, b, c = parties(3)
        assert a.do(one.wait, 0.01) is False
        waits = [a.begin(one.wait), b.begin(two.wait)]
        blocked(one, 2)
        c.do(two.set)
        assert [wait.result() for wait in waits] == [True, True]
        assert one.is_set()
        assert a.do(one.wait) is True
        c.do(one.clear)
        assert not two.is_set()
        assert b.do(two.wait, timeout=0) is False

    def test_set_and_clear_lets_go_who_waited(self, pair, parties):
        one, two = (handle.Event("ready") for handle in pair)
        a, b = parties(2)
        wait = a.begin(one.wait)
        blocked(one, 1)
        b.do(two.set)
        b.do(two.clear)
        assert wait.result() is True


class TestLatch:
    def test_down_to_zero(self, pair, parties):
        one, two = (handle.Latch("started", 3) for handle in pair)
        a, b = parties(2)
        assert one.count == 3
        wait = a.begin(one.wait)
        blocked(one, 1)
        b.do(two.count_down, 2)
        assert one.count == 1
        with pytest.raises(ValueError, match="below 0"):
            b.do(two.count_down, 2)
        assert one.count == 1
        b.do(two.count_down)
        assert wait.result() is True
        assert b.do(two.wait) is True
        with pytest.raises(ShapeError, match="Latch of 3"):
            pair[0].Latch("started", 4).count_down()


class TestBarrier:
    def test_all_go_on_together(self, pair, parties):
        barriers = [handle.Barrier("start", 3) for handle in pair]
        people = parties(3)
        for _ in range(2):
            waits = [who.begin(barriers[i % 2].wait) for i, who in enumerate(people)]
            assert sorted(wait.result() for wait in waits) == [0, 1, 2]

    def test_action_comes_first(self, pair, parties):
        done = []
        one, two = (handle.Barrier("start", 2, lambda: done.append(1)) for handle in pair)
        a, b = parties(2)
        wait = a.begin(one.wait)
        blocked(one, 1)
        assert done == []
        assert b.do(two.wait) == 1
        assert done == [1]
        assert wait.result() == 0

    def test_an_action_that_fails_breaks_it(self, pair, parties):
        one = pair[0].Barrier("start", 2)
        two = pair[1].Barrier("start", 2, lambda: 1 / 0)
        a, b = parties(2)
        wait = a.begin(one.wait)
        blocked(one, 1)
        with pytest.raises(ZeroDivisionError):
            b.do(two.wait)
        with pytest.raises(threading.BrokenBarrierError):
            wait.result()

    def test_who_gives_up_breaks_it(self, pair, parties):
        one, two = (handle.Barrier("start", 3) for handle in pair)
        a, b = parties(2)
        wait = a.begin(one.wait)
        blocked(one, 1)
        with pytest.raises(threading.BrokenBarrierError):
            b.do(two.wait, 0.01)
        with pytest.raises(threading.BrokenBarrierError):
            wait.result()
        assert two.broken
        with pytest.raises(threading.BrokenBarrierError):
            a.do(two.wait)
        b.do(one.reset)
        assert not two.broken
        wait = a.begin(one.wait)
        blocked(one, 1)
        b.do(two.abort)
        with pytest.raises(threading.BrokenBarrierError):
            wait.result()


class TestCondition:
    def test_notify(self, pair, parties):
        one, two = (handle.Condition("news") for handle in pair)
        a, b, c = parties(3)
        a.enter(one)
        first = a.begin(one.wait)
        blocked(one, 1)
        b.enter(two)
        second = b.begin(two.wait)
        blocked(one, 2)
        c.enter(one)
        c.do(one.notify)
        assert not first.done
        assert len(one.waiters) == 1
        assert len(one.lock.waiters) == 1
        c.leave(one)
        assert first.result() is True
        assert one.locked()
        a.do(one.notify_all)
        a.leave(one)
        assert second.result() is True
        b.leave(two)
        assert not one.locked()

    def test_timeout_comes_back_with_the_lock(self, pair, parties):
        one, two = (handle.Condition("news", handle.Lock("paper")) for handle in pair)
        a, b = parties(2)
        a.enter(one)
        assert a.do(one.wait, 0.01) is False
        assert one.locked()
        with pytest.raises(NotHeld):
            b.do(two.wait)
        with pytest.raises(RuntimeError):
            b.do(two.notify)
        a.leave(one)

    def test_depth_of_an_rlock_comes_back(self, pair, parties):
        one, two = (handle.Condition("news") for handle in pair)
        a, b = parties(2)
        a.enter(one)
        a.enter(one)
        wait = a.begin(one.wait)
        blocked(one, 1)
        b.enter(two)
        b.do(two.notify)
        b.leave(two)
        assert wait.result() is True
        a.leave(one)
        assert two.locked()
        a.leave(one)
        assert not two.locked()

    def test_wait_for(self, pair, parties):
        one, two = (handle.Condition("news") for handle in pair)
        a, b = parties(2)
        seen = []
        a.enter(one)
        wait = a.begin(one.wait_for, lambda: seen)
        blocked(one, 1)
        b.enter(two)
        b.do(two.notify)
        b.leave(two)
        blocked(one, 1)
        b.enter(two)
        seen.append(1)
        b.do(two.notify)
        b.leave(two)
        assert wait.result() == [1]
        a.leave(one)


class TestHandle:
    def test_close_releases_at_once_and_tells(self, pair):
        one, two = pair
        lock = one.Lock("orders")
        lock.acquire()
        grant = lock.find()
        one.close()
        assert two.Lock("orders").acquire(timeout=5)
        with pytest.raises(LeaseLost, match="closed"):
            grant.check()
        with pytest.raises(LeaseLost):
            lock.release()
        with pytest.raises(ClusterError, match="closed"):
            lock.acquire()

    def test_prefixes_are_worlds_of_their_own(self, connect, prefix):
        one, two = connect(prefix=f"{prefix}-a"), connect(prefix=f"{prefix}-b")
        with one.Lock("orders"), two.Lock("orders"):
            assert [seen.name for seen in one.ps()] == ["orders"]

    def test_ps_lists_what_is_in_use(self, pair):
        one, two = pair
        with one.Lock("orders"), two.Semaphore("api", 3):
            seen = {each.name: each for each in one.ps()}
            assert seen["orders"].holders[0].label == "one"
            assert (seen["api"].kind, seen["api"].capacity, seen["api"].used) == ("semaphore", 3, 1)
            assert [each.name for each in one.ps("api")] == ["api"]

    def test_forget(self, pair):
        one, two = pair
        latch = one.Latch("started", 2)
        latch.count_down(2)
        assert one.forget("started")
        assert two.Latch("started", 5).count == 5
        with one.Lock("orders"):
            assert not two.forget("orders")

    def test_a_name_is_free_for_another_shape_once_forgotten(self, pair):
        with pair[0].Semaphore("api", 5):
            pass
        pair[0].forget("api")
        with pair[1].Semaphore("api", 3):
            pass


def test_what_belongs_to_this_process_is_not_copied(cluster):
    """A copy would share its session with another process, or not be there when this one is forked or ends."""
    lock = cluster.Lock("orders")
    with lock as grant:
        for each in (cluster, lock, cluster.RWLock("rw").read(), cluster.Condition("news"), cluster.Event("e"), grant):
            for copies in (pickle.dumps, copy.copy, copy.deepcopy):
                with pytest.raises(TypeError, match=r"cannot pickle or copy <.*use its name"):
                    copies(each)
