"""The wait graph: which party waits for which, and the certain cycle that is refused before it can close.

    waiting party  ->  the primitive in whose queue it stands  ->  its owners  ->  what they wait for, and so on

Nobody keeps this graph. It lies in what is there anyway: a party knows its innermost wait (`Party.wait`, from
`begin_wait` to `end_wait`), the waiter knows its queue, and a primitive knows who all must let go before that waiter
can be let in (`Primitive.owners`). It is looked at by a party that is about to block without a timeout, and by one that
is blocked so, twice a second; an operation that does not block never comes here.

What is certain. An edge is there only where nobody but the owner itself could help, of its own accord: an RLock, a
side of an RWLock, a Lock that was entered by `with`; in an RWLock also those before one in the queue. Of such a
Lock it is certain only where the frame of that `with` stands on its owner's own stack: not in a generator that is
suspended, nor in an ExitStack, which another thread may leave. That is looked for when a cycle has been found. A party
needs all its owners, so one cycle through it is enough. No edge leaves a wait with a timeout, a party that runs, or
one that has been granted what it waits for. So on a cycle nobody can ever move.

Two parties may close a cycle at the same moment, each unseen by the other? No: each shows its wait first and walks
afterwards, one walk at a time, so the last of them to walk finds the cycle whole; and it marks its wait as refused
before the next walk begins, so the others do not find it any more. One party of a cycle is told, and only one.

A party that selects is in as many queues as it has alternatives, and needs one of them: for it there is a way out of
every cycle that does not lie around all of them. Where a walk comes back to its beginning by way of such a party, the
question is for a knot (`core/graph/knot.py`).

Without the GIL things change while a walk reads them, one primitive after the other. So a cycle that was found is
looked at a second time. A waiter stands in one queue once and never comes back; found there twice, it was there at any
moment between the two looks, and its party, blocked all that time, has neither taken nor given anything. Then all edges
of the cycle were there at the same moment, and a cycle stays.

The one who could still move somebody on the cycle is a signal handler: it runs in the wait of the main thread, may
raise and so end that wait, or release what the main thread holds. Where the program has installed one, a cycle
through the main thread is not certain, and not refused: `interlock.dump` still shows it. Handlers of the signals by
which people end a program (INT, TERM, HUP, QUIT) do not count: what lasts until somebody ends the program is a
deadlock.

A task may be under a timeout of its library's, which ends its wait by a cancellation: `core/explain/task_limits.py`
looks for that where a cycle has been found.

Tasks. A task needs its owners as a thread does, and besides the thread of its loop: while that is blocked, by a call
that does not await, no task of the loop runs. So an edge goes from each task to the thread in which it was last seen,
and such an edge is certain where the loop runs in that thread now. A loop that has been stopped could go on in another.

Turned down: keeping edges as they form (a write on every acquire, for what is read when all is too late); a thread that
watches (it would have to be started behind the program's back, and a fork in a process with threads is warned about).
"""

import _signal  # `signal` without its enums, which are not worth their time
import gc
import os

import cython
from cython.cimports.cpython.mem import PyMem_RawFree, PyMem_RawMalloc
from cython.cimports.cpython.ref import Py_DECREF, Py_INCREF
from cython.cimports.interlock.core.graph.graph_guard import (
    interlock_graph_lock,
    interlock_graph_renew,
    interlock_graph_unlock,
)
from cython.cimports.interlock.core.graph.knot import (
    BY_THREAD,
    LOST,
    Edge,
    Knot,
    add_edge,
    begin_knot,
    end_knot,
    tie,
)
from cython.cimports.interlock.core.kernel.control import controlling, refused
from cython.cimports.interlock.core.kernel.party import (
    Party,
    by_ident,
    departed,
    living,
    main_ident,
    party_by_id,
    set_on_leaving,
)
from cython.cimports.interlock.core.kernel.primitive import Primitive
from cython.cimports.interlock.core.kernel.wait import set_judge, set_on_wait
from cython.cimports.interlock.core.kernel.waiter import PARKED, Waiter
from cython.cimports.interlock.core.tasks.task import TaskParty
from cython.cimports.interlock.core.tasks.task_waiter import TaskWaiter
from cython.cimports.libc.string import memcpy

from interlock.core.kernel.deadlock import DeadlockError

walks = cython.declare(cython.ulonglong, 0)  # how many there were; guarded by the guard of the graph

_ENDING = {
    getattr(_signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGBREAK") if hasattr(_signal, name)
}
# Their handlers stand for Ctrl-C, pass a signal on to a loop, or give a test up that has hung.
_RUNNERS = ("asyncio.runners", "asyncio.unix_events", "trio._core._ki", "pytest_timeout")


class Wait:
    """A party that waits, seen at one moment.

    Attributes: ``party``; ``began``, the primitive at which it began to wait; ``at``, the one in whose queue it stands
    now, which for a condition's waiter that was notified is the lock; ``timed``, whether it ends by itself;
    ``parked``, whether nobody has given it what it waits for, or told it to come, yet; ``since``, monotonic
    nanoseconds; ``alternatives``, where it selects: a wait for each of those it is in line for, of which one is enough;
    else None; ``want``, what it asks for, in the primitive's own terms.
    """

    def __init__(self):
        raise TypeError("cannot create 'Wait' instances")


def seen(party: Party, waiter: Waiter, at: Primitive) -> Wait:
    wait: Wait = Wait.__new__(Wait)
    wait.party = party
    if waiter is not None:
        wait.waiter = waiter
        wait.began = cython.cast(Primitive, waiter.at)
        wait.at = at
        wait.timed = waiter.timed and waiter.at is at
        wait.since = waiter.shown
        wait.want = waiter.want
    return wait


def waits() -> list[Wait]:
    """Everybody who waits now."""
    limits = find_limits()
    found: list = []
    for each in list(living.values()):
        party: Party = each
        with cython.critical_section(party):
            waiter = party.wait
        if waiter is None:
            continue
        at: Primitive = cython.cast(Primitive, cython.cast(Waiter, waiter).at)
        end: Primitive = at.leads_to()
        requeued: cython.bint
        parked: cython.bint
        with cython.critical_section(at, end):
            requeued = cython.cast(Waiter, waiter).queue is end
            parked = cython.cast(Waiter, waiter).queue is not None and cython.cast(Waiter, waiter).state == PARKED
        wait: Wait = seen(party, cython.cast(Waiter, waiter), end if requeued else at)
        wait.parked = parked and not cython.cast(Waiter, waiter).handling
        cases: list = at.cases()
        if cases is not None:
            wait.parked = wait.parked and len(cases) != 0  # one has happened, and it is about to go on
            wait.alternatives = [case_of(wait, each) for each in cases]
        if wait.at is at:
            wait.timed = wait.timed or is_limited(limits, party, cython.cast(Waiter, waiter))
        found.append(wait)
    return found


def case_of(wait: Wait, case: Waiter) -> Wait:
    """One of the things that a party selects from."""
    found: Wait = seen(wait.party, case, cython.cast(Primitive, case.at))
    found.timed = wait.timed
    found.parked = wait.parked
    found.since = wait.since
    return found


def owners(wait: Wait) -> list[Party]:
    """Who all must let go before this wait can end, as far as that is certain. Nobody where it selects."""
    room: cython.int = NEAR
    while True:
        ids: cython.pointer(cython.ulonglong) = cython.cast(
            cython.pointer(cython.ulonglong), PyMem_RawMalloc(room * cython.sizeof(cython.ulonglong))
        )
        if ids == cython.NULL:
            raise MemoryError
        count: cython.int = owners_now(wait.began.leads_to(), wait.waiter, ids, room)
        found: list = [party_by_id(ids[i]) for i in range(min(count, room))]
        PyMem_RawFree(ids)
        if count <= room:
            return found
        room = 2 * count


def holders(primitive: Primitive) -> list[Party]:
    """Who holds it."""
    return [party_by_id(id) for id in primitive.held_by()]


def primitives() -> list[Primitive]:
    """Every primitive that there is, as far as the garbage collector knows."""
    return [each for each in gc.get_objects() if isinstance(each, Primitive)]


def call_at_wait(function: object) -> None:
    """Have ``function()`` called whenever a wait begins, by the party that is about to wait; None ends that."""
    set_on_wait(function)


def judge_waits(function: object) -> None:
    """Have ``function()`` called by each party that is about to wait without a timeout for what has no owner; it may
    raise. None ends that."""
    set_judge(function)


def keeper(party: Party) -> Party | None:
    """The thread that a task needs in order to go on; None for a thread."""
    return None if party.thread == party.id else party_by_id(party.thread)


def is_certain_edge(party: Party, wait: Wait | None, following: Party) -> bool:
    """Whether this party, which waits so or not at all, cannot go on before ``following`` does, for certain."""
    if wait is not None and wait.alternatives is not None:
        if all(is_certain_way(way) for way in wait.alternatives):
            return any(waits_for(way, following) for way in wait.alternatives)
    elif wait is not None and waits_for(wait, following) and wait.at.only_by(following):
        return True
    return party.thread != party.id and cython.cast(TaskParty, party).is_run_by(following)


def is_certain_way(way: Wait) -> bool:
    """Whether somebody alone can let this one happen, for certain."""
    return any(way.at.only_by(owner) for owner in owners(way))


def task_of(party: Party) -> object:
    """The task of asyncio or trio, as long as it lives; None for a thread."""
    found = None if party.thread == party.id else party.known_as()
    return None if found is party else found


def parties() -> list[Party]:
    """Everybody who has been met and lives."""
    return [party for party in list(living.values()) if not cython.cast(Party, party).is_gone()]


def party_of(number: int) -> Party | None:
    """The party with this id; None where it was never met, or has been forgotten since it ended."""
    found = living.get(number)
    return departed.get(number) if found is None else found


def refuse_cycle(waiter: Waiter) -> cython.int:
    """Raise DeadlockError where `waiter`, which is in a queue and shown, closes a cycle that is certain."""
    walk: Walk
    walk.steps = walk.near_steps
    walk.ids = walk.near_ids
    walk.room = walk.ids_room = NEAR
    walk.length = 0
    walk.comes_round = False
    knot: Knot
    knotted: cython.bint = False
    interlock_graph_lock()
    last: cython.int = find_cycle(cython.address(walk), waiter)
    if last < 0 and walk.comes_round:
        knotted = find_knot(cython.address(walk), cython.address(knot))
    if last >= 0 or knotted:
        waiter.refused = True
    interlock_graph_unlock()
    if knotted:
        try:
            edges: list = edges_of(cython.address(walk), cython.address(knot))
        finally:
            end_knot(cython.address(knot))
            end_walk(cython.address(walk))
        return refuse(waiter, edges, "tell_knot", edges)
    if last < 0:
        end_walk(cython.address(walk))
        return 0
    try:
        cycle: list = []
        while last >= 0:
            waiting: cython.bint = walk.steps[last].waiter != cython.NULL
            cycle.append(
                seen(
                    cython.cast(Party, walk.steps[last].party),
                    cython.cast(Waiter, walk.steps[last].waiter) if waiting else None,
                    cython.cast(Primitive, walk.steps[last].at) if waiting else None,
                )
            )
            last = walk.steps[last].parent
    finally:
        end_walk(cython.address(walk))
    cycle.reverse()
    return refuse(waiter, edges_of_cycle(cycle), "tell_cycle", cycle)


def refuse(waiter: Waiter, edges: list, telling: str, found: list) -> cython.int:
    """Raise DeadlockError where all of these edges are certain; else it is not refused after all."""
    if not are_certain(edges):
        waiter.refused = False
        return 0
    words = tell(found, telling)
    if controlling:
        refused(words)
    raise DeadlockError(words)


def edges_of_cycle(cycle: list) -> list:
    return [
        (wait, wait, cython.cast(Wait, following).party)
        for wait, following in zip(cycle, [*cycle[1:], cycle[0]], strict=True)
    ]


def edges_of(walk: cython.pointer(Walk), knot: cython.pointer(Knot)) -> list:
    """Who waits for whom in a knot, those of one party together: the wait for one alternative, the whole wait, and for
    whom. The first party first."""
    i: cython.int
    found: list = []
    for i in range(knot.count):
        edge: cython.pointer(Edge) = knot.edges + i
        if not edge.kept:
            continue
        step: cython.pointer(Step) = walk.steps + edge.start
        party: Party = cython.cast(Party, step.party)
        waits: cython.bint = step.waiter != cython.NULL
        whole: Wait = seen(
            party,
            cython.cast(Waiter, step.waiter) if waits else None,
            cython.cast(Primitive, step.at) if waits else None,
        )
        way: Wait = whole
        case: Waiter = None
        if step.cases != cython.NULL and edge.alternative != BY_THREAD:
            case = cython.cast(list, step.cases)[edge.alternative]
            way = case_of(whole, case)
        following = party_by_id(case.lost) if edge.end == LOST else cython.cast(Party, walk.steps[edge.end].party)
        found.append((way, whole, following))
    return found


def is_certain(cycle: list) -> bool:
    """Whether no signal handler and no timeout could still help a party of this cycle, and no other thread run a task
    of it."""
    return are_certain(edges_of_cycle(cycle))


def are_certain(edges: list) -> cython.bint:
    """The same, of edges: for each the wait, the whole wait where the party selects, and for whom."""
    limits = find_limits()
    wait: Wait
    for way, whole, following in reversed(edges):
        wait = way
        if wait.waiter is not None:
            if wait.at is wait.began and is_limited(limits, wait.party, cython.cast(Wait, whole).waiter):
                return False
            if may_be_left_alone(limits, wait):
                return False
        if wait.party.thread != wait.party.id:
            task: TaskParty = wait.party
            if keeps(following, task) and not (waits_for(wait, following) or task.is_run_by(following)):
                return False
        elif wait.party.ident == main_ident and has_handlers():
            return False
    # What takes longest, last: for a Lock it is read from the frames of its owner.
    for way, _, following in reversed(edges):
        wait = way
        by_lock: cython.bint = wait.waiter is not None and not needs_thread(wait.party, following)
        if by_lock and not wait.at.only_by(following):
            return False
    return True


def needs_thread(party: Party, thread: Party) -> cython.bint:
    """Whether this is a task, and that the thread without which it cannot go on, whatever it waits for."""
    return party.thread != party.id and keeps(thread, party) and cython.cast(TaskParty, party).is_run_by(thread)


def find_limits():
    """To look for the timeouts of tasks."""
    from interlock.core.explain.task_limits import TaskLimits

    return TaskLimits()


def is_limited(limits, party: Party, waiter: Waiter) -> cython.bint:
    """Whether it is a task's wait, and a timeout of its library's will end it."""
    return isinstance(waiter, TaskWaiter) and limits.ends(party)


def may_be_left_alone(limits, wait: Wait) -> cython.bint:
    """Whether all who keep it out by standing before it in the queue may give up; False where nobody does."""
    before = wait.at.gives_up_before(wait.waiter)
    if not before:
        return False
    for each in before:
        waiter: Waiter = each
        if isinstance(waiter, TaskWaiter):
            if not limits.ends(waiter.host):
                return False
        elif waiter.host.ident != main_ident or not has_handlers():
            return False
    return True


def keeps(thread: Party, task: Party) -> cython.bint:
    return task.thread == thread.id


def waits_for(wait: Wait, owner: Party) -> cython.bint:
    return wait.waiter is not None and owner in owners(wait)


def has_handlers() -> bool:
    """Whether the program has installed a handler that might help who waits. Handlers of `_ENDING` do not count."""
    return any(number not in _ENDING and may_help(_signal.getsignal(number)) for number in _signal.valid_signals())


def may_help(handler: object) -> bool:
    """Whether this handler is the program's, and might help who waits."""
    # One of ours only prints.
    module = getattr(getattr(handler, "func", handler), "__module__", None)
    return (
        callable(handler)
        and handler is not _signal.default_int_handler
        and not getattr(handler, "harmless_to_waits", False)
        and module not in _RUNNERS
    )


def tell(found: list, telling: str = "tell_cycle") -> str:
    """The cycle or knot in words. Should that fail, for want of memory or of stack, in a few."""
    try:
        from interlock.core.explain import cycle

        return getattr(cycle, telling)(found)
    except Exception:
        waits: list = [each[0] if isinstance(each, tuple) else each for each in found]
        names = ", ".join(dict.fromkeys([cython.cast(Wait, wait).party.call_name() for wait in waits]))
        return f"this wait would never end: these wait for each other in a cycle: {names}"


# --- the walk. Under the guard of the graph: no Python code, and no decref that could be an object's last. ----------


def find_cycle(walk: cython.pointer(Walk), start: Waiter) -> cython.int:
    """Look at everybody for whom `start` waits, the nearest first. The last step of a cycle, or -1."""
    global walks
    walks += 1
    first: Party = start.host
    if not add(walk, first, -1):
        return -1
    index: cython.int = 0
    while index < walk.length:
        count: cython.int = expand(walk, index)
        for i in range(count):
            if walk.ids[i] == first.id:
                if selects_on_the_way(walk, index):
                    walk.comes_round = True
                    continue
                return index if holds_still(walk, index, first.id) else -1
            found = living.get(walk.ids[i])
            if found is None:
                continue
            party: Party = found
            if party.walk != walks and not add(walk, party, index):
                return -1
        index += 1
    return -1


def selects_on_the_way(walk: cython.pointer(Walk), index: cython.int) -> cython.bint:
    """Whether somebody on the way to this step needs one of several things."""
    while index >= 0:
        if walk.steps[index].cases != cython.NULL:
            return True
        index = walk.steps[index].parent
    return False


def find_knot(walk: cython.pointer(Walk), knot: cython.pointer(Knot)) -> cython.bint:
    """Whether the walk has begun in a knot, which is in `knot` then, and to be ended."""
    if begin_knot(knot, walk.length) and read_edges(walk, knot) and tie(knot) and is_knot_still(walk, knot):
        return True
    end_knot(knot)
    return False


def read_edges(walk: cython.pointer(Walk), knot: cython.pointer(Knot)) -> cython.bint:
    """For whom everybody waits that the walk has come to. False without memory."""
    index: cython.int
    for index in range(walk.length):
        step: cython.pointer(Step) = walk.steps + index
        party: Party = cython.cast(Party, step.party)
        knot.needs[index] = alternatives_of(step)
        for alternative in range(knot.needs[index]):
            count: cython.int = ways(walk, index, alternative, 0)
            lost: cython.ulonglong = lost_of(step, alternative)
            for i in range(count):
                if walk.ids[i] == lost and not add_edge(knot, index, alternative, LOST):
                    return False
                for end in range(walk.length):
                    if cython.cast(Party, walk.steps[end].party).id == walk.ids[i] and not add_edge(
                        knot, index, alternative, end
                    ):
                        return False
        if party.thread != party.id:
            for end in range(walk.length):
                if cython.cast(Party, walk.steps[end].party).id == party.thread and not add_edge(
                    knot, index, BY_THREAD, end
                ):
                    return False
    return True


def is_knot_still(walk: cython.pointer(Walk), knot: cython.pointer(Knot)) -> cython.bint:
    """The second look. First at who waits for whom, then at whether all still wait: so whoever held something at both
    looks has held it all the time."""
    i: cython.int
    for i in range(knot.count):
        edge: cython.pointer(Edge) = knot.edges + i
        if not edge.kept:
            continue
        step: cython.pointer(Step) = walk.steps + edge.start
        same: cython.bint = False
        if edge.alternative == BY_THREAD:
            same = cython.cast(Party, step.party).thread == cython.cast(Party, walk.steps[edge.end].party).id
        else:
            target: cython.ulonglong = (
                lost_of(step, edge.alternative)
                if edge.end == LOST
                else cython.cast(Party, walk.steps[edge.end].party).id
            )
            for k in range(ways(walk, edge.start, edge.alternative, 0)):
                if walk.ids[k] == target:
                    same = True
        if not same:
            return False
    still: cython.bint = True
    for index in range(walk.length):
        still = still and (not knot.stuck[index] or waits_still(walk, index))
    return still


def alternatives_of(step: cython.pointer(Step)) -> cython.int:
    """For how many things it waits, of which one is enough."""
    if step.waiter == cython.NULL:
        return 0
    return 1 if step.cases == cython.NULL else len(cython.cast(list, step.cases))


def lost_of(step: cython.pointer(Step), alternative: cython.int) -> cython.ulonglong:
    if step.cases == cython.NULL:
        return 0
    return cython.cast(Waiter, cython.cast(list, step.cases)[alternative]).lost


def ways(walk: cython.pointer(Walk), index: cython.int, alternative: cython.int, already: cython.int) -> cython.int:
    """Write to `ids`, behind those that are there `already`, who all must let go before this alternative can happen.
    Returns how many they are. There is room for one more behind them."""
    at: Primitive = cython.cast(Primitive, walk.steps[index].at)
    waiter: Waiter = cython.cast(Waiter, walk.steps[index].waiter)
    if walk.steps[index].cases != cython.NULL:
        if not stands(at, waiter):
            return 0
        waiter = cython.cast(list, walk.steps[index].cases)[alternative]
        at = cython.cast(Primitive, waiter.at)
    while True:
        room: cython.int = walk.ids_room - 1 - already
        count: cython.int = owners_now(at, waiter, walk.ids + already, room)
        if count <= room:
            return count
        if not grow_ids(walk, already, 2 * (already + count) + 1):
            return 0


def add(walk: cython.pointer(Walk), party: Party, parent: cython.int) -> cython.bint:
    """Note a party that has been come to. False without memory: then no cycle is found."""
    party.walk = walks
    with cython.critical_section(party):
        wait = party.wait
    # A task may wait for what is not ours, and still be kept by its thread.
    if wait is None and party.thread == party.id:
        return True
    if walk.length == walk.room:
        steps: cython.pointer(Step) = cython.cast(
            cython.pointer(Step), PyMem_RawMalloc(2 * walk.room * cython.sizeof(Step))
        )
        if steps == cython.NULL:
            return False
        memcpy(steps, walk.steps, walk.room * cython.sizeof(Step))
        if walk.steps != walk.near_steps:
            PyMem_RawFree(walk.steps)
        walk.steps = steps
        walk.room *= 2
    step: cython.pointer(Step) = walk.steps + walk.length
    Py_INCREF(party)
    step.party = cython.cast(cython.p_void, party)
    step.waiter = step.at = step.cases = cython.NULL
    step.parent = parent
    if wait is not None:
        waiter: Waiter = cython.cast(Waiter, wait)
        at: Primitive = cython.cast(Primitive, waiter.at).leads_to()
        Py_INCREF(waiter)
        Py_INCREF(at)
        step.waiter = cython.cast(cython.p_void, waiter)
        step.at = cython.cast(cython.p_void, at)
        cases: list = at.cases()
        if cases is not None:
            Py_INCREF(cases)
            step.cases = cython.cast(cython.p_void, cases)
    walk.length += 1
    return True


def expand(walk: cython.pointer(Walk), index: cython.int) -> cython.int:
    """Write to `ids` for whom the party of this step waits. Returns how many they are.

    Where it selects, for whom all it may wait; and for nobody, where one alternative waits for nobody.
    """
    party: Party = cython.cast(Party, walk.steps[index].party)
    count: cython.int = 0
    for alternative in range(alternatives_of(walk.steps + index)):
        more: cython.int = ways(walk, index, alternative, count)
        if more == 0:
            count = 0
            break
        count += more
    if party.thread != party.id:
        walk.ids[count] = party.thread
        count += 1
    return count


def grow_ids(walk: cython.pointer(Walk), already: cython.int, room: cython.int) -> cython.bint:
    ids: cython.pointer(cython.ulonglong) = cython.cast(
        cython.pointer(cython.ulonglong), PyMem_RawMalloc(room * cython.sizeof(cython.ulonglong))
    )
    if ids == cython.NULL:
        return False
    memcpy(ids, walk.ids, already * cython.sizeof(cython.ulonglong))
    if walk.ids != walk.near_ids:
        PyMem_RawFree(walk.ids)
    walk.ids = ids
    walk.ids_room = room
    return True


def owners_now(at: Primitive, waiter: Waiter, ids: cython.pointer(cython.ulonglong), room: cython.int) -> cython.int:
    count: cython.int = 0
    with cython.critical_section(at):
        if is_in_line(at, waiter):
            count = at.owners(waiter, ids, room)
    return count


def stands(at: Primitive, waiter: Waiter) -> cython.bint:
    found: cython.bint
    with cython.critical_section(at):
        found = is_in_line(at, waiter)
    return found


def is_in_line(at: Primitive, waiter: Waiter) -> cython.bint:
    """Whether it waits there, and nothing but those who hold it could let it go on. Inside the critical section."""
    return (
        waiter.queue is at
        and not waiter.refused
        and not waiter.handling
        and not (waiter.is_task and waiter.outer is not None)  # a task that is driven by hand
        and not (waiter.timed and waiter.at is at)
    )


def holds_still(walk: cython.pointer(Walk), last: cython.int, start: cython.ulonglong) -> cython.bint:
    """The second look: whether each edge of the cycle that ends with step `last` is there as it was."""
    target: cython.ulonglong = start
    step: cython.int = last
    while step >= 0:
        count: cython.int = expand(walk, step)
        same: cython.bint = False
        for i in range(count):
            if walk.ids[i] == target:
                same = True
        if not same:
            return False
        target = cython.cast(Party, walk.steps[step].party).id
        step = walk.steps[step].parent
    # Afterwards: see `is_knot_still`.
    while last >= 0:
        if not waits_still(walk, last):
            return False
        last = walk.steps[last].parent
    return True


def waits_still(walk: cython.pointer(Walk), index: cython.int) -> cython.bint:
    """Whether the party of this step is in the wait in which the walk has found it."""
    party: Party = cython.cast(Party, walk.steps[index].party)
    with cython.critical_section(party):
        if walk.steps[index].waiter == cython.NULL:
            return party.wait is None
        return cython.cast(cython.p_void, party.wait) == walk.steps[index].waiter


def end_walk(walk: cython.pointer(Walk)) -> cython.void:
    """Give up what the walk holds. Outside the guard: it may be the last reference to something."""
    for i in range(walk.length):
        if walk.steps[i].waiter != cython.NULL:
            Py_DECREF(cython.cast(object, walk.steps[i].at))
            Py_DECREF(cython.cast(object, walk.steps[i].waiter))
        if walk.steps[i].cases != cython.NULL:
            Py_DECREF(cython.cast(object, walk.steps[i].cases))
        Py_DECREF(cython.cast(object, walk.steps[i].party))
    if walk.steps != walk.near_steps:
        PyMem_RawFree(walk.steps)
    if walk.ids != walk.near_ids:
        PyMem_RawFree(walk.ids)


def look_for(id: cython.ulonglong):
    """A thread is about to end. Who waits for it in the queue of a lock asks for itself twice a second, but for those
    whom a notification has put there, asleep."""
    for each in list(by_ident.values()):
        party: Party = each
        with cython.critical_section(party):
            waiter = party.wait
        if waiter is None:
            continue
        began: Primitive = cython.cast(Primitive, cython.cast(Waiter, waiter).at)
        at: Primitive = began.leads_to()
        if at is not began and id in at.held_by():
            at.kick()


set_on_leaving(look_for)


def _renew_guard():
    interlock_graph_renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_guard)
