"""Eight threads count words, and all of them go through one lock.

Reading a page takes two milliseconds and eight threads do it at the same time, so 48 pages should take twelve
milliseconds. They take ten times as long: `add` saves the totals while it holds the lock, and so one thread saves while
seven stand behind it.
"""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

PAGES = ["the wheel turns and the road goes on", "the road turns", "on and on goes the wheel"] * 16
READING = SAVING = 0.002  # seconds


class Totals:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.words: Counter[str] = Counter()

    def add(self, words: Counter[str]) -> None:
        with self._lock:
            self.words += words
            self.save()

    def save(self) -> None:
        time.sleep(SAVING)  # stands for a file


def count(page: str, totals: Totals) -> None:
    time.sleep(READING)  # stands for a request
    totals.add(Counter(page.split()))


def main() -> None:
    totals = Totals()
    with ThreadPoolExecutor(8, thread_name_prefix="counter") as pool:
        for page in PAGES:
            pool.submit(count, page, totals)
    print(f"{sum(totals.words.values())} words, {totals.words['the']} times 'the'")


if __name__ == "__main__":
    main()
