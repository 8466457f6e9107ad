"""What is built on the primitives in a few lines: locks by key, functions and properties computed once."""

import threading
import weakref
from collections.abc import Awaitable, Callable, Generator, Hashable
from functools import partial, update_wrapper
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

from interlock.core.kernel.deadlock import DeadlockError
from interlock.core.primitives.alternative import with_outside
from interlock.core.primitives.lock import Lock
from interlock.core.primitives.rlock import RLock
from interlock.core.primitives.rwlock import RWLock

if TYPE_CHECKING:
    from interlock.core.primitives.alternative import Alternative

_T = TypeVar("_T")
_P = ParamSpec("_P")


_CO_COROUTINE = 0x80


def _is_async(function: Any) -> bool:
    """As `inspect.iscoroutinefunction`, without loading that; and of an object, whether its call is."""
    while isinstance(function, partial):
        function = function.func
    if not hasattr(function, "__code__"):
        function = getattr(function, "__func__", None) or vars(type(function)).get("__call__")
    return bool(getattr(getattr(function, "__code__", None), "co_flags", 0) & _CO_COROUTINE)


class _Kept:
    """A lock that its `KeyedLock` keeps while it is held, whether or not the program keeps a reference to it."""

    _held: dict[int, Any]

    def acquire(self, *args: Any, **kwargs: Any) -> bool:
        taken: bool = super().acquire(*args, **kwargs)  # type: ignore[misc]
        if taken:
            self._held[id(self)] = self
        return taken

    async def acquire_async(self, *args: Any, **kwargs: Any) -> bool:
        taken: bool = await super().acquire_async(*args, **kwargs)  # type: ignore[misc]
        if taken:
            self._held[id(self)] = self
        return taken

    def release(self) -> None:
        # Before: afterwards it may be another's already, who keeps it for himself.
        self._held.pop(id(self), None)
        try:
            super().release()  # type: ignore[misc]
        finally:
            # The caller did not hold it, or holds it once more, or another party has taken it meanwhile.
            self._keep()

    def _keep(self) -> None:
        if self.locked():  # type: ignore[attr-defined]
            self._held[id(self)] = self
            if not self.locked():  # type: ignore[attr-defined]
                self._held.pop(id(self), None)

    def acquiring(self) -> "Alternative[bool]":
        return with_outside(super().acquiring(), _Keeping(self))  # type: ignore[misc]


class _Keeping:
    """For `select`: the lock has been got, and not by `acquire`."""

    def __init__(self, lock: _Kept) -> None:
        self._lock = lock

    def result(self) -> bool:
        self._lock._keep()
        return True

    def forget(self) -> None:
        pass


class _KeyedLock(_Kept, Lock):
    pass


class _KeyedRLock(_Kept, RLock):
    pass


_MADE_AS: dict[type, type] = {Lock: _KeyedLock, RLock: _KeyedRLock, RWLock: RWLock}


class KeyedLock:
    """KeyedLock(kind=Lock, *, name=None): one lock for each key: ``with locks["user-7"]:``, in a task ``async with``.

    ``kind``: the class of the locks: `Lock`, `RLock` or `RWLock` (``with locks["user-7"].read():``). ``name``: shown by
    reports, followed by the key. A lock that is no longer used takes no memory.
    """

    def __init__(self, kind: type = Lock, *, name: str | None = None) -> None:
        if kind not in _MADE_AS:
            given: object = kind
            hint = f": a name is given as KeyedLock(name={given!r})" if isinstance(given, str) else ""
            raise TypeError(f"kind must be interlock.Lock, RLock or RWLock, not {kind!r}{hint}")
        self._make = _MADE_AS[kind]
        self._name = name
        self._guard = threading.RLock()
        # Guarded by it. Re-entrant: a lock may go, and say so to `_forget`, at any moment.
        self._locks: dict[Hashable, weakref.ref[Any]] = {}
        # By their addresses, those that somebody holds. Each is put in and taken out by who holds it.
        self._held: dict[int, Any] = {}

    def __getitem__(self, key: Hashable) -> Any:
        with self._guard:
            found = self._locks.get(key)
            lock = None if found is None else found()
            if lock is None:
                lock = self._make(name=f"{self._name or 'KeyedLock'}[{key!r}]")
                if isinstance(lock, _Kept):
                    lock._held = self._held
                self._locks[key] = weakref.ref(lock, partial(self._forget, key))
            return lock

    def _forget(self, key: Hashable, gone: "weakref.ref[Any]") -> None:
        with self._guard:
            if self._locks.get(key) is gone:
                del self._locks[key]

    def __len__(self) -> int:
        """The number of keys that are in use now."""
        return len(self._locks)

    def __bool__(self) -> bool:
        return True

    def __contains__(self, key: Hashable) -> bool:
        """Whether this key is in use now."""
        return key in self._locks

    def __repr__(self) -> str:
        return (
            f"<interlock.KeyedLock at {id(self):#x}: {len(self)} keys{f' name={self._name!r}' if self._name else ''}>"
        )


class _Computed(Generic[_T]):
    """A value, to be awaited as often as one likes."""

    def __init__(self, value: _T) -> None:
        self.value = value

    def __await__(self) -> Generator[Any, Any, _T]:
        yield from ()
        return self.value


def _refuse_reentry(lock: RLock, function: object) -> None:
    """Raise DeadlockError where the caller holds it already: it would wait for its own call to end."""
    if lock._is_owned():
        name = getattr(function, "__qualname__", function)
        raise DeadlockError(f"{name} calls itself before it has returned: that call would wait for itself to end")


class _Once(Generic[_P, _T]):
    """What `once` makes of a function."""

    def __init__(self, function: Callable[_P, _T]) -> None:
        update_wrapper(self, function)
        self._function = function
        self._lock = RLock(name=f"once {getattr(function, '__qualname__', function)}")
        self._computed: _Computed[_T] | None = None

    @property
    def done(self) -> bool:
        """Whether it has run."""
        return self._computed is not None

    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        if self._computed is None:
            _refuse_reentry(self._lock, self._function)
            with self._lock:
                if self._computed is None:
                    self._computed = _Computed(self._function(*args, **kwargs))
        return self._computed.value

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self if instance is None else partial(self, instance)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"<interlock.once {self._function!r}: {'done' if self.done else 'not done'}>"


class _OnceAsync(_Once[_P, Any]):
    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> Any:
        return self._computed if self._computed is not None else self._run(args, kwargs)

    async def _run(self, args: Any, kwargs: Any) -> Any:
        if self._computed is None:
            _refuse_reentry(self._lock, self._function)
            async with self._lock:
                if self._computed is None:
                    self._computed = _Computed(await self._function(*args, **kwargs))
        return self._computed.value


def once(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """A decorator. The function runs once, and every call returns the result of that run.

    Threads and tasks that call it while it runs wait until it has ended. If it raises an exception, that call raises
    it, and the next call runs the function again. If it calls itself, `DeadlockError` is raised. Only the arguments of
    the call that runs it are used. If it is an ``async def`` function, await every call.
    """
    return _OnceAsync(function) if _is_async(function) else _Once(function)


class cached_property(Generic[_T]):  # as functools calls it
    """A decorator for a property that is computed once for each instance, even if several threads read it at once.

    Like `functools.cached_property`, which since Python 3.12 lets several threads compute it. Threads and tasks that
    read it while it is computed wait. If the function raises an exception, the next access computes it again. If the
    function reads the property itself, `DeadlockError` is raised. If it is an ``async def`` function, await every
    access: ``await page.links``. After ``del`` it is computed again.
    """

    def __init__(self, function: Callable[[Any], _T]) -> None:
        self.func = function
        self.attrname: str | None = None
        self.__doc__ = function.__doc__
        self.__module__ = function.__module__
        self._is_async = _is_async(function)
        # By the address of the instance: while somebody asks, it lives.
        self._locks = KeyedLock(RLock, name=getattr(function, "__qualname__", None))

    def __set_name__(self, owner: type, name: str) -> None:
        if self.attrname is None:
            self.attrname = name
        elif self.attrname != name:
            raise TypeError(f"one cached_property cannot have two names: {self.attrname!r} and {name!r}")

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> "cached_property[_T]": ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> _T: ...
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        if instance is None:
            return self
        if self.attrname is None:
            raise TypeError("a cached_property needs a name: assign it in the body of a class")
        try:
            values = instance.__dict__
        except AttributeError:
            raise TypeError(f"no __dict__ on {type(instance).__name__!r} to keep {self.attrname!r} in") from None
        if self._is_async:
            return self._compute_async(instance, values)
        lock = self._locks[id(instance)]
        _refuse_reentry(lock, self.func)
        with lock:
            if self.attrname not in values:
                values[self.attrname] = self.func(instance)
            return values[self.attrname]

    async def _compute_async(self, instance: object, values: dict[str, Any]) -> Any:
        lock = self._locks[id(instance)]
        _refuse_reentry(lock, self.func)
        async with lock:
            if self.attrname not in values:
                coroutine: Awaitable[Any] = self.func(instance)  # type: ignore[assignment]
                values[str(self.attrname)] = _Computed(await coroutine)
            return values[str(self.attrname)].value
