"""Workers in processes of their own, and what is wrong with what they saw."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import history
from proxy import Proxy

LEASE = 2.0  # seconds
WORKERS = 3
HERE = Path(__file__).parent


class Crowd:
    """Workers, each behind a proxy of its own; without proxies where ``server`` is several, and says where each is."""

    def __init__(
        self,
        server: Any,
        prefix: str,
        directory: Path,
        mutant: str = "none",
        lease: float = LEASE,
        longest: float = 0.0,
    ) -> None:
        """``longest``: seconds that a worker holds it at most; half more than the lease by default."""
        self.server = server
        self.prefix = prefix
        self.longest = longest or lease * 1.5
        several = not hasattr(server, "port")
        self.proxies = [] if several else [Proxy(("127.0.0.1", server.port)) for _ in range(WORKERS)]
        urls = [server.url.replace(str(server.port), str(proxy.port)) for proxy in self.proxies]
        self.paths = [directory / f"worker{i}" for i in range(WORKERS)]
        self.workers = [
            subprocess.Popen(
                [
                    sys.executable, str(HERE / "worker.py"), url, prefix, str(lease), str(path), mutant,
                    str(self.longest),
                ],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )
            for url, path in zip(urls or [server.url] * WORKERS, self.paths, strict=True)
        ]  # fmt: skip
        for worker in self.workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"

    def events(self, i: int) -> list[dict[str, Any]]:
        lines = self.paths[i].read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def wait_for(self, what: Callable[[], object], why: str, patience: float = 30.0) -> None:
        deadline = time.monotonic() + patience
        while not what():
            assert time.monotonic() < deadline, f"not within {patience} s: {why}"
            time.sleep(0.01)

    def grants(self) -> int:
        return sum(event["op"] == "grant" for i in range(WORKERS) for event in self.events(i))

    def more_grants(self, n: int = 3) -> None:
        """Return when the lock has gone round some more."""
        goal = self.grants() + n
        self.wait_for(lambda: self.grants() >= goal, f"{n} more grants")

    def holder(self) -> int:
        """A worker that holds the lock, and will for a while."""
        found: list[int] = []

        def look() -> bool:
            for i in range(WORKERS):
                events = [e for e in self.events(i) if e["op"] in ("grant", "releasing")]
                if events and events[-1]["op"] == "grant" and events[-1]["until"] - time.monotonic() > self.longest / 2:
                    found.append(i)
                    return True
            return False

        self.wait_for(look, "somebody holds it for long")
        return found[0]

    def waiter(self) -> int:
        """A worker that has waited for a moment while another holds the lock, and will for a while."""
        found: list[int] = []

        def look() -> bool:
            holder = self.holder()
            for i in range(WORKERS):
                events = self.events(i)
                asked = events and events[-1]["op"] == "ask" and time.monotonic() - events[-1]["t"] > 0.1
                if i != holder and self.workers[i].poll() is None and asked:
                    found.append(i)
                    return True
            return False

        self.wait_for(look, "somebody waits")
        return found[0]

    def believes_on(self, i: int) -> None:
        """Return when this one has found that it still holds it, and another that it was granted it meanwhile."""

        def look() -> bool:
            mine = [e for e in self.events(i) if e["op"] in ("grant", "held", "releasing")]
            assert mine[-1]["op"] == "held", f"it holds it no longer: {mine[-1]}"
            began = max(e["t"] for e in mine if e["op"] == "grant")
            others = [
                (e["op"], after["op"])
                for k in range(WORKERS)
                if k != i
                for log in [self.events(k)]
                for e, after in zip(log, [*log[1:], {"op": ""}], strict=True)
                if began < e.get("t", 0.0) < mine[-1]["t"]
            ]
            return ("grant", "held") in others or ("releasing", "released") in others

        self.wait_for(look, "two that believe")

    def end(self) -> None:
        for worker in self.workers:
            with contextlib.suppress(ProcessLookupError):
                worker.send_signal(signal.SIGCONT)
            assert worker.stdin is not None
            assert worker.stdout is not None
            with contextlib.suppress(BrokenPipeError):
                worker.stdin.close()
            worker.wait(30)
            worker.stdout.close()
        for proxy in self.proxies:
            proxy.close()

    # --- what they saw ----------------------------------------------------------------------------------------------

    def verdict(self) -> list[str]:
        """What is wrong with what they saw. They stand still meanwhile: what one has seen of another is there then."""
        for worker in self.workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGSTOP)
                os.waitid(os.P_PID, worker.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        logs = [self.events(i) for i in range(WORKERS)]
        for worker in self.workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGCONT)
        return history.verdict(logs)

    def keep(self, wrong: list[str]) -> str:
        kept = Path(os.environ.get("INTERLOCK_HISTORIES", HERE.parent.parent / "build" / "histories"))
        kept.mkdir(parents=True, exist_ok=True)
        for path in self.paths:
            (kept / f"{self.prefix}-{path.name}").write_text(path.read_text())
        return "\n".join([*wrong, f"histories are kept in {kept}"])
