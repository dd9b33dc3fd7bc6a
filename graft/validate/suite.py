"""The data suite that a recipe implies, run and turned into checks and findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from graft.errors import InputError
from graft.modality import MODALITIES, ContentCheck, Modality
from graft.recipe import Validate
from graft.records import Check, Finding, Measurement, Severity, check, exact
from graft.rows import COLUMN
from graft.validate import expectations as gx
from graft.validate.compact import LEARNED, N_NAMED, TEST, TRAIN, Read, Rows, Whole, gather
from graft.validate.findings import findings

_KNOWN = ("label", "group", "time", "id", "side")


@dataclass(frozen=True)
class Counted:
    """An expectation of the suite, and what its finding says where the bound is kept, if it has one."""

    expectation: gx.Expectation
    severity: Severity
    do: str
    has_finding: bool = True


def validate_rows(
    read: Read,
    *,
    modality: str,
    labels: Sequence[str],
    bounds: Validate,
    is_batch: bool = False,
    step: str = "validate",
    whole: Whole | None = None,
) -> tuple[tuple[Check, ...], tuple[Finding, ...]]:
    """Run the suite over all rows, once through.

    Args:
        read: yields frames of up to 50,000 rows, with the columns of a placed row; see ``graft.rows``.
        modality: what the contents are, a key of ``MODALITIES``.
        labels: the classes that may occur.
        bounds: the recipe's.
        is_batch: the rows are a production batch: nothing is asked about classes and sides, and a batch without any label is
            unlabelled by design.
        step: whose checks they are.
        whole: called with each finding's name and the names of all its rows; the findings themselves name the first twenty.

    Returns:
        one check per expectation (shares of rows, counted: passed or failed, never cannot tell), and what is odd about the
        rows whether it breaks a bound or not, worst first. A row that has an id and no label waits for it, and does not count
        as unlabelled, but in a batch. Rows that a repair took out do not count at all.

    Raises:
        InputError: an expectation of the recipe cannot be: unknown type, column, key or value; or an unknown language.

    Cost: linear; about 300 bytes a row at the peak, its name included, besides the columns that the recipe's expectations
        name. 5 million short texts: about 3 minutes on 2 cores, 1.8 GiB in all. What is found: docs/oddities.md.
    """
    content = MODALITIES[modality]
    content_checks = content.checks(bounds)
    own = [_own(expectation, k) for k, expectation in enumerate(bounds.expectations)]
    rows = gather(read, content, {wanted.gx.column for wanted in own}, whole)
    others = [name for name in rows.columns if name.startswith(COLUMN)]
    for wanted in own:
        gx.check_column(wanted, [*_KNOWN, *content.expectable, *others])
    is_unlabelled = is_batch and bool((rows.frame["label"] < 0).all())
    suite = [*_of_contents(content, content_checks), *_suite(content, bounds, is_unlabelled=is_unlabelled)]
    everything = [*suite, *(Counted(wanted, "note", "") for wanted in own)]
    columns = {
        **_frame(rows, labels, may_wait=not is_batch),
        **{name: rows.frame[name].to_numpy() for name in _described(content, content_checks) if name in rows.frame},
        **{name: column.to_pandas() for name, column in rows.kept.items()},
    }
    found = gx.run(columns, [counted.expectation for counted in everything])
    n, window = len(rows.frame), "batch" if is_batch else "all"
    checks, odd = [], []
    for counted, broken in zip(everything, found, strict=True):
        wanted, n_found = counted.expectation, len(broken)
        checks.append(check(f"{step}.{wanted.id}", _share(wanted.subject, window, n_found, n), wanted.max_fraction))
        is_over = checks[-1].outcome != "passed"
        if n_found and counted.has_finding:
            named = tuple(rows.names_of(broken[:N_NAMED]))
            if whole is not None:
                whole(wanted.name, rows.names_of(broken))
            done = "over its bound" if is_over else "within its bound"
            severity = "error" if is_over else counted.severity
            odd.append(
                Finding(name=wanted.name, n_rows=n_found, rows=named, severity=severity, done=done, do=counted.do)
            )
    if not is_batch:
        checks[len(suite) : len(suite)] = _structure(rows, labels, bounds.min_rows_per_class, step, content)
    odd += findings(rows, modality=content, bounds=bounds, is_batch=is_batch)
    return tuple(checks), tuple(sorted(odd, key=lambda finding: ("error", "warning", "note").index(finding.severity)))


def _own(made: dict[str, Any], k: int) -> gx.Expectation:
    """Return a recipe's expectation."""
    where = f"validate.expectations[{k}]"
    if not isinstance(made.get("column"), str):
        raise InputError("An expectation names no column.", where=where, do="add column: NAME")
    return gx.expectation(made, where)


def _of_contents(modality: Modality, checks: Sequence[ContentCheck]) -> list[Counted]:
    """Return the expectations on contents."""
    expected = [
        gx.between(
            content_check.column,
            content_check.id,
            content_check.name,
            modality.plural,
            low=content_check.low,
            high=content_check.high,
            max_fraction=content_check.max_fraction,
        )
        for content_check in checks
    ]
    return [
        Counted(wanted, content_check.severity, content_check.do, content_check.has_finding)
        for wanted, content_check in zip(expected, checks, strict=True)
    ]


def _described(modality: Modality, checks: Sequence[ContentCheck]) -> set[str]:
    """Return the columns of contents that expectations are made of."""
    return {*(content_check.column for content_check in checks), *modality.expectable}


def _suite(modality: Modality, bounds: Validate, *, is_unlabelled: bool) -> list[Counted]:
    """Return the expectations that every recipe has, whatever its rows are."""

    def none_of(check_id: str, subject: str, name: str, bound: float, severity: Severity, do: str) -> Counted:
        return Counted(gx.none_of(check_id, name, subject, bound), severity, do)

    no_label = 1.0 if is_unlabelled else bounds.max_fraction_unlabelled
    contents, twice = modality.plural, f"{modality.plural.capitalize()} with two labels"
    drop, wait = "take them out: graft validate --fix", "label them, or give them an id and wait"
    repair, choose = "mend the label, or label rows of that class", "decide which label is right"
    return [
        none_of("unknown_labels", "labels", "Labels that are unknown", 0.0, "warning", repair),
        none_of("unlabelled", "rows", "Rows without a label", no_label, "note", wait),
        none_of("duplicates", "rows", "Rows that repeat another", bounds.max_fraction_duplicates, "note", drop),
        none_of("conflicting_labels", contents, twice, bounds.max_fraction_conflicts, "warning", choose),
    ]


def _frame(rows: Rows, labels: Sequence[str], *, may_wait: bool) -> dict[str, npt.NDArray[Any]]:
    """Return the columns that the suite has expectations on."""
    label, key = rows.frame["label"].to_numpy(), rows.frame["key"]
    unlabelled = label < 0
    is_unknown = np.array([name not in set(labels) for name in rows.labels] + [False])  # the last is that of code -1
    pairs = rows.frame.loc[~unlabelled, ["key", "label"]].drop_duplicates()
    twice = pairs.loc[pairs.duplicated("key"), "key"].to_numpy()
    return {
        "unknown_labels": is_unknown[label].astype(np.int8),
        "unlabelled": (unlabelled & ~(may_wait & rows.frame["waiting"].to_numpy())).astype(np.int8),
        "duplicates": rows.frame.duplicated(["key", "label"]).to_numpy().astype(np.int8),
        "conflicting_labels": (np.isin(key.to_numpy(), twice) & ~unlabelled).astype(np.int8),
    }


def _structure(
    rows: Rows, labels: Sequence[str], min_rows_per_class: int, step: str, modality: Modality
) -> list[Check]:
    """Return the checks on classes and on the border between train and test."""
    label, side, key = (rows.frame[name].to_numpy() for name in ("label", "side", "key"))
    code = {name: k for k, name in enumerate(rows.labels)}
    in_train = np.bincount(label[(side == TRAIN) & (label >= 0)], minlength=len(code))
    counts = [int(in_train[code[name]]) if name in code else 0 for name in labels]
    rarest = int(np.argmin(counts))
    n_train, is_test = int((side == TRAIN).sum()), side == TEST
    crossing = int((np.isin(side, LEARNED) & np.isin(key, key[is_test])).sum())
    unseen = int((~np.isin(label[is_test], label[side == TRAIN])).sum())

    def on_test(check_id: str, subject: str, n_found: int) -> Check:
        counted_rows = exact(n_found, int(is_test.sum()))
        measured = Measurement(
            metric="unexpected_rows", subject=subject, against="train", window="test", estimate=counted_rows
        )
        return check(f"{step}.{check_id}", measured, 0)

    smallest = exact(counts[rarest], n_train)
    measured = Measurement(metric="class_size", subject="rows", window="train", estimate=smallest)
    return [
        check(f"{step}.rarest_class", measured, min_rows_per_class, note=f"rarest class: {labels[rarest]}"),
        on_test("test_in_train", modality.plural, crossing),
        on_test("unseen_classes", "rows", unseen),
    ]


def _share(subject: str, window: str, n_found: int, n: int) -> Measurement:
    share = exact(n_found / max(1, n), n, unit="fraction")
    return Measurement(metric="unexpected_fraction", subject=subject, window=window, estimate=share)
