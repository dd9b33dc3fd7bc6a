"""What people call a check: the English of checks stands here and nowhere else."""

from __future__ import annotations

from graft.records import Check

TITLES = {
    "validate.empty": "Texts that are empty",
    "validate.too_long": "Texts above 20,000 characters",
    "validate.encoding_damage": "Texts with encoding damage",
    "validate.unknown_labels": "Labels that are unknown",
    "validate.unlabelled": "Rows without a label",
    "validate.duplicates": "Rows that repeat another",
    "validate.conflicting_labels": "{Subject} with two labels",
    "validate.rarest_class": "Rows of the rarest class",
    "validate.test_in_train": "Test {subject} that stand in train",
    "validate.unseen_classes": "Test rows of classes not in train",
    "detect_shift.test_against_train": "Test rows against training rows",
    "choose_base.probe_accuracy": "Probe accuracy over the most frequent class",
    "evaluate.accuracy": "Accuracy",
    "evaluate.gain.scratch": "Gain over training from scratch",
    "evaluate.gain.scratch_network": "Gain over the same network from scratch",
    "evaluate.gain.frozen_probe": "Gain over the frozen probe",
    "evaluate.gain.champion": "Gain over the champion",
    "evaluate.gain.best_champion": "Gain over the best champion so far",
    "evaluate.retention": "Kept of {against}",
    "evaluate.test_set_uses": "Uses of the test set",
    "measure_bias.accuracy_gap": "Accuracy gap, {group}",
}
"""By the id of a check, without what stands in brackets. A batch is checked as a dataset is."""


def title(check: Check) -> str:
    """Return what people call a check.

    An expectation of a recipe, and a check that an older version called by a name of its own, are called by their subject; a
    check that a modality brings and that is not listed here by subject and id.
    """
    measurement, kind = check.measurement, check.kind.replace("monitor.", "validate.", 1)
    if kind in TITLES:
        group = measurement.subject.replace("=", " ", 1)
        subject, against = measurement.subject, measurement.against
        return TITLES[kind].format(subject=subject, Subject=subject.capitalize(), against=against, group=group)
    if kind.endswith(".named") or kind.startswith("validate.expect_"):
        return measurement.subject
    return f"{measurement.subject.capitalize()}: {kind.partition('.')[2].replace('_', ' ')}"
