"""Workers that survive a killed one: the next holder of the lock is told, and repairs what was half done."""

import json
import os
import signal
import tempfile
from pathlib import Path

from interlock import machine

account = Path(tempfile.mkdtemp()) / "account.json"


def save(balance: int) -> None:
    account.write_text(json.dumps({"balance": balance}))


def repair(died: machine.Died) -> None:
    print(f"process {died.pid} died while it held the lock: the account is made good")
    try:
        json.loads(account.read_text())
    except ValueError:
        save(100)  # from the books, in a real program


lock = machine.Lock(recover=repair)


def work(name: str, killed: bool) -> None:
    with lock:
        balance = json.loads(account.read_text())["balance"]
        if killed:
            account.write_text('{"bal')  # half written ...
            os.kill(os.getpid(), signal.SIGKILL)  # ... and out of memory, say
        save(balance + 1)
        print(f"{name}: balance {balance + 1}", flush=True)


def start(name: str, killed: bool = False) -> int:
    pid = os.fork()
    if pid == 0:
        work(name, killed)
        os._exit(0)
    return pid


save(100)
os.waitpid(start("victim", killed=True), 0)
for name in ("second", "third"):
    os.waitpid(start(name), 0)
print("at the end:", json.loads(account.read_text())["balance"])
account.unlink()
account.parent.rmdir()
