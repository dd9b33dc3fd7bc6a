"""The Great Expectations suite that a recipe implies, run, and turned into checks. GX objects end here."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

os.environ["GX_ANALYTICS_ENABLED"] = "false"

import pandas as pd

from graft.records import Check, Estimate, Finding, check, exact
from graft.validate.features import DAMAGE, ODDITIES, describe_texts

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of GX's own imports
    import great_expectations as gx
    import great_expectations.expectations as gxe

MAX_CHARS = 20_000
_N_NAMED = 20


@dataclass(frozen=True)
class Expectation:
    """A GX expectation, what people call it, and the share of rows that may break it."""

    name: str
    gx: gxe.Expectation
    max_fraction: float


def validate_rows(
    rows: pd.DataFrame,
    *,
    labels: Sequence[str],
    max_fraction_damaged: float,
    max_fraction_duplicates: float,
    max_fraction_conflicts: float,
    max_fraction_unlabelled: float,
    min_rows_per_class: int | None,
    step: str = "validate",
) -> tuple[tuple[Check, ...], tuple[Finding, ...]]:
    """Run the suite.

    Args:
        rows: columns row (a name for people), text, label ("" for none), key, side.
        labels: the classes that may occur.
        max_fraction_...: bounds, each a share of all rows in [0, 1].
        min_rows_per_class: training rows that each class needs; None where the rows are a production batch.

    Returns:
        one check per expectation (shares of rows, counted: passed or failed, never cannot tell), and what is odd about the
        rows whether it breaks a bound or not.

    Cost: O(rows); about 2 s of imports.
    """
    frame = pd.concat([rows.reset_index(drop=True), describe_texts(rows["text"].reset_index(drop=True))], axis=1)
    frame["known"] = frame["label"].where(frame["label"] != "", labels[0])
    frame["n_repeats"] = frame.duplicated(["key", "label"]).astype(int)
    n_labels = frame[frame["label"] != ""].groupby("key")["label"].nunique()
    frame["n_conflicts"] = frame["key"].isin(n_labels[n_labels > 1].index).astype(int)
    frame["n_unlabelled"] = (frame["label"] == "").astype(int)

    def none_of(column: str) -> gxe.Expectation:
        return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=[0])

    suite = [
        Expectation("Texts that are empty", gxe.ExpectColumnValuesToBeBetween(column="n_chars", min_value=1), 0.0),
        Expectation(
            f"Texts above {MAX_CHARS:,} characters",
            gxe.ExpectColumnValuesToBeBetween(column="n_chars", max_value=MAX_CHARS),
            0.0,
        ),
        Expectation("Texts with encoding damage", none_of("n_damaged"), max_fraction_damaged),
        Expectation(
            "Labels that are unknown", gxe.ExpectColumnValuesToBeInSet(column="known", value_set=list(labels)), 0.0
        ),
        Expectation("Rows without a label", none_of("n_unlabelled"), max_fraction_unlabelled),
        Expectation("Rows that repeat another", none_of("n_repeats"), max_fraction_duplicates),
        Expectation("Texts with two labels", none_of("n_conflicts"), max_fraction_conflicts),
    ]
    failing = _run(frame, suite)
    checks = [
        check(expectation.name, step, _share(len(failing[k]), len(frame)), expectation.max_fraction, "at_most")
        for k, expectation in enumerate(suite)
    ]
    findings = [
        _finding(
            frame,
            failing[k],
            expectation.name,
            "over its bound" if checks[k].outcome != "passed" else "within its bound",
        )
        for k, expectation in enumerate(suite)
        if failing[k] and expectation.name != "Texts with encoding damage"
    ]
    for name in (*DAMAGE, *ODDITIES):
        odd = frame.index[frame[name]].tolist()
        if odd:
            findings.append(
                _finding(frame, odd, f"Texts with {name}" if name in ODDITIES else f"Texts: {name}", "kept")
            )
    if min_rows_per_class is not None:
        checks += _structure(frame, labels, min_rows_per_class, step)
    return tuple(checks), tuple(findings)


def _structure(frame: pd.DataFrame, labels: Sequence[str], min_rows_per_class: int, step: str) -> list[Check]:
    """Return the checks on classes and on the border between train and test."""
    train, test = frame[frame["side"] == "train"], frame[frame["side"] == "test"]
    counts = train["label"].value_counts().reindex(list(labels), fill_value=0)
    crossing = int(train["key"].isin(test["key"]).sum())
    unseen = int((~test["label"].isin(train["label"])).sum())
    rarest = f"rarest class: {counts.idxmin()}"
    return [
        check(
            "Rows of the rarest class",
            step,
            exact(int(counts.min()), len(train)),
            min_rows_per_class,
            "at_least",
            note=rarest,
        ),
        check("Test texts that stand in train", step, exact(crossing, len(test)), 0, "at_most"),
        check("Test rows of classes not in train", step, exact(unseen, len(test)), 0, "at_most"),
    ]


def _run(frame: pd.DataFrame, suite: list[Expectation]) -> list[list[int]]:
    """Return, for each expectation, the positions of the rows that break it, as Great Expectations finds them."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("rows").add_dataframe_asset("rows")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    found = []
    for expectation in suite:
        result = batch.validate(expectation.gx, result_format={"result_format": "COMPLETE"})
        found.append(sorted(int(i) for i in result.result.get("unexpected_index_list") or []))
    return found


def _share(n_found: int, n: int) -> Estimate:
    return exact(n_found / max(1, n), n, unit="fraction")


def _finding(frame: pd.DataFrame, positions: Sequence[int], name: str, done: str) -> Finding:
    named = tuple(frame["row"].iloc[list(positions[:_N_NAMED])])
    return Finding(name=name, n_rows=len(positions), rows=named, done=done)
