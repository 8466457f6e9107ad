"""What all primitives between processes share: the arena, who calls, how a thread waits, who holds and who waits.

The kernel itself is C, in the headers beside this file: what stands in the shared file must survive a kill between any
two instructions, so the order of stores is the algorithm. `layout.h` says what stands there, `party.h` who is dead,
`guard.h` and `waiting.h` how a queue works, `primitives.h` what each primitive adds, `process.h` how a process joins.
"""

import os
import sys
import warnings
from _thread import RLock, allocate_lock, get_ident
from collections import deque
from typing import NamedTuple

import cython
from cython.cimports.cpython.exc import PyErr_CheckSignals
from cython.cimports.interlock.core.kernel.probe import Happening, Observed, happened, probing
from cython.cimports.interlock.machine.process import (
    ARENA_SIZE,
    BUSY,
    STRANGER,
    allocate_arena,
    begin_process,
    check_stamp,
    enrol,
    expect_heir,
    expect_none,
    find_uses,
    found,
    has_life,
    inherit,
    inherited,
    is_file,
    is_left_behind,
    map_arena,
    note_inherited,
    open_record,
    reopen_record,
    stamp_arena,
    stand_down,
    stand_for,
    this_process,
    unmap_arena,
    use_arena,
    uses,
)
from cython.cimports.libc.math import isnan
from cython.cimports.libc.stdlib import free
from cython.cimports.libc.string import memcpy, memset

from interlock.core.kernel.private import listed_thread
from interlock.errors import DeadlockError, ShutDown
from interlock.machine.files import boot_and_namespace, check_folder, folder, is_shared, unlink_file

TIMEOUT_MAX = 2.0**63 / 1e9  # seconds, as threading's
LAYOUT = 4
KINDS = (
    "",
    "Lock",
    "RLock",
    "Semaphore",
    "BoundedSemaphore",
    "Event",
    "Condition",
    "Barrier",
    "RWLock",
    "Latch",
    "Queue",
)


class Party(NamedTuple):
    """A thread or task of some process on this machine.

    ``pid``: its process. ``thread``: the name of its thread. ``program``: what its process runs. ``since``: when its
    wait or hold began, on the clock of `time.monotonic`, or None if that is not known.
    """

    pid: int
    thread: str
    program: str
    since: float | None

    def __str__(self) -> str:
        return f"{self.program}[{self.pid}] {self.thread}"


class Died(NamedTuple):
    """A process or thread that died while it held a lock.

    ``pid``: the process, or 0 if that is no longer known. ``program``: what it ran, or "". ``when``: when the death was
    noticed, on the clock of `time.time`.
    """

    pid: int
    program: str
    when: float


# --- the file ---------------------------------------------------------------------------------------------------------

registry = cython.declare(object, allocate_lock())  # of what process.h knows of open records, and of the list below
dropped = cython.declare(list, [])  # what is to be closed when the registry is free
mapping = cython.declare(object, RLock())  # held while the arena is opened; a signal handler may open one in between
place = cython.declare(object, None)  # the path of the arena, once mapped
identity = cython.declare(object, None)  # (device, inode) of the file there; None: it was removed, and that was told
private = cython.declare(cython.bint, False)  # nobody but this user can write into it


def make_arena(path: str, boot: str, namespace: int) -> None:
    made = f"{path}.{os.getpid()}.{os.urandom(4).hex()}"
    try:
        fd = os.open(made, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise OSError(
            error.errno, f"interlock.machine cannot make {path} ({error.strerror}): set INTERLOCK_MACHINE_DIR"
        ) from None
    try:
        os.fchmod(fd, 0o660 if is_shared(os.path.dirname(path)) else 0o600)  # whatever the umask is
        wrong: cython.int = allocate_arena(fd)
        if wrong:
            raise OSError(wrong, f"interlock.machine cannot make {path}: {os.strerror(wrong)}")
        head = map_arena(fd)
        if head == cython.NULL:
            raise MemoryError(f"interlock.machine: cannot map {made}")
        stamp_arena(head, boot.encode(), namespace, int.from_bytes(os.urandom(8), "little"))
        unmap_arena(head)
        try:
            os.link(made, path)
        except FileExistsError:
            pass
    finally:
        os.close(fd)
        os.unlink(made)


def clear_arena(path: str) -> bool:
    """Remove that arena. Returns whether it was there.

    Raises OSError if a thread that lives takes part in it, in whatever namespace.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        if os.fstat(fd).st_size == ARENA_SIZE:
            head = map_arena(fd)
            if head == cython.NULL:
                raise MemoryError(f"interlock.machine: cannot map {path}")
            lives = has_life(head)
            unmap_arena(head)
            if lives:
                raise OSError(f"{path} is in use by a process that cannot be seen from here (of another container?)")
        unlink_file(path, fd)
    finally:
        os.close(fd)
    return True


def open_arena() -> None:
    """Map the arena of this user. Raises OSError where it cannot be had."""
    if place is None:
        with mapping:
            find_arena()


def find_arena() -> None:
    global place, private, identity
    boot, namespace = boot_and_namespace()
    within = folder()
    check_folder(within)
    path = os.path.join(within, f"arena.{LAYOUT}")
    for _ in range(100):
        try:
            fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            make_arena(path, boot, namespace)
            continue
        try:
            stat = os.fstat(fd)
            if stat.st_uid != os.getuid() and not is_shared(within):
                raise PermissionError(f"interlock.machine: {path} belongs to user {stat.st_uid}")
            if stat.st_size != ARENA_SIZE:
                raise OSError(f"interlock.machine: {path} is no arena of this version: `interlock clean` removes it")
            head = map_arena(fd)
            if head == cython.NULL:
                raise MemoryError(f"interlock.machine: cannot map {path}")
            wrong = check_stamp(head, boot.encode(), namespace)
            if wrong:
                unmap_arena(head)
            if wrong == 2:
                # It was made before the machine was started: nobody in it lives.
                unlink_file(path, fd)
                continue
        finally:
            os.close(fd)
        if wrong:
            what = {1: "another version of interlock", 3: "another namespace of process ids (a container?)"}[wrong]
            raise OSError(
                f"interlock.machine: {path} was made by {what}: set INTERLOCK_MACHINE_DIR to another folder, or, if "
                "none of its processes is left, remove it with `interlock clean`"
            )
        encoded = os.fsencode(within)[:255]
        alone = (
            stat.st_uid == os.geteuid()
            and not stat.st_mode & 0o022
            and os.stat(within).st_uid in (stat.st_uid, 0)
            and not is_shared(within)
        )
        same = stat.st_dev, stat.st_ino
        if place is not None:  # a signal handler was faster
            unmap_arena(head)
            return
        # From here on no Python code runs.
        use_arena(head)
        memset(this_process.folder, 0, 256)
        memcpy(this_process.folder, cython.cast(cython.p_char, encoded), len(encoded))
        identity = same
        private = alone
        place = path
        return
    raise OSError(f"interlock.machine: {path} cannot be opened")


def check_removed() -> None:
    """Warn, once, if the file was removed: a process that opens a name from now on uses another file."""
    global identity
    with mapping:  # one thread alone replaces `identity`
        if identity is None:
            return
        try:
            there = os.stat(place, follow_symlinks=False)
            if (there.st_dev, there.st_ino) == identity:
                return
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError:
            return  # this process may no longer look there
        identity = None
    warnings.warn(
        f"interlock.machine: {place} was removed while this process uses it: processes that come to it from now on do "
        "not meet this one. Restart those that were there before",
        RuntimeWarning,
        stacklevel=2,
    )


def is_private() -> cython.bint:
    """Whether nobody but this user can write into the arena."""
    return private


def process_address() -> cython.p_void:
    return cython.address(this_process)


# --- who calls --------------------------------------------------------------------------------------------------------


def caller() -> cython.pointer(me):
    i: cython.pointer(me) = ilk_me()
    if i.id == 0:
        enrol_caller()
    return i


def enrol_caller():
    """Give the calling thread its slot."""
    while inherited and not note_all_inherited():
        PyErr_CheckSignals()
    done: cython.int
    while True:
        with cython.nogil:
            done = enrol()
        if done != BUSY:
            break
        PyErr_CheckSignals()
    if done == STRANGER:
        raise OSError(
            "interlock.machine: this process was forked into another namespace of process ids, where what it has got "
            "from its parent cannot be used: start it by exec, and set INTERLOCK_MACHINE_DIR to another folder"
        )
    if done != 0:
        raise OSError(
            "interlock.machine: no room for another thread: 8192 take part, or the memory of the folder is full"
        )
    i: cython.pointer(me) = ilk_me()
    name_slot(i)


def name_slot(i: cython.pointer(me)):
    thread = listed_thread(get_ident())
    name = thread.name if thread is not None else "MainThread" if i.tid == this_process.pid else f"Thread-{i.tid}"
    encoded: bytes = name.encode("utf-8", "replace")[:31]
    memcpy(i.slot.thread, cython.cast(cython.p_char, encoded), len(encoded))
    i.slot.thread[len(encoded)] = 0


def text(raw: cython.p_char) -> str:
    return cython.cast(bytes, raw).decode("utf-8", "replace")


def name_in(r: cython.pointer(record), errors: str):
    """The name of that record, or None."""
    name: cython.char[96]
    if not has_name(r):
        return None
    name_of(r, name)
    return cython.cast(bytes, name).decode("utf-8", errors)


def party_of(id: u64, since: u64):
    """The party with that id, or None where nobody has it any more."""
    if (id & 0xFFFF) == 0 or is_gone(id):
        return None
    there: cython.pointer(slot) = slot_of(id)
    party = Party(there.pid, text(there.thread), text(there.program), since / 1e9 if since else None)
    # Read before that, its slot may have been another's by then.
    return None if is_dead(id) else party


def died_of(r: cython.pointer(record)):
    if r.died_when == 0:
        return None
    program: cython.char[28]
    program_of_death(r, program)
    return Died(r.died_pid, text(program), r.died_when / 1e9)


# --- arguments --------------------------------------------------------------------------------------------------------


def seconds_of(timeout) -> cython.double:
    seconds: cython.double = (
        timeout
        if isinstance(timeout, float)
        else timeout.__index__()
        if hasattr(timeout, "__index__")
        else wrong_timeout(timeout)
    )
    if isnan(seconds):
        raise ValueError("timeout must be a number of seconds, not NaN")
    if not -TIMEOUT_MAX < seconds < TIMEOUT_MAX:
        raise OverflowError(f"timeout value is too large: {timeout} s, the most is {TIMEOUT_MAX} s")
    return seconds


def wrong_timeout(timeout):
    if hasattr(timeout, "__float__") and not isinstance(timeout, str):
        return float(timeout)
    raise TypeError(f"timeout must be a number of seconds, not {type(timeout).__name__}")


def deadline_in(seconds: cython.double) -> u64:
    if seconds <= 0:
        return 0
    begun: u64 = now()
    return NEVER if seconds * 1e9 >= 9e18 - begun else begun + cython.cast(u64, seconds * 1e9)


def lock_deadline(blocking: cython.bint, timeout) -> u64:
    """For the arguments of a lock's `acquire`, where -1 means to wait for ever."""
    seconds: cython.double = seconds_of(timeout)
    if not blocking:
        if seconds != -1:
            raise ValueError("can't specify a timeout for a non-blocking call")
        return 0
    if seconds == -1:
        return NEVER
    if seconds < 0:
        raise ValueError(f"timeout value must be a non-negative number or -1 (wait for ever), not {timeout}")
    return deadline_in(seconds)


def deadline_after(timeout) -> u64:
    """For a `timeout` of None (wait for ever) or of seconds, where less than 0 counts as 0."""
    return NEVER if timeout is None else deadline_in(seconds_of(timeout))


def named(first, second, name, default) -> tuple:
    """(name, value) from what was given: a name may stand first, or before or after the value."""
    if isinstance(first, str):
        if name is not None:
            raise TypeError("the name was given twice")
        first, name = second, first
    elif second is not None:
        if isinstance(second, str) and name is None:
            name = second
        else:
            raise TypeError(f"a name must be a str, not {type(first).__name__}")
    return name, default if first is None else first


# --- a primitive ------------------------------------------------------------------------------------------------------


def is_past(kind: u32, turn: u32, want: u32) -> cython.bint:
    """Whether the event was set, or the round of the barrier is over, since a wait with that number began."""
    if kind == BARRIER:
        return turn & 1 != 0 or want != turn >> 1
    return (kind == EVENT or kind == LATCH) and (turn & 1 != 0 or want != turn >> 3)


def is_that_file(fd: cython.int, device: u64, inode: u64) -> bool:
    """Whether the number is that of that file."""
    return is_file(fd, device, inode)


class Asking:
    """The wait of a task: what `Shared.drive` is for a thread, in steps between which its loop runs."""

    def __init__(self, shared: Shared, flags: u32, want: u32, acts: cython.int):
        i = caller()
        self.shared = shared
        self.mine = i.id
        self.acts = acts
        self.w.record = shared.index
        self.w.node = 0
        self.w.flags = flags | TASK
        self.w.want = want
        self.w.fifo = 0
        self.w.noticed = 0
        self.w.begun = NEVER if shared.kind == BARRIER else 0
        self.w.member = 0
        self.w.room = 0
        self.w.got = cython.NULL

    def __dealloc__(self):
        free(self.w.got)

    def step(self) -> int:
        """Look. Returns 1: it has what it wants; 0: look again soon; -1: it is queued; -2 no memory, -3 broken, -4
        act, -6 shut down."""
        i = caller()
        step: cython.int
        if i.id != self.mine:
            raise RuntimeError("a task goes on in the thread in which it began to wait")
        self.w.deadline = now() + 10000000  # should somebody be stopped in the guard, the loop goes on
        with cython.nogil:
            if self.shared.kind == BARRIER:
                step = barrier_step(i, cython.address(self.w), 0, self.acts)
            else:
                step = any_step(i, cython.address(self.w), 0)
        return step

    def is_ours(self) -> cython.bint:
        """Whether the wait is that of a thread of this process. It is not in a child, whose parent goes on waiting. Who
        drops a coroutine may be another thread than the one in which it waited."""
        return self.w.node != 0 and not is_dead(self.mine) and slot_of(self.mine).pid == this_process.pid

    def leave(self) -> bool:
        """Leave. Returns whether it has got it by then."""
        if not self.is_ours():
            return False
        i = caller()
        step: cython.int
        with cython.nogil:
            step = any_leave(i, cython.address(self.w))
        return step != 0

    def give_up(self) -> bool:
        """Condition: time is up, or it was cancelled. It has to get the lock back. Returns whether it never let go."""
        step: cython.int
        with cython.nogil:
            step = condition_give_up(ilk_me(), cython.address(self.w))
        return step == TAKEN

    def drop(self) -> bool:
        """Condition: its coroutine was closed. Returns whether it had let the lock go."""
        if not self.is_ours():
            return True
        i = caller()
        step: cython.int
        with cython.nogil:
            step = condition_drop(i, cython.address(self.w))
        return step != 0

    def take_back(self) -> None:
        """Give back what `leave` says that it has got: it belongs to the thread in which it waited."""
        as_it: me = caller()[0]  # a copy: nobody else sees the id of that thread here, a signal handler neither
        as_it.id = self.mine
        self.shared.take_back(cython.address(self.w), cython.address(as_it))

    def restless(self) -> bool:
        """Whether it should look: something was told it, or somebody has died."""
        if self.told_at != 0 and probing:
            self.shared.note_holder(0)
        if self.w.node == 0:
            return True
        n: cython.pointer(node) = node_at(self.w.node)
        kind = self.shared.kind
        if kind == EVENT or kind == LATCH or kind == BARRIER or self.w.flags & JOINING:
            return True
        return n.word != PARKED or n.watch >> 62 != 0 or (n.watch != 0 and n.watch != self.mine and is_gone(n.watch))

    def restless_now(self) -> bool:
        """Whether it was told something before its loop knew to whom the mail belongs."""
        kind = self.shared.kind
        if self.w.node == 0 or node_at(self.w.node).word != PARKED:
            return True
        if kind == EVENT or kind == LATCH:
            return self.shared.r.turn & 1 != 0 or self.shared.r.turn >> 3 != self.w.begun
        return kind == BARRIER and (self.shared.r.turn & 1 != 0 or self.shared.r.turn >> 1 != self.w.begun)

    def blocked(self):
        """What it waits for, as others see it; None where it does not."""
        return wait_at(self.w.node, self.mine) if self.w.node != 0 else None

    def limit(self) -> None:
        """It has a timeout."""
        self.w.flags |= TIMED

    def tell(self, outcome: cython.int) -> None:
        """To whoever records: 0 it begins to wait, 1 it has got it, 2 not in time, 3 it was cancelled."""
        if not probing:
            return
        if outcome == 0:
            self.told_at = now()
            self.shared.tell(Happening.WAITING, 0)
            self.shared.note_holder(1)
        elif self.told_at != 0:
            happening = (
                Happening.GRANTED if outcome == 1 else Happening.TIMED_OUT if outcome == 2 else Happening.CANCELLED
            )
            self.shared.note_holder(-1)
            self.shared.tell(happening, now() - self.told_at)
            self.told_at = 0

    def post_to(self, fifo: u32) -> None:
        """Whoever wakes it writes to that FIFO: to be said before the first step."""
        self.w.fifo = fifo

    def letter(self, granted: u64) -> None:
        """Its loop has got a letter."""
        if self.w.node != 0:
            take_letter(node_at(self.w.node), granted)

    def number(self) -> int:
        """By which number that mail comes."""
        return self.w.node

    def carry(self, data: bytes, sort: u32) -> None:
        """Queue: what it puts."""
        self.data = data
        self.w.data = data
        self.w.size = len(data)
        self.w.sort = sort

    def told(self, lost: u64) -> None:
        """Queue: how many lost items the caller of `join` knows of."""
        self.w.begun = lost

    @property
    def item(self) -> tuple:
        """Queue: what it got: bytes, their sort, and where the entry lies."""
        return cython.cast(bytes, self.w.got[: self.w.size]) if self.w.size else b"", self.w.sort, self.w.begun

    @property
    def lost(self) -> int:
        return self.w.begun

    @property
    def place(self) -> int:
        return self.w.want

    @property
    def noticed(self) -> int:
        return self.w.noticed


class Shared:
    """One object of this process that stands for a record: what all primitives between processes have in common."""

    def open(self, kind: u32, name, bound: u64, lock: Shared):
        """Join the record with that name, or make it. Raises ValueError where it is one of another kind."""
        encoded: bytes = b""
        if name is not None:
            if not isinstance(name, str):
                raise TypeError(f"a name must be a str, not {type(name).__name__}")
            encoded = name.encode("utf-8", "surrogateescape")
            if not encoded or len(encoded) > 95 or b"\0" in encoded:
                raise ValueError(f"a name has 1 to 95 bytes of UTF-8 and no NUL: {name!r}")
        f: found
        memset(cython.address(f), 0, cython.sizeof(found))
        wrong: cython.int
        at: u32 = 0 if lock is None else lock.index
        raw: cython.p_char = encoded
        drain()
        open_arena()
        i = caller()
        while True:
            with registry:  # no Python code runs inside: a signal handler may open one too
                with cython.nogil:
                    wrong = open_record(i, raw, kind, bound, at, cython.address(f))
                if wrong == 0:
                    self.adopt(f.index, f.serial, kind)
            if wrong != BUSY:
                break
            PyErr_CheckSignals()
        drain()
        check_removed()
        if wrong == 0 and probing:
            self.make_board()
        if wrong == -1:
            raise OSError(
                f"interlock.machine: no room in {place} for another primitive: 65,535 are open, or the disk is full"
            )
        if wrong == -2:
            raise ValueError(
                f"{name!r} is open on this machine as {KINDS[f.kind]}, not as {KINDS[kind]}: choose another name"
            )
        if wrong == -3:
            is_with, wanted = bound_text(kind, f.bound), bound_text(kind, bound)
            raise ValueError(f"{KINDS[kind]} {name!r} is open on this machine with {is_with}, not with {wanted}")
        if wrong == -4:
            raise ValueError(f"Condition {name!r} is open on this machine with another lock")

    def adopt(self, index: u32, serial: u32, kind: u32):
        self.index = index
        self.serial = serial
        self.kind = kind
        self.r = record_at(index)
        stand_for(index, serial)

    def reopen(self, name, arena: u64, index: u32, serial: u32, kind: u32):
        """Join the record that another process has told of."""
        f: found
        wrong: cython.int
        open_arena()
        i = caller()
        while True:
            with registry:
                with cython.nogil:
                    wrong = -5
                    if this_process.arena.id == arena:  # the file was not removed in between
                        wrong = reopen_record(i, index, serial, kind, cython.address(f))
                if wrong == 0:
                    self.adopt(index, serial, kind)
            if wrong != BUSY:
                break
            PyErr_CheckSignals()
        if wrong:
            raise OSError(
                f"interlock.machine: the {KINDS[kind]} that was sent is gone: the process that sent it has let go of it"
            )

    def __dealloc__(self):
        if self.index != 0:
            dropped.append((self.index, self.serial))
            self.index = 0
            drain()

    @property
    def name(self) -> object:
        """Its name, or None. It stands in the record, so no object keeps it."""
        return name_in(self.r, "surrogateescape") if self.index != 0 else None

    def take_back(self, w: cython.pointer(Waiting), i: cython.pointer(me)):
        """``i`` has got what it no longer wants."""

    def refuse(self, step: cython.int, w: cython.pointer(Waiting)):
        """Raise why a wait cannot go on."""
        if step == SHUT_DOWN:
            raise ShutDown
        raise MemoryError("interlock.machine: no memory for another wait")

    def make_board(self):
        from interlock.machine.boards import BOARDS

        name = self.name
        board = BOARDS[KINDS[self.kind]](name if name is not None else f"#{self.index}")
        with cython.critical_section(self):
            if self.board is None:  # never replaced: others read it without a lock
                self.board = board

    def tell(self, happening: Happening, waited: cython.longlong):
        """To whoever records."""
        if self.board is None:
            self.make_board()
        happened(happening, cython.cast(Observed, self.board), 0, waited)

    def note_holder(self, more: cython.int):
        """For recordings: who holds it, in another process. ``more``: 1 the caller begins to wait, -1 it has ended."""
        from interlock.machine.boards import note

        if self.board is not None:
            note(self.board, "" if more < 0 else held_elsewhere(self.index), more)

    def drive(self, w: cython.pointer(Waiting)) -> cython.bint:
        """Wait, with Ctrl-C. Returns whether the caller has it."""
        if not probing:
            return self.drive_on(w)
        begun: u64 = now()
        if w.deadline == 0:
            if not self.drive_on(w):
                return False
            self.tell(Happening.ACQUIRED, 0)
        elif self.get_at_once(w):
            self.tell(Happening.ACQUIRED, 0)
        else:
            self.tell(Happening.WAITING, 0)
            self.note_holder(1)
            try:
                got: cython.bint = self.drive_on(w)
            except BaseException:
                self.note_holder(-1)
                self.tell(Happening.CANCELLED, now() - begun)
                raise
            self.note_holder(-1)
            self.tell(Happening.GRANTED if got else Happening.TIMED_OUT, now() - begun)
            if not got:
                return False
        self.note_taken(ilk_me())
        return True

    def get_at_once(self, w: cython.pointer(Waiting)) -> cython.bint:
        """Whether the caller need not wait: so no wait is recorded."""
        i = caller()
        deadline: u64 = w.deadline
        w.deadline = 0
        with cython.nogil:
            step: cython.int = any_step(i, w, 0)
            if step != TAKEN and any_leave(i, w):
                step = TAKEN
        w.deadline = deadline
        return step == TAKEN

    def drive_on(self, w: cython.pointer(Waiting)) -> cython.bint:
        i = caller()
        mine: u64 = i.id
        # The main thread looks for signals, and who is recorded for another holder.
        sliced: cython.int = i.tid == this_process.pid or probing != 0
        step: cython.int
        while True:
            with cython.nogil:
                step = any_step(i, w, sliced)
            if step == TAKEN:
                return True
            if step == LATE:
                with cython.nogil:
                    step = any_leave(i, w)
                return step != 0
            if step == FULL or step == SHUT_DOWN or step == SPOILED:
                with cython.nogil:
                    any_leave(i, w)
                self.refuse(step, w)
            if step == CYCLIC:
                told = self.cycle(w)
                if any_leave(i, w):
                    return True
                raise DeadlockError(told)
            try:
                PyErr_CheckSignals()
                if probing and w.deadline != 0:
                    self.note_holder(0)
            except BaseException:
                if i.id == mine and any_leave(i, w):
                    self.take_back(w, i)
                raise
            if i.id != mine:  # a handler has forked, and this is the child
                caller()
                mine = i.id
                w.node = 0

    def cycle(self, w: cython.pointer(Waiting)) -> str:
        """The cycle that a wait has closed, in words."""
        words = [f"{self!r} can never be acquired: this thread waits for"]
        k: u32
        for k in range(w.cycle):
            r: cython.pointer(record) = record_at(w.cycle_records[k])
            name = name_in(r, "replace")
            which = f"{KINDS[r.kind]} {name!r}" if name is not None else f"{KINDS[r.kind]} #{w.cycle_records[k]}"
            if k + 1 == w.cycle:
                words.append(f"{which}, which it holds itself")
            else:
                words.append(f"{which}, held by {party_of(w.cycle_ids[k], 0)}, which waits for")
        return " ".join(words)

    def enter_guard(self, i: cython.pointer(me)) -> cython.bint:
        """Into the guard of this record. What a signal handler raises meanwhile is raised."""
        rc: cython.int
        r: cython.pointer(record) = self.r if self.kind != CONDITION else record_at(self.r.lock)
        if guard_try(i, r):
            return True
        while True:
            with cython.nogil:
                rc = guard_lock(i, r, now() + 50000000)
            if rc == 0:
                return True
            PyErr_CheckSignals()

    def note_taken(self, i: cython.pointer(me)):
        """The caller has taken it, and is watched: where?"""
        if self.kind == EVENT or self.kind == LATCH or self.kind == BARRIER or self.kind == QUEUE:
            return
        frame = sys._getframe(0)
        while frame is not None and frame.f_globals.get("__name__", "").startswith("interlock."):
            frame = frame.f_back
        if frame is None:
            return
        line: bytes = f":{frame.f_lineno}".encode()
        file: bytes = os.path.basename(frame.f_code.co_filename).encode("utf-8", "replace")
        line = file[: 55 - len(line)] + line
        note_place(i, self.index, self.serial, line)

    @property
    def _inside(self) -> int:
        """The thread (its number in the system) that is in the guard of this record now, 0: none."""
        r: cython.pointer(record) = self.r if self.kind != CONDITION else record_at(self.r.lock)
        return load_u32(cython.address(r.guard)) & 0x3FFFFFFF

    @property
    def waiters(self) -> tuple:
        """The parties of all processes that are blocked now, in the order in which they arrived."""
        return tuple([party for _, party in self.all_waiters()])

    def all_waiters(self) -> list:
        """(flags of the wait, party) of each."""
        found_waiters = []
        total: u32 = this_process.arena.chunks * 8
        turn: u32 = self.r.turn
        index: u32
        for index in range(1, total):
            n: cython.pointer(node) = node_at(index)
            if index % 8 == 0 or n.at != self.index or not n.word & PARKED or n.word & (GRANTED | CANCELLED):
                continue
            if is_past(self.kind, turn, n.want):
                continue  # it has not run yet
            ticket: u64 = n.ticket
            party = party_of(n.owner, n.since)
            if party is not None:
                found_waiters.append((ticket, n.since, n.flags, party))
        found_waiters.sort(key=lambda entry: entry[:2])
        return [(flags, party) for _, _, flags, party in found_waiters]

    def describe(self, state: str, more: str) -> str:
        kind = type(self)
        module = "interlock.machine" if kind.__module__.startswith("interlock.machine.") else kind.__module__
        where = f"{module}.{kind.__qualname__}{' object' if state else ''} at {id(self):#x}"
        words = [state, where] if state else [f"{where}:", more] if more else [where]
        name = self.name
        if name is not None:
            words.append(f"name={name!r}")
        if state and more:
            words.append(more)
        waiting = len(self.waiters)
        if waiting:
            words.append(f"waiting={waiting}")
        return f"<{' '.join(words)}>"

    def __repr__(self):
        return self.describe("", "")

    def __reduce__(self):
        """A name goes as it is. What has none goes to a process that is being started, as `multiprocessing`'s do."""
        name = self.name
        if name is None:
            from multiprocessing.context import assert_spawning

            assert_spawning(self)
            # The child opens it when it comes to it: until then it must stay, also where the caller drops it.
            sent.append(self)
        bound: u64 = 0 if self.kind == CONDITION else self.r.bound
        arena: u64 = this_process.arena.id
        return rebuild, (type(self), name, arena, self.index, self.serial, self.kind, bound, self._extra())

    def _extra(self) -> object:
        """What this object has beyond the record."""
        return None

    def _restore(self, extra: object) -> object:
        """Take it over; returns the lock of a condition."""


def bound_text(kind: u32, bound: u64) -> str:
    if kind != QUEUE:
        return str(bound)
    pages = bound >> 32
    return f"maxsize={bound & 0xFFFFFFFF}" + (f" and size={pages * PAGE - 64}" if pages else "")


def rebuild(cls, name, arena: u64, index: u32, serial: u32, kind: u32, bound: u64, extra):
    """Make an object of what another process has pickled."""
    made: Shared = cls.__new__(cls)
    lock = made._restore(extra)
    try:
        made.reopen(name, arena, index, serial, kind)
    except OSError:
        if name is None:
            raise
        made.open(kind, name, bound, lock)
    return made


sent = deque(maxlen=4096)


class Holding(NamedTuple):
    """Who holds it, and the line where it took it; "" where nobody watched that process."""

    party: Party
    place: str


class Blocked(NamedTuple):
    """A wait between processes. ``since``: as `time.monotonic_ns` counts."""

    kind: str
    name: str | None
    number: int
    since: int
    timed: bool
    holders: tuple[Holding, ...]

    def __str__(self) -> str:
        called = f"machine.{self.kind} " + (repr(self.name) if self.name is not None else f"#{self.number}")
        if not self.holders:
            return called
        shown = [f"{party}{f' at {place}' if place else ''}" for party, place in self.holders[:3]]
        more = f" and {len(self.holders) - 3} more" if len(self.holders) > 3 else ""
        return f"{called}, held by {', '.join(shown)}{more}"


def wait_of_thread(native: int):
    """The wait in which a thread of this process is, by its number in the system; None: in none."""
    if place is None:
        return None
    index: u32
    for index in range(this_process.arena.slots):
        id: u64 = (index + 1) | cython.cast(u64, slot_of(index + 1).gen) << 16
        there: cython.pointer(slot) = slot_of(index + 1)
        if there.pid == this_process.pid and there.tid == native and not is_dead(id):
            number: u32 = load_u32(cython.address(there.wait))
            return wait_at(number, id) if number else None
    return None


def wait_at(number: u32, id: u64):
    """What the owner of that node waits for."""
    n: cython.pointer(node) = node_at(number)
    word: u32 = load_u32(cython.address(n.word))
    at: u32 = load_u32(cython.address(n.at))
    if n.owner != id or not word & PARKED or word & (GRANTED | CANCELLED) or at == 0:
        return None
    r: cython.pointer(record) = record_at(at)
    if is_past(r.kind, r.turn, n.want):
        return None
    return Blocked(KINDS[r.kind], name_in(r, "replace"), at, n.since, n.flags & TIMED != 0, tuple(holders_of(at)))


def holders_of(at: u32) -> list:
    """Who holds that record."""
    r: cython.pointer(record) = record_at(at)
    ids = []
    kind: u32 = r.kind
    word: u64 = load(cython.address(r.word))
    if kind == CONDITION:
        return []
    if kind == LOCK or kind == RLOCK or (kind == RWLOCK and not word & READ):
        ids.append(word & ID_MASK)
    elif kind == SEMAPHORE or kind == BOUNDED or kind == RWLOCK or kind == QUEUE:
        index: u32
        for index in range(1, this_process.arena.chunks * 8):
            n: cython.pointer(node) = node_at(index)
            holds: cython.bint = n.at == at and is_held(n)
            if index % 8 and holds and (kind != QUEUE or n.holding != 0):
                ids.append(n.owner)
    found_holders = []
    line: cython.char[56]
    for id in ids:
        party = party_of(id, 0)
        if party is not None:
            known: cython.bint = place_of(slot_of(id), at, r.serial, line)
            found_holders.append(Holding(party, text(line) if known else ""))
    return found_holders


def held_elsewhere(at: u32) -> str:
    """Who in another process holds that record, as reports name it; "" where nobody does, or somebody here as well."""
    r: cython.pointer(record) = record_at(at)
    if r.kind == QUEUE:
        return ""  # who has items of it keeps nobody waiting
    word: u64 = load(cython.address(r.word))
    if r.kind == LOCK or r.kind == RLOCK or (r.kind == RWLOCK and not word & READ):
        word &= ID_MASK
        if word == 0 or word == PASSING or slot_of(word).pid == this_process.pid:
            return ""
        return str(party_of(word, 0) or "")
    parties = [holding.party for holding in holders_of(at)]
    if not parties or [party for party in parties if party.pid == this_process.pid]:
        return ""
    return f"{parties[0]} and {len(parties) - 1} more" if len(parties) > 1 else str(parties[0])


def seen() -> list:
    """What all processes have open, who holds it and who waits: plain data for `interlock ps`."""
    open_arena()
    found = []
    waits: dict = {}
    holds: dict = {}
    used: uses
    find_uses(cython.address(used))
    index: u32
    for index in range(1, this_process.arena.chunks * 8):
        n: cython.pointer(node) = node_at(index)
        if index % 8 == 0 or n.at == 0:
            continue
        word: u32 = n.word
        party = party_of(n.owner, n.since)
        if party is None:
            continue
        if is_held(n):
            if record_at(n.at).kind == QUEUE and n.holding == 0:
                continue
            holds.setdefault(n.at, []).append(party)
        elif word & PARKED and not word & (GRANTED | CANCELLED):
            if is_past(record_at(n.at).kind, record_at(n.at).turn, n.want):
                continue
            waits.setdefault(n.at, []).append((n.ticket, n.since, party))
    for index in range(1, this_process.arena.records):
        r: cython.pointer(record) = record_at(index)
        kind: u32 = r.kind
        if kind == 0 or kind > QUEUE:  # free, or the rest of a name
            continue
        if is_left_behind(cython.address(used), index):
            continue
        holders = list(holds.get(index, [])) if kind != BARRIER else []
        value: object = None
        if kind == LOCK or kind == RLOCK or (kind == RWLOCK and not r.word & READ):
            owner = party_of(r.word & ID_MASK, 0)
            if owner is not None:
                holders.append(owner)
        elif kind == SEMAPHORE or kind == BOUNDED:
            value = (r.word & PERMITS) + (r.owed - r.paid if kind == SEMAPHORE else 0)
        elif kind == LATCH:
            value = 0 if r.turn & 1 else r.word & PERMITS
        elif kind == QUEUE:
            value = queue_items(r)
        elif kind == EVENT:
            value = r.turn & 1 != 0
        elif kind == BARRIER:
            value = "broken" if r.turn & 1 else None
        died = died_of(r) if (kind == LOCK or kind == RLOCK or kind == RWLOCK) and r.word & ABANDONED else None
        found.append(
            {
                "name": name_in(r, "replace"),
                "number": index,
                "kind": KINDS[kind],
                "value": value,
                "holders": holders,
                "waiters": [party for _, _, party in sorted(waits.get(index, []), key=lambda entry: entry[:2])],
                "abandoned": died,
            }
        )
    return found


def inside_arena() -> int:
    """The thread (its number in the system) that is in the guard of the arena now, 0: none."""
    return load_u32(cython.address(this_process.arena.guard)) & 0x3FFFFFFF


def drain():
    """Close what has been dropped. An object may be dropped at any moment, also while the registry is in use here. If
    somebody is stopped in the guard of the arena, it is closed later.
    """
    done: cython.bint = True
    while dropped and done and registry.acquire(False):
        try:
            while dropped and done:
                which = dropped.pop()
                done = close(which[0], which[1])
                if not done:
                    dropped.append(which)
        except IndexError:
            pass
        finally:
            registry.release()


def close(index: u32, serial: u32) -> cython.bint:
    with cython.nogil:
        done: cython.int = stand_down(index, serial)
    return done != BUSY


def note_all_inherited() -> cython.bint:
    """In a child, before it uses what its parent had open. Returns False where somebody is stopped in the guard of the
    arena."""
    with registry, cython.nogil:
        done: cython.int = note_inherited()
    return done != BUSY


def _before_fork():
    expect_heir()


def _in_parent():
    expect_none()


def _in_child():
    """What the parent had open is open in the child too."""
    global registry, mapping
    registry = allocate_lock()
    mapping = RLock()
    boards = sys.modules.get("interlock.machine.boards")
    if boards is not None:
        boards.forked()
    inherit()
    drain()  # what had been dropped by then needs no note
    note_all_inherited()


def _program() -> bytes:
    argv = getattr(sys, "argv", None) or [""]
    first = os.path.basename(argv[0]) if argv[0] not in ("", "-c", "-m") else "python"
    return first.encode("utf-8", "replace")[:31]


begin_process(_program())
ilk_use(process_address())
os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
