"""An event that one thread sets and another waits for and clears.

An event is a flag, not a counter. Three `set()` before anyone looks are one signal. So the event
must not be the message: the letters lie in a box, and the event only says "look into the box".

The order in the reader matters. It clears the event *before* it looks. A reader that looks first
and clears afterwards wipes out the set of a letter that came in between: the letter lies in the
box, the flag is down, and the reader sleeps on. Cleared first, that set stays up, and the reader
looks once more; at worst it looks into an empty box.
"""

import threading
from collections import deque
from collections.abc import Callable

from pace import pause, say, scaled

import interlock

LETTERS = 6


class Mailbox:
    def __init__(self, name: str) -> None:
        self.letters: deque[int] = deque()
        self.look = interlock.Event(name=name)

    def send(self, letter: int) -> None:
        say(f"sender: letter {letter}")
        self.letters.append(letter)  # first the letter, then the flag: who sees the flag finds it
        self.look.set()

    def take_all(self) -> list[int]:
        taken = []
        while self.letters:
            taken.append(self.letters.popleft())
            say(f"reader: letter {taken[-1]}")
        return taken


def send_from_another_thread(box: Mailbox, letter: int) -> None:
    thread = threading.Thread(target=box.send, args=(letter,), name="sender")
    thread.start()
    thread.join()


def look_then_clear(box: Mailbox) -> None:
    box.take_all()
    send_from_another_thread(box, 2)  # the bad moment
    box.look.clear()  # meant for letter 1, but the signal of letter 2 is gone with it


def clear_then_look(box: Mailbox) -> None:
    box.look.clear()
    box.take_all()
    send_from_another_thread(box, 2)  # the same moment does no harm


def try_order(answer: Callable[[Mailbox], None], name: str) -> None:
    box = Mailbox(name)
    send_from_another_thread(box, 1)
    box.look.wait()
    answer(box)
    woken = box.look.wait(timeout=scaled(0.5))  # without a timeout, the wrong order ends here
    say(f"{name}: unread {list(box.letters)}, woken for it: {woken}")


def read(box: Mailbox) -> None:
    received: list[int] = []
    wakes = 0
    while len(received) < LETTERS:
        box.look.wait()
        pause(0.1)  # slow to get up: more letters may come meanwhile
        box.look.clear()
        wakes += 1
        received += box.take_all()  # all of them: there can be fewer signals than letters
    say(f"{len(received)} letters received in {wakes} wakes")


def main() -> None:
    say("-- an event does not count")
    event = interlock.Event(name="flag")
    for _ in range(3):
        event.set()
    first = event.wait(timeout=0)
    event.clear()
    second = event.wait(timeout=0)
    say(f"set three times: first wait {first}, after the clear {second}")

    say("-- the order matters: letter 2 comes just after the look")
    try_order(look_then_clear, "look_then_clear")
    try_order(clear_then_look, "clear_then_look")

    say("-- a sender and a reader at their own pace")
    box = Mailbox("mail")
    reader = threading.Thread(target=read, args=(box,), name="reader")
    reader.start()
    for letter in range(1, LETTERS + 1):
        pause(0.2 if letter % 3 == 1 else 0)  # three at a time
        box.send(letter)
    reader.join()


if __name__ == "__main__":
    main()
