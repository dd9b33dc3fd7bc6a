"""One process that has imported what DVC and the steps need, and forks a child for each command of a run.

A command is started as ever, as a process of its own. Where the environment names a warm process, it has a child of that do the
work, on its own standard output and error, passes SIGINT and SIGTERM on, and ends as the child ends; else it does the work
itself. So each import is paid once in a run, and a child's memory is given back by its end. The child is killed when the command
is, and when the warm process is, which ends with the run. Decision 0026.

Nothing computes here: a fork copies the calling thread alone, so no thread of OpenMP's and no GPU may be in use.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import json
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from graft_tasks.processes.child_process import STARTED_BY, child_command, end_with

ADDRESS = "GRAFT_WARM"
"""Names the socket of the warm process: an abstract one, which is gone with it and has no file."""
FIRST = (
    "dvc.cli.parser", "dvc.repo.reproduce", "dvc.repo.stage", "dvc.repo.datasets", "dvc.repo.metrics", "dvc.repo.plots",
    "dvc.cachemgr", "dvc.data_cloud", "dvc.lock", "dvc.rwlock", "dvc.scm", "dulwich.ignore", "ruamel.yaml",
    "graft_tasks.dvc.child",
)  # fmt: skip
"""Imported at the start: what DVC imports for a stage."""
_PASSED_ON = (signal.SIGINT, signal.SIGTERM)
_PATIENCE_S = 30.0
_STATUS = struct.Struct("!i")


@contextmanager
def warm() -> Iterator[None]:
    """Have one warm process for all commands that are started while the block runs. Elsewhere than on Linux there is none."""
    if sys.platform != "linux" or ADDRESS in os.environ:
        yield
        return
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("")  # the kernel finds a free name
        listener.listen(16)
        address = listener.getsockname()[1:].decode()
        # in a group of its own: Ctrl-C is for the run, which passes it on to its stage
        process = subprocess.Popen(
            child_command("graft_tasks.processes.warm", str(listener.fileno())),
            pass_fds=[listener.fileno()], process_group=0,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    os.environ[ADDRESS] = address
    try:
        yield
    finally:
        del os.environ[ADDRESS]
        process.kill()  # it holds nothing
        process.wait()


def ask(module: str, argv: Sequence[str]) -> None:
    """Have the warm process run a module's ``main``, and end as that ends. Returns where there is none."""
    if ADDRESS not in os.environ:
        return
    with socket.socket(socket.AF_UNIX) as server:
        try:
            server.connect("\0" + os.environ[ADDRESS])
            if _uid_of(server) != os.geteuid():  # somebody took the name of one that has ended
                return
            request = json.dumps([module, list(argv), os.getcwd(), dict(os.environ)]).encode()
            socket.send_fds(server, [_STATUS.pack(len(request))], [1, 2])
            server.sendall(request)
            for number in _PASSED_ON:
                signal.signal(number, lambda number, _frame: server.send(bytes([number])))
            is_taken = _read(server, 1)
        except OSError:
            is_taken = b""
        if is_taken:
            _end_as(server)
    for number in _PASSED_ON:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def _end_as(server: socket.socket) -> NoReturn:
    """End with the child's exit status, or by the signal that killed it; by SIGKILL where the warm process was killed."""
    try:
        (status,) = _STATUS.unpack(_read(server, _STATUS.size))
    except (OSError, struct.error):
        status = -signal.SIGKILL
    if status < 0:
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


def _read(connection: socket.socket, n: int) -> bytes:
    """Return so many bytes, or what came before the end."""
    got = b""
    while len(got) < n and (more := connection.recv(n - len(got))):
        got += more
    return got


def _uid_of(connection: socket.socket) -> int:
    """Return which user is at the other end."""
    credentials = struct.Struct("3i")
    return int(credentials.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, credentials.size))[1])


@dataclass(frozen=True)
class _Command:
    """What a child is to do."""

    module: str
    argv: list[str]
    folder: str
    environment: dict[str, str]
    streams: list[int]

    @property
    def step(self) -> str:
        """The step that it runs, if it runs one."""
        return self.argv[2] if self.argv[1:2] == ["step"] else ""

    @classmethod
    def of(cls, connection: socket.socket) -> _Command:
        head, streams, _, _ = socket.recv_fds(connection, _STATUS.size, 2)
        module, argv, folder, environment = json.loads(_read(connection, *_STATUS.unpack(head)))
        return cls(module, argv, folder, environment, streams)


class Server:
    """Takes commands at a socket, one after the other, and forks a child for each."""

    def __init__(self, listener: socket.socket) -> None:
        self.pid = os.getpid()
        self.waiting = selectors.DefaultSelector()
        self._when_ready(listener, lambda: self._take(listener.accept()[0]))

    def serve(self) -> NoReturn:
        while True:
            for key, _ in self.waiting.select():
                if self.waiting.get_map().get(key.fd) is key:  # what came first may have closed it
                    key.data()

    def _when_ready(self, what: Any, then: Callable[[], None]) -> None:
        self.waiting.register(what, selectors.EVENT_READ, then)

    def _take(self, connection: socket.socket) -> None:
        if _uid_of(connection) != os.geteuid():
            connection.close()
            return
        connection.settimeout(_PATIENCE_S)
        try:
            command = _Command.of(connection)
        except (OSError, ValueError, struct.error):  # it was killed as it spoke
            connection.close()
            return
        importlib.import_module(command.module)
        if command.step and importlib.util.find_spec(f"graft_tasks.steps.{command.step}"):
            importlib.import_module(f"graft_tasks.steps.{command.step}")
        gc.freeze()  # what is here by now is shared with every child: nothing of it is looked through again, nor copied
        signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)
        pid = os.fork()
        if pid == 0:
            self._become(command, connection)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
        for stream in command.streams:
            os.close(stream)
        with suppress(PermissionError):  # the child has done it, and has gone on
            os.setpgid(pid, pid)
        child = os.pidfd_open(pid)
        self._when_ready(child, lambda: self._ended(child, pid, connection))
        self._when_ready(connection, lambda: self._hear(child, pid, connection))
        with suppress(OSError):
            connection.sendall(b"+")

    def _hear(self, child: int, pid: int, connection: socket.socket) -> None:
        """Pass on what the command was sent; a command that is gone takes its child along."""
        try:
            heard = connection.recv(64)
        except OSError:
            heard = b""
        for number in heard:
            os.killpg(pid, number)
        if not heard:
            self.waiting.unregister(connection)
            signal.pidfd_send_signal(child, signal.SIGKILL)

    def _ended(self, child: int, pid: int, connection: socket.socket) -> None:
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with suppress(OSError):  # nobody waits for it
            connection.sendall(_STATUS.pack(status))
        for end in (child, connection):
            with suppress(KeyError):
                self.waiting.unregister(end)
        os.close(child)
        connection.close()

    def _become(self, command: _Command, connection: socket.socket) -> NoReturn:
        """Do, in the child, what the command is to do, and end."""
        status = 1
        try:
            end_with(self.pid)
            os.setpgid(0, 0)
            for key in self.waiting.get_map().values():
                os.close(key.fd)
            self.waiting.close()
            connection.close()
            for stream, number in zip(command.streams, (1, 2), strict=True):
                os.dup2(stream, number)
                os.close(stream)
            Path("/proc/self/comm").write_text(command.step or "dvc")  # what ps shows, and ``recover`` asks for
            os.chdir(command.folder)
            os.environ.clear()
            os.environ.update(command.environment | {STARTED_BY: str(self.pid if command.step else os.getpid())})
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
            sys.argv = command.argv
            status = importlib.import_module(command.module).main() or 0
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        except BaseException:  # as the interpreter itself does at its end
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)  # without taking apart what the warm process has loaded


def main(listener: str) -> None:
    """Serve at a socket that is open already."""
    for number in _PASSED_ON:
        signal.signal(number, signal.SIG_IGN)
    server = Server(socket.socket(fileno=int(listener)))
    for module in FIRST:
        importlib.import_module(module)
    server.serve()


if __name__ == "__main__":
    main(sys.argv[1])
