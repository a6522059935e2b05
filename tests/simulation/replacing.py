"""One name of a module or class, replaced for the length of a block."""

from contextlib import contextmanager

MISSING = object()


@contextmanager
def replaced(owner, name, other):
    """Put `other` in the place of one function or number, and ours back."""
    ours = getattr(owner, name, MISSING)
    setattr(owner, name, other)
    try:
        yield
    finally:
        if ours is MISSING:
            delattr(owner, name)
        else:
            setattr(owner, name, ours)
