"""Asks DVC for what a remote keeps, and gives up where nothing comes; sends it what others need, and looks whether it came."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from graft.errors import GraftError, StepError
from graft_tasks.dvc.repro import DVC, dvc, run_dvc
from graft_tasks.processes.child_process import child_command, killed
from graft_tasks.processes.environment import environment
from graft_tasks.processes.events import Event, EventPipe, Failed, Lost
from graft_tasks.processes.secret import without_secrets
from graft_tasks.workspace import Workspace

_log = logging.getLogger("graft.remote")


def default_remote(workspace: Workspace) -> tuple[str, str]:
    """Return name and address of the remote that DVC takes where none is named; empty where there is none."""
    lines = dvc(workspace.root, "config", "--list").splitlines()
    config = dict(line.partition("=")[::2] for line in lines if "=" in line)
    name = config.get("core.remote", "")
    return name, config.get(f"remote.{name}.url", "")


def remote_of(workspace: Workspace, n_lacking: int) -> str:
    """Return the remote that is asked: name and address.

    Raises:
        StepError: none is set, or it is a folder that is not there: DVC would call that up to date.
    """
    name, address = default_remote(workspace)
    if not address:
        raise StepError(
            f"{n_lacking:,} file{'s are' if n_lacking != 1 else ' is'} not on this machine, and no default remote is set.",
            where=str(workspace.root / ".dvc" / "config"),
            do="dvc remote add --default NAME ADDRESS",
        )
    if address.startswith("/") and not Path(address).is_dir():
        raise StepError(
            "The remote is not there.",
            where=f"{name}: {without_secrets(address)}",
            do="mount it, or give its address: dvc remote modify",
        )
    return as_named(name, address)


def as_named(name: str, address: str) -> str:
    """Return how a remote is called where a person reads it: without the credentials that its address may hold."""
    return f"{name} ({without_secrets(address)})"


@dataclass(frozen=True)
class Brought:
    """How DVC ended as it fetched. Its word is not enough either way: what came has to be looked at.

    ``why`` it could not bring all of it, where that is known; ``lost`` has the md5 of objects that it could not bring.
    """

    is_all: bool
    why: GraftError | None
    lost: list[str]


def import_data(
    root: Path, objects: Path, targets: Sequence[str], remote: str, patience: int, progress: Callable[[int], None]
) -> Brought:
    """Let DVC fetch targets into its cache, as long as bytes come. Of what comes, only finished objects stay.

    Args:
        objects: the cache's folder of objects, where DVC's unfinished files lie too.
        patience: seconds; less than a KiB for each of them is nothing.
        progress: called with the bytes that have come.

    Raises:
        StepError: next to nothing came for too long.
    """
    command = child_command(DVC, "--wait-for-lock", "fetch", *targets)
    halves = set(_halves(objects))
    start = last = _held(objects)
    events: list[Event] = []
    with (
        EventPipe() as pipe,
        subprocess.Popen(
            command, cwd=root, env=environment() | pipe.variables,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        ) as process,
    ):  # fmt: skip
        try:
            since = time.monotonic()
            while not _ended(process):
                events += pipe.read()
                now = _held(objects)
                progress(now - start)
                if now - last >= patience * 1024:
                    last, since = now, time.monotonic()
                elif time.monotonic() - since > patience:
                    _log.warning("%s sent %d bytes in %d s: given up", remote, max(0, now - last), patience)
                    raise StepError(
                        f"The remote sent {max(0, now - last):,} bytes in {patience} seconds.",
                        where=remote,
                        do="the same command again: what has come whole stays; --patience waits longer",
                    )
            events += pipe.read()
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            if process.returncode:
                for half in set(_halves(objects)) - halves:
                    half.unlink(missing_ok=True)
    why = next((at_remote(event.error(), remote) for event in events if isinstance(event, Failed)), None)
    if process.returncode:
        _log.warning("DVC could not bring all of %d targets from %s", len(targets), remote)
    lost = sorted({event.md5 for event in events if isinstance(event, Lost)})
    return Brought(process.returncode == 0, why or killed("dvc fetch", process.returncode), lost)


def at_remote(error: GraftError, remote: str) -> GraftError:
    """Return an error that says which remote it came from."""
    _log.warning("refused by %s: %s", remote, error.what)
    return type(error)(error.what, where=f"{remote}: {error.where}", do=error.do, code=error.code)


def push(root: Path, targets: Sequence[str], remote: str) -> None:
    """Let DVC send targets from its cache, then look whether the remote has every object of them.

    DVC remembers what it saw there once. Here it is made to ask: its memory of remotes lies in a folder that is empty. It takes a
    folder as whole whose listing is there, which it sends last.

    Raises:
        StepError: the remote does not take them, or lacks one afterwards.
    """
    if not targets:
        return
    began = time.monotonic()
    _sent(root, remote, "push", *targets)
    check_there(root, targets, remote)
    _log.info("published %d targets to %s in %.1f s", len(targets), remote, time.monotonic() - began)


def check_there(root: Path, targets: Sequence[str], remote: str) -> None:
    """Ask the remote for every object of what these names stand for in DVC.

    Raises:
        StepError: it lacks one, or does not answer.
    """
    found = json.loads(_sent(root, remote, "status", "--cloud", "--json", *targets) or "{}") if targets else {}
    lacking = sorted(path for path, state in found.items() if state != "deleted")  # "deleted": there, and not here
    if lacking:
        what = f"The remote lacks {len(lacking):,} of the files that others need."
        raise StepError(what, where=f"{remote}: {lacking[0]}", do="dvc push on a machine that has them")


def _sent(root: Path, remote: str, *arguments: str) -> str:
    with tempfile.TemporaryDirectory() as memory:
        ended = run_dvc(root, *arguments, variables={"DVC_SITE_CACHE_DIR": memory})
    if ended.returncode:
        error = at_remote(ended.error, remote)
        if error.do:
            raise error
        do = "look at the remote (dvc remote list), then the same command again"
        raise StepError("The remote does not take it.", where=error.where, do=do)
    return ended.out


def object_name(md5: str) -> str:
    """Return where an object lies below a remote's address."""
    return f"files/md5/{md5[:2]}/{md5[2:]}"


def _ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(timeout=0.5)
    except subprocess.TimeoutExpired:
        return False
    return True


def _held(objects: Path) -> int:
    """Return the bytes in a folder of objects, unfinished ones too."""
    total = 0
    for folder in os.scandir(objects) if objects.is_dir() else ():
        if folder.is_dir():
            for file in os.scandir(folder):
                try:
                    total += file.stat().st_size
                except FileNotFoundError:  # finished, and renamed
                    continue
    return total


def _halves(objects: Path) -> list[Path]:
    return list(objects.glob("*/.*.tmp"))
