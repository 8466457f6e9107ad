"""The queue between processes: items come out once, in order, also where somebody dies."""

import asyncio
import os
import pickle
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest
import trio

from interlock import Empty, Full, ShutDown, machine

from .conftest import PATIENCE, Others, until


class TestItems:
    @pytest.mark.parametrize("item", [b"", b"x", b"y" * 100_000, 7, {"a": [1, 2]}, None, bytearray(b"z"), "text"])
    def test_come_out_as_they_went_in(self, item: object) -> None:
        queue = machine.Queue()
        queue.put(item)
        got = queue.get()
        assert got == item
        assert type(got) is type(item)

    def test_every_place_of_the_ring(self) -> None:
        queue = machine.Queue(size=5000)
        for number in range(2000):
            item = bytes([number % 256]) * (number * 7 % 2300)
            queue.put(item)
            queue.put(item[:100])
            assert queue.get() == item
            assert queue.get() == item[:100]

    def test_one_that_is_too_large(self) -> None:
        queue = machine.Queue(size=4000)
        with pytest.raises(ValueError, match="an item of 5000 bytes does not fit into 4032 bytes"):
            queue.put(b"x" * 5000)
        queue.put(b"x" * 4000)
        with pytest.raises(Full):
            queue.put_nowait(b"")

    def test_one_that_cannot_be_pickled(self) -> None:
        queue = machine.Queue()
        with pytest.raises(Exception, match="pickle"):
            queue.put(lambda: None)
        assert queue.empty()

    def test_one_that_cannot_be_unpickled_is_gone(self) -> None:
        queue = machine.Queue()
        queue.put(Bad())
        with pytest.raises(ZeroDivisionError):
            queue.get()
        queue.put(Bad())
        with pytest.raises(ZeroDivisionError), queue.hold():
            pass
        assert queue.empty()
        assert queue.unfinished_tasks == 1  # of the `get`

    def test_order_of_producers(self, others: Others) -> None:
        queue = machine.Queue(5)

        def produce(which: int) -> None:
            for number in range(300):
                queue.put((which, number))

        pids = [others.start(lambda which=which: produce(which)) for which in range(3)]
        got = [queue.get(timeout=PATIENCE) for _ in range(900)]
        for which in range(3):
            assert [number for of, number in got if of == which] == list(range(300))
        assert [others.end(pid) for pid in pids] == [0] * 3

    def test_each_goes_to_one_consumer(self, others: Others) -> None:
        jobs, done = machine.Queue(size=4000), machine.Queue()

        def consume() -> None:
            while True:
                try:
                    item = jobs.get()
                except ShutDown:
                    return
                done.put(item)
                jobs.task_done()

        pids = [others.start(consume) for _ in range(4)]
        for number in range(2000):
            jobs.put(number)
        jobs.join()
        jobs.shutdown()
        assert [others.end(pid) for pid in pids] == [0] * 4
        assert sorted(done.get_nowait() for _ in range(2000)) == list(range(2000))
        assert done.empty()
        assert jobs.lost == 0


class Bad:
    def __reduce__(self) -> object:
        return divide, (1, 0)


def divide(one: int, other: int) -> float:
    return one / other


class TestSignatures:
    """As `queue.Queue`."""

    def test_not_blocking(self) -> None:
        queue = machine.Queue(1)
        with pytest.raises(Empty):
            queue.get_nowait()
        with pytest.raises(Empty):
            queue.get(False)
        queue.put_nowait(1)
        with pytest.raises(Full):
            queue.put_nowait(2)
        with pytest.raises(Full):
            queue.put(2, block=False)
        assert queue.full()
        assert queue.maxsize == 1
        assert queue.get(False) == 1

    def test_timeouts(self) -> None:
        queue = machine.Queue(1)
        with pytest.raises(Empty):
            queue.get(timeout=0.01)
        with pytest.raises(Empty):
            queue.get(True, 0)
        queue.put(1)
        with pytest.raises(Full):
            queue.put(2, timeout=0.01)
        assert queue.waiters == ()
        for call in (queue.get, lambda timeout: queue.put(1, timeout=timeout), queue.get_async, queue.hold):
            with pytest.raises(ValueError, match="'timeout' must be a non-negative number"):
                call(timeout=-1)

    def test_arguments(self) -> None:
        assert machine.Queue(-1).maxsize == 0
        assert machine.Queue("queue of arguments", 3).maxsize == 3
        with pytest.raises(ValueError, match="size must be 1 byte or more"):
            machine.Queue(size=0)
        with pytest.raises(ValueError, match="size must be 4096 MiB or less"):
            machine.Queue(size=1 << 40)
        with pytest.raises(TypeError):
            machine.Queue([])  # type: ignore[call-overload]

    def test_one_name_one_queue(self) -> None:
        one = machine.Queue("the queue", 7, size=9000)
        assert machine.Queue("the queue", 7).size == one.size
        with pytest.raises(
            ValueError, match="is open on this machine with maxsize=7 and size=12224, not with maxsize=8"
        ):
            machine.Queue("the queue", 8)
        with pytest.raises(ValueError, match="size=12224, not with maxsize=7 and size=20416"):
            machine.Queue("the queue", 7, size=20000)
        with pytest.raises(ValueError, match="as Queue, not as Lock"):
            machine.Lock("the queue")
        one.put(b"x")
        again = pickle.loads(pickle.dumps(one))
        assert again.get() == b"x"

    def test_items_outlive_who_put_them(self, others: Others) -> None:
        def produce() -> None:
            machine.Queue("left behind").put("message")

        assert others.end(others.start(produce)) == 0
        queue = machine.Queue("left behind")
        assert queue.get_nowait() == "message"
        del queue
        assert machine.Queue("left behind", 3).empty()  # it went with its last user, being empty

    def test_task_done_and_join(self) -> None:
        queue = machine.Queue()
        queue.join()
        with pytest.raises(ValueError, match="called too many times"):
            queue.task_done()
        queue.put(1)
        thread = threading.Thread(target=queue.join)
        thread.start()
        until(lambda: queue.waiters)
        assert queue.getters == queue.putters == ()
        queue.get()
        assert queue.unfinished_tasks == 1
        queue.task_done()
        thread.join(PATIENCE)
        assert not thread.is_alive()

    def test_task_done_by_another_thread(self) -> None:
        queue = machine.Queue()
        queue.put(1)
        queue.get()
        thread = threading.Thread(target=queue.task_done)
        thread.start()
        thread.join()
        queue.join()

    def test_shutdown(self) -> None:
        queue = machine.Queue(1)
        queue.put(1)
        errors: list[BaseException] = []

        def put() -> None:
            try:
                queue.put(2)
            except ShutDown as error:
                errors.append(error)

        thread = threading.Thread(target=put)
        thread.start()
        until(lambda: queue.putters)
        queue.shutdown()
        thread.join(PATIENCE)
        assert len(errors) == 1
        assert queue.is_shutdown
        with pytest.raises(ShutDown):
            queue.put_nowait(3)
        assert queue.get() == 1
        for block in (True, False):
            with pytest.raises(ShutDown):
                queue.get(block)
        queue.shutdown()

    def test_shutdown_at_once(self, others: Others) -> None:
        queue = machine.Queue()
        for number in range(3):
            queue.put(number)
        joiner = others.start(queue.join)
        until(lambda: queue.waiters)
        queue.shutdown(immediate=True)
        assert others.end(joiner) == 0
        assert queue.qsize() == 0
        with pytest.raises(ShutDown):
            queue.get()

    def test_getters_in_other_processes_are_shut_out(self, others: Others) -> None:
        queue = machine.Queue()

        def wait() -> None:
            with pytest.raises(ShutDown):
                queue.get()

        pids = [others.start(wait) for _ in range(3)]
        until(lambda: len(queue.getters) == 3)
        queue.shutdown()
        assert [others.end(pid) for pid in pids] == [0] * 3


class TestWaiting:
    def test_first_come_first_served(self, others: Others) -> None:
        jobs, done = machine.Queue(), machine.Queue()
        pids = []
        for number in range(4):
            pids.append(others.start(lambda number=number: done.put((number, jobs.get()))))
            until(lambda wanted=number + 1: len(jobs.getters) == wanted)
        until(lambda: len(jobs.getters) == 4)
        for number in range(4):
            jobs.put(number)
            assert done.get(timeout=PATIENCE) == (number, number)
        assert [others.end(pid) for pid in pids] == [0] * 4

    def test_who_waits_is_told(self, others: Others) -> None:
        queue = machine.Queue(1)
        queue.put(1)
        pid = others.start(lambda: queue.put(2))
        until(lambda: queue.putters)
        assert [party.pid for party in queue.putters] == [party.pid for party in queue.waiters] == [pid]
        assert "waiting=1" in repr(queue)
        queue.get()
        assert others.end(pid) == 0

    def test_a_large_item_is_not_passed_for_ever(self, others: Others) -> None:
        queue = machine.Queue(size=4000)
        for _ in range(4):
            queue.put(b"x" * 900)
        pid = others.start(lambda: queue.put(b"large" * 700))
        until(lambda: queue.putters)
        until(lambda: not queue_takes_small(queue))  # once it has waited for 1 ms nobody passes it
        sizes = []
        while not sizes or sizes[-1] != 3500:
            sizes.append(len(queue.get(timeout=PATIENCE)))
        assert others.end(pid) == 0

    def test_ctrl_c(self) -> None:
        queue = machine.Queue()
        thread = threading.Thread(
            target=lambda: (until(lambda: queue.getters), os.kill(os.getpid(), signal.SIGINT))  # type: ignore[func-returns-value]
        )
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            queue.get()
        thread.join()
        assert queue.waiters == ()
        queue.put(1)
        assert queue.get_nowait() == 1

    def test_from_a_signal_handler(self) -> None:
        """A handler that cuts into a `get` puts what it waits for."""
        queue = machine.Queue()
        before = signal.signal(signal.SIGUSR1, lambda *_: queue.put("signal"))
        try:
            thread = threading.Thread(
                target=lambda: (until(lambda: queue.getters), os.kill(os.getpid(), signal.SIGUSR1))  # type: ignore[func-returns-value]
            )
            thread.start()
            assert queue.get(timeout=PATIENCE) == "signal"
            thread.join()
        finally:
            signal.signal(signal.SIGUSR1, before)


def queue_takes_small(queue: machine.Queue) -> bool:
    try:
        queue.put_nowait(b"x" * 10)
    except Full:
        return False
    return True


class TestTasks:
    def test_both_ways(self) -> None:
        queue = machine.Queue(2)
        got: list[object] = []

        async def consume() -> None:
            async for item in queue:
                got.append(item)
                queue.task_done()

        async def main() -> None:
            consumer = asyncio.create_task(consume())
            for number in range(20):
                await queue.put_async(number)
            await queue.join_async()
            queue.shutdown()
            await consumer

        asyncio.run(main())
        assert got == list(range(20))

    def test_from_another_process(self, others: Others) -> None:
        queue = machine.Queue(1)
        pid = others.start(lambda: [queue.put(number) for number in range(50)])

        async def main() -> list[object]:
            return [await queue.get_async(PATIENCE) for _ in range(50)]

        assert asyncio.run(main()) == list(range(50))
        assert others.end(pid) == 0

    def test_trio(self, others: Others) -> None:
        queue = machine.Queue(1)
        pid = others.start(lambda: [queue.put(number) for number in range(20)])

        async def main() -> list[object]:
            with pytest.raises(Empty):
                await machine.Queue().get_async(0.01)
            return [await queue.get_async() for _ in range(20)]

        assert trio.run(main) == list(range(20))
        assert others.end(pid) == 0

    def test_cancelled(self) -> None:
        queue = machine.Queue(1)

        async def main() -> None:
            getter = asyncio.create_task(queue.get_async())
            while not queue.getters:
                await asyncio.sleep(0)
            getter.cancel()
            with pytest.raises(asyncio.CancelledError):
                await getter
            queue.put(1)
            putter = asyncio.create_task(queue.put_async(2))
            while not queue.putters:
                await asyncio.sleep(0)
            putter.cancel()
            with pytest.raises(asyncio.CancelledError):
                await putter
            with pytest.raises(Full):
                await queue.put_async(2, timeout=0)

        asyncio.run(main())
        assert queue.get_nowait() == 1
        assert queue.waiters == ()

    def test_hold(self) -> None:
        queue = machine.Queue()
        queue.put("job")

        async def main() -> None:
            async with queue.hold() as item:
                assert item == "job"
                assert queue.unfinished_tasks == 1
            with pytest.raises(Empty):
                async with queue.hold(timeout=0.01):
                    pass

        asyncio.run(main())
        assert queue.unfinished_tasks == 0


def stay(queue: machine.Queue) -> None:
    queue.put("ready")
    signal.pause()


class TestDeath:
    def test_what_was_held_comes_back_first(self, others: Others) -> None:
        queue, ready = machine.Queue(), machine.Queue()
        for number in range(3):
            queue.put(number)

        def work() -> None:
            with queue.hold():
                stay(ready)

        pid = others.start(work)
        ready.get(timeout=PATIENCE)
        assert queue.qsize() == 2
        others.kill(pid)
        with queue.hold(PATIENCE) as item:
            assert item == 0
            assert queue.abandoned is not None
            assert queue.abandoned.pid == pid
        for number in (1, 2):
            with queue.hold(PATIENCE) as item:
                assert item == number
                assert queue.abandoned is None
        assert queue.unfinished_tasks == queue.lost == 0

    def test_who_waits_gets_it(self, others: Others) -> None:
        queue, ready = machine.Queue(), machine.Queue()
        queue.put("job")

        def work() -> None:
            with queue.hold():
                stay(ready)

        pid = others.start(work)
        ready.get(timeout=PATIENCE)
        waiters = [others.start(lambda: ready.put(queue.get())) for _ in range(2)]
        until(lambda: len(queue.getters) == 2)
        others.kill(pid)
        assert ready.get(timeout=PATIENCE) == "job"
        queue.put("other")
        assert [others.end(waiter) for waiter in waiters] == [0, 0]

    def test_a_shut_queue_waits_for_what_may_come_back(self, others: Others) -> None:
        queue, ready = machine.Queue(), machine.Queue()
        queue.put("job")

        def work() -> None:
            with queue.hold():
                stay(ready)

        pid = others.start(work)
        ready.get(timeout=PATIENCE)
        queue.shutdown()
        waiter = others.start(lambda: ready.put(queue.get()))
        until(lambda: queue.getters)
        others.kill(pid)
        assert ready.get(timeout=PATIENCE) == "job"
        assert others.end(waiter) == 0
        with pytest.raises(ShutDown):
            queue.get()

    def test_a_shut_queue_ends_when_the_last_is_done(self, others: Others) -> None:
        queue = machine.Queue()
        queue.put("job")
        with queue.hold():
            queue.shutdown()

            def wait() -> None:
                with pytest.raises(ShutDown):
                    queue.get()

            pid = others.start(wait)
            until(lambda: queue.getters)
        assert others.end(pid) == 0

    def test_what_was_got_is_told(self, others: Others) -> None:
        queue, ready = machine.Queue(), machine.Queue()
        for number in range(5):
            queue.put(number)

        def work() -> None:
            for _ in range(4):
                queue.get()
            queue.task_done()
            stay(ready)

        pid = others.start(work)
        ready.get(timeout=PATIENCE)
        joiner = threading.Thread(target=lambda: ready.put(lost_of(queue)))
        joiner.start()
        until(lambda: queue.waiters)
        others.kill(pid)
        assert ready.get(timeout=PATIENCE) == (3, pid)
        joiner.join()
        assert queue.lost == 3
        assert queue.get() == 4
        queue.task_done()
        queue.join()

    def test_a_task_that_joins_is_told(self, others: Others) -> None:
        queue, ready = machine.Queue(), machine.Queue()
        queue.put(1)
        pid = others.start(lambda: (queue.get(), stay(ready)))
        ready.get(timeout=PATIENCE)

        async def main() -> None:
            joining = asyncio.create_task(queue.join_async())
            while not queue.waiters:
                await asyncio.sleep(0)
            others.kill(pid)
            with pytest.raises(machine.ItemsLost):
                await asyncio.wait_for(joining, PATIENCE)

        asyncio.run(main())

    def test_waiters_that_die_are_passed(self, others: Others) -> None:
        queue = machine.Queue()
        pids = []
        for number in range(4):
            pids.append(others.start(lambda: queue.get()))
            until(lambda wanted=number + 1: len(queue.getters) == wanted)
        others.kill(pids[0])
        others.kill(pids[2])
        queue.put(1)
        queue.put(2)
        assert others.end(pids[1]) == 0
        assert others.end(pids[3]) == 0

    def test_a_child_has_not_what_its_parent_holds(self, others: Others) -> None:
        queue = machine.Queue()
        queue.put(1)
        held = queue.hold()
        held.__enter__()

        def leave() -> None:
            with pytest.raises(RuntimeError, match="held by another thread"):
                held.__exit__()

        assert others.end(others.start(leave)) == 0
        held.__exit__()
        with pytest.raises(RuntimeError, match="left already"):
            held.__exit__()

    def test_killed_anywhere(self, others: Others) -> None:
        """Consumers are killed at random; each item is done once, or again where its consumer was killed at the end."""
        jobs, done = machine.Queue(50), machine.Queue(1)
        total = 1500

        def consume() -> None:
            while True:
                try:
                    with jobs.hold() as item:
                        done.put(item)
                except ShutDown:
                    return

        def produce() -> None:
            for number in range(total):
                jobs.put(number)
            jobs.shutdown()

        others.start(produce)
        consumers = [others.start(consume) for _ in range(3)]
        out: list[int] = []
        killed = 0
        while jobs.unfinished_tasks or not jobs.is_shutdown or done.qsize():
            with suppress(Empty):
                out.append(done.get(timeout=0.01))
            if len(out) > 40 * (killed + 1):
                others.kill(consumers.pop(0))
                killed += 1
                consumers.append(others.start(consume))
        assert [others.end(pid) for pid in consumers] == [0] * 3
        assert sorted(set(out)) == list(range(total))
        assert len(out) - total <= killed  # done, and killed before the block was left
        assert killed > 30


def lost_of(queue: machine.Queue) -> tuple[int, int]:
    with pytest.raises(machine.ItemsLost) as told:
        queue.join()
    assert told.value.died is not None
    return told.value.count, told.value.died.pid


def in_group(tmp_path: Path, program: str) -> "subprocess.CompletedProcess[str]":
    """Run it with an arena that others may write to."""
    folder = tmp_path / "group"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o2770)
    return subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"INTERLOCK_MACHINE_DIR": str(folder)},
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )


class TestGroup:
    """Where others may write, a pickle could be theirs."""

    def test_bytes_alone(self, tmp_path: Path) -> None:
        ran = in_group(
            tmp_path,
            "from interlock import machine\n"
            "q = machine.Queue('q')\n"
            "q.put(b'bytes'); print(q.get())\n"
            "try: q.put('text')\n"
            "except TypeError as error: print(error)\n",
        )
        assert ran.stdout.startswith("b'bytes'\nan item must be bytes, not str: others may write to this memory"), ran

    def test_a_pickle_is_not_opened(self, tmp_path: Path) -> None:
        """Somebody of the group puts one past the library: its owner gets an error and runs nothing."""
        ran = in_group(
            tmp_path,
            "import asyncio, pickle\n"
            "from interlock import machine\n"
            "q = machine.Queue('q')\n"
            "class Evil:\n"
            "    def __reduce__(self): return print, ('run',)\n"
            "asking = q._asking_to_put(pickle.dumps(Evil()), 1)\n"
            "assert asking.step() == 1\n"
            "try: q.get()\n"
            "except PermissionError as error: print(error)\n",
        )
        assert ran.stdout.startswith("a pickle was put where others may write"), ran


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(method: str) -> None:
    context = machine.context(method)
    jobs, done = context.JoinableQueue(), context.Queue()
    process = context.Process(target=double, args=(jobs, done), daemon=True)
    process.start()
    for number in range(3):
        jobs.put(number)
    jobs.join()
    assert [done.get(timeout=PATIENCE) for _ in range(3)] == [0, 2, 4]
    jobs.shutdown()
    process.join(PATIENCE)
    assert process.exitcode == 0
    done.close()
    with pytest.raises(ValueError, match="is closed"):
        done.put(1)


def double(jobs: machine.Queue, done: machine.Queue) -> None:
    while True:
        try:
            item = jobs.get()
        except ShutDown:
            return
        done.put(item * 2)
        jobs.task_done()


def test_memory_goes_back(arena: Path) -> None:
    """What a queue used is given back with it."""

    def used() -> int:
        return sum(file.stat().st_blocks for file in arena.iterdir() if file.name.startswith("arena"))

    def use() -> None:
        queue = machine.Queue(size=8 << 20)
        for _ in range(7):
            queue.put(b"x" * (1 << 20))

    use()
    before = used()
    for _ in range(3):
        use()
    assert used() - before < 4 * 2048  # blocks of 512 bytes
