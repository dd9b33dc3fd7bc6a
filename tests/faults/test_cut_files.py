"""Every JSON and YAML file of a workspace, cut short or filled with noise: each command says so in a sentence."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from graft.errors import GraftError
from graft.model.folder import load_model
from graft.model.reference import load_reference
from graft.records import RECORDS, load_record
from graft_tasks.commands.monitor import monitor
from graft_tasks.commands.render import render_run
from graft_tasks.commands.status import status
from graft_tasks.dvc.cache import last_made, pointed
from graft_tasks.steps.context import load_inputs
from graft_tasks.steps.cost import costs, rates
from graft_tasks.workspace import Workspace
from tests.support.cli_runner import CommandLine, csv_bytes

COMMANDS = (
    ("status",), ("status", "known"), ("audit", "known"), ("gc",), ("promote", "known", "--reason", "r"),
    ("rollback", "known", "--reason", "r"), ("fetch", "known"), ("validate", "known"), ("run", "known"),
    ("monitor", "known", "batch.csv"), ("add", "known", "batch.csv"),
)  # fmt: skip
QUICK = COMMANDS[:3]
"""Those that only read, and draw pages: a copy of the workspace serves all of them."""
LEFT_OUT = {".git", ".dvc", "cache", "locks", "base"}
"""What git and DVC keep for themselves; and a base, whose files have tests of their own."""


def files(root: Path) -> list[Path]:
    """Return every JSON and YAML file of a workspace, pointers and lock files too."""
    kinds = {".json", ".yaml", ".dvc", ".lock"}
    found = [path for path in root.rglob("*") if path.is_file() and path.suffix in kinds]
    return sorted(path for path in found if not LEFT_OUT & set(path.relative_to(root).parts))


def cut(content: bytes, step: int) -> Iterator[bytes]:
    """Yield a file cut at each ``step``-th length, and at those near both ends."""
    n = len(content)
    yield from (content[:k] for k in sorted({*range(min(n, 20)), *range(max(0, n - 20), n), *range(0, n, step)}))


def noisy(content: bytes, rng: random.Random, n: int) -> Iterator[bytes]:
    """Yield a file with a few bytes, a stretch or all of it replaced by noise, or by what JSON and YAML may hold elsewhere."""
    others = [
        b"null",
        b"[]",
        b"{}",
        b"0",
        b'"text"',
        b"[" * 10_000,
        b"\xff\xfe",
        b"\x00" * 64,
        b"*a",
        b"- - -",
        b"1e999",
    ]
    for k in range(n):
        at = rng.randrange(len(content) + 1)
        stretch = rng.choice([1, 2, 8, len(content)])
        put = rng.choice(others) if k % 2 else rng.randbytes(min(stretch, 64))
        yield content[:at] + put + content[at + stretch :]
        if k % 5 == 0:
            yield put


def readers(workspace: Workspace) -> dict[Path, Callable[[], object]]:
    """Return each kind of file with what reads it."""
    handle = workspace.recipe("known")
    model, pointer = handle.registry / "0001", handle.pointer("0001")
    (batch,) = handle.monitor.glob("*/record.json")
    return {
        **{handle.record(step): partial(load_record, handle.record(step), step) for step in RECORDS},
        handle.inputs: lambda: load_inputs(handle),
        handle.step("ingest") / "cost.json": lambda: costs(handle),
        handle.step("report") / "report.json": lambda: render_run(handle),
        handle.step("evaluate") / "files" / "mistakes.json": lambda: render_run(handle),
        batch: lambda: status(handle),
        workspace.root / "params.yaml": lambda: rates(workspace),
        handle.stages.with_name("dvc.lock"): lambda: last_made(handle),
        handle.path: handle.load,
        pointer: lambda: pointed(pointer.read_bytes(), "registry/known/0001.dvc"),
        model / "graft.json": lambda: (load_reference(model), load_model(model)),
        model / "reference.safetensors": lambda: load_reference(model),
        workspace.root / "ledger" / "promotions" / "known" / "0001.json": lambda: workspace.ledger().champion("known"),
    }


@pytest.fixture(scope="module")
def used_once(promoted_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The promoted workspace, with a batch that was looked at."""
    root = tmp_path_factory.mktemp("cut") / "workspace"
    shutil.copytree(promoted_once, root, symlinks=True)
    rows = [(f"b{k}", f"money card bill pay parcel late house {k}", "card" if k % 2 else "parcel") for k in range(40)]
    (root / "batch.csv").write_bytes(csv_bytes(rows))
    monitor(Workspace(root).recipe("known"), root / "batch.csv", progress=lambda *_: None)
    return root


@pytest.fixture
def used(used_once: Path, tmp_path: Path) -> Workspace:
    return Workspace(Path(shutil.copytree(used_once, tmp_path / "workspace", symlinks=True)))


def read_damaged(used: Workspace, step: int, n_noisy: int) -> tuple[int, int]:
    """Give each reader its file damaged; return how many damaged files were refused, and how many there were."""
    rng, n_refused, n_tried = random.Random(0), 0, 0  # noqa: S311 - damage, no secrets
    for path, read in readers(used).items():
        content = path.read_bytes()
        read()
        slow = path.name in ("report.json", "mistakes.json", "graft.json") or path.suffix == ".safetensors"
        damaged = [*cut(content, step), *noisy(content, rng, n_noisy)]
        for spoilt in damaged[:: 1 + len(damaged) // 20] if slow else damaged:
            path.write_bytes(spoilt)
            n_tried += 1
            try:
                read()
            except GraftError as error:
                n_refused += all(line.isprintable() for line in str(error).splitlines())
        path.write_bytes(content)
    return n_refused, n_tried


@pytest.mark.slow
def test_every_reader_on_damaged_files(used: Workspace) -> None:
    """Each kind of file, cut short or with noise, is read, or refused by an error of Graft's own."""
    n_refused, n_tried = read_damaged(used, 499, 20)
    assert n_tried > 1_000
    assert n_refused > 0.8 * n_tried


@pytest.mark.long
def test_every_reader_at_every_length(used: Workspace) -> None:
    """The same at every length, and with three hundred kinds of noise a file."""
    n_refused, n_tried = read_damaged(used, 1, 300)
    assert n_tried > 30_000
    assert n_refused > 0.8 * n_tried


def run_commands_damaged(
    used_once: Path,
    tmp_path: Path,
    cli: CommandLine,
    commands: tuple[tuple[str, ...], ...],
    n: int,
    seed: int,
    step: int = 1,
) -> int:
    """Damage each file, or each ``step``-th, in some ways and give each command; return how many runs there were."""
    rng, n_runs = random.Random(seed), 0  # noqa: S311
    for relative in [path.relative_to(used_once) for path in files(used_once)[::step]]:
        content = (used_once / relative).read_bytes()
        ways = [content[: len(content) // 2], *noisy(content, rng, n)]
        for spoilt in rng.sample(ways, min(n, len(ways))):
            for command in commands:
                root = tmp_path / "workspace"
                if command not in QUICK or not root.exists():
                    shutil.rmtree(root, ignore_errors=True)
                    shutil.copytree(used_once, root, symlinks=True)
                (root / relative).write_bytes(spoilt)
                said = CommandLine(root, cli.capsys).run(*command)
                assert said.exit_code in (0, 1, 2), (relative, command)
                if said.exit_code and said.err:
                    assert "Traceback" not in said.err, (relative, command, said.err)
                    assert said.err.lstrip().startswith("error: "), (relative, command, said.err)
                (root / relative).write_bytes(content)
                n_runs += 1
    return n_runs


@pytest.mark.slow
def test_commands_that_read_on_damaged_files(used_once: Path, tmp_path: Path, cli: CommandLine) -> None:
    """Status and audit end in facts or in a sentence, whichever file is damaged."""
    assert run_commands_damaged(used_once, tmp_path, cli, QUICK[1:], 1, seed=1) > 50


@pytest.mark.long
def test_every_command_on_some_damaged_files(used_once: Path, tmp_path: Path, cli: CommandLine) -> None:
    """Every command does, one that changes the workspace too; a sixth of the files here."""
    assert run_commands_damaged(used_once, tmp_path, cli, COMMANDS, 1, seed=2, step=6) > 50


@pytest.mark.long
def test_every_command_on_damaged_files(used_once: Path, tmp_path: Path, cli: CommandLine) -> None:
    """The same for all files, twice."""
    assert run_commands_damaged(used_once, tmp_path, cli, COMMANDS, 2, seed=3) > 500
