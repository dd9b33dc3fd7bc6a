"""finetune in several processes: ``torchrun`` starts this module once for each, and only the first one writes and reports.

They leave the checkpoint of a finished training. The step that started them goes on from there, with nothing left to train.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from graft.errors import GraftError, StepError
from graft.model import distributed
from graft_tasks.processes.child_process import STARTED_BY, child_command, end_with, killed
from graft_tasks.processes.events import (
    Event,
    EventPipe,
    Failed,
    Log,
    Output,
    Progress,
    Started,
    emit,
    failures_sent,
)  # fmt: skip
from graft_tasks.processes.logs import configure, relay
from graft_tasks.processes.run_child import follow
from graft_tasks.steps.context import Context, load_inputs, report_progress
from graft_tasks.workspace import Workspace

_THIS, _LAUNCH = "graft_tasks.steps.distributed", "launch"
_LOOPBACK = {"linux": "lo", "darwin": "lo0"}
_AT_HOME = ("--local-addr", "127.0.0.1", "--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0")


def train(context: Context, *, n_threads: int) -> None:
    """Train with the recipe's number of processes, up to the last checkpoint.

    They end with this one, and all end when one does. They do not hear a terminal's Ctrl-C: it is passed on to the first, which
    writes a checkpoint.

    Args:
        n_threads: what each of them computes with.

    Raises:
        GraftError: as the first process raised it; what the operating system refused there is a StepError.
        StepError: a process was killed, or could not be started.
        KeyboardInterrupt: asked to stop.
    """
    arguments = [str(context.workspace.root), context.recipe.name, json.dumps(context.digests)]
    command = child_command(_THIS, _LAUNCH, str(context.recipe.finetune.n_processes), *arguments)
    here = {"OMP_NUM_THREADS": str(n_threads), "PYTHONSAFEPATH": "1"}
    if sys.platform in _LOOPBACK:
        here["GLOO_SOCKET_IFNAME"] = _LOOPBACK[sys.platform]
    first: list[int] = []
    failed: list[Failed] = []
    stops: list[int] = []
    last = ""

    def on_event(event: Event) -> None:
        nonlocal last
        match event:
            case Progress(done, total, note):
                context.progress(done, total, note)
            case Started():
                first.append(event.pid)
            case Failed():
                failed.append(event)
            case Log():
                relay(event)
            case Output(line) if line.strip():
                last = line.strip()

    def stop(number: int, _frame: FrameType | None) -> None:
        if not stops:
            os.kill(first[0] if first else process.pid, signal.SIGINT)
        elif number == signal.SIGINT and signal.SIGINT in stops:
            os.kill(process.pid, signal.SIGINT)
        stops.append(number)

    with EventPipe() as pipe:
        process = subprocess.Popen(
            command, env={**os.environ, **here, **pipe.variables},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            follow(process, pipe, on_event)
            process.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            process.kill()
    if stops:
        raise KeyboardInterrupt
    if failed:
        raise failed[0].error()
    if process.returncode:
        raise killed("The training", process.returncode) or StepError("The training failed.", where=last)


def launch(n_processes: str, *arguments: str) -> None:
    """Start the processes of a training, and report to whoever started this one how they ended."""
    with failures_sent():
        distributed.launch([*_AT_HOME, "--nproc-per-node", n_processes, "-m", _THIS, *arguments])


def main(root: str, name: str, digests: str) -> None:
    """Take part in the training of a recipe, whose step has read files of these digests: they are in the checkpoint's key."""
    from graft_tasks.steps.finetune import learn

    end_with(int(os.environ[STARTED_BY]))
    with distributed.joined():
        is_first = distributed.rank() == 0
        if is_first:
            configure()
            emit(Started("finetune", os.getpid()))
        handle = Workspace(Path(root)).recipe(name)
        recipe, _ = handle.load()
        shown = report_progress if is_first else _show_nothing
        try:
            learn(Context(handle, recipe, load_inputs(handle), "finetune", shown, json.loads(digests)))
        except (GraftError, OSError, KeyboardInterrupt) as error:
            if is_first and not isinstance(error, KeyboardInterrupt):
                emit(Failed.of(error))
            os._exit(1)  # the others may wait for this one
    os._exit(0)  # the work is on the disk


def _show_nothing(done: int, total: int, note: str) -> None:
    """Leave what is shown to the first process."""


if __name__ == "__main__":
    if sys.argv[1] == _LAUNCH:
        launch(*sys.argv[2:])
    else:
        main(*sys.argv[1:])
