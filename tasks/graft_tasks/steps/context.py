"""Runs one step: holds its lock, looks at the gates before it, calls its module, writes record and cost."""

from __future__ import annotations

import importlib
import logging
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from graft.errors import GraftError, InputError, StepError
from graft.recipe import Recipe
from graft.records import RECORDS, Inputs, Record, load_record, sha256_file, write_json
from graft_tasks.processes.events import Finished, Progress, Started, emit
from graft_tasks.processes.locks import hold
from graft_tasks.processes.logs import bound, timed
from graft_tasks.recipe_handle import RecipeHandle
from graft_tasks.steps.cost import COST, Meter, rates
from graft_tasks.workspace import Workspace

_log = logging.getLogger("graft.step")
R = TypeVar("R", bound=Record)
STEPS = tuple(RECORDS)
VERSIONS = {
    **dict.fromkeys(STEPS, 1),
    "ingest": 3,
    "validate": 2,
    "embed": 4,
    "detect_shift": 4,
    "choose_base": 4,
    "finetune": 7,
    "evaluate": 7,
    "measure_bias": 2,
    "decide": 5,
    "report": 6,
}
"""Version of each step's code: raise it when the step's bytes change, and the step is run again where it has run before."""
GATES = ("validate", "choose_base")
"""A step that did not pass here closes the way: the steps behind it are skipped, up to ``decide``."""
ALWAYS = ("ingest", "validate", "decide", "report")
WITH_FILES = ("ingest", "embed", "finetune", "evaluate")


@dataclass
class Context:
    """What a step sees. Everything it reads is noted with its digest, and stands in its record."""

    handle: RecipeHandle
    recipe: Recipe
    pinned: Inputs
    step: str
    progress: Callable[[int, int, str], None]
    digests: dict[str, str] = field(default_factory=dict)

    @property
    def workspace(self) -> Workspace:
        return self.handle.workspace

    @property
    def files(self) -> Path:
        """The folder for this step's files."""
        return self.handle.files(self.step)

    def record(self, step: str, kind: type[R]) -> R:
        """Return the record of an earlier step, which must have run."""
        record = self.any_record(step)
        if not isinstance(record, kind):
            raise StepError(f"{self.step} needs what {step} was to make, and {step} was skipped.")
        return record

    def any_record(self, step: str) -> Record:
        """Return the record of an earlier step, run or skipped."""
        path = self.handle.record(step)
        if not path.is_file():
            raise StepError(f"{step} has not run.", where=str(path), do=f"graft run {self.recipe.name}")
        self.digests[step] = sha256_file(path)
        return load_record(path, step)

    def file(self, step: str, name: str) -> Path:
        """Return a file that an earlier step wrote."""
        path = self.handle.files(step) / name
        if not path.exists():
            raise StepError(f"A file of {step} is absent.", where=str(path), do="dvc checkout")
        if path.is_file():
            self.digests[f"{step}/{name}"] = sha256_file(path)
        return path


def load_inputs(handle: RecipeHandle) -> Inputs:
    """Return the pinned inputs of a recipe's run."""
    recipe = handle.name
    path = handle.inputs
    if not path.is_file():
        raise InputError(f"{recipe} has not been pinned.", where=str(path), do=f"graft run {recipe}")
    try:
        pinned = Inputs.model_validate_json(path.read_bytes())
        if pinned.recipe != recipe:
            raise ValueError(f"it pins {pinned.recipe}")
    except ValueError as error:  # pydantic's ValidationError is one
        raise InputError(
            f"{path.name} of {recipe} is not what a run pins.",
            where=str(path),
            do=f"delete it, then graft run {recipe}",
        ) from error
    return pinned


def run_step(handle: RecipeHandle, step: str) -> Record:
    """Run one step of a recipe in this process and return its record.

    Raises:
        InputError: the step's input is wrong.
        StepError: the step could not finish.
        BusyError: another process runs this step of this recipe.
    """
    if step not in STEPS:
        raise InputError(f"There is no step {step}.", do=f"steps: {', '.join(STEPS)}")
    recipe, _ = handle.load()
    held = hold(handle.lock(step), f"{step} of {handle.name}", recovers=True)
    with bound(recipe=handle.name, step=step), held, timed(_log):
        context = Context(handle, recipe, load_inputs(handle), step, report_progress)
        meter = Meter(rates(handle.workspace))
        emit(Started(step, os.getpid()))
        if step in WITH_FILES:
            shutil.rmtree(context.files, ignore_errors=True)
            context.files.mkdir(parents=True)
        try:
            record = _closed_gate(context) or importlib.import_module(f"graft_tasks.steps.{step}").run(context)
        except (GraftError, KeyboardInterrupt):
            shutil.rmtree(context.files, ignore_errors=True)
            raise
        digest = write_json(handle.record(step), record)
        write_json(handle.step(step) / COST, meter.stop())
        emit(Finished(step, digest, reused=False))
        _log.info("record sha256:%s, %s", digest, record.status)
        return record


def _closed_gate(context: Context) -> Record | None:
    """Return the record of a skipped step if a gate before it is closed."""
    if context.step in ALWAYS:
        return None
    for gate in GATES[: 1 if context.step in STEPS[: STEPS.index("choose_base") + 1] else 2]:
        record = context.any_record(gate)
        if record.status == "done" and not record.passed:
            return Record(
                step=context.step,
                recipe=context.recipe.name,
                status="skipped",
                because=f"{gate} closed the gate: {record.summary}",
                passed=False,
                summary="skipped",
                inputs=context.digests,
            )
    return None


_last_shown = 0.0


def report_progress(done: int, total: int, note: str) -> None:
    """Send whoever listens how far this step is: at most four times a second, and always at the end."""
    global _last_shown  # noqa: PLW0603 - one process runs one step
    now = time.monotonic()
    if done == total or now - _last_shown > 0.25:
        _last_shown = now
        emit(Progress(done, total, note))
