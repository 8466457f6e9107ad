"""The replay token: a schedule in a few characters.

`i2-` and base 32 of: a byte of settings (where the points are, the order of callbacks, whether a pause follows, the
version of python), the pause in milliseconds if it is not the default, a check sum of how many options each decision
had, and the deviations: pairs of how many decisions were left at their default before this one, and which option was
taken.
"""

import base64
import sys
import zlib

AT = ("sync", "lines", "bytecodes")
ORDER = ("tasks", "fifo")
PAUSE = 1.0  # seconds, the default
_PREFIX = "i2-"
_FIRST = 11  # the first minor version of python


class TokenError(ValueError):
    """This is no token, or not one for this program."""


class Token:
    """A schedule that can be run again.

    Attributes: ``at``, ``order``, ``pause`` (seconds), ``python`` (minor version), ``options`` (a check sum of the
    numbers of options), ``decisions`` (how many there were), ``deviations`` (decision -> choice, other than 0).
    """

    def __init__(
        self, at: str, order: str, pause: float, options: list[int], choices: list[int], python: int | None = None
    ) -> None:
        self.at = at
        self.order = order
        self.pause = pause
        self.python: int = sys.version_info[1] if python is None else python
        self.deviations: dict[int, int] = {i: choice for i, choice in enumerate(choices) if choice}
        self.options: int = check_sum(options)

    def __str__(self) -> str:
        data = bytearray()
        has_pause = self.pause != PAUSE
        version = self.python - _FIRST & 15
        data.append(AT.index(self.at) << 6 | ORDER.index(self.order) << 5 | has_pause << 4 | version)
        if has_pause:
            _put(data, round(self.pause * 1000))
        data += self.options.to_bytes(2, "big")
        before = -1
        for i, choice in sorted(self.deviations.items()):
            _put(data, (i - before - 1) << 1 | (choice > 1))
            if choice > 1:
                _put(data, choice - 2)
            before = i
        return _PREFIX + base64.b32encode(bytes(data)).decode().rstrip("=").lower()

    @property
    def choices(self) -> list[int]:
        """All choices up to the last that is no default."""
        found = [0] * (max(self.deviations) + 1 if self.deviations else 0)
        for i, choice in self.deviations.items():
            found[i] = choice
        return found


def check_sum(options: list[int]) -> int:
    """Of how many options each decision had."""
    return zlib.crc32(b"".join(each.to_bytes(2, "big") for each in options)) & 0xFFFF


def read_token(text: str) -> Token:
    """The token that `text` spells. Raises TokenError."""
    words = text.strip().lower()
    if not words.startswith(_PREFIX):
        raise TokenError(f"not a replay token: {text!r} (it begins with {_PREFIX!r})")
    body = words[len(_PREFIX) :].upper()
    try:
        data = base64.b32decode(body + "=" * (-len(body) % 8))
        token = Token.__new__(Token)
        token.at = AT[data[0] >> 6]
        token.order = ORDER[data[0] >> 5 & 1]
        token.python = (data[0] & 15) + _FIRST
        token.pause = PAUSE
        at = 1
        if data[0] & 16:
            pause, at = _get(data, 1)
            token.pause = pause / 1000
        token.options = int.from_bytes(data[at : at + 2], "big")
        if at + 2 > len(data):
            raise IndexError
        at += 2
        token.deviations = {}
        i = -1
        while at < len(data):
            gap, at = _get(data, at)
            i += (gap >> 1) + 1
            choice = 1
            if gap & 1:
                choice, at = _get(data, at)
                choice += 2
            token.deviations[i] = choice
        if i > 10_000_000:
            raise IndexError
    except (ValueError, IndexError):
        raise TokenError(f"not a replay token: {text!r} is damaged or not complete") from None
    if token.python != sys.version_info[1]:
        raise TokenError(
            f"this token was made by Python 3.{token.python}, and this is 3.{sys.version_info[1]}: "
            f"schedules differ between versions, so replay it with python3.{token.python}"
        )
    return token


def _put(data: bytearray, number: int) -> None:
    while number > 127:
        data.append(number & 127 | 128)
        number >>= 7
    data.append(number)


def _get(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        number |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            return number, at
