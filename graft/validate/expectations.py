"""Great Expectations: run over columns, and those that a recipe adds. GX objects end here."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

os.environ["GX_ANALYTICS_ENABLED"] = "false"

import numpy as np
import numpy.typing as npt
import pandas as pd
import pydantic
import pydantic.v1

from graft.errors import InputError, nearest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of GX's own imports
    import great_expectations as gx
    import great_expectations.expectations as gxe
    from great_expectations.expectations.expectation import ColumnMapExpectation

N_NAMED = 20
_OURS = {"type", "column", "max_fraction"}
_NOT_OURS = {"column_list", "ignore_row_if", "library_metadata"}


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


_COMMON = set(ColumnMapExpectation.__fields__)
TYPES: dict[str, type[gxe.Expectation]] = {
    _snake(name): var
    for name, var in sorted(vars(gxe).items())
    if isinstance(var, type)
    and issubclass(var, ColumnMapExpectation)
    and not ("Multicolumn" in name or "LikePattern" in name or "OfType" in name or "InTypeList" in name)
}
"""Every expectation on single values by GX's name, but for those that pandas lacks and those on types: every cell is a string."""


@dataclass(frozen=True)
class Expectation:
    """A GX expectation on one column, what people call it, and the share of rows that may break it.

    ``id`` is that of its check behind the step, ``subject`` what it is measured on.
    """

    id: str
    name: str
    subject: str
    gx: gxe.Expectation
    max_fraction: float
    where: str = ""


def expectation(made: Mapping[str, Any], where: str) -> Expectation:
    """Return what a recipe says as an expectation.

    Args:
        made: keys type (GX's name), column, max_fraction (0 where absent) and the expectation's own.
        where: what names it to people.

    Raises:
        InputError: an unknown type, or a key or value that the expectation does not take.
    """
    kind, column, bound = made.get("type"), made.get("column"), made.get("max_fraction", 0.0)
    if kind not in TYPES:
        raise InputError(f"There is no expectation {kind!r}.", where=where, do=_hint(str(kind), TYPES))
    if isinstance(bound, bool) or not isinstance(bound, int | float) or not 0 <= bound <= 1:
        raise InputError("max_fraction is no share of rows.", where=where, do="give a number from 0 to 1")
    own = {key: value for key, value in made.items() if key not in _OURS}
    allowed = set(TYPES[kind].__fields__) - _COMMON - _NOT_OURS
    for key, value in own.items():
        if key == "mostly":
            raise InputError(
                "Graft says max_fraction for what GX says mostly.", where=where, do="write 1 - mostly as max_fraction"
            )
        if key not in allowed:
            raise InputError(
                f"{kind} takes no {key!r}.", where=where, do=f"it takes {', '.join(sorted(allowed)) or 'nothing more'}"
            )
        if isinstance(value, Mapping) and key != "json_schema":  # GX computes {"$PARAMETER": ...}, even from the clock
            raise InputError(
                f"{key!r} is computed; Graft takes plain values only.", where=where, do="write the value itself"
            )
    if "value_set" in own:  # every cell is a string
        own["value_set"] = [str(value) for value in own["value_set"] or []]
    try:
        inner = TYPES[kind](column=column, **own)
    except (pydantic.ValidationError, pydantic.v1.ValidationError, ValueError, TypeError) as error:
        why = str(error).strip().splitlines()[-1].strip()
        raise InputError(f"{kind} cannot be made of these values: {why}.", where=where, do="correct them") from error
    arguments = ", ".join(f"{key}={value}" for key, value in own.items())
    plain = kind.removeprefix("expect_column_").replace("_", " ")
    name = f"{column}: {plain}{f' ({arguments})' if arguments else ''}"
    return Expectation(f"{kind}[{column}]", name, name, inner, float(bound), where)


def check_column(wanted: Expectation, known: Collection[str]) -> None:
    """Do nothing if an expectation's column is there.

    Raises:
        InputError: it is not.
    """
    column = wanted.gx.column
    if column not in known:
        what = f"There is no column {column!r} to expect something of."
        raise InputError(what, where=wanted.where, do=_hint(column, known), code="expectation-column-missing")


def _hint(name: str, known: Collection[str]) -> str:
    near = nearest(name, known)
    return f"did you mean {near}?" if near else f"name one of {', '.join(sorted(known)[:8])}"


def prepare(wanted: Expectation, column: pd.Series) -> pd.Series:
    """Return a column as an expectation needs it: numbers or times where it compares them, an empty cell as missing.

    A cell that is no number, or no time in ISO 8601, lies outside of any bounds. An empty text is a text.
    """
    is_length = "length" in type(wanted.gx).__name__.lower()
    bounds = (
        [] if is_length else [b for k in ("min_value", "max_value") if (b := getattr(wanted.gx, k, None)) is not None]
    )
    beyond = -1 if getattr(wanted.gx, "max_value", None) is None else 1
    if column.dtype.kind in "iuf" or (column.name == "content" and not bounds):
        return column
    if bounds and not isinstance(bounds[0], int | float):
        return _times(column, bounds[0], beyond)
    numbers = pd.to_numeric(column, errors="coerce").astype(np.float64)
    if bounds:
        return numbers.where(numbers.notna() | (column == ""), beyond * np.inf)
    is_spread = hasattr(wanted.gx, "threshold") or hasattr(wanted.gx, "multiplier")  # z scores and outliers
    return numbers if is_spread else column.where(column != "", None)


def _times(column: pd.Series, bound: Any, beyond: int) -> pd.Series:
    """Return dates, or times where the bound is one, as GX compares them: in UTC, without their zone."""
    dated = column.where(column.str.match(r"[0-9]{4}"), None)  # pandas reads "now" and "today" off the clock
    times = pd.to_datetime(dated, errors="coerce", format="ISO8601", utc=True)
    far = pd.Timestamp("2262-01-01" if beyond > 0 else "1678-01-01")
    times = times.dt.tz_localize(None).where(times.notna() | (column == ""), far)
    plain = times.dt.to_pydatetime() if hasattr(bound, "hour") else times.dt.date
    return pd.Series(np.asarray(plain), dtype=object, name=column.name).where(times.notna(), None)


def run(frame: Mapping[str, Any], suite: Sequence[Expectation]) -> list[npt.NDArray[np.int_]]:
    """Return for each expectation the positions of the rows that break it, as GX finds them.

    Args:
        frame: each column's values, all of one length; a column per expectation is prepared and let go.

    Raises:
        InputError: an expectation that the column's values cannot be held against.
    """
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("rows").add_dataframe_asset("rows")
    whole = asset.add_batch_definition_whole_dataframe("all")
    found = []
    for wanted in suite:
        column = prepare(wanted, pd.Series(frame[wanted.gx.column], name=wanted.gx.column))
        batch = whole.get_batch({"dataframe": column.to_frame()})
        result = batch.validate(wanted.gx, result_format={"result_format": "COMPLETE", "partial_unexpected_count": 0})
        if "unexpected_count" not in result.result:  # GX keeps its errors to itself
            raise InputError(
                f"{wanted.name} cannot be held against that column's values.",
                where=wanted.where or wanted.gx.column,
                do="look at the expectation's values and at the column",
            )
        found.append(np.array(sorted(result.result.get("unexpected_index_list") or []), dtype=int))
    return found


def none_of(check_id: str, name: str, subject: str, max_fraction: float) -> Expectation:
    """Return the expectation that a column of 0 and 1, called as its check, holds 0."""
    inner = gxe.ExpectColumnValuesToBeInSet(column=check_id, value_set=[0])
    return Expectation(check_id, name, subject, inner, max_fraction)


def between(
    column: str,
    check_id: str,
    name: str,
    subject: str,
    *,
    low: int | None = None,
    high: int | None = None,
    max_fraction: float = 0.0,
) -> Expectation:
    """Return the expectation that a column of numbers lies within bounds, on every row or nearly so."""
    inner = gxe.ExpectColumnValuesToBeBetween(column=column, min_value=low, max_value=high)
    return Expectation(check_id, name, subject, inner, max_fraction)
