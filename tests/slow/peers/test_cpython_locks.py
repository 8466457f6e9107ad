"""CPython's own tests of its locks, run on ours."""

import threading
import unittest

import pytest

import interlock

lock_tests = pytest.importorskip(
    "test.lock_tests", reason="this Python was installed without CPython's test package (test.lock_tests)"
)


class LockTests(lock_tests.LockTests):
    locktype = interlock.Lock


class RLockTests(lock_tests.RLockTests):
    locktype = interlock.RLock


class EventTests(lock_tests.EventTests):
    eventtype = interlock.Event

    test_at_fork_reinit = unittest.skip("takes the private Event._cond, to hold it while it calls _at_fork_reinit()")(
        lock_tests.EventTests.test_at_fork_reinit
    )


class ConditionTests(lock_tests.ConditionTests):
    condtype = interlock.Condition


class ConditionAsRLockTests(lock_tests.RLockTests):
    locktype = interlock.Condition

    def test_recursion_count(self) -> None:
        self.skipTest("private: CPython's own Condition has no _recursion_count() either, and skips this test")


class SemaphoreTests(lock_tests.SemaphoreTests):
    semtype = interlock.Semaphore


class BoundedSemaphoreTests(lock_tests.BoundedSemaphoreTests):
    semtype = interlock.BoundedSemaphore


class BarrierTests(lock_tests.BarrierTests):
    barriertype = interlock.Barrier


# Ours and the standard library's meet, when only some of a program's objects were made with the drop-in installed.


class OurConditionOverTheirLockTests(lock_tests.ConditionTests):
    @staticmethod
    def condtype(lock: object = None) -> interlock.Condition:
        return interlock.Condition(lock or threading.RLock())


class TheirConditionOverOurLockTests(lock_tests.ConditionTests):
    @staticmethod
    def condtype(lock: object = None) -> threading.Condition:
        return threading.Condition(lock or interlock.RLock())
