"""Who hears of the steps of a flow that runs in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from graft_tasks.processes.listener import Listener

_listeners: list[Listener] = []


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Let a listener hear of every step while the block runs."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def listeners() -> list[Listener]:
    """Return who listens."""
    return list(_listeners)
