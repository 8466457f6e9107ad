"""What the lessons share: pauses that one environment variable scales, and lines that never mix.

INTERLOCK_SLEEP_SCALE=1     as written (the default)
INTERLOCK_SLEEP_SCALE=0.05  twenty times faster
INTERLOCK_SLEEP_SCALE=0     no sleeping at all

The pauses only make a lesson pleasant to watch. No lesson needs them to be right.
"""

import math
import os
import time


def _sleep_scale() -> float:
    text = os.environ.get("INTERLOCK_SLEEP_SCALE", "1")
    try:
        scale = float(text)
    except ValueError:
        scale = math.nan
    if not 0 <= scale <= 100:  # false for nan, too
        raise SystemExit(f"INTERLOCK_SLEEP_SCALE must be a number from 0 to 100, not {text!r}")
    return scale


SLEEP_SCALE = _sleep_scale()


def scaled(seconds: float) -> float:
    """Return the timeout to use in place of `seconds`."""
    return seconds * SLEEP_SCALE


def pause(seconds: float) -> None:
    """Sleep for `seconds`, scaled."""
    time.sleep(scaled(seconds))


def say(line: str) -> None:
    """Print one whole line at once."""
    # print() by itself writes text and line end separately: another thread could come between.
    print(f"{line}\n", end="", flush=True)
