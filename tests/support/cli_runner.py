"""A workspace whose owner makes mistakes: the command line in this process, and the tree before and after."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

from graft.errors import GraftError
from graft_cli.main import _refuse, main

FolderContents = dict[str, tuple[int, bytes | None]]
N_ROWS = 12
MESSAGES = [
    (f"m{k}", f"message {k} about a {'card' if k % 2 else 'parcel'}", "card" if k % 2 else "parcel")
    for k in range(N_ROWS)
]
"""Rows that can be learned from: id, text, label."""
NEW_OPTIONS = ("--text", "text", "--label", "label")


def csv_bytes(rows: list[tuple[str, ...]], header: str = "id,text,label", delimiter: str = ",") -> bytes:
    """Return rows without quotes as a file."""
    return "".join(f"{line}\n" for line in (header, *(delimiter.join(row) for row in rows))).encode()


def folder_contents(root: Path) -> FolderContents:
    """Return every file, folder and link below a folder, with mode and bytes.

    Left out: locks, which stay for the next who takes them; logs, which say what was refused; what was verified of the
    ledger, noted for the next command; git's index, which holds times; what DVC notes for itself, and its cache, where what
    no version names is only room.
    """
    found: FolderContents = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if name == ".git/index" or name.startswith(
            (".graft/locks", ".graft/logs", ".graft/cache/ledger", ".dvc/tmp", ".dvc/cache")
        ):
            continue
        content = os.readlink(path).encode() if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[name] = (path.lstat().st_mode, content)
    return found


@dataclass
class CommandResult:
    """What a command printed and how it ended."""

    exit_code: int
    out: str
    err: str
    error_code: str
    """Of the error that ended it; empty where none did."""


@dataclass
class CommandLine:
    """The command line, in this process, in a workspace's folder."""

    root: Path
    capsys: pytest.CaptureFixture[str]

    def run(self, *arguments: str | Path) -> CommandResult:
        """Run a command as ``graft`` does, in the workspace's folder."""
        self.capsys.readouterr()
        here = Path.cwd()
        os.chdir(self.root)
        seen: list[str] = []

        def refuse(error: GraftError) -> int:
            seen.append(error.code)
            return _refuse(error)

        try:
            with (
                mock.patch.dict(os.environ),
                mock.patch.object(sys, "argv", ["graft", *map(str, arguments)]),
                mock.patch("graft_cli.main._refuse", refuse),
            ):
                main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            os.chdir(here)
        return CommandResult(code, *self.capsys.readouterr(), "".join(seen))

    def refuses(
        self, *arguments: str | Path, words: tuple[str, ...], exit_code: int = 2, source: Path | None = None
    ) -> str:
        """Run a command that must end in one sentence, with nothing changed in the workspace or beside the source.

        Args:
            words: what must be said; ``code NAME`` asks for an error of that code instead.
        """
        with check_unchanged(self.root), check_unchanged(source):
            said = self.run(*arguments)
        assert said.exit_code == exit_code, (said.exit_code, said.out, said.err)
        check_error(said.err, tuple(word for word in words if word != f"code {said.error_code}"))
        return said.err

    def succeeds(self, *arguments: str | Path) -> str:
        """Run a command that must succeed and return what it printed."""
        said = self.run(*arguments)
        assert said.exit_code == 0, said.err
        return said.out


def check_error(err: str, words: tuple[str, ...]) -> None:
    """Check that an error is one sentence with a place or a remedy, fit for a terminal."""
    lines = err.splitlines()
    assert lines, "nothing was said"
    assert lines[0].startswith("error: "), err
    assert lines[0].rstrip().endswith((".", "?")), err
    assert [line[:7] for line in lines[1:]] in (["  where", "  do   "], ["  do   "]), err
    assert all(len(line) <= 600 for line in lines), err[:2000]
    assert all(line.isprintable() for line in lines), err
    assert [word for word in words if word not in err] == [], err


@contextmanager
def check_unchanged(root: Path | None) -> Iterator[None]:
    """Check that a folder is afterwards what it was before, byte for byte."""
    before = folder_contents(root) if root else {}
    yield
    after = folder_contents(root) if root else {}
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    assert not changed, f"changed, new or gone: {changed}"


Make = Callable[[Path], Path]
