"""Who calls, and from where: what others are shown, and what a release looks for."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

from interlock.core.tasks.task import current_party

PACKAGE = str(Path(__file__).resolve().parent.parent)
KEPT = 1000  # texts

_texts: dict[tuple[str, str, int, int, bool], str] = {}


def current() -> int:
    """The id of the task that calls, or of the thread. No other party ever has the same."""
    return current_party().id


def info(timed: bool = False) -> str:
    """The caller as JSON: its name and id, the line of the program that asks, and whether it will give up in time."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
    party = current_party()
    name = getattr(party, "name", "") or threading.current_thread().name
    key = (name, frame.f_code.co_filename, frame.f_lineno, party.id, timed)
    text = _texts.get(key)
    if text is None:
        if len(_texts) >= KEPT:
            _texts.clear()
        where = f"{Path(key[1]).name}:{key[2]}"
        text = _texts[key] = json.dumps(
            {"thread": name, "where": where, "party": party.id} | ({"timed": True} if timed else {})
        )
    return text
