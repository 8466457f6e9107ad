"""A pool of connections: who waits for one is not told when a broken one is dropped."""

import threading


def run(*functions):
    threads = [threading.Thread(target=each) for each in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Connection:
    def __init__(self, number):
        self.number = number
        self.users = 0
        self.broken = False

    def query(self, text):
        self.users += 1
        try:
            assert self.users == 1, "two at once on one connection"
            pause()
            if text == "bad":
                self.broken = True
                raise OSError(text)
            return f"{self.number}: {text}"
        finally:
            self.users -= 1


gate = None


def pause():
    """A point at which another thread may run, as the network would give it."""
    with gate:
        pass


class ConnectionPool:
    """Gives each client a connection of its own, makes at most ``most``, and drops those that broke."""

    def __init__(self, most):
        self.most = most
        self.made = 0
        self.free = []
        self.available = threading.Condition()

    def take(self):
        with self.available:
            while True:
                if self.free:
                    return self.free.pop()
                if self.made < self.most:
                    self.made += 1
                    return Connection(self.made)
                self.available.wait()

    def give(self, connection):
        with self.available:
            if connection.broken:
                self.made -= 1
                return
            self.free.append(connection)
            self.available.notify()

    def query(self, text):
        connection = self.take()
        try:
            return connection.query(text)
        finally:
            self.give(connection)


class Log:
    """Keeps the last lines, in order."""

    def __init__(self, size):
        self.size = size
        self.lines = []
        self.lock = threading.Lock()

    def write(self, line):
        with self.lock:
            self.lines.append(line)
            del self.lines[: -self.size]

    def read(self):
        with self.lock:
            return list(self.lines)


class Client:
    def __init__(self, pool, log, queries):
        self.pool = pool
        self.log = log
        self.queries = queries

    def work(self):
        for query in self.queries:
            try:
                answer = self.pool.query(query)
            except OSError as error:
                self.log.write(f"failed: {error}")
            else:
                self.log.write(answer.partition(": ")[2])


def test():
    global gate
    gate = threading.Lock()
    pool = ConnectionPool(1)
    log = Log(10)
    clients = [Client(pool, log, ["good"]), Client(pool, log, ["bad"]), Client(pool, log, ["good"])]
    run(*[client.work for client in clients])
    assert sorted(log.read()) == ["failed: bad", "good", "good"]
