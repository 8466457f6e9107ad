"""Which engines a test runs on: `memory://` always, the others where `make test-cluster` asks for them.

A test that takes `url` runs once for each engine; one that takes `cluster` gets a handle on it. Each test has a prefix
of its own.
"""

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import servers
from crowd import Crowd
from parties import Parties

import interlock.cluster

prefixes = itertools.count(1)

KINDS_OF_PARTIES = ["threads", "asyncio", "trio", "mixed"]
ASKED = os.environ.get("INTERLOCK_CLUSTER", "").replace(",", " ").split()
ENGINES = ["memory", *(name for name in servers.KINDS if name in ASKED or "all" in ASKED)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "engine" in metafunc.fixturenames:
        metafunc.parametrize("engine", ENGINES, scope="session", indirect=True)
    if "parties" in metafunc.fixturenames:
        metafunc.parametrize("parties", KINDS_OF_PARTIES, indirect=True)


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A server that runs, for the whole session; of `memory` a stand-in with its URL."""
    if request.param == "memory":
        yield servers.Memory()
        return
    server = servers.start(request.param)
    yield server
    server.stop()


@pytest.fixture
def url(engine: Any) -> str:
    """The URL of a server that runs."""
    return str(engine.url)


@pytest.fixture
def prefix() -> str:
    return f"test{os.getpid()}-{next(prefixes)}"


@pytest.fixture
def connect(url: str, prefix: str) -> Iterator[Callable[..., interlock.cluster.Cluster]]:
    """Make handles on the engine, as many processes would. They are closed when the test is over."""
    made: list[interlock.cluster.Cluster] = []

    def connect(**options: Any) -> interlock.cluster.Cluster:
        made.append(
            interlock.cluster.connect(url, **{"prefix": prefix, "lease": 10.0, "after_restart": "grant", **options})
        )
        return made[-1]

    yield connect
    for cluster in made:
        cluster.close()


@pytest.fixture
def cluster(connect: Callable[..., interlock.cluster.Cluster]) -> interlock.cluster.Cluster:
    return connect()


@pytest.fixture
def crowd(engine: Any, prefix: str, tmp_path: Path) -> Iterator[Callable[..., Crowd]]:
    if engine.kind == "memory":
        pytest.skip("memory:// is in one process: see test_sessions.py")
    made: list[Crowd] = []

    def make(mutant: str = "none", server: Any = None, **times: float) -> Crowd:
        made.append(Crowd(server or engine, prefix, tmp_path, mutant, **times))
        return made[-1]

    yield make
    for each in made:
        each.end()


@pytest.fixture
def parties(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Parties]:
    # A party of trio makes each call in a cancel scope of its own, and so cannot hold one open across two.
    if request.param in ("trio", "mixed"):
        monkeypatch.setattr("interlock.cluster.permits.guard_task", lambda: None)
    made = Parties(request.param)
    yield made
    made.end()
