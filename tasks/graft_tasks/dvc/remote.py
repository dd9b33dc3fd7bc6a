"""Asks DVC for what a remote keeps, and gives up where nothing comes; sends it what others need, and looks whether it came."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from graft.errors import GraftError, StepError
from graft_tasks.dvc.repro import dvc, dvc_error
from graft_tasks.processes.child_process import child_command
from graft_tasks.processes.environment import environment
from graft_tasks.workspace import Workspace

_SAID = (
    (("No space left on device",), "The disk is full.", "make room, then the same command again"),
    (
        ("locate credentials", "NoCredentials", "NoAuth"),
        "There are no credentials for the remote.",
        "set them where its tools look for them, for S3 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or a profile",
    ),
    (
        (
            "AccessDenied",
            "Access Denied",
            "Forbidden",
            "InvalidAccessKeyId",
            "SignatureDoesNotMatch",
            "Permission denied",
        ),
        "The remote does not let these credentials in.",
        "look at the credentials and at what they may do",
    ),
    (
        (
            "Could not connect",
            "Connection refused",
            "Cannot connect",
            "EndpointConnection",
            "Name or service not known",
        ),
        "The remote does not answer.",
        "look at its address (dvc remote list) and at the network, then the same command again",
    ),
    (("NoSuchBucket", "bucket does not exist"), "The remote is not there.", "look at its address: dvc remote list"),
    (("timed out", "imeout"), "The remote is too slow.", "try again later, or with a longer --patience"),
)
"""What a remote's library says, and what that means."""


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
            where=f"{name}: {address}",
            do="mount it, or give its address: dvc remote modify",
        )
    return f"{name} ({address})"


def import_data(
    root: Path, objects: Path, targets: Sequence[str], remote: str, patience: int, progress: Callable[[int], None]
) -> str:
    """Let DVC fetch targets into its cache, as long as bytes come. Of what comes, only finished objects stay.

    Args:
        objects: the cache's folder of objects, where DVC's unfinished files lie too.
        patience: seconds; less than a KiB for each of them is nothing.
        progress: called with the bytes that have come.

    Returns:
        what DVC said, if it could not bring all of it. Its word is not enough either way: what came has to be looked at.

    Raises:
        StepError: next to nothing came for too long.
    """
    command = child_command("dvc", "--wait-for-lock", "fetch", *targets)
    halves = set(_halves(objects))
    start = last = _held(objects)
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(
            command, cwd=root, env=environment(), stdout=said, stderr=subprocess.STDOUT, start_new_session=True
        ) as process,
    ):
        try:
            since = time.monotonic()
            while not _ended(process):
                now = _held(objects)
                progress(now - start)
                if now - last >= patience * 1024:
                    last, since = now, time.monotonic()
                elif time.monotonic() - since > patience:
                    raise StepError(
                        f"The remote sent {max(0, now - last):,} bytes in {patience} seconds.",
                        where=remote,
                        do="the same command again: what has come whole stays; --patience waits longer",
                    )
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            if process.returncode:
                for half in set(_halves(objects)) - halves:
                    half.unlink(missing_ok=True)
        said.seek(0)
        output = said.read()
    return output if process.returncode else ""


def push(root: Path, targets: Sequence[str], remote: str) -> None:
    """Let DVC send targets from its cache, then look whether the remote has every object of them.

    DVC remembers what it saw there once. Here it is made to ask: its memory of remotes lies in a folder that is empty. It takes a
    folder as whole whose listing is there, which it sends last.

    Raises:
        StepError: the remote does not take them, or lacks one afterwards.
    """
    if not targets:
        return
    _sent(root, remote, "push", *targets)
    check_there(root, targets, remote)


def check_there(root: Path, targets: Sequence[str], remote: str) -> None:
    """Ask the remote for every object of what DVC is told by these names.

    Raises:
        StepError: it lacks one, or does not answer.
    """
    found = json.loads(_sent(root, remote, "status", "--cloud", "--json", *targets) or "{}") if targets else {}
    lacking = sorted(path for path, state in found.items() if state != "deleted")  # "deleted": there, and not here
    if lacking:
        what = f"The remote lacks {len(lacking):,} of the files that others need."
        raise StepError(what, where=f"{remote}: {lacking[0]}", do="dvc push on a machine that has them")


def _sent(root: Path, remote: str, *arguments: str) -> str:
    command = child_command("dvc", "--wait-for-lock", *arguments)
    with tempfile.TemporaryDirectory() as memory:
        variables = environment() | {"DVC_SITE_CACHE_DIR": memory}
        done = subprocess.run(command, cwd=root, env=variables, capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    if done.returncode:
        do = "look at the remote (dvc remote list), then the same command again"
        last = (output.strip().splitlines() or ["it said nothing"])[-1].removeprefix("ERROR: ")
        raise refused(output, remote) or StepError("The remote does not take it.", where=f"{remote}: {last}", do=do)
    return done.stdout


def refused(output: str, remote: str) -> GraftError | None:
    """Return what a fetch that failed means; None where DVC's words are none that are known."""
    for signs, what, do in _SAID:
        line = next((text for text in output.splitlines() if any(sign in text for sign in signs)), None)
        if line:
            return StepError(what, where=f"{remote}: {line.removeprefix('ERROR: ')}", do=do)
    return dvc_error(["fetch"], output) if "lock" in output else None


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
