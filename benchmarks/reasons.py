"""Why a goal is missed: what a profiler said, for the page. Kept by hand; only what is missed is printed."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reason:
    """``figures``: words, separated by spaces, all of which occur in the name of a figure that this is about."""

    figures: tuple[str, ...]
    why: str


REASONS: list[Reason] = []
