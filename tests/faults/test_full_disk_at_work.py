"""A disk that fills while a run, a promotion, a batch, a repair or a fetch is at work."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from graft.errors import GraftError, StepError
from graft.records import PART, load_record, sweep
from graft_tasks.commands.init import init
from graft_tasks.commands.render import render_run
from graft_tasks.datasets.add import add
from graft_tasks.datasets.repair import repair
from graft_tasks.dvc.pipeline import bring_forward
from graft_tasks.dvc.recover import recover
from graft_tasks.dvc.repro import dvc, lockfile, stage
from graft_tasks.processes.disk import from_disk
from graft_tasks.registry.audit import audit
from graft_tasks.registry.pin import pin
from graft_tasks.registry.promote import enact, promote_by_hand
from graft_tasks.steps.context import STEPS, run_step
from graft_tasks.workspace import Workspace
from tests.support.cli_runner import CommandLine, check_unchanged, csv_bytes
from tests.support.registry_workspace import adopt_recipe, learnable_rows, push_and_clone, run_all_steps
from tests.support.small_disk import FULL, DiskFiller, MakeSmallDisk, error_message

pytestmark = pytest.mark.slow

BATCH = "batch.csv"


def make_untrained(folder: Path, base: Path, seed: int = 0) -> Workspace:
    """A workspace with the recipe ``known`` that has never been run."""
    workspace, _ = init(folder / "workspace")
    (folder / "rows.csv").write_bytes(learnable_rows(160, seed))
    adopt_recipe(workspace, "known", folder / "rows.csv", str(base))
    return workspace


def run_to_promotion(workspace: Workspace, *, pages: bool = False) -> None:
    """Do what a run does, stage by stage, and promote."""
    recover(workspace.recipe("known"))
    bring_forward(workspace.recipe("known"))
    pin(workspace.recipe("known"))
    for step in STEPS:
        if not workspace.recipe("known").record(step).is_file() or not _is_kept(workspace, step):
            run_step(workspace.recipe("known"), step)
            dvc(workspace.root, "commit", "--force", stage(workspace.root, "known", step))
    enact(workspace.recipe("known"))
    if workspace.ledger().champion("known") is None:
        promote_by_hand(workspace.recipe("known"), "it will do")
    if pages:
        render_run(workspace.recipe("known"))


def _is_kept(workspace: Workspace, step: str) -> bool:
    lock, _ = lockfile(workspace.root, "known")
    return lock.is_file() and f"  {step}:" in lock.read_text()


def digests(workspace: Workspace) -> dict[str, str]:
    """Return what must be the same however often a run was cut off."""
    (run,) = workspace.ledger().runs("known")
    return {**run.predicate.records, "model": str(run.predicate.model_id)}


def check_none_half_written(workspace: Workspace) -> None:
    """Check that nothing half-written lies there under its own name, or at all."""
    for step in STEPS:
        if workspace.recipe("known").record(step).is_file():
            load_record(workspace.recipe("known").record(step), step)
    assert len(list(workspace.ledger().runs("known"))) <= 1
    workspace.ledger().promotions("known")
    assert not list(workspace.root.rglob(f".*{PART}"))
    assert not list((workspace.root / ".dvc" / "cache").rglob(".*.tmp"))


def _fills(workspace: Workspace, n_free: int, undisturbed: dict[str, str], *, pages: bool = False) -> str:
    """Run with so much room: it ends in one sentence or goes through; with room again, it ends as an undisturbed run does."""
    ballast = DiskFiller(workspace, n_free)
    met = ""
    try:
        run_to_promotion(workspace, pages=pages)
    except (GraftError, OSError) as error:
        met = error_message(error)
        assert any(words in met for words in FULL), met
        sweep(workspace.root / "pages")  # as the next run does: Evidently writes its page itself
        check_none_half_written(workspace)
    ballast.remove()
    run_to_promotion(workspace, pages=pages)
    check_none_half_written(workspace)
    assert digests(workspace) == undisturbed
    assert audit(workspace.recipe("known")).verdict == "intact"
    return met


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> tuple[Path, dict[str, str], int]:
    """A workspace before its first run, what an undisturbed run makes of it, and how many bytes that takes."""
    folder = tmp_path_factory.mktemp("meant")
    workspace = make_untrained(folder, tiny_base)
    shutil.copytree(workspace.root, folder / "before", symlinks=True)
    before = sum(path.lstat().st_size for path in workspace.root.rglob("*"))
    run_to_promotion(workspace)
    after = sum(path.lstat().st_size + 2048 for path in workspace.root.rglob("*") if path.is_file())
    return folder / "before", digests(workspace), after - before


def test_a_disk_that_fills_during_a_run(
    small_disk: MakeSmallDisk, undisturbed: tuple[Path, dict[str, str], int]
) -> None:
    """Amid the steps: one sentence, nothing half, and the same digests after the rerun."""
    source, digests_, size = undisturbed
    met = [_fills(small_disk(source, 2 * size + 8 * 2**20), int(share * size), digests_) for share in (0.3,)]
    assert all(met), "no point was small enough"


@pytest.mark.long
def test_a_disk_that_fills_anywhere_in_a_run(
    small_disk: MakeSmallDisk, undisturbed: tuple[Path, dict[str, str], int]
) -> None:
    """Eight points between no room and just enough."""
    source, digests_, size = undisturbed
    met = [_fills(small_disk(source, 2 * size + 8 * 2**20), int(k / 8 * size), digests_, pages=k > 6) for k in range(8)]
    assert sum(bool(one) for one in met) >= 4


def test_a_disk_without_room_for_a_change_of_champion_or_a_batch(
    small_disk: MakeSmallDisk,
    promoted_once: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """promote, rollback, monitor: one sentence, nothing changed, and with room again they go through."""
    workspace = small_disk(promoted_once, 12 * 2**20)
    (tmp_path / "more.csv").write_bytes(learnable_rows(40, 1))
    (tmp_path / BATCH).write_bytes(learnable_rows(60, 9))
    add(workspace.recipe("known"), tmp_path / "more.csv")
    run_all_steps(workspace, "known")
    cli = CommandLine(workspace.root, capsys)
    for command in (
        ("promote", "known", "--reason", "more rows"),
        ("rollback", "known", "--reason", "it was better"),
        ("monitor", "known", tmp_path / BATCH),
    ):
        ballast = DiskFiller(workspace, 0)
        cli.refuses(*command, words=("The disk is full.", "make room"), exit_code=1)
        ballast.remove()
        cli.succeeds(*command)
    assert audit(workspace.recipe("known")).verdict == "intact"


@pytest.mark.parametrize("command", ["promote", "rollback"])
def test_an_interrupted_change_of_champion_is_finished(
    small_disk: MakeSmallDisk,
    promoted_once: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    command: str,
) -> None:
    """Where the entry was signed and the folder or the commit found no room, the same command makes them, and no second entry."""
    (tmp_path / "more.csv").write_bytes(learnable_rows(40, 1))
    grown = Workspace(shutil.copytree(promoted_once, tmp_path / "grown", symlinks=True))
    add(grown.recipe("known"), tmp_path / "more.csv")
    run_all_steps(grown, "known")
    if command == "rollback":
        promote_by_hand(grown.recipe("known"), "more rows")
    n_before, cut_off = len(grown.ledger().promotions("known")), 0
    for n_free in (12_000, 24_000, 36_000, 60_000, 150_000, 300_000):
        workspace = small_disk(grown.root, 4 * 2**20)
        cli = CommandLine(workspace.root, capsys)
        ballast = DiskFiller(workspace, n_free)
        met = cli.run(command, "known", "--reason", "so it is")
        ballast.remove()
        if met.exit_code:
            assert "error: " in met.err
            cut_off += len(workspace.ledger().promotions("known")) > n_before
            cli.succeeds(command, "known", "--reason", "so it is")
        assert len(workspace.ledger().promotions("known")) == n_before + 1
        assert audit(workspace.recipe("known")).verdict == "intact"
    assert cut_off, "no point lay behind the entry"


def test_a_repair_that_found_no_room_is_taken_away_and_made_again(
    small_disk: MakeSmallDisk, tiny_base: Path, tmp_path: Path
) -> None:
    """Where DVC finds no room for the dataset with its repair, the version before stays; with room, the same file comes."""
    damaged = "caf\u00c3\u00a9 " * 2000
    lines = [(f"m{k}", f"{damaged}{k}", "card" if k % 2 else "parcel") for k in range(24)]
    (tmp_path / "odd.csv").write_bytes(csv_bytes(lines))
    made, _ = init(tmp_path / "workspace")
    adopt_recipe(made, "odd", tmp_path / "odd.csv", str(tiny_base))
    pin(made.recipe("odd"))
    run_step(made.recipe("odd"), "ingest")
    undisturbed = Workspace(shutil.copytree(made.root, tmp_path / "copy", symlinks=True))
    wanted = repair(undisturbed.recipe("odd"))
    assert wanted.file
    workspace = small_disk(made.root, 4 * 2**20)
    size = (undisturbed.dataset("odd") / wanted.file).stat().st_size
    for n_free in (size // 2, int(1.2 * size)):
        ballast = DiskFiller(workspace, n_free)
        with check_unchanged(workspace.root), pytest.raises((StepError, OSError)) as caught:
            repair(workspace.recipe("odd"))
        error = from_disk(caught.value) if isinstance(caught.value, OSError) else caught.value
        assert error is not None
        assert error.code == "disk-full"
        ballast.remove()
    assert repair(workspace.recipe("odd")) == wanted


@pytest.mark.parametrize(
    "shares",
    [
        pytest.param((0.3, 0.75), id="2"),
        pytest.param([k / 10 for k in range(10)], id="10", marks=pytest.mark.long),
    ],
)
def test_a_disk_that_fills_during_a_fetch(
    small_disk: MakeSmallDisk,
    promoted_once: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    shares: Sequence[float],
) -> None:
    """Where the cache or the folders find no room: one sentence, no half file; with room, the same command brings all."""
    shutil.copytree(promoted_once, tmp_path / "first", symlinks=True)
    clone = push_and_clone(tmp_path, f"{tmp_path}/remote")
    size = sum(path.stat().st_size for path in (tmp_path / "remote").rglob("*"))
    for share in shares:
        workspace = small_disk(clone.root, 2 * size + 8 * 2**20)
        cli, ballast = CommandLine(workspace.root, capsys), DiskFiller(workspace, int(share * 2 * size))
        cli.refuses("fetch", "known", words=("The disk is full.", "make room"), exit_code=1)
        cache = workspace.root / ".dvc" / "cache"
        for path in (cache / "files" / "md5").glob("*/*"):
            md5 = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
            assert md5 == path.parent.name + path.name.removesuffix(".dir"), f"{path} is half a file"
        assert not list(cache.rglob(".*.tmp"))
        ballast.remove()
        cli.succeeds("fetch", "known")
        assert audit(workspace.recipe("known")).verdict == "intact"
