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
from graft.modality import MODALITIES
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
    """A classifier of texts or images, with scikit-learn's names. Contents are texts, or the bytes of image files."""

    classifier: Classifier

    @property
    def classes_(self) -> tuple[str, ...]:
        """The labels, in the order of ``predict_proba``'s columns."""
        return self.classifier.labels

    def transform(self, contents: Contents) -> npt.NDArray[np.float32]:
        """Return the encoder's features.

        Args:
            contents: n texts, or n image files as bytes.

        Returns:
            shape (n, d), each row of unit norm.

        Raises:
            ValueError: no contents, or not of the model's kind.
            InputError: an image cannot be read.
        Cost: one forward pass for each content.
        """
        kind = bytes if MODALITIES[self.classifier.encoder.modality].is_binary else str
        if isinstance(contents, str | bytes) or not len(contents) or not all(isinstance(row, kind) for row in contents):
            raise ValueError(f"contents are a list of one or more {kind.__name__}")
        return features_of(self.classifier, list(contents))

    def predict_proba(self, contents: Contents) -> npt.NDArray[np.float32]:
        """Return the probability of each class.

        Args:
            contents: n texts, or n image files as bytes.

        Returns:
            shape (n, classes), in [0, 1], each row summing to 1; columns in the order of ``classes_``.

        Raises:
            ValueError: no contents, or not of the model's kind.
            InputError: an image cannot be read.
        Cost: one forward pass for each content.
        """
        return score(self.classifier, self.transform(contents))

    def predict(self, contents: Contents) -> npt.NDArray[np.str_]:
        """Return the most probable class of each content.

        Args:
            contents: n texts, or n image files as bytes.

        Returns:
            labels, shape (n,).

        Raises:
            ValueError: no contents, or not of the model's kind.
            InputError: an image cannot be read.
        Cost: one forward pass for each content.
        """
        predicted: npt.NDArray[np.str_] = np.array(self.classes_)[self.predict_proba(contents).argmax(axis=1)]
        return predicted


def load_model(folder: Path | str) -> Model:
    """Load a model that Graft has made. Only safetensors and JSON are read, and no model hub is asked.

    Args:
        folder: the model's folder, such as ``registry/RECIPE/0001``.

    Returns:
        the model, on the GPU where there is one, else on the CPU.

    Raises:
        InputError: the folder is missing, or holds no model that Graft has made.
        TamperError: one of its files is damaged. ``graft audit`` says whether the model is the one that was promoted.
    Cost: each file is read once.
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
    """Compare two samples. A shift is found only where the difference is both significant and large.

    Args:
        reference, current: features, shapes (n, d) and (m, d), of one encoder.
        reference_labels, current_labels: n and m classes, "" where a row has none; with both, label and concept shift are
            separated from covariate shift.
        alpha: level of all tests together, in (0, 1).
        max_auc: the AUC of the classifier between the samples from which a difference counts as large, in [0.5, 1].
        n_permutations: permutations of each test; at least 8 / alpha are made.
        max_rows: rows of each sample that the classifier uses at most.
        seed: of permutations and of the rows that are drawn.

    Returns:
        the comparison. ``shifted`` is None, with the reason in ``because``, where nothing can be tested.

    Raises:
        ValueError: not as many labels as rows, or a setting out of its range.
    Assumes: rows independent.
    Error: a shift is found where there is none with a probability of at most ``alpha``, by Holm's correction over the tests.
    Cost: linear in the rows; 1,000 + 1,000 rows of width 384 take about a second.
    Source: classifier two-sample test: Lopez-Paz & Oquab 2017; kernel test: Gretton et al. 2012; correction: Holm 1979.
    """
    for features, labels in ((reference, reference_labels), (current, current_labels)):
        if labels is not None and len(labels) != len(features):
            raise ValueError(f"{len(features)} rows have {len(labels)} labels")
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
    """A candidate compared with a champion on the same rows.

    ``verdict`` is superior, non_inferior, inferior or undecided. ``difference`` is the candidate's accuracy minus the champion's,
    in [-1, 1], with its 95% interval. ``p_value`` is McNemar's, in (0, 1].
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
    """Compare a candidate with a champion by their predictions for n test rows that neither was trained on.

    Args:
        y_true, candidate, champion: n labels each.
        margin: accuracy that the candidate may lose and still count as not worse, a fraction in [0, 1).
        n_bootstrap: samples of the bootstrap.
        seed: of the bootstrap.

    Returns:
        the verdict within the margin, the paired difference of accuracy with its interval, and McNemar's p-value.

    Raises:
        ValueError: the lengths differ, or there are no rows.
    Assumes: rows independent.
    Error: that of ``graft.stats.paired_difference``: the interval covers in 93% to 97% of cases where it says 95%.
    Cost: O(n + n_bootstrap).
    Source: non-inferiority by a confidence interval: Piaggio et al. 2012 (CONSORT); interval: Efron & Tibshirani 1993, ch. 13;
        test: McNemar 1947.
    """
    true, *predicted = (np.asarray(labels, dtype=str) for labels in (y_true, candidate, champion))
    if len({len(true), *map(len, predicted)}) != 1 or not len(true):
        raise ValueError(
            f"y_true, candidate and champion have {len(true)}, {len(predicted[0])} and {len(predicted[1])} rows"
        )
    candidate_hits, champion_hits = (labels == true for labels in predicted)
    difference = paired_difference(
        candidate_hits, champion_hits, rng=np.random.default_rng(seed), n_bootstrap=n_bootstrap
    )
    return Judgement(champion_verdict(difference, margin=margin), difference, mcnemar(candidate_hits, champion_hits))


def verify_ledger(ledger: Path | str, keys: Path | str) -> LedgerTally:
    """Verify every entry, signature and record of a ledger, and count them.

    Args:
        ledger: its folder, or ``s3://BUCKET/PREFIX``.
        keys: folder with the public keys that you trust. ``graft audit`` is stricter: it trusts those alone that git's last
            commit has.

    Returns:
        numbers of runs, promotions, signatures and records.

    Raises:
        InputError: the folder of the ledger is missing.
        TamperError: the first file that was altered, or is missing.
    Cost: every file is read once.
    Source: in-toto Statement v1 in DSSE envelopes, ECDSA over P-256.
    """
    place = ledger if isinstance(ledger, str) and ledger.startswith("s3://") else Path(ledger)
    if isinstance(place, Path) and not place.is_dir():
        raise InputError("There is no ledger.", where=str(place), do="give a folder such as ledger")
    tally = LedgerTally()
    verify(Ledger(place, Keyring(Path(keys))), tally)
    return tally
