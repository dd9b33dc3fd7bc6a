"""finetune in several processes: ``torchrun`` starts this module once for each, and only the first one writes.

They leave the checkpoint of a finished training. The step that started them goes on from there, with nothing left to train.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from graft import errors
from graft.errors import GraftError, StepError
from graft.model import distributed
from graft_tasks.processes.child_process import STARTED_BY, child_command, end_with
from graft_tasks.steps.context import Context, load_inputs, report_progress
from graft_tasks.workspace import Workspace

_LOOPBACK = {"linux": "lo", "darwin": "lo0"}
_AT_HOME = ("--local-addr", "127.0.0.1", "--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0")


def train(context: Context, *, n_threads: int) -> None:
    """Train with the recipe's number of processes, up to the last checkpoint.

    They end with this one, and all end when one does. They do not hear a terminal's Ctrl-C: it is passed on to the first, which
    writes a checkpoint.

    Args:
        n_threads: what each of them computes with.

    Raises:
        GraftError, OSError: as the training raised it.
        StepError: a process was killed, or could not be started.
        KeyboardInterrupt: asked to stop.
    """
    n_processes = str(context.recipe.finetune.n_processes)
    command = child_command("torch.distributed.run", *_AT_HOME, "--nproc-per-node", n_processes)
    here = {"OMP_NUM_THREADS": str(n_threads), "PYTHONSAFEPATH": "1"}
    if sys.platform in _LOOPBACK:
        here["GLOO_SOCKET_IFNAME"] = _LOOPBACK[sys.platform]
    arguments = [str(context.workspace.root), context.recipe.name, json.dumps(context.digests)]
    said: list[str] = []
    stops: list[int] = []
    process = subprocess.Popen(
        [*command, "-m", "graft_tasks.steps.distributed", *arguments],
        env={**os.environ, **here}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip

    def stop(number: int, _frame: FrameType | None) -> None:
        first = next((int(line.split("\t")[1]) for line in said if line.startswith("first\t")), process.pid)
        if not stops:
            os.kill(first, signal.SIGINT)
        elif number == signal.SIGINT and signal.SIGINT in stops:
            os.kill(process.pid, signal.SIGINT)
        stops.append(number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        assert process.stderr is not None  # noqa: S101 - it was asked for
        for line in process.stderr:
            if line.startswith("progress\t"):
                _, done, total, note = line.rstrip("\n").split("\t", maxsplit=3)
                context.progress(int(done), int(total), note)
            else:
                said.append(line)
        process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        process.kill()
    if stops:
        raise KeyboardInterrupt
    if process.returncode:
        raise _error(said)


def _error(said: Sequence[str]) -> GraftError | OSError:
    """Return the error that a process told of, or who was killed."""
    told = next((json.loads(line.split("\t")[1]) for line in said if line.startswith("error\t")), None)
    if told is None:
        lines = [line.strip() for line in said if line.strip()]
        killed = [line for line in lines if line.startswith("traceback : Signal")]
        return StepError(
            "A process of the training ended before its time, and all others with it.",
            where=(killed or lines or ["it said nothing"])[-1],
            do="the same command goes on from the last checkpoint",
        )
    if told["kind"] == "OSError":
        return OSError(*told["arguments"])
    kind: type[GraftError] = getattr(errors, told["kind"])
    return kind(told["what"], where=told["where"], do=told["do"])


def _tell(error: GraftError | OSError) -> None:
    if isinstance(error, OSError):
        told = {"kind": "OSError", "arguments": [error.errno, error.strerror, error.filename and str(error.filename)]}
    else:
        told = {"kind": type(error).__name__, "what": error.what, "where": error.where, "do": error.do}
    print(f"error\t{json.dumps(told)}", file=sys.stderr, flush=True)  # noqa: T201 - the protocol


def main(root: str, name: str, digests: str) -> None:
    """Take part in the training of a recipe, whose step has read files of these digests: they are in the checkpoint's key."""
    from graft_tasks.steps.finetune import learn

    end_with(int(os.environ[STARTED_BY]))
    with distributed.joined():
        is_first = distributed.rank() == 0
        if is_first:
            print(f"first\t{os.getpid()}", file=sys.stderr, flush=True)  # noqa: T201 - the protocol
        workspace = Workspace(Path(root))
        recipe, _ = workspace.recipe(name)
        shown = report_progress if is_first else _show_nothing
        try:
            learn(Context(workspace, recipe, load_inputs(workspace, name), "finetune", shown, json.loads(digests)))
        except (GraftError, OSError, KeyboardInterrupt) as error:
            if is_first and not isinstance(error, KeyboardInterrupt):
                _tell(error)
            os._exit(1)  # the others may wait for this one
    os._exit(0)  # the work is on the disk


def _show_nothing(done: int, total: int, note: str) -> None:
    """Leave what is shown to the first process."""


if __name__ == "__main__":
    main(*sys.argv[1:])
