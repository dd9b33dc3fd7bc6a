"""The front door: what a notebook or a service asks of Graft, one call each. ``import graft`` has all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from graft.errors import InputError
from graft.evaluation.compare import champion_verdict
from graft.ledger import Keyring, Ledger, LedgerTally
from graft.ledger import verify_ledger as verify
from graft.model.classifier import Classifier, features_of, score
from graft.model.encoder import Contents
from graft.model.folder import load_model as load_classifier
from graft.model.settings import SETTINGS
from graft.recipe.schema import DetectShift
from graft.records import ChampionVerdict, Estimate, ShiftComparison
from graft.shift.compare import compare
from graft.shift.sample import Sample
from graft.stats import mcnemar, paired_difference


@dataclass(frozen=True)
class Model:
    """A classifier of texts or images, with scikit-learn's words. Contents are texts, or the bytes of image files."""

    classifier: Classifier

    @property
    def classes_(self) -> tuple[str, ...]:
        """The labels, in the order of ``predict_proba``'s columns."""
        return self.classifier.labels

    def transform(self, contents: Contents) -> npt.NDArray[np.float32]:
        """Return the encoder's features, shape (n, d), each of unit norm for texts. Cost: one forward pass a content."""
        return features_of(self.classifier, contents)

    def predict_proba(self, contents: Contents) -> npt.NDArray[np.float32]:
        """Return the probability of each class, shape (n, classes), rows summing to 1. Cost: one forward pass a content."""
        return score(self.classifier, self.transform(contents))

    def predict(self, contents: Contents) -> npt.NDArray[np.str_]:
        """Return the most probable label of each content, shape (n,)."""
        predicted: npt.NDArray[np.str_] = np.array(self.classes_)[self.predict_proba(contents).argmax(axis=1)]
        return predicted


def load_model(folder: Path | str) -> Model:
    """Return the model in a folder, such as ``registry/RECIPE/0001``. Only safetensors and JSON are read, and no hub is asked.

    Raises:
        InputError: nothing is there, or no model of Graft's.
        TamperError: a file of it is damaged. Whether it is the one that was promoted says ``graft audit``.
    """
    place = Path(folder)
    if not (place / SETTINGS).is_file():
        what = f"{place.name or place} is no model of Graft's."
        raise InputError(what, where=f"{place} has no {SETTINGS}", do="give a folder such as registry/RECIPE/0001")
    return Model(load_classifier(place))


def detect_shift(
    reference: npt.NDArray[np.float32],
    current: npt.NDArray[np.float32],
    *,
    reference_labels: Sequence[str] | None = None,
    current_labels: Sequence[str] | None = None,
    alpha: float = 0.01,
    max_auc: float = 0.65,
    n_permutations: int = 999,
    max_rows: int = 1000,
    seed: int = 0,
) -> ShiftComparison:
    """Return how two samples differ. A shift is found only if it is significant and large.

    Args:
        reference, current: features, shapes (n, d) and (m, d), of one encoder.
        reference_labels, current_labels: n and m classes, "" where a row has none; with both, label and concept shift are
            separated from covariate shift.
        alpha: level over all tests that are made.
        max_auc: the largest AUC of a classifier that tells the samples apart which is no shift yet, in [0.5, 1].
        n_permutations: of each test; at least 8 / alpha are made.
        max_rows: rows of each sample that the classifier sees at most.

    Returns:
        the comparison. ``shifted`` is None, with the reason in ``because``, where nothing can be tested.

    Assumes: rows independent.
    Error: of a shift being found where there is none: at most ``alpha``, by Holm over the tests.
    Cost: linear in the rows; 1,000 + 1,000 rows of width 384 take about a second.
    """
    settings = DetectShift(alpha=alpha, max_auc=max_auc, n_permutations=n_permutations, max_rows=max_rows)
    return compare(
        "Current against reference",
        _sample("reference", reference, reference_labels),
        _sample("current", current, current_labels),
        settings,
        rng=np.random.default_rng(seed),
    )


def _sample(name: str, features: npt.NDArray[np.float32], labels: Sequence[str] | None) -> Sample:
    return Sample(name, features, None if labels is None else np.array(labels, dtype=str))


@dataclass(frozen=True)
class Judgement:
    """A candidate against a champion on the same rows.

    ``verdict``: superior, non_inferior, inferior or undecided. ``difference``: of accuracy, candidate minus champion, with its
    95% interval. ``p_value``: McNemar's.
    """

    verdict: ChampionVerdict
    difference: Estimate
    p_value: float


def judge(
    y_true: Sequence[str],
    candidate: Sequence[str],
    champion: Sequence[str],
    *,
    margin: float = 0.02,
    n_bootstrap: int = 10_000,
    seed: int = 0,
) -> Judgement:
    """Return whether a candidate may replace a champion, by what both say of n test rows that neither was trained on.

    Args:
        y_true, candidate, champion: n labels each.
        margin: accuracy that the candidate may lose.

    Raises:
        ValueError: the lengths differ, or there are no rows.
    Assumes: rows independent.
    Cost: O(n + n_bootstrap).
    """
    true, *predicted = (np.asarray(labels, dtype=str) for labels in (y_true, candidate, champion))
    if len({len(true), *map(len, predicted)}) != 1 or not len(true):
        raise ValueError(
            f"y_true, candidate and champion have {len(true)}, {len(predicted[0])} and {len(predicted[1])} rows"
        )
    ours, theirs = (labels == true for labels in predicted)
    difference = paired_difference(ours, theirs, rng=np.random.default_rng(seed), n_bootstrap=n_bootstrap)
    return Judgement(champion_verdict(difference, margin=margin), difference, mcnemar(ours, theirs))


def verify_ledger(ledger: Path | str, keys: Path | str) -> LedgerTally:
    """Verify every entry, signature and record of a ledger, and return what was counted.

    Args:
        ledger: its folder, or ``s3://BUCKET/PREFIX``.
        keys: folder with the public keys that are trusted. Whose they are is not asked here: ``graft audit`` takes those alone
            that git's last commit has.

    Raises:
        TamperError: the first thing that was altered, or is missing.
    Cost: every file is read once.
    """
    place = ledger if isinstance(ledger, str) and ledger.startswith("s3://") else Path(ledger)
    tally = LedgerTally()
    verify(Ledger(place, Keyring(Path(keys))), tally)
    return tally
