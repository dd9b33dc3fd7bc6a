"""What a running flow tells a terminal that watches it. Where nobody listens, nothing is said."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from graft.records import Record


class Listener(Protocol):
    """Hears of each step. Calls come from the flow's own thread, in order."""

    def started(self, step: str) -> None: ...
    def progress(self, step: str, done: int, total: int, note: str) -> None: ...
    def finished(self, step: str, record: Record, *, reused: bool) -> None: ...
    def effect(self, name: str, outcome: str, detail: str) -> None: ...


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
