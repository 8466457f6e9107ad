"""A pool of threads that forgets to wake its idle threads where it is closed."""

import threading


def run(*functions):
    threads = [threading.Thread(target=each) for each in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Task:
    """What a client gets for a job: its result, when it is there."""

    def __init__(self, function, arguments):
        self.function = function
        self.arguments = arguments
        self.done = threading.Event()
        self.value = None
        self.error = None

    def run(self):
        try:
            self.value = self.function(*self.arguments)
        except Exception as error:
            self.error = error
        self.done.set()

    def result(self):
        self.done.wait()
        if self.error is not None:
            raise self.error
        return self.value


class Closed(Exception):
    pass


class Pool:
    """A pool of threads that starts them when there is work, and ends them when it is closed."""

    def __init__(self, most):
        self.most = most
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)
        self.jobs = []
        self.threads = []
        self.idle = 0
        self.closed = False

    def submit(self, function, *arguments):
        task = Task(function, arguments)
        with self.lock:
            if self.closed:
                raise Closed
            self.jobs.append(task)
            if self.idle == 0 and len(self.threads) < self.most:
                thread = threading.Thread(target=self.work)
                self.threads.append(thread)
                thread.start()
            else:
                self.changed.notify()
        return task

    def work(self):
        while True:
            with self.lock:
                while not self.jobs:
                    if self.closed:
                        return
                    self.idle += 1
                    self.changed.wait()
                    self.idle -= 1
                task = self.jobs.pop(0)
            task.run()

    def close(self):
        self.closed = True
        with self.lock:
            if self.jobs:
                self.changed.notify_all()
        for thread in self.threads:
            thread.join()


class Counter:
    """Counts what the jobs did, under a lock of its own."""

    def __init__(self):
        self.lock = threading.Lock()
        self.counts = {}

    def add(self, name):
        with self.lock:
            self.counts[name] = self.counts.get(name, 0) + 1
            return self.counts[name]


def test():
    pool = Pool(2)
    counter = Counter()

    def client(name):
        tasks = [pool.submit(counter.add, name) for _ in range(2)]
        assert sorted(task.result() for task in tasks) == [1, 2]

    run(lambda: client("a"), lambda: client("b"))
    pool.close()
    assert counter.counts == {"a": 2, "b": 2}
