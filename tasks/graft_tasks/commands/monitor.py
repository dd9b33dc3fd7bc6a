"""monitor: one production batch against the champion. May it be used, and has the domain shifted?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from graft.data import Part, import_data, read_part, read_table
from graft.errors import InputError
from graft.ledger import Ledger, Promotion, RunPredicate
from graft.modality import MODALITIES
from graft.model.classifier import predict
from graft.model.encoder import Progress, embed
from graft.model.folder import load_model
from graft.model.reference import load_reference, load_trained_on
from graft.model.settings import read_settings
from graft.recipe import Recipe
from graft.records import (
    BatchOutcome,
    EvaluationRecord,
    Inputs,
    MonitorRecord,
    ShiftComparison,
    sha256_file,
    write_json,
)
from graft.rows import BATCH
from graft.shift import champion as champions
from graft.shift.compare import N_MIN, compare
from graft.shift.explain import find_differences
from graft.shift.held_out import HeldOut, nearness, read_held_out
from graft.shift.sample import Sample
from graft.shift.wording import KINDS, shift_sentence
from graft.validate import validate_rows
from graft_tasks.datasets.add import scratch_folder
from graft_tasks.dvc.repro import commit
from graft_tasks.recipe_handle import RecipeHandle
from graft_tasks.registry import bases
from graft_tasks.registry.models import open_model
from graft_tasks.steps.context import report_progress
from graft_tasks.steps.profiles import describe
from graft_tasks.workspace import Workspace, as_file_name

SEED = 50_000
NO_SCORES = "this champion came before what it says of test rows was kept; the next one will have it"
N_KNOWN = 10
"""Rows of the champion's that must still be here before words are compared."""


def monitor(handle: RecipeHandle, batch: Path, *, progress: Progress = report_progress) -> MonitorRecord:
    """Validate a batch and compare it with the champion's training rows; the record goes to ``data/RECIPE/monitor``.

    Raises:
        InputError: no champion, or the batch is not a table with the recipe's content column.
    """
    workspace, name = handle.workspace, handle.name
    recipe, _ = handle.load()
    champion = workspace.ledger().champion(name)
    if champion is None:
        raise InputError(f"{name} has no champion to compare with.", do=f"graft run {name}", code="champion-missing")
    folder = open_model(handle, champion.predicate.model_number, champion.predicate.model_id)
    rows = _read(workspace, batch, recipe)
    checks, findings = validate_rows(
        lambda: iter([rows]),
        modality=recipe.data.modality,
        labels=read_settings(folder).labels,
        bounds=recipe.validate_,
        is_batch=True,
        step="monitor",
    )
    valid = all(check.outcome != "failed" for check in checks)
    comparisons: tuple[ShiftComparison, ...] = ()
    if valid:
        comparisons = (_compare(workspace, recipe, champion, folder, rows, progress=progress),)
    outcome = _outcome(comparisons)
    n_failed = sum(check.outcome == "failed" for check in checks)
    record = MonitorRecord(
        step="monitor",
        recipe=name,
        outcome=outcome,
        passed=outcome == "passed",
        summary=_summary(n_failed, len(checks), comparisons),
        inputs={},
        checks=checks,
        batch=batch.name,
        batch_sha256=sha256_file(batch),
        champion=champion.predicate.number,
        n_rows=len(rows),
        findings=findings,
        comparisons=comparisons,
    )
    stem = as_file_name(batch.stem) or "batch"
    folder = handle.monitor / f"{stem}-{record.batch_sha256[:12]}"
    write_json(folder / "record.json", record)
    commit(workspace.root, f"{name}: batch, {record.summary}", [str(folder.relative_to(workspace.root))])
    return record


def _read(workspace: Workspace, batch: Path, recipe: Recipe) -> pd.DataFrame:
    """Return a batch's rows with the columns that every row of a recipe has; whatever form it comes in."""
    data = recipe.data
    with scratch_folder(workspace) as scratch:
        brought = import_data(batch, scratch, role="added")
        if len(brought) != 1:
            raise InputError(
                f"{batch.name} holds several files of rows.", where=str(batch), do="look at them one by one"
            )
        (path,) = brought.values()
        read_table(path, [data.content])
        rows = pd.concat(read_part(Part(path, "batch"), data), ignore_index=True)
    rows["row"] = [f"{batch.name} row {n}" for n in range(1, len(rows) + 1)]
    keys = MODALITIES[data.modality].content_keys(rows["content"], rows["row"].tolist())
    return rows.assign(key=keys, near="", side=BATCH, because="")


def _compare(
    workspace: Workspace,
    recipe: Recipe,
    champion: Promotion,
    folder: Path,
    rows: pd.DataFrame,
    *,
    progress: Progress,
) -> ShiftComparison:
    """Compare the batch with the champion's training rows in the base's space, and what the champion says of it with what it
    said of test rows. Rows that it was trained on are left out: they would look more alike than new rows can.
    """
    title, reference = "Batch against the champion's training rows", f"rows of champion {champion.predicate.number}"
    is_new = ~rows["key"].isin(load_trained_on(folder))
    n_overlapping, rows = int((~is_new).sum()), rows[is_new]
    if len(rows) < N_MIN:
        learned = f", and the champion was trained on {n_overlapping:,} more" if n_overlapping else ""
        because = f"{len(rows)} new row{'s' if len(rows) != 1 else ''} in the batch{learned}; {N_MIN} are needed"
        return ShiftComparison(
            name=title, reference=reference, current="batch", auc=None, shifted=None, because=because,
            n_overlapping=n_overlapping,
        )  # fmt: skip
    ledger = workspace.ledger()
    run = ledger.run_of(champion).predicate
    pinned = ledger.value(run.inputs_sha256, Inputs, "the inputs of a run")
    base_folder = bases.locate(workspace, next(base for base in pinned.bases if base.id == run.base_id))
    settings = read_settings(folder)
    features, _ = embed(
        base_folder,
        rows["content"].tolist(),
        modality=recipe.data.modality,
        max_tokens=settings.max_tokens,
        progress=progress,
    )
    before, labels = load_reference(folder)
    held_out = _held_out(ledger, run, settings.labels)
    given = None
    if held_out is not None and len(held_out.labels) >= champions.N_MIN:
        model = load_model(folder)
        probabilities = predict(model, rows["content"].tolist(), progress=progress)
        given = champions.answers(held_out, model.labels, probabilities, nearness(features, before))
    found = compare(
        title,
        Sample(name=reference, features=before, labels=labels),
        Sample(name="batch", features=features, labels=_labels(rows), rows=rows["row"].tolist()),
        recipe.detect_shift,
        rng=np.random.default_rng(SEED),
        champion=given,
    ).model_copy(update={"n_overlapping": n_overlapping})
    if given is None and found.shifted is not None:
        few = f"the champion was measured on {len(held_out.labels) if held_out else 0} test rows; {champions.N_MIN} are needed"
        kinds = (*found.kinds, champions.not_testable(NO_SCORES if held_out is None else few))
        found = found.model_copy(update={"kinds": kinds})
    known = _known(workspace, recipe, folder) if found.is_alarming else None
    if known is None or len(known) < N_KNOWN:
        return found
    profiles = [
        describe(part, recipe.data.modality, base_folder, max_rows=recipe.detect_shift.max_rows)
        for part in (known, rows)
    ]
    return found.model_copy(update={"signs": find_differences(*profiles)})


def _held_out(ledger: Ledger, run: RunPredicate, classes: tuple[str, ...]) -> HeldOut | None:
    """Return what the champion said of the test rows of its run; None where its run kept nothing."""
    record = ledger.value(run.records["evaluate"], EvaluationRecord, "a record of evaluate")
    if record.held_out_sha256 is None:
        return None
    return read_held_out(ledger.blob(record.held_out_sha256), classes, f"blobs/{record.held_out_sha256}")


def texts_of(handle: RecipeHandle, batch: Path, rows: Sequence[str]) -> dict[str, str]:
    """Return the contents of some rows of a batch, by name, read from its file: a record names rows and holds none of them."""
    recipe, _ = handle.load()
    if MODALITIES[recipe.data.modality].is_binary or not rows:
        return {}
    table = _read(handle.workspace, batch, recipe).set_index("row")["content"]
    return {row: str(table[row]) for row in rows if row in table.index}


def _known(workspace: Workspace, recipe: Recipe, folder: Path) -> pd.DataFrame:
    """Return the rows the champion learned from that the recipe's last run still read: a model folder holds no contents."""
    path = workspace.recipe(recipe.name).rows
    if not path.is_file():
        return pd.DataFrame()
    return pd.read_parquet(path, filters=[("key", "in", load_trained_on(folder))])


def _labels(rows: pd.DataFrame) -> npt.NDArray[np.str_]:
    """Return each row's class as far as the batch has it, "" where it has none."""
    labels: npt.NDArray[np.str_] = rows["label"].fillna("").to_numpy(dtype=str)
    return labels


def _outcome(comparisons: tuple[ShiftComparison, ...]) -> BatchOutcome:
    """Return what a batch came to; without a comparison it was refused."""
    if not comparisons:
        return "refused"
    if any(comparison.is_alarming for comparison in comparisons):
        return "alarm"
    return "passed" if all(comparison.is_whole for comparison in comparisons) else "cannot_tell"


def _summary(n_failed: int, n_checks: int, comparisons: tuple[ShiftComparison, ...]) -> str:
    if n_failed:
        return f"refused: {n_failed} of {n_checks} expectations broken"
    for comparison in comparisons:
        if comparison.is_alarming:
            return shift_sentence(comparison)
        if comparison.small:
            return f"a small difference: {', '.join(KINDS[kind.name] for kind in comparison.small)}"
    return "like what the champion knows" if all(comparison.is_whole for comparison in comparisons) else "cannot tell"
