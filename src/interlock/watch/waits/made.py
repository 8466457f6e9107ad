"""The line that made a primitive, where the counting or the recording of a run has kept it."""

from interlock.core.explain.places import Place


def place_made(primitive: object) -> Place | None:
    """The program's line that made it, or None."""
    try:
        from interlock.core.kernel.probe import origin_of

        found = origin_of(primitive)
    except (ImportError, TypeError):
        return None
    if found is None:
        return None
    file, line, function = found
    return Place(file, line, function)
