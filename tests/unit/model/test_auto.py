"""What a training costs by the fixed table, and what is chosen under a budget."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from graft.errors import InputError
from graft.model import auto, budget, lora
from graft.model.auto import Choice, choose
from graft.model.checkpoint import Checkpoint
from graft.model.encoder import embed, load_encoder
from graft.model.examples import Examples
from graft.recipe import Finetune
from tests.support.slow_cases import slow
from tests.support.tiny_models import WORDS, finetune_settings, write_tiny_image_base
from tests.unit.model.test_image_model import Digits

TOKENS = 20
Chosen = Callable[..., Choice]


def test_forward_passes_cost_what_is_known(tiny_base: Path) -> None:
    """A text of 20 tokens: twice the weights of linear layers a token, and 4 x width x tokens^2 a layer of attention."""
    encoder = load_encoder(tiny_base, "text", max_tokens=32)
    text = " ".join(["cat"] * (TOKENS - 2))
    linear = [m for name, m in encoder.network.encoder.named_modules() if isinstance(m, torch.nn.Linear)]
    known = 2 * TOKENS * sum(m.weight.numel() for m in linear) + 2 * 4 * 32 * TOKENS**2
    pooler = 2 * 32 * 32  # of the first token; it is computed, though no feature comes from it
    assert budget.forward_flops(encoder, [text] * 3) == pytest.approx(known + pooler, rel=0.02)
    longer = budget.forward_flops(encoder, [text, "cat"])
    assert budget.forward_flops(encoder, ["cat"]) < longer < known


def test_forward_passes_over_images_cost_what_is_known(tmp_path: Path, digits: Digits) -> None:
    """A vision transformer: 16 patches and the class token through two layers, and the patches' projection."""
    encoder = load_encoder(write_tiny_image_base(tmp_path / "vit", architecture="vit"), "image", max_tokens=0)
    per_layer = 4 * 32 * 32 + 2 * 32 * 64
    known = 2 * 17 * 2 * per_layer + 2 * 4 * 32 * 17**2 + 2 * 16 * 3 * 8 * 8 * 32 + 2 * 32 * 32
    assert budget.forward_flops(encoder, digits[0][:2]) == pytest.approx(known, rel=0.02)


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [("head", 0), ("full", 3 * 2), ("lora", 2 * 2), ("contrastive", 3 * 2 + 1), ("top_k", 0.5 + 3 * 2 * 0.5)],
)
def test_trainings_cost_what_the_table_says(tiny_base: Path, strategy: str, expected: float) -> None:
    """Two epochs over ten rows, in forward passes over them, with one of two layers trained by ``top_k``."""
    encoder = load_encoder(tiny_base, "text", max_tokens=32)
    config = finetune_settings(strategy=strategy, n_epochs=2, n_layers=1)
    assert budget.training_flops(encoder, config, 10, forward=7.0) == pytest.approx(10 * 7.0 * expected)


def planted(base: Path, n: int = 160) -> Examples:
    """Texts whose class one word in twelve says: their mean over tokens hardly shows it."""
    rng = np.random.default_rng(3)
    noise = WORDS.split()[:30]
    labels = np.array(["good", "bad"])[rng.integers(0, 2, n)]
    words = [rng.choice(noise, 11).tolist() for _ in labels]
    for row, label in zip(words, labels, strict=True):
        row.insert(int(rng.integers(0, 12)), str(label))
    texts = [" ".join(row) for row in words]
    return Examples(texts, embed(base, texts, modality="text", max_tokens=32)[0], labels)


@pytest.fixture(scope="module")
def chosen(tiny_base: Path) -> Chosen:
    """Choose for the planted task."""
    examples = planted(tiny_base)

    def run(examples: Examples = examples, **changed: object) -> Choice:
        config = finetune_settings(
            **{"strategy": "auto", "n_epochs": 4, "learning_rate": 3e-3, "n_layers": 1, **changed}
        )
        return choose(tiny_base, examples, config, modality="text", C=1.0, max_tokens=32)

    return run


@pytest.mark.slow
def test_a_tuned_strategy_where_tuning_helps(chosen: Chosen) -> None:
    """Where features hide the class and tokens show it, a strategy that tunes the encoder is chosen, twice the same one."""
    first = chosen()
    crossed = {trial.name: trial.cross_validated for trial in first.trials if trial.cross_validated is not None}
    taken = next(trial for trial in first.trials if trial.is_chosen)
    assert len({name.split()[0] for name in crossed}) == len(crossed) == 1 + auto.N_FINALISTS
    assert first.config.strategy != "head"
    assert taken.name.startswith(first.config.strategy)
    assert crossed[taken.name] > crossed["head"] + 0.1
    assert crossed[taken.name] == max(crossed.values())
    assert chosen() == first


def test_rates_are_tried_around_that_of_the_recipe(chosen: Chosen, tiny_base: Path) -> None:
    """Each strategy at its own rates; what is chosen is trained with the rate that it was tried with."""
    choice = chosen(planted(tiny_base, 40), learning_rate=1e-3, n_epochs=1)
    names = {trial.name for trial in choice.trials}
    assert {"full 0.001", "full 0.003", "top_k 0.001", "top_k 0.003", "lora 0.01", "head"} <= names
    taken = next(trial.name for trial in choice.trials if trial.is_chosen)
    assert choice.config.strategy == "head" or taken == f"{choice.config.strategy} {choice.config.learning_rate:g}"


@pytest.mark.parametrize(("leans", "expected"), [(False, "head"), (True, "full 0.1")])
def test_more_rows_lean_to_tuning(leans: bool, expected: str) -> None:
    """One row of thirty better: the head is taken on the rows that were tried on, and tuning where many more are to come."""
    hits = {"head": np.arange(30) < 20, "full 0.1": abs(np.arange(30) - 11) < 10}
    assert auto._best(hits, leans_to_tuning=leans) == expected
    hits["head"] = np.arange(30) < 28
    assert auto._best(hits, leans_to_tuning=leans) == "head"


@pytest.mark.slow
def test_the_head_where_the_probe_is_perfect(chosen: Chosen, tiny_base: Path) -> None:
    """Where the probe makes no mistake nothing is tuned, though others make none either."""
    texts = ["money refund"] * 15 + ["red cat tree"] * 15
    features, _ = embed(tiny_base, texts, modality="text", max_tokens=32)
    choice = chosen(Examples(texts, features, np.repeat(["bill", "pet"], 15)))
    assert choice.config.strategy == "head"
    assert {trial.accuracy for trial in choice.trials} == {1.0}


@pytest.mark.parametrize("share", [0.15, *slow(0.5, 1.0)])
def test_the_budget_is_kept(chosen: Chosen, tiny_base: Path, share: float) -> None:
    """Trials that were made, and the training that follows, stay within the budget by the table; others are not tried."""
    examples = planted(tiny_base)
    encoder = load_encoder(tiny_base, "text", max_tokens=32)
    forward = budget.forward_flops(encoder, examples.contents)
    n = len(examples.labels)

    def cost(name: str, n_rows: float) -> float:
        config = finetune_settings(strategy=name.split(maxsplit=1)[0], n_epochs=4, n_layers=1)
        return budget.training_flops(encoder, config, n_rows, forward=forward) / budget.TERA

    everything = 3 * cost("full", n) + 2 * 3 * cost("full", 2 / 3 * n)
    choice = chosen(budget=share * everything)
    spent = cost(choice.config.strategy, n)
    for trial in choice.trials:
        if trial.accuracy is not None:
            spent += cost(trial.name, n / 3)
        if trial.cross_validated is not None:
            spent += 3 * cost(trial.name, 2 / 3 * n)
    assert 0 < spent <= share * everything
    assert any(trial.cross_validated is not None for trial in choice.trials) == (share == 1)
    assert any(trial.accuracy is None for trial in choice.trials) == (share < 0.3)
    assert sum(trial.is_chosen for trial in choice.trials) == 1


def test_a_budget_too_small(chosen: Chosen) -> None:
    """A budget that allows no trial is refused, with what the cheapest takes."""
    with pytest.raises(
        InputError, match=r"finetune.budget allows 1e-09 TFLOPs, and the cheapest trial, \w+ [\d.]+, takes"
    ) as said:
        chosen(budget=1e-9)
    assert "strategy: head" in said.value.do


@pytest.mark.slow
def test_what_cannot_be_tried_is_left_out(chosen: Chosen, tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without peft no lora, with several processes or patience no contrast, and no top_k where a base cannot be cut."""
    few = planted(tiny_base, 24)

    def names(**changed: object) -> set[str]:
        return {trial.name.split()[0] for trial in chosen(few, n_epochs=1, **changed).trials}

    assert names() == {"head", "full", "lora", "top_k", "contrastive"}
    assert names(n_processes=2) == {"head", "full", "lora", "top_k"}
    assert names(patience=1, held_out=0.2) == {"head", "full", "lora", "top_k"}
    monkeypatch.setattr(lora, "find_spec", lambda _name: None)
    assert names() == {"head", "full", "top_k", "contrastive"}
    monkeypatch.setattr(auto, "Cut", refuse)
    assert names() == {"head", "full", "contrastive"}


def refuse(*_: object) -> None:
    raise InputError("This base cannot be cut between two layers.")


def test_too_few_rows_a_class(chosen: Chosen, tiny_base: Path) -> None:
    """Without a class of three rows nothing can be cross-validated: the sentence names what can be done."""
    texts = ["money", "cat", "tree", "money money", "cat cat"]
    features, _ = embed(tiny_base, texts, modality="text", max_tokens=32)
    with pytest.raises(InputError, match="no class has three of 5 rows") as said:
        chosen(Examples(texts, features, np.array(["a", "b", "c", "a", "b"])))
    assert "strategy: head" in said.value.do


@pytest.mark.slow
def test_a_finished_trial_is_not_made_again(chosen: Chosen, tiny_base: Path, tmp_path: Path) -> None:
    """A killed choice goes on behind the trials that had ended, and chooses the same; what is kept of those is small."""

    def kept(config: Finetune, name: str) -> Checkpoint:
        return Checkpoint(tmp_path / f"{name}.safetensors", f"{name} {config}", clock=lambda: 0.0, seconds=1e9)

    examples = planted(tiny_base)
    facts = {"modality": "text", "C": 1.0, "max_tokens": 32, "checkpoint_of": kept}
    config = finetune_settings(strategy="auto", n_epochs=2, learning_rate=3e-3, n_layers=1)
    notes: list[str] = []

    def stop(_done: int, _total: int, note: str) -> None:
        notes.append(note.split(",", maxsplit=1)[0])
        if len(set(notes)) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        choose(tiny_base, examples, config, progress=stop, **facts)
    ended = set(notes[:-1]) - {notes[-1]}
    assert len(ended) == 3
    assert all(
        path.stat().st_size < 10_000 for path in tmp_path.glob("*.safetensors") if notes[-1][6:] not in path.stem
    )
    again: list[str] = []
    choice = choose(
        tiny_base, examples, config, progress=lambda _d, _t, note: again.append(note.split(",")[0]), **facts
    )
    first_round = again[: again.index(notes[-1]) + 1]
    assert not ended & set(first_round)
    assert choice == choose(tiny_base, examples, config, modality="text", C=1.0, max_tokens=32)
