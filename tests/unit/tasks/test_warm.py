"""A command that the warm process does ends as if it had been done in a process of its own, and nothing outlives it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from graft_tasks.processes.warm import ADDRESS, warm

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is a warm process on Linux alone")
SERVED = """
import os, signal, sys
def main():
    print("child of", os.getppid(), os.getcwd(), os.environ.get("SAID"), sys.argv[1:], flush=True)
    what = sys.argv[1]
    if what == "wait":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
        print("pid", os.getpid(), flush=True)
        while True:
            signal.pause()
    if what == "die":
        os.kill(os.getpid(), signal.SIGUSR1)
    if what == "raise":
        raise ValueError("as it is")
    return int(what)
"""
COMMAND = "import sys; from graft_tasks.processes.warm import ask; ask('served', sys.argv); print('by itself')"


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A warm process that finds a module of the test's."""
    (tmp_path / "served.py").write_text(SERVED)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(Path(__file__).parents[3])]))
    with warm():
        yield


def start(*arguments: str, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", COMMAND, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def test_a_command_has_its_own_folder_environment_and_status(
    served: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it prints comes out of the command, and its exit status is the command's; all are children of one process."""
    monkeypatch.setenv("SAID", "so")
    parents = set()
    for status in (0, 3):
        process = start(str(status), cwd=tmp_path)
        said, errors = process.communicate()
        assert (process.returncode, errors) == (status, "")
        assert said.endswith(f" {tmp_path} so ['{status}']\n")
        parents.add(said.split()[2])
    assert len(parents) == 1
    assert parents != {str(os.getpid())}


def test_a_child_that_is_killed_or_raises_is_told_of_as_it_ended(served: None) -> None:
    """The command ends by the signal that ended its child, and an error that nobody expects is shown in full, status 1."""
    process = start("die")
    process.communicate()
    assert process.returncode == -signal.SIGUSR1
    process = start("raise")
    _, errors = process.communicate()
    assert process.returncode == 1
    assert errors.endswith("ValueError: as it is\n")


def waiting() -> tuple[subprocess.Popen[str], int, int]:
    """Return a command whose child waits for a signal, the warm process, and the child."""
    process = start("wait")
    assert process.stdout is not None
    parent = int(process.stdout.readline().split()[2])
    return process, parent, int(process.stdout.readline().split()[1])


def gone(pid: int) -> bool:
    """Wait until a process has ended."""
    with suppress(ProcessLookupError):
        fd = os.pidfd_open(pid)
        import select

        ended = bool(select.select([fd], [], [], 20)[0])
        os.close(fd)
        return ended
    return True


def test_a_child_of_dvcs_is_known_as_one(served: None) -> None:
    """By its name, as its command line is the warm process's: so what it works on is not taken for a dead process's."""
    from graft_tasks.dvc.recover import _is_dvc

    process, server, child = waiting()
    assert _is_dvc(child)
    assert not _is_dvc(server)
    process.kill()
    process.communicate()


def test_a_command_passes_its_signals_on(served: None) -> None:
    """SIGTERM to the command alone reaches the child, which ends as it wants to."""
    process, _, _ = waiting()
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 7


def test_a_child_ends_with_its_command(served: None) -> None:
    """Whatever kills the command, the child does not go on."""
    process, _, child = waiting()
    process.kill()
    assert gone(child)
    process.communicate()
    assert start("0").wait() == 0, "the warm process serves on"


def test_all_end_with_the_warm_process_and_others_do_without(served: None) -> None:
    """Killed, it takes its child along, and the command says that it was killed; the next one does its work by itself."""
    process, server, child = waiting()
    os.kill(server, signal.SIGKILL)
    assert gone(child)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    said, _ = start("0").communicate()
    assert said == "by itself\n"


def test_what_another_user_serves_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that somebody else has taken is told by who listens there: nothing is sent, and the work is done here."""
    from graft_tasks.processes import warm as module

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("")
        listener.listen()
        monkeypatch.setenv(ADDRESS, listener.getsockname()[1:].decode())
        monkeypatch.setattr(module, "_uid_of", lambda _: os.geteuid() + 1)
        module.ask("served", ["served", "0"])
        assert listener.accept()[0].recv(1) == b""
