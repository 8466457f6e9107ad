"""A crawler with workers, a frontier, a cache whose misses are loaded once, and a limit of requests in the air.

A load that fails leaves its waiters alone. Mended.
"""

import threading
import time
from collections import deque

LINKS = {"/": ["/a", "/b"], "/a": ["/b", "/broken"], "/b": ["/a", "/"], "/broken": None}


class NotFound(Exception):
    pass


class Site:
    """The pages, as a server would give them."""

    def __init__(self, links):
        self.links = links
        self.lock = threading.Lock()
        self.requests = 0

    def fetch(self, path):
        with self.lock:
            self.requests += 1
        time.sleep(0.2)
        links = self.links[path]
        if links is None:
            raise NotFound(path)
        return links


class Limit:
    """At most so many requests in the air."""

    def __init__(self, most):
        self.permits = threading.BoundedSemaphore(most)
        self.lock = threading.Lock()
        self.now = 0
        self.seen_most = 0

    def __enter__(self):
        self.permits.acquire()
        with self.lock:
            self.now += 1
            self.seen_most = max(self.seen_most, self.now)

    def __exit__(self, *raised):
        with self.lock:
            self.now -= 1
        self.permits.release()


class Load:
    """One load of one page, for which others may wait."""

    def __init__(self):
        self.done = threading.Event()
        self.result = None
        self.error = None


class Cache:
    """Pages by their paths; each is loaded once, however many ask for it."""

    def __init__(self, fetch):
        self.fetch = fetch
        self.lock = threading.Lock()
        self.loads = {}

    def get(self, path):
        with self.lock:
            load = self.loads.get(path)
            mine = load is None
            if mine:
                load = self.loads[path] = Load()
        if not mine:
            load.done.wait()
            if load.error is not None:
                raise load.error
            return load.result
        try:
            load.result = self.fetch(path)
        except NotFound as error:
            load.error = error
            raise
        finally:
            load.done.set()
        return load.result


class Frontier:
    """What is to be looked at; it knows when there is nothing more to come."""

    def __init__(self, first):
        self.changed = threading.Condition()
        self.paths = deque(first)
        self.busy = 0

    def take(self):
        """The next path; None: there is none, and none will come."""
        with self.changed:
            while not self.paths:
                if not self.busy:
                    return None
                self.changed.wait()
            self.busy += 1
            return self.paths.popleft()

    def give(self, paths):
        """One path has been looked at, and leads to others."""
        with self.changed:
            self.busy -= 1
            self.paths.extend(paths)
            self.changed.notify_all()


class Crawler:
    """Looks at all pages that can be reached."""

    def __init__(self, site, workers):
        self.limit = Limit(2)
        self.site = site
        self.cache = Cache(self.load)
        self.frontier = Frontier(["/", "/broken"])
        self.lock = threading.Lock()
        self.seen = {}
        self.failed = set()
        self.threads = [threading.Thread(target=self.work, name=f"crawler {i}") for i in range(workers)]

    def load(self, path):
        with self.limit:
            return self.site.fetch(path)

    def work(self):
        while (path := self.frontier.take()) is not None:
            links = []
            try:
                links = self.cache.get(path)
            except NotFound:
                with self.lock:
                    self.failed.add(path)
            self.frontier.give(self.fresh(path, links))

    def fresh(self, path, links):
        """Those of the links that nobody has seen."""
        with self.lock:
            first = path not in self.seen
            self.seen[path] = list(links)
            return [link for link in links if link not in self.seen] if first else []

    def run(self):
        for thread in self.threads:
            thread.start()
        for thread in self.threads:
            thread.join()


def test():
    site = Site(LINKS)
    crawler = Crawler(site, 2)
    crawler.run()
    assert set(crawler.seen) == set(LINKS)
    assert crawler.failed == {"/broken"}
    assert site.requests == len(LINKS)
    assert crawler.limit.seen_most <= 2
