"""Rows without a label among those to train on: none is held out, and the trials of ``auto`` see none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graft.model import finetune as module
from graft.model.auto import choose
from graft.model.budget import FIRST_EPOCHS, first_of
from graft.model.checkpoint import Checkpoint
from graft.model.classifier import predict
from graft.model.encoder import embed
from graft.model.examples import Examples, hold_out
from graft.model.finetune import finetune
from graft.rows import NO_LABEL
from graft.stats.spread import spread_labels
from tests.support.tiny_models import finetune_settings


def examples(base: Path, n_known: int = 40, n_others: int = 40) -> Examples:
    """Texts of two classes, then texts without a label; a last word makes each another."""
    texts = [f"{('refund my money', 'a red cat')[k % 2]} {k}" for k in range(n_known + n_others)]
    labels = np.array([("money", "cat")[k % 2] if k < n_known else NO_LABEL for k in range(len(texts))])
    features, _ = embed(base, texts, modality="text", max_tokens=16)
    return Examples(texts, features, labels, [f"row {k}" for k in range(len(texts))])


def test_none_is_held_out(tiny_base: Path) -> None:
    """Held-out rows all have labels, and what remains to train on keeps every row without one."""
    rows, held_out = hold_out(examples(tiny_base), finetune_settings(held_out=0.25))
    assert held_out is not None
    assert sorted(held_out.labels) == ["cat"] * 5 + ["money"] * 5
    assert (len(rows.labels), (rows.labels == NO_LABEL).sum()) == (70, 40)
    assert {*rows.names, *held_out.names} == {f"row {k}" for k in range(80)}


@pytest.mark.slow
def test_trials_see_none_and_the_budget_counts_all(tiny_base: Path) -> None:
    """With and without them the trials have the same accuracies; the training that follows costs more, by all rows."""
    config, facts = finetune_settings(strategy="auto", n_epochs=1), {"modality": "text", "C": 10.0, "max_tokens": 16}
    everything = examples(tiny_base, n_known=18, n_others=18)
    known = everything.take(np.arange(18))
    with_them, without = (choose(tiny_base, rows, config, **facts) for rows in (everything, known))
    assert {t.name: t.accuracy for t in with_them.trials} == {t.name: t.accuracy for t in without.trials}
    costs = {trial.name: trial.tflops for trial in without.trials}
    assert {t.name for t in with_them.trials if t.tflops > 1.5 * costs[t.name]} == costs.keys() - {"head"}


def test_a_head_learns_from_them(tiny_base: Path) -> None:
    """Through their neighbours they make another head than the labelled rows alone, and the empty name is no class."""
    everything, facts = examples(tiny_base, n_known=8), {"modality": "text", "C": 10.0, "max_tokens": 16}
    both, alone = (
        finetune(tiny_base, rows, finetune_settings(strategy="head"), **facts)
        for rows in (everything, everything.take(np.arange(8)))
    )
    assert both.labels == alone.labels == ("cat", "money")
    assert not np.allclose(both.weight.numpy(), alone.weight.numpy())


def test_a_first_model_is_tuned_on_the_labelled_rows_alone(tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It sees no other row, has ten epochs, and says what the others are before their neighbours are asked."""
    seen: list[tuple[int, int]] = []
    asked: list[np.ndarray] = []

    def spread(features: np.ndarray, first: np.ndarray, is_known: np.ndarray) -> np.ndarray:
        asked.append(first.copy())
        return spread_labels(features, first, is_known)

    class Seen(module.Training):
        def __post_init__(self) -> None:
            seen.append((len(self.rows), self.config.n_epochs))
            super().__post_init__()

    monkeypatch.setattr(module, "spread_labels", spread)
    monkeypatch.setattr(module, "Training", Seen)
    everything = examples(tiny_base, n_known=16)
    config = finetune_settings(strategy="full", n_epochs=2)
    finetune(tiny_base, everything, config, modality="text", C=1.0, max_tokens=16)
    assert seen == [(16, FIRST_EPOCHS), (56, 2)]
    alone = finetune(tiny_base, everything.take(np.arange(16)), first_of(config), modality="text", C=1.0, max_tokens=16)
    assert np.allclose(asked[0][16:], predict(alone, everything.contents[16:]), atol=1e-6)
    assert (asked[0][:16].max(axis=1) == 1).all()


def test_a_first_model_that_is_done_is_not_trained_again(tiny_base: Path, tmp_path: Path) -> None:
    """Killed in the second training, the same call goes on there, and ends with the bits of an undisturbed one."""
    everything, facts = examples(tiny_base, n_known=16), {"modality": "text", "C": 1.0, "max_tokens": 16}
    config = finetune_settings(strategy="full", n_epochs=2)
    checkpoint = Checkpoint(tmp_path / "one.safetensors", "a training", clock=lambda: 0.0, seconds=0.0)
    notes: list[str] = []

    def stop(_done: int, _total: int, note: str) -> None:
        notes.append(note)
        if note.startswith("epoch 2 of 2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finetune(tiny_base, everything, config, checkpoint=checkpoint, progress=stop, **facts)
    assert any(note.startswith("epoch 10 of 10") for note in notes)
    again: list[str] = []
    resumed = finetune(
        tiny_base, everything, config, checkpoint=checkpoint, progress=lambda _d, _t, note: again.append(note), **facts
    )
    assert not any("of 10" in note for note in again)
    assert any(note.startswith("goes on after step") for note in again)
    whole = finetune(tiny_base, everything, config, **facts)
    assert (resumed.weight == whole.weight).all()
    tensors = whole.encoder.network.state_dict()
    assert all((tensor == tensors[name]).all() for name, tensor in resumed.encoder.network.state_dict().items())
