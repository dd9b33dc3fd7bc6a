"""The ways to learn that a curve compares, on a tiny base."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graft.errors import StepError
from graft.learning_curve import learners
from graft.model.encoder import embed, silent
from graft.model.examples import Examples
from graft.model.scratch import epochs_from_scratch
from tests.support.slow_cases import slow
from tests.support.tiny_models import finetune_settings

WORDS = {
    "pay": ["pay the bill", "my card", "a bill to pay", "the card please"],
    "pet": ["the cat", "a dog", "my cat and dog", "good dog"],
}
LABELS = np.array([label for label, texts in WORDS.items() for _ in texts])
TEXTS = [text for texts in WORDS.values() for text in texts]
ORDER = np.array([0, 4, 1, 5, 2, 6, 3, 7])


@pytest.fixture
def curve_setup(tiny_base: Path) -> learners.ArmInputs:
    """Eight texts of two classes, which are the test rows as well."""
    features, _ = embed(tiny_base, TEXTS, modality="text", max_tokens=16)
    rows = Examples(TEXTS, features, LABELS)
    config = finetune_settings(n_epochs=1)
    return learners.ArmInputs(
        tiny_base, "text", 16, config, n_folds=2, max_rows=100, train=rows, unlabelled=None, test=rows
    )


LEARN = {
    "transfer": learners.transfer,
    "frozen_probe": learners.frozen_probe,
    "scratch": learners.scratch,
    "random_encoder": learners.random_encoder,
    "shuffled_labels": learners.shuffled_labels,
}


@pytest.mark.parametrize("name", LEARN)
@pytest.mark.parametrize("n", [2, *slow(4, 8)])
def test_each_arm_learns_from_any_number_of_rows(curve_setup: learners.ArmInputs, name: str, n: int) -> None:
    """With one row of each class nothing can be chosen by folds, and each arm learns all the same; twice the same."""
    first, again = (LEARN[name](curve_setup, ORDER, n, 0, silent).predict(curve_setup.test) for _ in range(2))
    assert first.tolist() == again.tolist()
    assert set(first) <= set(LABELS)


def test_a_probe_of_one_row_each_takes_the_middle_penalty(curve_setup: learners.ArmInputs) -> None:
    """With two rows of each class the penalty is chosen among those of the grid."""
    assert learners.frozen_probe(curve_setup, ORDER, 2, 0, silent).chosen == {"C": learners.C_UNTUNED}
    assert learners.frozen_probe(curve_setup, ORDER, 4, 0, silent).chosen["C"] in learners.GRID
    assert learners.scratch(curve_setup, ORDER, 2, 0, silent).chosen == {}


def test_transfer_by_a_head_is_the_frozen_probe(curve_setup: learners.ArmInputs) -> None:
    """The strategy head tunes nothing, so both say the same."""
    head = replace(curve_setup, config=finetune_settings(strategy="head"))
    both = [learn(head, ORDER, 6, 1, silent).predict(head.test) for learn in (learners.transfer, learners.frozen_probe)]
    assert both[0].tolist() == both[1].tolist()


def test_rows_beyond_a_draw_are_learned_from_only_where_the_recipe_says_so(
    curve_setup: learners.ArmInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without data.unlabelled training sees the draw's rows alone; with it the others too, and their labels never."""
    seen: list[Examples] = []
    real = learners.finetune

    def look(folder: Path, examples: Examples, *given: Any, **named: Any) -> Any:
        seen.append(examples)
        return real(folder, examples, *given, **named)

    monkeypatch.setattr(learners, "finetune", look)
    learners.transfer(curve_setup, ORDER, 4, 0, silent)
    others = Examples(["a red card"], curve_setup.train.features[:1], np.array([""]))
    learners.transfer(replace(curve_setup, unlabelled=others), ORDER, 4, 0, silent)
    assert seen[0].labels.tolist() == ["pay", "pet", "pay", "pet"]
    assert seen[1].labels.tolist() == ["pay", "pet", "pay", "pet", "", "", "", "", ""]
    assert seen[1].contents[-1] == "a red card"


def test_transfer_holds_nothing_out_where_there_is_one_row_of_each_class(curve_setup: learners.ArmInputs) -> None:
    """A recipe that stops by held-out rows is followed where there are some, and else trained to its end."""
    stops = replace(curve_setup, config=finetune_settings(n_epochs=1, held_out=0.3, patience=1, interpolation="auto"))
    for n in (2, 8):
        assert len(learners.transfer(stops, ORDER, n, 0, silent).predict(stops.test)) == 8


def test_a_network_from_scratch_that_diverges_gets_nothing_right(
    curve_setup: learners.ArmInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loss that is no number is not an error of the curve: that rate has learned nothing."""

    def diverges(*_given: Any, **_named: Any) -> None:
        raise StepError("The loss is no longer a number.")

    learned = learners.scratch_network(
        replace(curve_setup, config=finetune_settings(n_epochs=1)), ORDER, 8, 0, silent, learning_rate=1e-3
    )
    assert set(learned.predict(curve_setup.test)) <= set(LABELS)
    assert learned.chosen == {"learning_rate": 1e-3, "n_epochs": 80}
    monkeypatch.setattr(learners, "train_from_scratch", diverges)
    learned = learners.scratch_network(curve_setup, ORDER, 8, 0, silent, learning_rate=1.0)
    assert not (learned.predict(curve_setup.test) == LABELS).any()


def test_training_from_scratch_sees_enough_rows() -> None:
    """Few rows are seen 80 times, many at least 10 times, and else 40,000 rows are seen in all."""
    assert [epochs_from_scratch(n) for n in (10, 500, 1000, 4000, 100_000)] == [80, 80, 40, 10, 10]
