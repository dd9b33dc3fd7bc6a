"""Rows without a label among those to train on: none is held out, and the trials of ``auto`` see none."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from graft.model.auto import choose
from graft.model.encoder import embed
from graft.model.finetune import UNLABELLED, Examples, finetune, hold_out
from tests.tiny import settings


def examples(base: Path, n_known: int = 40, n_others: int = 40) -> Examples:
    """Texts of two classes, then texts without a label; a last word makes each another."""
    texts = [f"{('refund my money', 'a red cat')[k % 2]} {k}" for k in range(n_known + n_others)]
    labels = np.array([("money", "cat")[k % 2] if k < n_known else UNLABELLED for k in range(len(texts))])
    features, _ = embed(base, texts, modality="text", max_tokens=16)
    return Examples(texts, features, labels, [f"row {k}" for k in range(len(texts))])


def test_none_is_held_out(tiny_base: Path) -> None:
    """Held-out rows all have labels, and what remains to train on keeps every row without one."""
    rows, held_out = hold_out(examples(tiny_base), settings(held_out=0.25))
    assert held_out is not None
    assert sorted(held_out.labels) == ["cat"] * 5 + ["money"] * 5
    assert (len(rows.labels), (rows.labels == UNLABELLED).sum()) == (70, 40)
    assert {*rows.names, *held_out.names} == {f"row {k}" for k in range(80)}


def test_trials_see_none_and_the_budget_counts_all(tiny_base: Path) -> None:
    """With and without them the trials have the same accuracies; training on them afterwards costs more."""
    how, facts = settings(strategy="auto", n_epochs=1), {"modality": "text", "C": 10.0, "max_tokens": 16}
    everything = examples(tiny_base)
    known = everything.take(np.arange(40))
    with_them, without = (choose(tiny_base, rows, how, **facts) for rows in (everything, known))
    assert {t.name: t.accuracy for t in with_them.trials} == {t.name: t.accuracy for t in without.trials}
    costs = {trial.name: trial.tflops for trial in without.trials}
    assert {t.name for t in with_them.trials if t.tflops > 1.5 * costs[t.name]} == costs.keys() - {"head"}


def test_a_head_learns_from_them(tiny_base: Path) -> None:
    """Through their neighbours they make another head than the labelled rows alone, and the empty name is no class."""
    everything, facts = examples(tiny_base, n_known=8), {"modality": "text", "C": 10.0, "max_tokens": 16}
    both, alone = (
        finetune(tiny_base, rows, settings(strategy="head"), **facts)
        for rows in (everything, everything.take(np.arange(8)))
    )
    assert both.labels == alone.labels == ("cat", "money")
    assert not np.allclose(both.weight.numpy(), alone.weight.numpy())
