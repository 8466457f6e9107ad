"""How a task waits between processes: its loop reads a FIFO, and the party that wakes the task writes into it.

One FIFO for each loop, in the folder of the arena, named by the process and a number. A letter in it says which wait
has been granted, before the word of its node shows that: should the one who wrote it be killed then, the loop makes the
word show it. Letters that only say "look" come after what there is to see. If a holder dies, or who was about to write
such a letter, nobody tells a loop: its timer, which runs only while a task of it waits, looks within 50 ms. No thread
is needed.
"""

import os
import struct
import sys
import time
from _thread import _local
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from itertools import count
from opcode import opmap
from types import FrameType
from typing import Any

from interlock.errors import BrokenBarrierError, Empty, Full, ShutDown

TICK = 0.05  # seconds: how late a death may be seen by a task
BUSY = 0.04  # seconds: how often a task comes again while somebody is stopped in the guard

_mailboxes: dict[int, "Mailbox"] = {}
_numbers = count(1 + int.from_bytes(os.urandom(3), "little"))  # no other process has had that name before


def clear_mail(folder: str) -> None:
    """Remove the FIFOs of processes that were killed."""
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        pid = name.split("-")[1] if name.startswith("mail-") else ""
        if pid.isdigit():
            try:
                os.kill(int(pid), 0)
            except ProcessLookupError:
                with suppress(OSError):
                    os.unlink(os.path.join(folder, name))
            except OSError:
                pass  # another user's


class Mailbox:
    """The FIFO of one loop and who waits for mail."""

    def __init__(self, folder: str) -> None:
        from interlock.machine.kernel import is_that_file

        self.is_that_file = is_that_file
        self.number: int = next(_numbers)
        self.pid: int = os.getpid()
        self.path: str = f"{folder}/mail-{self.pid}-{self.number}"
        clear_mail(folder)
        os.mkfifo(self.path, 0o600)
        # Whatever the umask is. In a group's folder its other users write here too.
        os.chmod(self.path, 0o660 if os.stat(folder).st_mode & 0o020 else 0o600)
        self.fd: int = os.open(self.path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        found = os.fstat(self.fd)
        self.device, self.inode = found.st_dev, found.st_ino
        self.waiting: dict[int, tuple[Any, Callable[[], object], object]] = {}
        self.ticking = False

    def is_open(self) -> bool:
        """Whether the number is still that of the FIFO: the program may have closed all files, and opened others."""
        return self.is_that_file(self.fd, self.device, self.inode)

    def read(self) -> None:
        """Mail has come: its receivers look."""
        if not self.is_open():
            return
        try:
            mail = os.read(self.fd, 65536)
        except BlockingIOError:
            return
        for granted, number in struct.iter_unpack("=QQ", mail[: len(mail) & ~15]):
            if number in self.waiting:
                asking, wake, _ = self.waiting[number]
                asking.letter(granted)
                wake()

    def look(self) -> bool:
        """Who has a reason to look does. Returns whether anybody waits."""
        for asking, wake, _ in list(self.waiting.values()):
            if asking.restless():
                wake()
        return bool(self.waiting)

    def close(self) -> None:
        fd, known, self.fd = self.fd, self.is_open(), -1
        if fd < 0:
            return
        if known:
            with suppress(OSError):
                os.close(fd)
        if self.pid == os.getpid():
            with suppress(OSError):
                os.unlink(self.path)

    def __del__(self) -> None:
        if hasattr(self, "inode"):
            self.close()


class AsyncioMailbox(Mailbox):
    def __init__(self, folder: str, loop: Any) -> None:
        super().__init__(folder)
        self.loop = loop
        loop.add_reader(self.fd, self.read)

    def tick(self) -> None:
        self.ticking: bool = self.look()
        if self.ticking:
            self.loop.call_later(TICK, self.tick)

    async def sleep(self, asking: Any, until: float | None, queued: bool) -> None:
        """Until there is a reason to look. A little, where it is not ``queued``: somebody is stopped in the guard."""
        if not queued:
            until = time.monotonic() + (BUSY if until is None else max(0.0, min(BUSY, until - time.monotonic())))
        future = self.loop.create_future()

        def wake() -> None:
            if not future.done():
                future.set_result(None)

        number = asking.number()
        timer = None if until is None else self.loop.call_later(max(0.0, until - time.monotonic()), wake)
        self.waiting[number] = (asking, wake, current_task())
        if not self.ticking:
            self.ticking = True
            self.loop.call_later(TICK, self.tick)
        try:
            if not queued or not asking.restless_now():
                await future
        finally:
            self.waiting.pop(number, None)
            if timer is not None:
                timer.cancel()

    def shield(self) -> AbstractContextManager[object]:
        """For a sleep after a cancellation: asyncio cancels once."""
        return nullcontext()


class TrioMailbox(Mailbox):
    def __init__(self, folder: str) -> None:
        super().__init__(folder)
        import trio

        self.trio: Any = trio
        trio.lowlevel.spawn_system_task(self.serve)

    def shield(self) -> AbstractContextManager[object]:
        """For a sleep after a cancellation: trio would cancel every further one."""
        scope: AbstractContextManager[object] = self.trio.CancelScope(shield=True)
        return scope

    async def serve(self) -> None:
        try:
            while True:
                with self.trio.move_on_after(TICK if self.waiting else float("inf")) as scope:
                    await self.trio.lowlevel.wait_readable(self.fd)
                if scope.cancelled_caught:
                    self.look()
                else:
                    self.read()
        finally:
            for key, box in list(_mailboxes.items()):
                if box is self:
                    _mailboxes.pop(key, None)
            self.close()

    async def sleep(self, asking: Any, until: float | None, queued: bool) -> None:
        if not queued:
            until = time.monotonic() + (BUSY if until is None else max(0.0, min(BUSY, until - time.monotonic())))
        number = asking.number()
        event = self.trio.Event()
        self.waiting[number] = (asking, event.set, current_task())
        left = float("inf") if until is None else max(0.0, until - time.monotonic())
        try:
            # The server may sleep for ever so far, and must not any more.
            if self.is_open():
                os.write(self.fd, bytes(16))
            if not queued or not asking.restless_now():
                with self.trio.move_on_after(left):
                    await event.wait()
        finally:
            self.waiting.pop(number, None)


def _running_loop() -> Any:
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None:
        with suppress(RuntimeError):
            return asyncio.get_running_loop()
    return None


def mailbox() -> Any:
    """That of the loop that runs here."""
    from interlock.machine.files import folder

    loop = _running_loop()
    if loop is not None:
        key = id(loop)
        box = _mailboxes.get(key)
        if box is None or box.pid != os.getpid() or getattr(box, "loop", None) is not loop:
            for old, other in list(_mailboxes.items()):
                if getattr(other, "loop", None) is not None and other.loop.is_closed():  # type: ignore[attr-defined]
                    _mailboxes.pop(old, None)  # another thread may have come here too
            box = _mailboxes[key] = AsyncioMailbox(folder(), loop)
        return box
    trio = sys.modules.get("trio")
    if trio is None:
        raise RuntimeError("no running event loop")
    key = id(trio.lowlevel.current_trio_token())
    box = _mailboxes.get(key)
    if box is None or box.pid != os.getpid():
        box = _mailboxes[key] = TrioMailbox(folder())
    return box


def wait_of_task(task: object) -> Any:
    """What that task waits for between processes, or None."""
    for box in list(_mailboxes.values()):
        for asking, _, waits in list(box.waiting.values()):
            if waits is task:
                return asking.blocked()
    return None


def current() -> int:
    """A number for the calling task, 0 where no task calls."""
    task = current_task()
    return 0 if task is None else id(task)


def current_task() -> object:
    """The calling task, or None."""
    asyncio = sys.modules.get("asyncio")
    task: object = None
    if asyncio is not None:
        with suppress(RuntimeError):
            task = asyncio.current_task()
    trio = sys.modules.get("trio")
    if task is None and trio is not None:
        with suppress(RuntimeError):
            task = trio.lowlevel.current_task()
    return task


def _deadline(timeout: float | None) -> float | None:
    if timeout is None or timeout == -1:
        return None
    if not isinstance(timeout, (int, float)):
        raise TypeError(f"timeout must be a number of seconds, not {type(timeout).__name__}")
    if timeout != timeout:
        raise ValueError("timeout must be a number of seconds, not NaN")
    return time.monotonic() + timeout


async def enter(target: Any, timeout: float | None) -> None:
    """`async with target`."""
    await target._enter_async(timeout)


async def acquire(target: Any, timeout: float | None, flags: int, want: int = 1) -> bool:
    """Wait for what ``target`` gives. Returns whether it got it in time."""
    from interlock.machine.kernel import Asking

    until = _deadline(timeout)
    if target._try(flags, want):
        return True
    if until is not None and timeout is not None and timeout <= 0:
        return False
    box = mailbox()
    asking = Asking(getattr(target, "_shared", target), flags, want, 0)
    asking.post_to(box.number)
    if until is not None:
        asking.limit()
    asking.tell(0)
    while True:
        step = asking.step()
        if step == 1:
            asking.tell(1)
            target._taken()
            return True
        if step == -2:
            raise MemoryError("interlock.machine: no memory for another wait")
        if until is not None and time.monotonic() >= until:
            if asking.leave():
                asking.tell(1)
                target._taken()
                return True
            asking.tell(2)
            return False
        try:
            await box.sleep(asking, until, step == -1)
        except BaseException:
            asking.tell(3)
            if asking.leave():
                asking.take_back()
            raise


# --- a coroutine that is closed while it waits in a condition ---------------------------------------------------------
#
# It cannot wait for the lock, so it does not hold that any more. And yet it leaves its blocks of `with`, and runs its
# `finally: lock.release()`. Another task of the thread may hold the lock by then, or a process that took it with
# `acquire`, which any party may release. So it is known by its frames: they live until it has ended, and all of that
# happens in one thread, without a pause. If it releases nothing, the next in that thread to come for the lock ends it.

_closing = _local()
SEND = opmap["SEND"]


def _awaiting(frame: FrameType | None) -> list[FrameType]:
    """The frames of the coroutines that await the caller. Not of who just calls `send`: a loop, or a test. To keep a
    frame keeps no coroutine alive: who drops one closes it."""
    found = []
    while frame is not None:
        code, at = frame.f_code.co_code, frame.f_lasti
        while at > 0 and code[at] == 0:  # CACHE
            at -= 2
        if code[at] != SEND:
            break
        found.append(frame)
        frame = frame.f_back
    return found


def note_closing(index: int, serial: int, times: int, frames: list[FrameType]) -> None:
    """The coroutine with these frames may leave that lock ``times``, and has nothing to release."""
    if not hasattr(_closing, "holds"):
        _closing.holds = []
    _closing.holds.append([index, serial, times, frames])


def has_nothing(index: int, serial: int) -> bool:
    """Whether who leaves that lock now is such a coroutine."""
    holds = getattr(_closing, "holds", None)
    if not holds:
        return False
    here = set()
    frame: FrameType | None = sys._getframe(0)
    while frame is not None:
        here.add(frame)
        frame = frame.f_back
    for hold in holds:
        if hold[:2] == [index, serial] and not here.isdisjoint(hold[3]):
            hold[2] -= 1
            if hold[2] == 0:
                holds.remove(hold)
            return True
    return False


def came_for(index: int, serial: int) -> None:
    """Somebody comes for that lock: no coroutine is being closed."""
    holds = getattr(_closing, "holds", None)
    if holds:
        _closing.holds = [hold for hold in holds if hold[:2] != [index, serial]]


async def wait_in_condition(condition: Any, timeout: float | None, flags: int, depth: int) -> Any:
    """Let the lock go, wait, have it back; it was acquired ``depth`` times. Returns 1 notified, 2 not; by an exception
    (it, 1 or 2)."""
    from interlock.machine.kernel import Asking

    until = _deadline(timeout)
    box = mailbox()
    frames = _awaiting(sys._getframe(0).f_back)
    asking = Asking(condition, flags, 1, 0)
    asking.post_to(box.number)
    if until is not None:
        asking.limit()
    error: BaseException | None = None
    while True:
        step = asking.step()
        if step == 1:
            return asking.noticed if error is None else (error, asking.noticed)
        if step == -2:
            raise MemoryError("interlock.machine: no memory for another wait")
        if asking.noticed == 0 and (error is not None or (until is not None and time.monotonic() >= until)):
            if asking.give_up():
                return 2 if error is None else (error, 2)
            continue
        try:
            with nullcontext() if error is None else box.shield():
                await box.sleep(asking, until if asking.noticed == 0 else None, step == -1)
        except GeneratorExit:
            # The coroutine is closed, and cannot wait for the lock: nobody has it now for its `async with` to release.
            if asking.drop():
                condition._let_go(depth, frames)
            raise
        except BaseException as raised:
            error = raised


async def wait_at_barrier(barrier: Any, timeout: float | None, action: Callable[[], object] | None) -> int:
    """Come, and wait for the others."""
    from interlock.machine.kernel import Asking

    until = _deadline(timeout)
    box = mailbox()
    asking = Asking(barrier, 0, 0, int(action is not None))
    asking.post_to(box.number)
    while True:
        step = asking.step()
        if step == 1:
            return int(asking.place)
        if step == -2:
            raise MemoryError("interlock.machine: no memory for another wait")
        if step == -3:
            raise BrokenBarrierError
        if step == -4:
            try:
                assert action is not None
                action()
            except BaseException:
                barrier._finish(asking, False)
                raise
            return int(barrier._finish(asking, True))
        if until is not None and time.monotonic() >= until:
            return int(barrier._leave(asking))
        try:
            await box.sleep(asking, until, step == -1)
        except BaseException:
            barrier._withdraw(asking)
            raise


async def pass_item(asking: Any, timeout: float | None, late: type[Exception]) -> Any:
    """Put or get, as ``asking`` says. Raises ``late`` where that was not to be done in time."""
    until = _deadline(timeout)
    box = mailbox()
    asking.post_to(box.number)
    while True:
        step = asking.step()
        if step == 1:
            return asking
        if step == -6:
            raise ShutDown
        if step == -2:
            asking.leave()
            raise MemoryError("interlock.machine: no memory for the items of a queue, or for another wait")
        if step == -3:
            return asking
        if until is not None and time.monotonic() >= until:
            asking.leave()
            raise late
        try:
            await box.sleep(asking, until, step == -1)
        except BaseException:
            asking.leave()
            raise


async def put(queue: Any, data: bytes, sort: int, timeout: float | None) -> None:
    """`Queue.put_async`."""
    await pass_item(queue._asking_to_put(data, sort), timeout, Full)


async def get(queue: Any, flags: int, timeout: float | None) -> Any:
    """`Queue.get_async`; with ``flags`` of a hold, the item and where it lies."""
    item, at = queue._got(await pass_item(queue._asking_to_get(flags), timeout, Empty))
    return (item, at) if flags else item


async def join(queue: Any) -> None:
    """`Queue.join_async`."""
    queue._raise_lost((await pass_item(queue._asking_to_join(), None, Empty)).lost)
