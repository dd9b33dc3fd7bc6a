"""Intervals and tests. Every function says what it assumes, what it costs, where it comes from and what it was checked with."""

from graft.stats.accuracy import mcnemar, paired_difference, proportion, proportion_difference
from graft.stats.probe import choose_C, fit_probe
from graft.stats.transferability import knn_accuracy, leep, logme
from graft.stats.twosample import TwoSample, two_sample_test

__all__ = [
    "TwoSample",
    "choose_C",
    "fit_probe",
    "knn_accuracy",
    "leep",
    "logme",
    "mcnemar",
    "paired_difference",
    "proportion",
    "proportion_difference",
    "two_sample_test",
]
