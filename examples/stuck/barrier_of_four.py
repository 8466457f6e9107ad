"""A barrier for four, and only three come."""

import threading

start = threading.Barrier(4)


def player() -> None:
    start.wait()
    print("never printed")


for number in range(3):
    threading.Thread(target=player, name=f"player {number}", daemon=True).start()
player_threads = [thread for thread in threading.enumerate() if thread.name.startswith("player")]
for thread in player_threads:
    thread.join()
