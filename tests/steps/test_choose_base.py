"""choose_base among several bases: a ranking with its uncertainty, what cannot be scored, and what the choice was worth."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

from graft.errors import InputError, StepError
from graft.model.classifier import fit_head
from graft.model.encoder import embed, load_encoder
from graft.model.folder import card_for, save_model
from graft.records import Base, BaseChoiceRecord, EmbeddingRecord, EvaluationRecord, ShiftRecord, sha256_file
from graft.stats import fit_probe
from graft_tasks.registry.pin import pin
from graft_tasks.steps.context import run_step
from graft_tasks.workspace import Workspace
from tests.support.tiny_models import write_tiny_base

Make = Callable[..., Workspace]
UP_TO = ("ingest", "validate", "embed", "choose_base")
TEXTS, LABELS = ["cancel my order", "where is my parcel", "the bill is not right", "a red cat"] * 2, list("abcd") * 2


def with_head(folder: Path) -> None:
    """Write a base that Graft made: the tiny one with a head of four classes."""
    tiny = write_tiny_base(folder.with_name("tiny"), seed=3)
    features, _ = embed(tiny, TEXTS, modality="text", max_tokens=32)
    classifier = fit_head(load_encoder(tiny, "text", max_tokens=32), features, LABELS, C=30.0)
    known = Base(id="tiny", revision="1", sha256="0" * 64, folder_sha256="0" * 64, n_parameters=1, licence="mit")
    save_model(classifier, folder, card=card_for("source", known, "head", "source", "0" * 64, 8, 4))


def without_tokenizer(folder: Path) -> None:
    for path in write_tiny_base(folder, seed=4).glob("token*"):
        path.unlink()


def scaled(folder: Path, factor: float) -> None:
    """Write a base whose normalising weights and biases are multiplied: by 0 all rows look alike, by NaN none has features."""
    write_tiny_base(folder, seed=5)
    tensors = load_file(folder / "model.safetensors")
    changed = {name: array * factor if "LayerNorm" in name else array for name, array in tensors.items()}
    save_file(changed, folder / "model.safetensors", metadata={"format": "pt"})


def constant(folder: Path) -> None:
    scaled(folder, 0.0)


def infinite(folder: Path) -> None:
    scaled(folder, float("nan"))


def add_bases(workspace: Workspace, **writers: Callable[[Path], object]) -> None:
    """Give the recipe further candidates beside ``base``, and pin them."""
    for name, write in writers.items():
        write(workspace.root / name)
    path = workspace.root / "recipes" / "tiny.yaml"
    text = path.read_text()
    names = "".join(f"\n    - {name}" for name in ("base", *writers))
    start = text.index("  bases:")
    end = text.index("\n", text.index("base", start + len("  bases:")))
    path.write_text(f"{text[:start]}  bases:{names}{text[end:]}")
    pin(workspace.recipe("tiny"))


def chosen(workspace: Workspace) -> BaseChoiceRecord:
    for step in UP_TO:
        record = run_step(workspace.recipe("tiny"), step)
    assert isinstance(record, BaseChoiceRecord)
    return record


def test_candidates_are_ranked_with_their_uncertainty(tiny_workspace: Make) -> None:
    """Every score of every base, the best probe first, how far the others lie behind on the same rows; the same bytes twice."""
    workspace = tiny_workspace()
    add_bases(workspace, headed=with_head)
    record = chosen(workspace)
    first, second = record.scores
    assert {first.base, second.base} == {"base", "headed"}
    assert first.behind is None
    assert second.behind is not None
    assert second.behind.value == pytest.approx(first.accuracy.value - second.accuracy.value)
    assert second.behind.ci_low <= second.behind.value <= second.behind.ci_high
    for score in record.scores:
        assert score.knn is not None
        assert score.knn.n == score.accuracy.n == second.behind.n
        assert 1 <= score.k <= 20
        assert score.logme is not None
        assert score.tflops_forward
        assert (score.leep is None) == (score.base == "base"), "a head of its own has just the one that Graft made"
    assert record.base in {first.base, second.base}
    assert record.because.endswith(".")
    assert record.unscored == {}
    digest = sha256_file(workspace.recipe("tiny").record("choose_base"))
    run_step(workspace.recipe("tiny"), "choose_base")
    assert sha256_file(workspace.recipe("tiny").record("choose_base")) == digest


def test_a_candidate_that_cannot_be_told_about_holds_nobody_up(tiny_workspace: Make) -> None:
    """No tokenizer, features that are not finite, features that are all alike: each is named with its reason, others go on."""
    workspace = tiny_workspace()
    add_bases(workspace, mute=without_tokenizer, infinite=infinite, constant=constant)
    record = chosen(workspace)
    assert [score.base for score in record.scores] == ["base"]
    assert set(record.unscored) == {"mute", "infinite", "constant"}
    assert "not a text encoder" in record.unscored["mute"]
    assert "no finite numbers" in record.unscored["infinite"]
    assert "same features" in record.unscored["constant"]
    assert str(workspace.root) not in workspace.recipe("tiny").record("choose_base").read_text()
    embedded = run_step(workspace.recipe("tiny"), "embed")
    assert isinstance(embedded, EmbeddingRecord)
    assert set(embedded.unusable) == {"mute", "infinite"}


def test_shift_is_seen_by_the_first_base_of_use(tiny_workspace: Make) -> None:
    """detect_shift reads the first base of the recipe that embeds rows."""
    workspace = tiny_workspace()
    shutil.move(workspace.root / "base", workspace.root / "good")
    infinite(workspace.root / "base")
    add_bases(workspace, good=lambda folder: folder)
    for step in ("ingest", "validate", "embed"):
        run_step(workspace.recipe("tiny"), step)
    record = run_step(workspace.recipe("tiny"), "detect_shift")
    assert isinstance(record, ShiftRecord)
    assert record.comparisons[-1].reference == "good"


@pytest.mark.parametrize(
    ("write", "error"), [(infinite, InputError), (without_tokenizer, InputError), (constant, StepError)]
)
def test_no_base_is_left(tiny_workspace: Make, write: Callable[[Path], object], error: type[Exception]) -> None:
    """Where the only candidate is of no use, the run says so in a sentence."""
    workspace = tiny_workspace()
    shutil.rmtree(workspace.root / "base")
    write(workspace.root / "base")
    pin(workspace.recipe("tiny"))
    with pytest.raises(error, match=r"finite|not a text encoder|No base can be scored"):
        chosen(workspace)


def test_what_the_choice_was_worth_is_measured(tiny_workspace: Make) -> None:
    """The frozen probe of each candidate on the test rows; the best of them against the chosen one, on the same rows."""
    workspace = tiny_workspace(finetune__strategy="head")
    add_bases(workspace, other=lambda folder: write_tiny_base(folder, seed=6))
    record = chosen(workspace)
    for step in ("detect_shift", "finetune", "evaluate"):
        evaluated = run_step(workspace.recipe("tiny"), step)
    assert isinstance(evaluated, EvaluationRecord)
    worth = evaluated.base_regret
    assert worth is not None
    assert worth.base == record.base
    assert worth.promised == next(score.accuracy for score in record.scores if score.base == record.base)
    assert set(worth.measured) == {"base", "other"}
    assert worth.measured[record.base] == evaluated.accuracy["frozen_probe"]
    rows = pd.read_parquet(workspace.recipe("tiny").rows).query("side in ('train', 'test')")
    features, is_test = (
        load_file(workspace.recipe("tiny").files("embed") / "features.safetensors"),
        rows["side"] == "test",
    )
    for score in record.scores:
        own, labels = features[score.base], rows["label"]
        said = fit_probe(own[~is_test], labels[~is_test].to_numpy(dtype=str), C=score.C).predict(own[is_test])
        assert worth.measured[score.base].value == pytest.approx((said == labels[is_test]).mean())
    lost = worth.measured[worth.best].value - worth.measured[worth.base].value
    assert (worth.regret.value if worth.regret else 0.0) == pytest.approx(lost)
    assert lost >= 0


def test_without_a_choice_nothing_is_regretted(tiny_workspace: Make) -> None:
    """One candidate: no regret stands in the record."""
    workspace = tiny_workspace(finetune__strategy="head")
    chosen(workspace)
    for step in ("detect_shift", "finetune", "evaluate"):
        evaluated = run_step(workspace.recipe("tiny"), step)
    assert isinstance(evaluated, EvaluationRecord)
    assert evaluated.base_regret is None
