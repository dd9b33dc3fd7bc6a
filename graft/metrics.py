"""The registry of metrics, each by its id. It holds data alone, so that reading a record imports nothing that computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from graft.errors import InputError, nearest

Unit = Literal["points", "fraction", "rows", "auc", "uses"]
"""What ``Estimate.unit`` may be; it says what each means."""
Needs = Literal["labels", "scores", "features", "rows", "none"]
"""``labels``: true and predicted ones. ``scores``: probabilities, beside true labels or a reference's. ``features``: of both
samples, or features and labels. ``rows``: the rows as they were read, no model. ``none``: what the ledger counts."""


@dataclass(frozen=True)
class Metric:
    """A quantity that is measured.

    ``greater_is_better`` says which side of a bound is allowed: a check asks for at least the bound, or at most. ``interval``
    holds the values that ``Estimate.method`` may have: how the interval is made. Empty: the metric has none yet, so no check of
    it can be made. What each method assumes stands where it is computed, in ``graft.stats``.
    """

    id: str
    unit: Unit
    greater_is_better: bool
    needs: Needs
    interval: tuple[str, ...]


_PAIRED = ("paired bootstrap", "score")
_ALL = (
    Metric("accuracy", "fraction", True, "labels", ("Wilson",)),
    Metric("recall", "fraction", True, "labels", ("Wilson",)),
    Metric("macro_f1", "fraction", True, "labels", ("bootstrap",)),
    # Two models on the same rows.
    Metric("accuracy_difference", "points", True, "labels", _PAIRED),
    # The same on an ancestor's test rows, each with a head fitted anew; "none" where there is nothing to measure with.
    Metric("retention", "points", True, "labels", (*_PAIRED, "none")),
    # The same with the ancestor's own head, and its mean over all ancestors.
    Metric("backward_transfer", "points", True, "labels", (*_PAIRED, "mean, normal")),
    # One model on two sets of rows: a group and all others, or current and reference.
    Metric("accuracy_gap", "points", True, "labels", ("Newcombe",)),
    Metric("calibration_error", "fraction", False, "scores", ()),
    # What a base's frozen features know of the task, cross-validated.
    Metric("probe_accuracy", "fraction", True, "features", ("Wilson",)),
    Metric("knn_accuracy", "fraction", True, "features", ("Wilson",)),
    # How well two samples can be told apart, and what the champion says of rows that are new to it.
    Metric("two_sample_auc", "auc", False, "features", ("out-of-fold AUC, DeLong",)),
    Metric("unknown_fraction", "fraction", False, "scores", ("rank test inverted",)),
    Metric("confidence_drop", "points", False, "scores", ("Welch",)),
    # Rows that break an expectation (Great Expectations' word), as a share or a number; rows of the rarest class.
    Metric("unexpected_fraction", "fraction", False, "rows", ("counted",)),
    Metric("unexpected_rows", "rows", False, "rows", ("counted",)),
    Metric("class_size", "rows", True, "rows", ("counted",)),
    Metric("test_set_uses", "uses", False, "none", ("counted",)),
)
METRICS = {metric.id: metric for metric in _ALL}


def find_metric(metric_id: str) -> Metric:
    """Return a metric by its id.

    Raises:
        InputError: there is none of that id.
    """
    if metric_id not in METRICS:
        near = nearest(metric_id, METRICS)
        do = f"did you mean {near!r}?" if near else f"metrics: {', '.join(METRICS)}"
        raise InputError(f"There is no metric {metric_id!r}.", do=do)
    return METRICS[metric_id]
