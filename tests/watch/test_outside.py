"""Threads that wait for the outside are told with what they wait for, and never as not waiting."""

import json
import subprocess
import sys

import pytest
from parties import PATIENCE

PROGRAM = """
import io, json, os, select, selectors, socket, subprocess, threading, time
import interlock

server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
peer, _ = server.accept()
readable, writable = os.pipe()
selector = selectors.DefaultSelector()
selector.register(peer, selectors.EVENT_READ)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
waits = {
    "sleeper": lambda: time.sleep(600),
    "receiver": lambda: client.recv(10),
    "acceptor": lambda: server.accept(),
    "selector": lambda: selector.select(),
    "chooser": lambda: select.select([peer, readable], [], [], 600),
    "reader": lambda: os.read(readable, 1),
    "keys": lambda: input(),
    "parent": lambda: child.wait(),
}
names = {"receiver": server.getsockname()[1], "acceptor": server.getsockname()[1], "selector": client.getsockname()[1]}
for name, wait in waits.items():
    threading.Thread(target=wait, name=name, daemon=True).start()
end = time.monotonic() + PATIENCE
while True:
    file = io.StringIO()
    interlock.dump(file)
    told = file.getvalue()
    idle = told.partition("NOT WAITING")[2]
    if not any(f"  {name}\\n" in idle for name in waits) or time.monotonic() > end:
        break
    time.sleep(0.01)
child.kill()
print(json.dumps(names))
print(told, flush=True)
os._exit(0)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks /proc what a thread waits for")
def test_each_is_told_what_it_waits_for() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", f"import sys\nPATIENCE = {PATIENCE}\n{PROGRAM}"],
        stdin=subprocess.PIPE,  # open and silent: somebody may still type
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert process.stdout is not None
        said = process.stdout.read()
    names, _, dump = said.partition("\n")
    ports = json.loads(names)
    expected = {
        "sleeper": "sleeps until ",
        "receiver": f"waits for data from socket to 127.0.0.1:{ports['receiver']}, at ",
        "acceptor": f"waits for a connection at socket at 127.0.0.1:{ports['acceptor']}, at ",
        "selector": f"waits for data from socket to 127.0.0.1:{ports['selector']}, at ",
        "chooser": f"waits for the first of 2: socket to 127.0.0.1:{ports['selector']}, pipe:[",
        "reader": "waits for data from pipe:[",
        "keys": "waits for data from pipe:[",
        "parent": "waits for child process ",
    }
    waiting, _, idle = dump.partition("\nNOT WAITING\n")
    for name, what in expected.items():
        assert f"\n  {name}\n" not in f"\n{idle}"
        block = waiting.partition(f"\n  {name}\n")[2]
        assert block.strip().startswith(what), dump
