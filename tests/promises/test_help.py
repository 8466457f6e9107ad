"""What `help()` and `inspect` show of the classes: their members, with signatures, and nothing of how they are made."""

import inspect
import pydoc

import pytest

import interlock

CLASSES = [getattr(interlock, name) for name in interlock.__all__ if isinstance(getattr(interlock, name), type)]
OURS = [cls for cls in CLASSES if cls.__module__.startswith("interlock.core.") and not issubclass(cls, BaseException)]


@pytest.mark.parametrize("cls", OURS, ids=lambda cls: cls.__name__)
def test_help_shows_no_noise(cls: type) -> None:
    text = pydoc.render_doc(cls, renderer=pydoc.plaintext)
    assert "pyx" not in text
    assert "*args" not in text


@pytest.mark.parametrize("cls", [cls for cls in OURS if cls is not interlock.Party], ids=lambda cls: cls.__name__)
def test_signatures(cls: type) -> None:
    own = inspect.signature(cls)
    assert own.parameters["name"].kind is inspect.Parameter.KEYWORD_ONLY
    init = inspect.signature(cls.__init__)
    assert [*init.parameters][1:] == [*own.parameters]
    for name, member in inspect.getmembers(cls, callable):
        if not name.startswith("_"):
            inspect.signature(member)
            assert inspect.getdoc(member), f"{cls.__name__}.{name} has no docstring"


def test_constructors_do_what_they_did() -> None:
    """Their descriptors are made anew for their signatures: a subclass finds them all the same."""

    class Named(interlock.Lock):
        def __new__(cls, label: str) -> "Named":
            return super().__new__(cls)

        def __init__(self, label: str) -> None:
            super().__init__(name=label)

    assert Named("till").name == "till"

    class Plain(interlock.Semaphore):
        pass

    assert Plain(3, name="places").acquire(blocking=False)
    assert not Plain(0).acquire(blocking=False)
    with pytest.raises(TypeError):
        interlock.Lock("till")  # type: ignore[misc]
    with pytest.raises(TypeError):
        interlock.Lock.__new__(int)  # type: ignore[type-var]
    with pytest.raises(TypeError, match=r"cannot create 'interlock\.Party' instances"):
        interlock.Party()
