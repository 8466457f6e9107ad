"""Three waiters take orders, and one cook works them off.

The waiters could take an order each millisecond. The list has room for four, and from then on they stand before it: how
fast orders are taken is decided by the cook.
"""

import queue
import threading
import time

ORDERS_EACH = 20
TAKING = 0.001  # seconds
COOKING = 0.01


def take_orders(orders: "queue.Queue[str | None]", waiter: str) -> None:
    for number in range(ORDERS_EACH):
        time.sleep(TAKING)
        orders.put(f"{waiter} {number}")


def cook(orders: "queue.Queue[str | None]", done: list[str]) -> None:
    while (order := orders.get()) is not None:
        time.sleep(COOKING)
        done.append(order)


def main() -> None:
    orders: queue.Queue[str | None] = queue.Queue(4)
    done: list[str] = []
    kitchen = threading.Thread(target=cook, args=(orders, done), name="cook")
    waiters = [threading.Thread(target=take_orders, args=(orders, name), name=name) for name in ("ann", "ben", "cy")]
    for thread in (kitchen, *waiters):
        thread.start()
    for thread in waiters:
        thread.join()
    orders.put(None)
    kitchen.join()
    print(f"{len(done)} orders")


if __name__ == "__main__":
    main()
