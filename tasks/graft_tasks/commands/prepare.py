"""What comes before any work on a recipe: hold it, put right what dead processes left, pin, bring its stages forward."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from graft.records import Inputs
from graft_tasks.commands.up_to_date import nothing_to_do
from graft_tasks.dvc.forward import catch_up
from graft_tasks.dvc.pipeline import bring_forward
from graft_tasks.dvc.recover import recover
from graft_tasks.processes.locks import hold
from graft_tasks.processes.logs import run_log
from graft_tasks.recipe_handle import RecipeHandle
from graft_tasks.registry.pin import pin


@dataclass(frozen=True)
class Prepared:
    """A recipe that this process holds, ready to be run.

    ``changes`` are sentences about stages that an older version had written; ``was_cut_off``: the run before did not come to
    its end.
    """

    handle: RecipeHandle
    inputs: Inputs
    changes: tuple[str, ...]
    was_cut_off: bool

    @cached_property
    def up_to_date(self) -> str:
        """Why a run would change nothing; empty if it would. Takes a second or two, once."""
        return "" if self.was_cut_off else nothing_to_do(self.handle)


_held: dict[Path, Prepared] = {}
"""What this process holds, by lock. ``graft run`` holds a recipe while it runs the flow, which prepares it as a worker would."""


@contextmanager
def prepared(
    handle: RecipeHandle,
    *,
    wait: Callable[[str], None] | None = None,
    do: str = "wait until it has ended",
    is_unattended: bool = False,
    finishes: bool = True,
) -> Iterator[Prepared]:
    """Hold a recipe while the block runs, ready to be run. Inside a block of this process it gives what that was given.

    What a whole run logs, from here to its end, stands in a file of its own.

    Args:
        wait: wait for another process instead of leaving; called before the wait with who that is.
        do: what a person can do whose command is refused.
        is_unattended: take over first what came upstream, as nobody is there to do so.
        finishes: the block is a whole run, which makes up for one that was cut off.

    Raises:
        InputError: the recipe, its dataset or its base is wrong.
        BusyError: another process holds the recipe, and ``wait`` is not given.
        GraftError: a remote, git or DVC refuses.
    """
    name = handle.name
    handle.load()
    lock = handle.lock("run")
    if lock in _held:
        yield _held[lock]
        return
    with ExitStack() as held:
        if finishes:
            held.enter_context(run_log(handle.logs, name))
        if is_unattended:
            catch_up(handle)
        was_cut_off = held.enter_context(hold(lock, name, wait=wait, do=do, recovers=finishes))
        recover(handle)
        inputs = pin(handle)
        changes = tuple(bring_forward(handle))
        _held[lock] = Prepared(handle, inputs, changes, was_cut_off)
        try:
            yield _held[lock]
        finally:
            del _held[lock]
