"""The steps, one by one, on real rows and a tiny base: same bytes twice, gates, what they refuse."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pandas as pd
import pyarrow.parquet as pq
import pytest

from graft.errors import InputError, StepError
from graft.model.reference import load_trained_on
from graft.records import RECORDS, BiasRecord, DatasetRecord, ModelRecord, Record, digest_folder, sha256_file
from graft.rows import COLUMN, row_schema
from graft_tasks.processes.locks import hold
from graft_tasks.steps.context import STEPS, run_step
from graft_tasks.workspace import Workspace
from tests.support.refusals import refused

Make = Callable[..., Workspace]
RunAll = Callable[[Workspace], dict[str, Record]]


@pytest.mark.parametrize("strategy", ["head", "full"])
def test_the_same_inputs_give_the_same_bytes(tiny_workspace: Make, run_all: RunAll, strategy: str) -> None:
    """Every record and every file of every step is the same, bit for bit, when the steps are run again."""
    workspace = tiny_workspace(finetune__strategy=strategy)
    run_all(workspace)
    first = _everything(workspace)
    for kept in ("checkpoints", "cache"):  # or the second run would compute nothing
        shutil.rmtree(workspace.root / ".graft" / kept, ignore_errors=True)
    run_all(workspace)
    assert _everything(workspace) == first
    assert len(first) > 20


def _everything(workspace: Workspace) -> dict[str, str]:
    folder = workspace.root / "data" / "tiny"
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != "cost.json")
    return {str(p.relative_to(folder)): sha256_file(p) for p in files}


def test_every_record_names_what_it_read_and_says_nothing_of_time_or_place(
    tiny_workspace: Make, run_all: RunAll
) -> None:
    """Inputs are named by sha256; no path of this machine, no time and no cost stands in any record."""
    workspace = tiny_workspace(finetune__strategy="head")
    records = run_all(workspace)
    assert list(records) == list(RECORDS)
    for step, record in records.items():
        assert isinstance(record, RECORDS[step])
        assert record.inputs
        for upstream, digest in record.inputs.items():
            if upstream in RECORDS:
                assert digest == sha256_file(workspace.recipe("tiny").record(upstream))
        text = workspace.recipe("tiny").record(step).read_text()
        assert str(workspace.root) not in text
        assert "seconds" not in text


def test_a_model_folder_holds_safetensors_and_a_card(tiny_workspace: Make, run_all: RunAll) -> None:
    """No pickle, base and licence in the card, and the content keys of exactly the training rows."""
    workspace = tiny_workspace(finetune__strategy="head")
    records = run_all(workspace)
    folder = workspace.recipe("tiny").model
    assert not [p for p in folder.rglob("*") if p.suffix in {".bin", ".pt", ".pkl", ".ckpt"}]
    card = (folder / "README.md").read_text()
    assert "base_model: base\n" in card
    assert "base_model_relation: finetune\n" in card
    assert "license: apache-2.0\n" in card
    rows = pd.read_parquet(workspace.recipe("tiny").files("ingest") / "rows.parquet")
    assert load_trained_on(folder) == set(rows[rows["side"] == "train"]["key"])
    model = records["finetune"]
    assert isinstance(model, ModelRecord)
    assert digest_folder(folder) == (model.files, model.model_id)


def test_behind_a_closed_gate_every_step_is_skipped_with_empty_files(tiny_workspace: Make, run_all: RunAll) -> None:
    """Too few rows per class close the gate at validate; decide and report still run."""
    records = run_all(tiny_workspace(validate__min_rows_per_class=1000))
    skipped = [step for step, record in records.items() if record.status == "skipped"]
    assert skipped == list(STEPS[STEPS.index("embed") : STEPS.index("decide")])
    assert not records["validate"].passed
    assert records["decide"].summary


def test_a_changed_dataset_is_refused_by_ingest(tiny_workspace: Make) -> None:
    """Rows that are not those pinned are never read as if they were."""
    workspace = tiny_workspace()
    with (workspace.dataset("tiny") / "rows.csv").open("a") as file:
        file.write("x,2026-01-01T00:00:00Z,c,app,british,tv,another,cancel\n")
    with pytest.raises(InputError, match="not the version that was pinned"):
        run_step(workspace.recipe("tiny"), "ingest")
    assert not workspace.recipe("tiny").record("ingest").exists()


def test_a_changed_base_is_refused_by_embed(tiny_workspace: Make) -> None:
    """Weights that are not those pinned are never used."""
    workspace = tiny_workspace()
    run_step(workspace.recipe("tiny"), "ingest")
    run_step(workspace.recipe("tiny"), "validate")
    weights = workspace.root / "base" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    with refused("base-changed"):
        run_step(workspace.recipe("tiny"), "embed")
    assert not workspace.recipe("tiny").files("embed").exists()


def test_a_step_whose_input_is_missing_says_which(tiny_workspace: Make) -> None:
    """validate without ingest names ingest."""
    with pytest.raises(StepError, match="ingest has not run"):
        run_step(tiny_workspace().recipe("tiny"), "validate")


def test_a_step_that_another_process_runs_is_busy(tiny_workspace: Make) -> None:
    """Two processes never write the same folder; the second says who holds it."""
    workspace = tiny_workspace()
    with (
        hold(workspace.recipe("tiny").lock("ingest"), "ingest of tiny"),
        refused("lock-held") as held,
    ):
        run_step(workspace.recipe("tiny"), "ingest")
    assert "process" in held.value.where


def test_a_killed_step_is_named_in_its_lock_until_the_step_has_run_again(tiny_workspace: Make) -> None:
    """The next run of the step does its work anew, and nothing is left to be told of."""
    workspace = tiny_workspace()
    lock = workspace.recipe("tiny").lock("ingest")
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text("process 4711, since 2026-01-01 00:00 UTC")
    run_step(workspace.recipe("tiny"), "ingest")
    assert lock.read_text() == ""


def test_one_class_is_a_users_error(tiny_workspace: Make) -> None:
    """A classifier needs two classes, and the sentence names the column."""
    rows = pd.DataFrame(
        {"text": [f"message {n}" for n in range(40)], "intent": "same", "customer_id": "", "channel": "app"}
    )
    with pytest.raises(InputError, match="'intent' holds 1 class in train"):
        run_step(tiny_workspace(rows).recipe("tiny"), "ingest")


def test_twins_and_groups_never_cross_in_the_written_rows(tiny_workspace: Make) -> None:
    """In what ingest writes, no content key and no customer stands on both sides."""
    workspace = tiny_workspace()
    record = run_step(workspace.recipe("tiny"), "ingest")
    assert isinstance(record, DatasetRecord)
    rows = pd.read_parquet(workspace.recipe("tiny").files("ingest") / "rows.parquet")
    train, test = rows[rows["side"] == "train"], rows[rows["side"] == "test"]
    assert record.n_train == len(train) > 0 < len(test)
    assert not set(train["key"]) & set(test["key"])
    assert not set(train["group"]) & set(test["group"])


def test_the_written_rows_are_as_declared(tiny_workspace: Make) -> None:
    """Names, order and types of the columns are those of ``row_schema``; only Arrow's width of strings is free."""
    workspace = tiny_workspace()
    run_step(workspace.recipe("tiny"), "ingest")
    written = pq.read_schema(workspace.recipe("tiny").files("ingest") / "rows.parquet")
    others = [name for name in written.names if name.startswith(COLUMN)]
    declared = row_schema("text", others, placed=True)
    assert others
    assert written.names == declared.names
    assert (
        {str(kind).removeprefix("large_") for kind in written.types} == {"string"} == {str(k) for k in declared.types}
    )


def test_small_slices_are_insufficient_and_never_pass(tiny_workspace: Make, run_all: RunAll) -> None:
    """With a minimum above every slice, each bias check cannot tell."""
    record = run_all(tiny_workspace(finetune__strategy="head", measure_bias__min_rows=10_000))["measure_bias"]
    assert isinstance(record, BiasRecord)
    assert record.slices
    assert {check.outcome for check in record.checks} == {"cannot_tell"}


def test_every_stage_is_a_step_and_the_other_way_round() -> None:
    """The one definition of the edges names exactly the steps that there are, in their order."""
    import yaml

    from graft_tasks.dvc.pipeline import stages_of

    stages = yaml.safe_load(stages_of("tiny", "rows"))["stages"]
    assert tuple(stages) == STEPS
    for step, stage in stages.items():
        assert stage["cmd"] == f"graft step {step} tiny"
        assert stage["wdir"] == "../.."
        assert f"steps.{step}" in stage["params"][-1]["data/tiny/inputs.json"]


@pytest.mark.slow
def test_what_auto_chose_is_said(tiny_workspace: Make) -> None:
    """The step's line and its record name what was chosen among what; the same again gives the same bytes."""
    workspace = tiny_workspace(finetune__strategy="auto", finetune__n_epochs=1, finetune__n_layers=1)
    for step in ("ingest", "validate", "embed", "detect_shift", "choose_base"):
        run_step(workspace.recipe("tiny"), step)
    record = run_step(workspace.recipe("tiny"), "finetune")
    assert isinstance(record, ModelRecord)
    (chosen,) = [trial for trial in record.trials if trial.is_chosen]
    assert record.strategy == chosen.name.split(maxsplit=1)[0]
    assert record.summary.startswith(f"{chosen.name} out of {len(record.trials)}, ")
    first = sha256_file(workspace.recipe("tiny").record("finetune"))
    shutil.rmtree(workspace.root / ".graft" / "checkpoints")
    run_step(workspace.recipe("tiny"), "finetune")
    assert sha256_file(workspace.recipe("tiny").record("finetune")) == first
