"""`interlock hold`, `ps` and `setup`, as a shell runs them."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import servers
from parties import PATIENCE, wait_until
from terminal import Terminal

INTERLOCK = [sys.executable, "-m", "interlock"]


def run(*words: str, **options: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*INTERLOCK, *words], capture_output=True, text=True, timeout=60, check=False, **options)  # type: ignore[call-overload,no-any-return]


def shell(code: str) -> list[str]:
    return [sys.executable, "-c", code]


class TestHold:
    def test_runs_the_command_with_the_token_and_ends_as_it_does(self):
        code = "import os, sys; print(int(os.environ['INTERLOCK_TOKEN']) > 0); sys.exit(7)"
        done = run("hold", "memory://", "nightly", "--", *shell(code))
        assert (done.returncode, done.stdout, done.stderr) == (7, "True\n", "")

    def test_options_may_stand_anywhere(self):
        for words in (["--timeout", "0", "memory://", "x"], ["memory://", "--timeout", "0", "x"], ["memory://", "x"]):
            assert run("hold", *words, "--lease", "5", "--", *shell("raise SystemExit(7)")).returncode == 7
        assert run("ps", "memory://", "--prefix", "shop", "x").returncode == 0

    def test_a_command_that_a_signal_ends(self):
        done = run("hold", "memory://", "nightly", "--", *shell("import os; os.kill(os.getpid(), 9)"))
        assert done.returncode == 128 + 9

    def test_a_command_that_cannot_be_run(self):
        done = run("hold", "memory://", "nightly", "--", "/no/such/program")
        assert done.returncode == 127
        assert "cannot run /no/such/program" in done.stderr

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["memory://", "x"], "-- COMMAND is missing"),
            (["memory://", "x", "--"], "COMMAND is missing after --"),
            (["memory://", "--", "true"], "a NAME is missing"),
            (["mysql://host", "x", "--", "true"], "not the URL of an engine"),
            (["memory://", "x", "--shared", "--semaphore", "2", "--", "true"], "exclude one another"),
            (["memory://", "x", "--semaphore", "0", "--", "true"], "a semaphore has 1 or more permits, not 0"),
            (["memory://", "x", "--lease", "100", "--", "true"], "lease must be"),
            (["memory://", "x", "--timeout", "soon", "--", "true"], "not a number of seconds, 0 or more: 'soon'"),
        ],
    )
    def test_bad_use(self, words, said):
        done = run("hold", *words)
        assert done.returncode == 2
        assert said in done.stderr
        assert "Traceback" not in done.stderr

    def test_an_engine_that_is_not_there(self):
        pytest.importorskip("redis", reason="the client of Redis is not installed")
        done = run("hold", "redis://:hidden@127.0.0.1:1/0", "x", "--", "true")
        assert done.returncode == 1
        assert "redis://:***@127.0.0.1:1/0 does not answer" in done.stderr
        assert "hidden" not in done.stderr

    @pytest.mark.parametrize("url", ["redis://:hidden@127.0.0.1:1/0", "postgresql://me:hidden@127.0.0.1:1/db",
                                     "etcd://me:hidden@127.0.0.1:1"])  # fmt: skip
    @pytest.mark.parametrize("command", ["ps", "hold", "setup"])
    def test_one_line_says_so_and_no_password(self, command, url):
        client = {"redis": "redis", "postgresql": "psycopg", "etcd": "grpc"}[url.partition(":")[0]]
        pytest.importorskip(client, reason=f"{client} is not installed")
        if command == "setup" and client != "psycopg":
            pytest.skip("needs no setup")
        done = run(command, url, *(["x", "--", "true"] if command == "hold" else []))
        assert done.returncode == 1
        assert done.stdout == ""
        assert "does not answer" in done.stderr
        assert done.stderr.count("\n") == 1
        assert "hidden" not in done.stderr

    def test_signals_reach_the_command(self):
        code = (
            "import signal, sys, time\n"
            "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))\n"
            "print('ready', flush=True)\n"
            "while True: time.sleep(0.01)"
        )
        held = subprocess.Popen(
            [*INTERLOCK, "hold", "memory://", "x", "--", *shell(code)], stdout=subprocess.PIPE, text=True
        )
        assert held.stdout is not None
        with held.stdout:
            assert held.stdout.readline() == "ready\n"
            held.send_signal(signal.SIGTERM)
            assert held.wait(PATIENCE) == 5

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
    def test_sigkill_ends_the_command_too(self):
        code = "print('in', flush=True); import time; time.sleep(1000)"
        held = subprocess.Popen(
            [*INTERLOCK, "hold", "memory://", "x", "--", *shell(code)], stdout=subprocess.PIPE, text=True
        )
        assert held.stdout is not None
        with held.stdout:
            assert held.stdout.readline() == "in\n"
            held.kill()
            held.wait(PATIENCE)
            assert held.stdout.read() == "", "the command has closed it, so it is gone"


class TestOnAServer:
    @pytest.fixture(autouse=True)
    def between_processes(self, engine):
        if engine.kind == "memory":
            pytest.skip("memory:// is in one process")

    def test_one_at_a_time_and_ps_shows_it(self, url, prefix, connect):
        cluster = connect(label="tester")
        with cluster.Lock("nightly"):
            done = run("hold", url, "nightly", "--prefix", prefix, "--timeout", "0", "--", "true")
            assert done.returncode == 75
            assert "could not get the lock" in done.stderr
            shown = run("ps", url, "--prefix", prefix)
            assert shown.returncode == 0
            head, line = shown.stdout.splitlines()
            assert head.split() == ["NAME", "KIND", "WHO", "HOST", "STATE", "FOR", "LEASE", "LEFT", "TOKEN"]
            assert line.split()[:3] == ["nightly", "lock", f"tester[{os.getpid()}]"]
            assert " holds " in line
            (record,) = json.loads(run("ps", url, "nightly", "--prefix", prefix, "--json").stdout)
            assert record["holders"][0]["label"] == "tester"
        assert "nothing is held" in run("ps", url, "--prefix", prefix).stdout

    def test_who_holds_is_called_like_the_command(self, url, prefix, connect):
        connect().Lock("nightly").look()  # a quarantine is another test's
        held = subprocess.Popen(
            [*INTERLOCK, "hold", url, "nightly", "--prefix", prefix, "--", "sh", "-c", "env; read line"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        lock = connect().Lock("nightly")
        wait_until(lambda: lock.look().holders, "it is held")
        (holder,) = lock.look().holders
        assert (holder.label, holder.pid) == ("sh", held.pid)
        out, err = held.communicate("end\n", timeout=PATIENCE)
        assert held.returncode == 0, err
        assert "INTERLOCK_TOKEN=" in out
        assert err == "", "nothing is said, whatever the client of the engine has to say"
        assert ("GRPC_ENABLE_FORK_SUPPORT" in out) is ("GRPC_ENABLE_FORK_SUPPORT" in os.environ)

    def test_for_how_long_is_by_the_clock_of_the_engine(self, engine, url, prefix, connect, monkeypatch):
        """This machine's clock may be anywhere. etcd has no clock that can be asked."""
        if engine.kind == "etcd":
            pytest.skip("etcd does not tell the time")
        cluster = connect()
        with cluster.Lock("nightly"):
            monkeypatch.setattr(time, "time", lambda: 4e9)
            (seen,) = cluster.ps()
            (holder,) = seen.holders
            assert 0.0 <= holder.age < 60.0
            assert run("ps", url, "--prefix", prefix).returncode == 0

    def test_watch_goes_on_through_an_outage(self, engine, prefix):
        """It says so meanwhile, and what is there afterwards. Ctrl-C ends it also while nobody answers."""
        server = servers.start(engine.kind)
        there = Terminal(*INTERLOCK, "ps", server.url, "--prefix", prefix, "--watch")
        try:
            there.wait_for(lambda: "nothing is held" in " ".join(there.screen), "a look")
            server.kill()
            there.wait_for(lambda: "does not answer" in " ".join(" ".join(there.screen).split()), "it is away")
            server.start()
            there.wait_for(lambda: "nothing is held" in " ".join(there.screen), "it is back")
            server.kill()
            there.wait_for(lambda: "does not answer" in " ".join(" ".join(there.screen).split()), "it is away")
            assert there.interrupt() == 130
            assert "Traceback" not in "".join(there.written)
            assert max(map(len, there.written)) <= 80
        finally:
            there.close()
            server.stop()

    def test_sigkill_of_the_holder_ends_the_command_and_the_lease_frees_it(self, url, prefix, connect):
        code = "import os, time; print(os.getpid(), flush=True); time.sleep(1000)"
        held = subprocess.Popen(
            [*INTERLOCK, "hold", url, "nightly", "--prefix", prefix, "--lease", "2", "--", *shell(code)],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert held.stdout is not None
        with held.stdout:
            command = int(held.stdout.readline())
            (holder,) = connect().Lock("nightly").look().holders
            os.kill(held.pid, signal.SIGKILL)
            held.wait(PATIENCE)
            lock = connect(lease=2).Lock("nightly")
            assert lock.acquire(timeout=30)
            assert lock.token > holder.token
            if sys.platform == "linux":
                assert held.stdout.read() == "", "the command has closed it, so it is gone"
            else:
                os.kill(command, signal.SIGKILL)

    def test_on_loss_the_command_is_ended(self, url, prefix, connect):
        code = (
            "import signal, sys, time\n"
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "print('in', flush=True)\n"
            "time.sleep(1000)"
        )
        held = subprocess.Popen(
            [*INTERLOCK, "hold", url, "nightly", "--prefix", prefix, "--lease", "2", "--", *shell(code)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert held.stdout is not None
        assert held.stderr is not None
        with held.stdout, held.stderr:
            assert held.stdout.readline() == "in\n"
            held.send_signal(signal.SIGSTOP)
            other = connect(lease=2).Lock("nightly")
            assert other.acquire(timeout=30)  # the lease ran out
            held.send_signal(signal.SIGCONT)
            assert held.wait(PATIENCE) == 76
            assert "lost" in held.stderr.read()
        other.check()
        other.release()

    def test_a_cycle_is_shown(self, url, prefix, connect):
        one, two = connect(label="one"), connect(label="two")
        names = ["a", "b"]
        threads = []
        both = threading.Barrier(2)
        handles = []
        for i, handle in enumerate((one, two)):
            first, second = (handle.Lock(name) for name in (names if i == 0 else names[::-1]))
            handles.append(second)

            def work(first=first, second=second):
                first.acquire()
                both.wait()
                try:
                    second.acquire()
                except Exception:
                    return

            threads.append(threading.Thread(target=work))
        for thread in threads:
            thread.start()
        wait_until(lambda: all(len(lock.waiters) == 1 for lock in handles), "both wait")
        shown = run("ps", url, "--prefix", prefix, "--deadlocks")
        assert shown.returncode == 1
        assert "2 parties wait for each other" in shown.stdout
        assert shown.stdout.count("waits for") == 2
        one.close()
        two.close()
        for thread in threads:
            thread.join(PATIENCE)
        assert "nobody waits in a cycle" in run("ps", url, "--prefix", prefix, "--deadlocks").stdout

    def test_setup(self, engine, url):
        done = run("setup", url)
        if engine.kind == "postgresql":
            assert (done.returncode, done.stdout) == (0, f"{url}: schema interlock is there\n")
            assert "CREATE SCHEMA" in run("setup", url, "--print").stdout
        else:
            assert done.returncode == 2
            assert "needs no setup" in done.stderr


def test_cycles_are_found_only_where_everybody_waits_for_all_holders():
    from interlock.cluster import Remote, Seen
    from interlock.cluster.cycles import find

    def remote(party: int, timed: bool = False) -> Remote:
        return Remote("h", 1, "l", f"t{party}", "", 0.0, 1, 1, 5.0, "s", party, timed)

    def seen(name: str, kind: str, holders: list[Remote], waiters: list[Remote]) -> Seen:
        return Seen(name, kind, 1, 1, 0, 1, tuple(holders), tuple(waiters))

    a, b = remote(1), remote(2)
    assert len(find([seen("x", "lock", [a], [b]), seen("y", "lock", [b], [a])])) == 1
    assert find([seen("x", "lock", [a], [b]), seen("y", "lock", [b], [remote(1, timed=True)])]) == []
    assert find([seen("x", "semaphore", [a], [b]), seen("y", "lock", [b], [a])]) == []
    assert find([seen("x", "lock", [a], [b])]) == []
    assert len(find([seen("x", "rwlock", [remote(3), a], [b]), seen("y", "lock", [b], [a])])) == 1
