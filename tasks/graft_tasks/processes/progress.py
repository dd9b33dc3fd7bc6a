"""When a log says how far a step is: now and then, not at each of its hundreds of reports."""

from __future__ import annotations

import time

EVERY_S = 30.0


class Sparse:
    """Says, report by report, whether it is time for a line."""

    def __init__(self, every: float = EVERY_S) -> None:
        self.every = every
        self.last = time.monotonic()

    def is_due(self) -> bool:
        """Return whether as long has passed since the last line, or the start; then it counts from now on."""
        now = time.monotonic()
        if now - self.last < self.every:
            return False
        self.last = now
        return True


def how_far(done: int, total: int, note: str, left: str) -> str:
    """Return a line's words: how much of how much, what, and what is left of the time."""
    parts = [f"{done:,} of {total:,}" if total else "", note, f"about {left}" if left else ""]
    return ", ".join(part for part in parts if part)
