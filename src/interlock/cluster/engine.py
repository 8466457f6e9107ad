"""What an engine gives, and what is said to it.

An engine keeps sessions and records, and applies steps to them, one at a time. `machine.py` is the reference: what a
step does and answers is said there, once. An engine that can run code runs the same machine (in Lua, in plpgsql); one
that cannot comes to the same answers by its own means. `tests/cluster/test_same_machine.py` gives the same steps to
all of them and compares.

The client's side of the contract (`session.py` keeps it):

- Each step may be sent twice. A call whose answer was lost is sent again, unchanged.
- What an inbox brings is a hint and may be lost, doubled or late. What counts is what `beat` says of a session.
- A waiter's id is never used again. A waiter that nobody knows any more is taken out by `leave`, whenever it is seen.

To write an engine: subclass `Engine` and `Inbox`, and add its scheme to `ENGINES`.
"""

import importlib
import logging
import re
import select
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar
from urllib.parse import unquote

from interlock.cluster.errors import ClusterError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

log: logging.Logger = logging.getLogger("interlock.cluster")

# What a step is given and what it answers: flat sequences, so that every engine can carry them.
Argument: TypeAlias = str | int
Answer: TypeAlias = list[Any]

# A name, or a lease, that is longer cannot be had, nor a lease that is shorter.
MAX_LEASE = 60.0  # seconds
MIN_LEASE = 0.1  # what is shorter would be over before the answer is there
MAX_NAME = 400  # bytes

# Seconds after which a connection that nobody used may have been ended by the server, or by what is between.
UNUSED = 0.5

# No kind of permit has more. A writer asks for all of them.
ALL = 2**31


class Unreachable(Exception):
    """The engine did not answer. The step may have been done or not, or may yet be done."""


@dataclass(frozen=True, slots=True)
class Told:
    """A hint: `waiter` was granted what it waits for. Negative: the barrier broke."""

    waiter: str
    value: int


@dataclass(frozen=True, slots=True)
class Settings:
    """How to reach an engine, and what the user chose."""

    url: str = field(repr=False)
    prefix: str
    quarantine: float = 0.0  # seconds without a grant after a life of the server that may have lost some
    looks: bool = False  # only looks: says no hello, which would change what others may be granted
    options: dict[str, Any] = field(default_factory=dict, repr=False)


class Inbox:
    """The hints for one session, in order. Used by one thread, except `close`."""

    def read(self, timeout: float) -> list[Told] | None:
        """Wait for hints.

        ``timeout``: seconds to wait at most. Returns what came; an empty list when nothing did; None when something
        may have been missed (the first time, after a reconnect), so that `beat` has to be asked.

        Raises `Unreachable`.
        """
        raise NotImplementedError

    def rest(self) -> None:
        """Nobody has waited for a while: whatever it costs to be told may be saved until the next `read`.

        Called by the thread that reads, and by it after `close`.
        """

    def close(self) -> None:
        """End a `read` that is under way, from whatever thread, and all later ones."""
        raise NotImplementedError


class Engine:
    """Where steps go. Every method may be called by several threads at once."""

    # The modules that must be there, and the extra that brings them.
    needs: tuple[str, ...] = ()
    extra = ""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.shown: str = shown(settings.url)
        self.told_quiet: float = 0.0  # until when it was told that no grants are made, on the monotonic clock

    def call(self, op: str, arguments: Sequence[Argument], timeout: float) -> Answer:
        """Do one step.

        ``op``: the name of a method of `machine.Machine`. ``timeout``: seconds after which a frozen network counts as
        one that does not answer.

        Raises `Unreachable`, also where the answer was lost. `ClusterError` where the engine answers that it cannot.
        """
        raise NotImplementedError

    def tell_quiet(self, microseconds: int) -> None:
        """Warn of a quarantine, once for each."""
        seconds = microseconds / 1_000_000
        until = time.monotonic() + seconds
        if seconds and until > self.told_quiet + 1.0:
            self.told_quiet = until
            log.warning(
                "%s was started or took over a moment ago and may have lost grants: it makes none for %.1f s"
                " (after_restart='grant' turns that off)",
                self.shown,
                seconds,
            )

    def inbox(self, session: str) -> Inbox:
        """The hints for a session. Does not connect before it is read."""
        raise NotImplementedError

    def warnings(self) -> list[str]:
        """What about this server's settings makes it less than it could be, in sentences. May call it."""
        return []

    def forked(self) -> None:
        """In a forked child: forget the parent's connections without a word to the server."""

    def close(self) -> None:
        """Close all connections. Calls that come later raise `Unreachable`."""


ENGINES = {
    "memory": "memory",
    "redis": "redis",
    "rediss": "redis",
    "redis+sentinel": "redis",
    "valkey": "redis",
    "valkeys": "redis",
    "unix": "redis",
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "etcd": "etcd",
    "etcds": "etcd",
}


def make_engine(settings: Settings) -> Engine:
    """The engine that a URL names. Imports its client and connects to nothing."""
    scheme = settings.url.partition("://")[0] if "://" in settings.url else ""
    if scheme not in ENGINES:
        known = ", ".join(f"{name}://" for name in ENGINES)
        raise ValueError(f"not the URL of an engine: {shown(settings.url)!r}. It begins with one of {known}")
    refuse_unquoted(settings.url)
    refuse_unreadable(settings.url)
    try:
        module: ModuleType = importlib.import_module(f"interlock.cluster.engines.{ENGINES[scheme]}")
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing == "interlock":
            raise
        raise ClusterError(
            f"{scheme}:// needs {missing}, which is not installed: pip install 'interlock[{ENGINES[scheme]}]'"
        ) from error
    made: Engine = module.make(settings)
    return made


def shown(url: str) -> str:
    """The URL as it may be printed: without a password, wherever it stands."""
    scheme, slashes, rest = url.partition("://")
    if not slashes:
        return url
    before, at, rest = rest.rpartition("@")
    if at:
        # One that was not quoted may have any sign in it: all up to the last @ may be of it.
        user, colon, _ = before.partition(":")
        before = f"{user}:***@" if colon and not re.search("[/?#@]", before) else "***@" if colon else f"{before}@"
    place, mark, query = rest.partition("?")
    words = [word.partition("=") for word in query.split("&")] if mark else []
    hidden = (f"{key}=***" if "password" in key.lower() else f"{key}{sign}{value}" for key, sign, value in words)
    return f"{scheme}://{before}{place}{mark}{'&'.join(hidden)}"


def refuse_unquoted(url: str) -> None:
    """Raise ValueError where a password was not quoted, so that a part of it would be taken for a port.

    A client would print that part in its own error.
    """
    rest = url.partition("://")[2]
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    ports = [host.rpartition(":")[2] for host in authority.split(",") if ":" in host and not host.endswith("]")]
    cut = "@" in rest and "@" not in authority and not all(port.isdecimal() or not port for port in ports)
    if cut or re.search("%(?![0-9a-fA-F]{2})", rest.rpartition("@")[0]):
        raise unreadable(url, "in a password, write % / ? # @ : as %25 %2F %3F %23 %40 %3A")


def refuse_unreadable(url: str) -> None:
    """Raise ValueError where hosts and ports cannot be what they are. A client would say so late, or not at all."""
    scheme, _, rest = url.partition("://")
    if scheme in ("memory", "unix"):
        return
    hosts = re.split("[/?#]", rest, maxsplit=1)[0].rpartition("@")[2].split(",")
    wrong = ""
    if len(hosts) > 1 and ENGINES.get(scheme) == "redis" and scheme != "redis+sentinel":
        wrong = "it has more than one host"
    for each in hosts:
        found = re.fullmatch(r"(\[[^][\s]+\]|[^][:\s]*)(?::(.*))?", each)
        if not found:
            wrong = "a host has no blanks, and an IPv6 address stands in brackets, as in [::1]:6379"
        elif not found[1] and (len(hosts) > 1 or scheme in ("redis+sentinel", "etcd", "etcds")):
            wrong = "a host is missing"
        elif found[2] and not (found[2].isascii() and found[2].isdecimal() and 0 < int(found[2]) < 65536):
            wrong = "a port is a number from 1 to 65535"
    if wrong:
        raise unreadable(url, wrong)


def unreadable(url: str, why: str) -> ValueError:
    return ValueError(f"the URL {shown(url)!r} cannot be read: {why}")


def secrets(settings: Settings) -> list[str]:
    """What must not be printed, the longest first."""
    url, options = settings.url, settings.options
    before, at, rest = url.partition("://")[2].rpartition("@")
    password = before.partition(":")[2] if at else ""
    words = [word.partition("=") for word in rest.partition("?")[2].split("&")]
    found = [password, *(value for key, _, value in words if "password" in key.lower())]
    found += [str(value) for key, value in options.items() if "password" in key.lower()]
    other = options.get("listen")
    if isinstance(other, str) and other != url:
        found += secrets(Settings(other, settings.prefix))
    return sorted({form for each in found if each for form in (each, unquote(each))}, key=len, reverse=True)


def without_password(text: object, settings: Settings) -> str:
    """The text of an error of a client, without the passwords that it was given in case it printed one."""
    said = str(text)
    for secret in secrets(settings):
        said = said.replace(secret, "***")
    return said


def cause(error: BaseException, settings: Settings) -> BaseException | None:
    """An error of a client as the cause of ours: not one whose text has a password, which a traceback would print."""
    seen: BaseException | None = error
    while seen is not None:
        if without_password(seen, settings) != str(seen):
            return None
        seen = seen.__cause__ or seen.__context__
    return error


Line = TypeVar("Line")


class Spare(Generic[Line]):
    """Connections that nobody uses at the moment. Any thread may take one, and puts it back when its call is over."""

    def __init__(self, most: int, number: Callable[[Line], int], end: Callable[[Line], object]) -> None:
        """``most``: how many are kept. ``number``: the descriptor of one. ``end``: close one."""
        self.most = most
        self.number = number
        self.end = end
        self.lines: list[tuple[float, Line]] = []  # since when nobody uses it, the oldest first
        self.closed: bool = False

    def take(self) -> Line | None:
        """One that is still connected. Servers and poolers may end those that were not used for long."""
        while True:
            try:
                since, line = self.lines.pop()
            except IndexError:
                return None
            if time.monotonic() - since < UNUSED or not readable(self.number(line)):
                return line
            self.end(line)

    def put(self, line: Line) -> None:
        if len(self.lines) >= self.most:
            self.end(line)
            return
        self.lines.append((time.monotonic(), line))
        if self.closed:  # asked after it was added: `close` finds it, or this does
            self.drop()

    def drop(self) -> None:
        """End them all: they may lead to a server that is not there any more."""
        while True:
            try:
                _, line = self.lines.pop()
            except IndexError:
                return
            self.end(line)

    def forked(self) -> list[Line]:
        """In a forked child: what was the parent's, which is not to be ended by the protocol."""
        lines, self.lines = self.lines, []
        return [line for _, line in lines]

    def close(self) -> None:
        self.closed = True
        self.drop()


def readable(line: int) -> bool:
    """Whether something came, by now, on a descriptor. Where nothing was asked for, that is the end of the line."""
    poll = select.poll()
    poll.register(line, select.POLLIN)
    return bool(poll.poll(0))
