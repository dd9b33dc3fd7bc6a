"""A transfer that harms is caught, one that cannot harm is never accused: 50 bases each, pretrained in the test."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from graft.evaluation.baselines import CANDIDATE, PROBE, SCRATCH, SCRATCH_NETWORK
from graft.evaluation.compare import compare_arms, transfer_verdict
from graft.model.budget import epochs_within, forward_flops, run_flops
from graft.model.classifier import predict
from graft.model.encoder import embed
from graft.model.examples import Examples
from graft.model.finetune import finetune
from graft.model.scratch import SCRATCH_RATE, best_from_scratch, fit_scratch
from graft.stats import choose_C, fit_probe
from tests.support.tiny_models import WORDS, finetune_settings, write_trained_base

N_SEEDS = 50
CLASSES, SIGNAL, LENGTH = 3, 2, 9
Rows = tuple[list[str], np.ndarray]


def draw(n: int, rng: np.random.Generator) -> Rows:
    """Return texts of nine words, two of which are of the third of all words that belongs to their class."""
    words, labels = np.array(WORDS.split()), rng.integers(0, CLASSES, n)
    own = np.array_split(words, CLASSES)
    texts = [
        " ".join(rng.permutation([*rng.choice(own[k], SIGNAL), *rng.choice(words, LENGTH - SIGNAL)])) for k in labels
    ]
    return texts, np.array([f"c{k}" for k in labels])


def verdict(base: Path, train: Rows, test: Rows, seed: int) -> tuple[str, str]:
    """Return what evaluate would say of a candidate with a head on this base, every arm with the same rows.

    First with the cheap arms alone, as by default, then with ``evaluate.from_scratch``.
    """
    facts = {"modality": "text", "max_tokens": 32}
    (texts, labels), (asked, truth) = train, test
    features, others = (embed(base, one, modality="text", max_tokens=32)[0] for one in (texts, asked))
    C, _ = choose_C(features, labels, n_folds=3, seed=seed)
    config, examples = finetune_settings(strategy="head", seed=seed), Examples(texts, features, labels)
    candidate = finetune(base, examples, config, C=C, **facts)
    forward = forward_flops(candidate.encoder, texts)
    spent = run_flops(candidate.encoder, examples, config, forward=forward)
    n_epochs, _ = epochs_within(len(texts), spent, forward=forward)
    alike = config.model_copy(update={"n_epochs": n_epochs, "learning_rate": SCRATCH_RATE})
    network = best_from_scratch(base, texts, labels, alike, **facts)
    said = {
        CANDIDATE: np.array(candidate.labels)[predict(candidate, asked).argmax(axis=1)],
        SCRATCH_NETWORK: np.array(network.labels)[predict(network, asked).argmax(axis=1)],
        SCRATCH: fit_scratch(texts, labels, modality="text").predict(asked),
        PROBE: fit_probe(features, labels, C=C).predict(others),
    }
    _, differences, _ = compare_arms(truth, said, rng=np.random.default_rng(seed), n_bootstrap=2000)
    by_default = {arm: one for arm, one in differences.items() if arm != SCRATCH_NETWORK}
    cheap, asked_for = (transfer_verdict(arms, margin_probe=0.04, rope=0.01) for arms in (by_default, differences))
    return cheap, asked_for


@pytest.mark.long
@pytest.mark.parametrize("is_permuted", [True, False])
def test_planted_negative_transfer(tmp_path: Path, is_permuted: bool) -> None:
    """Bases pretrained on permuted labels are called negative at least 45 times in 50; on the target's own task never.

    The same by default as with the network from scratch that a recipe may ask for.
    """
    by_default, asked_for = Counter[str](), Counter[str]()
    for seed in range(N_SEEDS):
        rng = np.random.default_rng(seed)
        source, target, test = draw(1500, rng), draw(120, rng), draw(500, rng)
        shown = source[0], rng.permutation(source[1]) if is_permuted else source[1]
        base = write_trained_base(tmp_path / str(seed), *shown, seed=seed)
        cheap, with_network = verdict(base, target, test, seed)
        by_default[cheap] += 1
        asked_for[with_network] += 1
    for verdicts in (by_default, asked_for):
        if is_permuted:
            assert verdicts["negative"] >= 0.9 * N_SEEDS
        else:
            assert verdicts["negative"] == 0
