"""Checkpoints of the trainings that a step makes, and Ctrl-C while they run."""

from __future__ import annotations

import platform
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from graft import __version__
from graft.model.checkpoint import Checkpoint, training_key
from graft.recipe import Finetune
from graft.records import sha256_file
from graft_tasks.steps.context import VERSIONS, Context

CHECKPOINT_SECONDS = 30.0
"""Between two checkpoints: what a crash costs at most, and a hundred times what writing one of a small encoder takes."""
TRAININGS = {"evaluate": 5}
"""Version of a step's trainings where the step's own number went on without them: only its record is written differently."""


class Checkpoints:
    """Where the checkpoints of a step's trainings lie: outside the step's files, which DVC removes before a step runs."""

    def __init__(self, context: Context, base: Path) -> None:
        self.own, self.recipe = context.workspace.root / ".graft", context.recipe.name
        self.is_asked_to_stop: Callable[[], bool] = bool
        self.facts = {
            "graft": __version__,
            "step": TRAININGS.get(context.step, VERSIONS[context.step]),
            "machine": platform.machine(),
            "read": context.digests,
            "base": {path.name: sha256_file(path) for path in base.iterdir() if path.is_file()},
            "modality": context.recipe.data.modality,
            "embed": context.recipe.embed.model_dump(),
        }

    def of(self, config: Finetune, name: str, *, place: str = "checkpoints") -> Checkpoint:
        """Return the checkpoint of one training of the step, by a name that no other step uses.

        Args:
            place: ``checkpoints``, which go once the run is over, or ``cache/NAME``, which stays as long as the recipe.
        """
        key = training_key({**self.facts, "name": name, "finetune": config.model_dump()})
        path, asked = self.own / place / self.recipe / f"{name}.safetensors", self.is_asked_to_stop
        return Checkpoint(path, key, clock=time.monotonic, seconds=CHECKPOINT_SECONDS, is_asked_to_stop=asked)


@contextmanager
def catching_ctrl_c() -> Iterator[Callable[[], bool]]:
    """Give whether Ctrl-C was pressed, or SIGTERM came, while the block runs. A second Ctrl-C stops at once, as ever; SIGTERM
    never does: who ends a whole group of processes sends it to each, and each passes it on."""
    heard = []

    def hear(number: int, _frame: FrameType | None) -> None:
        heard.append(number)
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_IGN)

    before = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(heard)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
