"""Recording documents to draw: small ones made by hand, busy and big ones from a simulation with a fixed seed."""

import random
from bisect import bisect_left
from collections import defaultdict
from typing import Any

MS = 1_000_000
US = 1_000

Document = dict[str, Any]

GRANTED, TIMED_OUT, CANCELLED, STILL_WAITING = range(4)


class Builder:
    """Collects what a recorder would have recorded, and sums it up."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.parties: list[Document] = []
        self.primitives: list[Document] = []
        self.places: list[str] = []
        self.holds: list[list[int]] = []
        self.waits: list[list[int]] = []
        self.marks: list[list[Any]] = []
        self.findings: list[str] = []
        self.links: list[list[int]] = []
        self.dropped = 0

    def party(self, name: str, kind: str = "thread", group: str = "threads") -> int:
        self.parties.append({"name": name, "kind": kind, "group": group})
        return len(self.parties) - 1

    def primitive(self, name: str, kind: str = "Lock", place: str = "") -> int:
        self.primitives.append({"name": name, "kind": kind, "place": place})
        return len(self.primitives) - 1

    def place(self, name: str) -> int:
        if name not in self.places:
            self.places.append(name)
        return self.places.index(name)

    def hold(self, primitive: int, party: int, start: float, end: float, place: int = -1, *, left_open: int = 0) -> int:
        self.holds.append([primitive, party, int(start), int(end), place, left_open])
        return len(self.holds) - 1

    def wait(
        self,
        primitive: int,
        party: int,
        start: float,
        end: float,
        place: int = -1,
        *,
        outcome: int = GRANTED,
        waker: int = -1,
        wake_time: float = -1,
        holder: int = -1,
        holder_place: int = -1,
    ) -> int:
        self.waits.append(
            [primitive, party, int(start), int(end), place, outcome, waker, int(wake_time), holder, holder_place]
        )
        return len(self.waits) - 1

    def mark(self, time: float, party: int, primitive: int, kind: str, place: int = -1) -> None:
        self.marks.append([int(time), party, primitive, kind, place])

    def document(self) -> Document:
        self._holds_by_primitive: defaultdict[int, list[list[int]]] = defaultdict(list)
        for hold in sorted(self.holds, key=lambda hold: hold[2]):
            self._holds_by_primitive[hold[0]].append(hold)
        ends = [span[3] for span in self.holds + self.waits] + [mark[0] for mark in self.marks]
        return {
            "version": 1,
            "title": self.title,
            "duration": max(ends, default=0),
            "dropped": self.dropped,
            "clock": "monotonic",
            "parties": self.parties,
            "primitives": self.primitives,
            "places": self.places,
            "holds": self.holds,
            "waits": self.waits,
            "marks": self.marks,
            "summary": self._summary(),
            "families": [primitive["kind"] for primitive in self.primitives],
            "holders": [self._holders(wait) for wait in self.waits],
            "findings": self.findings,
            "links": self.links,
        }

    def _holders(self, wait: list[int]) -> list[int]:
        """For how much of a wait its holder held, and how many others did.

        Looks at the holds that began shortly before: where there are many in these documents, none is longer.
        """
        held: defaultdict[int, int] = defaultdict(int)
        holds = self._holds_by_primitive[wait[0]]
        at = bisect_left(holds, [wait[2]], key=lambda hold: hold[2:3])
        for number in range(max(0, at - 20), len(holds)):
            _, party, start, end, *_ = holds[number]
            if start >= wait[3]:
                break
            if party != wait[1] and min(end, wait[3]) > max(start, wait[2]):
                held[party] += min(end, wait[3]) - max(start, wait[2])
        return [held[wait[8]], len(held) - 1] if wait[8] in held else [0, 0]

    def _summary(self) -> list[Document]:
        holds: defaultdict[int, list[list[int]]] = defaultdict(list)
        waits: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        parties: defaultdict[int, set[int]] = defaultdict(set)
        for hold in self.holds:
            holds[hold[0]].append(hold)
            parties[hold[0]].add(hold[1])
        for index, wait in enumerate(self.waits):
            waits[wait[0]].append((wait[3] - wait[2], index))
            parties[wait[0]].add(wait[1])
        rows = []
        for primitive in range(len(self.primitives)):
            waited = sorted(waits[primitive])
            held = [hold[3] - hold[2] for hold in holds[primitive]]
            acquired = max(len(held), len(waited))
            rows.append(
                {
                    "primitive": primitive,
                    "acquired": acquired,
                    "contended": len(waited) / acquired if acquired else 0.0,
                    "wait_total": sum(length for length, _ in waited),
                    "wait_longest": waited[-1][0] if waited else 0,
                    "wait_p99": waited[len(waited) * 99 // 100][0] if waited else 0,
                    "hold_total": sum(held),
                    "hold_longest": max(held, default=0),
                    "parties": len(parties[primitive]),
                    "worst_wait": waited[-1][1] if waited else -1,
                }
            )
        return sorted(rows, key=lambda row: -row["wait_total"])


def small() -> Document:
    """Some of everything, placed by hand: a chain of two waits, each outcome, nested holds, each kind of mark."""
    made = Builder("orders.py")
    main, ann, bob = made.party("MainThread"), made.party("ann"), made.party("bob")
    task = made.party("refresh", "task", "asyncio loop in MainThread")
    orders = made.primitive("Shop._orders", "Lock", "orders.py:12")
    stock = made.primitive("Shop._stock", "RLock", "orders.py:13")
    ready = made.primitive("ready", "Event", "orders.py:14")
    start = made.primitive("start", "Barrier", "orders.py:15")
    unused = made.primitive("spare", "Semaphore", "orders.py:16")
    assert unused == 4
    sell = made.place("orders.py:34 in sell")
    count = made.place("orders.py:51 in count")
    report = made.place("orders.py:72 in report")

    for party, time in ((main, 2), (ann, 3), (bob, 4)):
        made.mark(time * MS, party, start, "arrive", report)
    made.mark(4 * MS, bob, start, "trip", report)
    made.wait(start, main, 2 * MS, 4.1 * MS, report, waker=bob, wake_time=4 * MS)
    made.wait(start, ann, 3 * MS, 4.1 * MS, report, waker=bob, wake_time=4 * MS)

    made.hold(stock, bob, 5 * MS, 40 * MS, count)  # bob holds the stock the whole time
    made.hold(orders, ann, 8 * MS, 44 * MS, sell)  # ann holds the orders, and waits for the stock
    made.wait(stock, ann, 10 * MS, 40.2 * MS, sell, waker=bob, wake_time=40 * MS, holder=bob, holder_place=count)
    made.hold(stock, ann, 40.1 * MS, 43 * MS, sell)
    made.wait(orders, main, 12 * MS, 44.5 * MS, report, waker=ann, wake_time=44 * MS, holder=ann, holder_place=sell)
    made.hold(orders, main, 44.5 * MS, 50 * MS, report)
    made.wait(
        orders, bob, 46 * MS, 49 * MS, count, outcome=TIMED_OUT, holder=main, holder_place=report
    )  # bob gives up, and says so
    made.wait(ready, task, 15 * MS, 30 * MS, sell, waker=bob, wake_time=29 * MS)
    made.mark(29 * MS, bob, ready, "set", count)
    made.mark(33 * MS, bob, ready, "clear", count)
    made.wait(orders, task, 34 * MS, 38 * MS, sell, outcome=CANCELLED, holder=ann, holder_place=sell)
    made.mark(52 * MS, ann, ready, "notify", sell)
    made.mark(54 * MS, ann, start, "broken", sell)
    made.mark(55 * MS, ann, ready, "count down", sell)
    made.mark(56 * MS, ann, ready, "release", sell)
    made.hold(orders, ann, 57 * MS, 70 * MS, sell, left_open=1)
    made.wait(orders, bob, 60 * MS, 70 * MS, count, outcome=STILL_WAITING, holder=ann, holder_place=sell)
    made.links = [[orders, 3], [stock, 2]]
    made.findings = [
        "MainThread waited 32.5 ms for Lock Shop._orders, which ann held at orders.py:34; ann itself waited for"
        " RLock Shop._stock.",
        "Most waiting (42.5 ms) was made by orders.py:34 in sell.",
    ]
    return made.document()


def cycle() -> Document:
    """Two parties, each waiting for what the other holds."""
    made = Builder("deadlock.py")
    left, right = made.party("left"), made.party("right")
    a, b = made.primitive("a"), made.primitive("b")
    made.hold(a, left, 0, 10 * MS, left_open=1)
    made.hold(b, right, 0, 10 * MS, left_open=1)
    made.wait(b, left, 1 * MS, 10 * MS, outcome=STILL_WAITING, holder=right)
    made.wait(a, right, 2 * MS, 10 * MS, outcome=STILL_WAITING, holder=left)
    return made.document()


def empty() -> Document:
    return Builder("nothing.py").document()


def hostile() -> Document:
    """Names that try to be markup, placeholders, or no text at all."""
    made = Builder("</title><script>document.title = 'broken out'</script>{{script}}")
    party = made.party("</script><script>document.title='broken out'</script>")
    other = made.party("<!--<script>", "task", "{{recording}}")
    lock = made.primitive("<img src=x onerror=\"document.title='broken out'\">", "Lock", "]]>\u2028")
    place = made.place("\udcff\\u003c/script>\0<b>.py:1 in <lambda>")
    hold = made.hold(lock, party, 0, 5 * MS, place)
    assert hold == 0
    made.wait(lock, other, 1 * MS, 5 * MS, place, waker=party, wake_time=5 * MS, holder=party, holder_place=place)
    made.mark(2 * MS, party, lock, "<i>odd</i>", place)
    made.links = [[lock, 0]]
    made.findings = ["</li><script>document.title='broken out'</script>"]
    made.dropped = 12_345
    return made.document()


def busy(spans: int, *, threads: int = 12, tasks: int = 0, locks: int = 6, seed: int = 1) -> Document:
    """About so many spans: parties that take one of some locks again and again, first come, first served."""
    chance = random.Random(seed)
    made = Builder(f"pool.py with {threads + tasks} workers")
    parties = [made.party(f"worker-{i}") for i in range(threads)]
    parties += [made.party(f"request-{i}", "task", "asyncio loop in MainThread") for i in range(tasks)]
    names = ["Pool._results", "Pool._queue", "cache", "Account._lock", "log", "Session._state", "metrics", "registry"]
    names += [f"shard[{i}]" for i in range(max(0, locks - len(names)))]
    primitives = [
        made.primitive(name, "Semaphore" if name == "cache" else "Lock", f"pool.py:{10 + i}")
        for i, name in enumerate(names[:locks])
    ]
    taking = [made.place(f"pool.py:{100 + 7 * i} in step_{i}") for i in range(3 * locks)]
    weights = [1.0 / (1 + i) for i in range(locks)]
    free_at = [0.0] * locks  # when each lock will be free
    held_by = [(-1, -1)] * locks
    ready = [(chance.uniform(0, 300 * US), party) for party in parties]
    while len(made.holds) + len(made.waits) < spans:
        ready.sort()
        time, party = ready.pop(0)
        which = chance.choices(range(locks), weights)[0]
        place = taking[3 * which + chance.randrange(3)]
        start = max(time, free_at[which])
        if start > time:
            holder, holder_place = held_by[which]
            late = chance.uniform(2, 30) * US
            made.wait(
                primitives[which],
                party,
                time,
                start + late,
                place,
                waker=holder,
                wake_time=start,
                holder=holder,
                holder_place=holder_place,
            )
            start += late
        long = chance.random() < 0.02
        length = chance.uniform(600, 4000) * US if long else chance.expovariate(1 / (60 * US))
        made.hold(primitives[which], party, start, start + length, place)
        free_at[which] = start + length
        held_by[which] = (party, place)
        ready.append((start + length + chance.expovariate(1 / (250 * US * (1 + which))), party))
    worst = max(made.waits, key=lambda wait: wait[3] - wait[2])
    made.links = [[worst[0], made.waits.index(worst)]]
    made.findings = [
        f"{made.parties[worst[1]]['name']} waited longest: {(worst[3] - worst[2]) / MS:.1f} ms for"
        f" {made.primitives[worst[0]]['name']}, held at {made.places[worst[9]]}."
    ]
    return made.document()


def crowd(tasks: int) -> Document:
    """A service: a task for each request, which lives for a moment and waits for one of ten permits."""
    chance = random.Random(2)
    made = Builder("service.py")
    gate = made.primitive("Service._gate", "Semaphore", "service.py:9")
    ask = made.place("service.py:20 in ask")
    free_at = [(0.0, -1)] * 10
    for number in range(tasks):
        party = made.party(f"request-{number}", "task", "asyncio loop in MainThread")
        arrived = number * 100 * US
        free_at.sort()
        free, holder = free_at.pop(0)
        start = max(arrived, free)
        if free > arrived:
            made.wait(gate, party, arrived, start, ask, waker=holder, wake_time=free, holder=holder, holder_place=ask)
        end = start + chance.uniform(0.2, 1.8) * MS
        made.hold(gate, party, start, end, ask)
        free_at.append((end, party))
    return made.document()
