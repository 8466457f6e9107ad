"""What the timeline page shows, as one document of lists and numbers that can be written as JSON.

Times are integer nanoseconds since the recording began; parties, primitives and places are indexes, -1 where there is
none:

    version, title, duration, dropped, clock
    parties      {name, kind, group}
    primitives   {name, kind, place}
    places       "file.py:34 in work"
    holds        [primitive, party, start, end, place, open]; open: 1 where it went on when the recording ended
    waits        [primitive, party, start, end, place, outcome, waker, wake_time, holder, holder_place]; outcome:
                 0 granted, 1 timed out, 2 cancelled, 3 waiting still
    marks        [time, party, primitive, kind, place]
    summary      {primitive, acquired, contended, wait_total, ..., worst_wait}; worst_wait: an index into waits
    families     for each primitive, the class of ours that its own is or derives from
    holders      for each wait [held, others]: for how much of it the holder held, and how many others did
    objects      {holds, waits}: for each hold and wait which object it was of; there only where very many objects
                 share a name and are one primitive here
    findings     sentences, the worst first
    verbs        [place, verb] for each line that waits for a queue: "get from", "put into", "join"
    links        for each finding [primitive, wait]: what it is about, and its longest wait (an index into waits)
"""

from typing import Any

from interlock.watch.recording import Recording
from interlock.watch.summary import QUEUES, Summary, queue_verb


def document(recording: Recording | Summary) -> dict[str, Any]:
    """Return the data of the timeline page, for a recording or its summary."""
    summary = recording if isinstance(recording, Summary) else Summary(recording)
    recorded, story = summary.recording, summary.story
    rows = []
    for row in summary.rows:
        if row.acquired or row.waited:
            fields = row._asdict()
            del fields["waited"]
            rows.append(fields)
    made = {
        "version": 1,
        "title": recorded.title,
        "duration": recorded.duration,
        "dropped": recorded.dropped,
        "clock": "monotonic",
        "parties": [party._asdict() for party in recorded.parties],
        "primitives": [
            {"name": primitive.name, "kind": primitive.kind, "place": primitive.place} for primitive in story.primitives
        ],
        "places": recorded.places,
        "holds": [list(hold[:6]) for hold in story.holds],
        "waits": [list(wait[:10]) for wait in story.waits],
        "marks": [list(mark) for mark in story.marks],
        "summary": rows,
        "families": [primitive.family for primitive in story.primitives],
        "holders": [[wait.held, wait.others] for wait in story.waits],
        "findings": [finding.sentence for finding in summary.findings],
        "verbs": _verbs(summary),
        "links": [[finding.primitive, finding.worst_wait] for finding in summary.findings],
    }
    if len(story.primitives) + story.hidden < len(recorded.primitives):
        made["objects"] = {
            "holds": [hold.object for hold in story.holds],
            "waits": [wait.object for wait in story.waits],
        }
    return made


def _verbs(summary: Summary) -> list[list[Any]]:
    story, calls = summary.story, summary.recording.calls
    places = sorted({wait.place for wait in story.waits if story.primitives[wait.primitive].family in QUEUES})
    return [[place, queue_verb(calls[place])] for place in places if place in calls]
