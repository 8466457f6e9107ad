"""A recording in the trace format of Chrome, which Perfetto (ui.perfetto.dev) and chrome://tracing open.

Threads are the threads of one process; the tasks of each loop are the threads of a process of their own. On such a
track

    X         a wait, as a slice; and a slice of at most a microsecond for each wake-up, where its arrow begins
    b, e      a hold: asynchronous, since holds do not nest in each other or in waits
    s, f      an arrow from the party that woke to the wait that ended by it
    i         a mark: an event set, a barrier tripped
    M         names

Times are microseconds since the recording began, with the nanoseconds behind the point.
"""

from bisect import bisect_right
from collections import defaultdict
from typing import Any

from interlock.watch.recording import Recording
from interlock.watch.story import Story, Wait
from interlock.watch.summary import Summary
from interlock.watch.words import held_by, percent

_OUTCOMES = ("got it", "timed out", "cancelled", "waits still")
_WAKE_NS = 1_000
_THREADS = 1  # process id


def trace(recording: Recording | Summary) -> dict[str, Any]:
    """Return the trace of a recording or its summary, to be written as JSON."""
    story = recording.story if isinstance(recording, Summary) else Story(recording)
    recorded = story.recording
    tracks = _Tracks(recorded)
    events = tracks.names()
    events += _waits(story, tracks)
    events += _holds(story, tracks)
    for mark in story.marks:
        events.append(
            {
                "ph": "i",
                "s": "t",
                "cat": "mark",
                "name": f"{mark.kind} {story.primitives[mark.primitive].name}",
                "ts": _us(mark.time),
                **tracks.of(mark.party),
                "args": {"line": tracks.place(mark.place)},
            }
        )
    return {
        "displayTimeUnit": "ms",
        "otherData": {"title": recorded.title, "clock": "monotonic", "dropped events": str(recorded.dropped)},
        "traceEvents": events,
    }


class _Tracks:
    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        groups = sorted({party.group for party in recording.parties if party.kind == "task"})
        self.processes = {group: number for number, group in enumerate(groups, _THREADS + 1)}

    def of(self, party: int) -> dict[str, int]:
        its = self.recording.parties[party]
        return {"pid": self.processes[its.group] if its.kind == "task" else _THREADS, "tid": party + 1}

    def names(self) -> list[dict[str, Any]]:
        title = self.recording.title or "program"
        named = [
            (_THREADS, f"threads of {title}"),
            *((pid, f"tasks of {group}") for group, pid in self.processes.items()),
        ]
        events: list[dict[str, Any]] = []
        for pid, name in named:
            events.append({"ph": "M", "name": "process_name", "pid": pid, "tid": 0, "args": {"name": name}})
            events.append({"ph": "M", "name": "process_sort_index", "pid": pid, "tid": 0, "args": {"sort_index": pid}})
        for number, party in enumerate(self.recording.parties):
            track = self.of(number)
            events.append({"ph": "M", "name": "thread_name", **track, "args": {"name": party.name}})
            events.append({"ph": "M", "name": "thread_sort_index", **track, "args": {"sort_index": number}})
        return events

    def name(self, party: int) -> str:
        return self.recording.parties[party].name if party >= 0 else "not known"

    def place(self, place: int) -> str:
        return self.recording.places[place] if place >= 0 else "not known"


def _waits(story: Story, tracks: _Tracks) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    # When something begins on a track: a wake-up must be over by then, since slices of one track nest or stay apart.
    begins: dict[int, list[int]] = defaultdict(list)
    arrows: list[tuple[int, int, Wait]] = []
    for wait in story.waits:
        begins[wait.party].append(wait.start)
        args = {"outcome": _OUTCOMES[wait.outcome], "line": tracks.place(wait.place)}
        if wait.holder >= 0:
            part = percent(wait.held, wait.end - wait.start)
            args |= {
                "held by": held_by(tracks.name(wait.holder), part, wait.others),
                "holder's line": tracks.place(wait.holder_place),
            }
        if wait.waker >= 0:
            args |= {"woken by": tracks.name(wait.waker)}
            if wait.end > wait.start:
                # An instant before the wait ends, so that the arrow hits its slice.
                hit = wait.end - 1
                left = min(wait.wake_time, hit)
                arrows.append((left, hit, wait))
                begins[wait.waker].append(left)
        name = f"wait for {story.primitives[wait.primitive].name}"
        span = {"ts": _us(wait.start), "dur": _us(wait.end - wait.start)}
        events.append({"ph": "X", "cat": "wait", "name": name, **span, **tracks.of(wait.party), "args": args})
    for some in begins.values():
        some.sort()
    woke: set[tuple[int, int]] = set()
    for number, (left, hit, wait) in enumerate(arrows, 1):
        if (wait.waker, left) not in woke:
            woke.add((wait.waker, left))
            following = begins[wait.waker]
            at = bisect_right(following, left)
            end = min(left + _WAKE_NS, following[at]) if at < len(following) else left + _WAKE_NS
            span = {"ts": _us(left), "dur": _us(end - left)}
            name = f"woke {tracks.name(wait.party)}"
            args = {"primitive": story.primitives[wait.primitive].name, "line": tracks.place(wait.waker_place)}
            events.append({"ph": "X", "cat": "wake", "name": name, **span, **tracks.of(wait.waker), "args": args})
        arrow = {"cat": "wake", "name": "wake-up", "id": number}
        events.append({"ph": "s", **arrow, "ts": _us(left), **tracks.of(wait.waker)})
        events.append({"ph": "f", "bp": "e", **arrow, "ts": _us(hit), **tracks.of(wait.party)})
    return events


def _holds(story: Story, tracks: _Tracks) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    for number, hold in enumerate(story.holds, 1):
        common = {"cat": "hold", "name": story.primitives[hold.primitive].name, "id": number, **tracks.of(hold.party)}
        args = {"line": tracks.place(hold.place), "released": "no" if hold.open else "yes"}
        events.append({"ph": "b", **common, "ts": _us(hold.start), "args": args})
        events.append({"ph": "e", **common, "ts": _us(hold.end)})
    return events


def _us(nanoseconds: int) -> float:
    return nanoseconds / 1000
