"""What a run tells whoever watches it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graft.records import Record


class Listener:
    """Hears of each step as it runs, in order, from the thread that runs it. This one does nothing; one that shows it derives."""

    def started(self, step: str) -> None:
        """Hear that a step begins."""

    def progress(self, step: str, done: int, total: int, note: str) -> None:
        """Hear how much of how much is done, and what; a total of 0 is not known."""

    def finished(self, step: str, record: Record, *, reused: bool) -> None:
        """Hear that a step has come to its end; ``reused``: nothing that it reads had changed, so it was not run again."""

    def effect(self, name: str, outcome: str, detail: str) -> None:
        """Hear of something beside the steps: a promotion, a repair, a stop that was asked for."""

    def close(self) -> None:
        """Hear that the work has ended, whatever ended it."""


NOBODY = Listener()
"""Where nobody watches."""
