"""``graft step``: one step in this process; what the stages of dvc.yaml call."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from graft_cli.kit import Name, here


def step(
    step: Annotated[str, typer.Argument(help="ingest, validate, embed, ...")],
    recipe: Name,
) -> None:
    """Run one step of a pinned run in this process: what the stages of dvc.yaml call."""
    from graft_tasks.processes.child_process import STARTED_BY, end_with, stopping_on_sigterm
    from graft_tasks.processes.events import failures_sent
    from graft_tasks.steps.context import run_step

    end_with(int(os.environ.get(STARTED_BY, os.getppid())))
    with failures_sent(), stopping_on_sigterm():
        record = run_step(here().recipe(recipe), step)
    typer.echo(f"{record.step}: {record.because or record.summary}")
    if "DVC_STAGE" in os.environ:
        # The work is on the disk. Threads of native libraries still run: one aborted an interpreter that ended around it.
        sys.stdout.flush()
        os._exit(0)
