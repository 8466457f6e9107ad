"""Four players at a barrier: no round begins before all four are there.

The barrier's action runs once per round, in the thread that came last, while the others are still
held. So it may count the rounds without a lock: nobody else is moving.

A player who does not come would hold up the others for ever. So they wait with a timeout. The
first whose patience ends breaks the barrier, and *all* get BrokenBarrierError, those who wait and
those who come later; nobody plays with three. It stays broken until `reset()`. Reset it when
nobody is waiting any more: a reset throws out those who are.
"""

import threading
from collections.abc import Callable

from pace import pause, say, scaled

import interlock

PLAYERS = ("ann", "ben", "cat", "dan")
ROUNDS = 3


class Game:
    def __init__(self) -> None:
        self.round = 0
        self.start = interlock.Barrier(len(PLAYERS), action=self.begin_round, name="start")

    def begin_round(self) -> None:
        self.round += 1
        say(f"round {self.round}: all {len(PLAYERS)} are here")

    def play(self, player: str) -> None:
        for number in range(1, ROUNDS + 1):
            pause(0.1 * PLAYERS.index(player))  # each comes at its own time
            say(f"{player} is ready for round {number}")
            self.start.wait()
            # Reading the round needs no lock either: it cannot change before we are ready again.
            say(f"{player} plays round {self.round}")

    def play_if_all_come(self, player: str) -> None:
        say(f"{player} is ready")
        try:
            self.start.wait(timeout=scaled(0.5))
        except threading.BrokenBarrierError:  # interlock raises the standard library's own class
            say(f"{player} goes home: the barrier is broken")
        else:
            say(f"{player} plays round {self.round}")

    def play_once_more(self, player: str) -> None:
        self.start.wait()
        say(f"{player} plays round {self.round}")


def run(play: Callable[[str], None], players: tuple[str, ...]) -> None:
    threads = [threading.Thread(target=play, args=(player,), name=player) for player in players]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main() -> None:
    game = Game()
    say(f"-- {ROUNDS} rounds")
    run(game.play, PLAYERS)

    say("-- dan does not come")
    run(game.play_if_all_come, PLAYERS[:-1])
    say(f"broken is {game.start.broken}, rounds played: {game.round}")

    say("-- after a reset, with dan")
    game.start.reset()
    run(game.play_once_more, PLAYERS)
    say(f"broken is {game.start.broken}, rounds played: {game.round}")


if __name__ == "__main__":
    main()
