"""Columns that name whoever has several rows: a customer, a patient; and ids that a spreadsheet has rounded."""

from __future__ import annotations

import re
from collections import Counter

from graft.leak import UNITS, names_unit, repeats_like_unit

_UNITS = f"{UNITS}|writer|group"
_NAME = re.compile(r"(?:(?:.*[_\W])?(?:user|screen|nick|author|full)[_\W]?)?name|(?:.*[_\W])?(?:handle|id)")
_MANY_VALUES, _MANY_ROWS = 20, 20
_ROUNDED = re.compile(r"[-+]?\d(?:[.,](?P<digits>\d{1,6}))?[eE]\+?(?P<exponent>\d{1,2})")
_LONG = 11


def strength_as_group(name: str, counts: Counter[str]) -> float:
    """Return how likely a column names what has several rows each, in [0, 1]; 0: it does not.

    Such a column has many values, several rows for most of them, and no value with a fifth of the rows. Where its name says
    customer, patient or the like, five values do; where it is just called name or id, there have to be 20, of at most 20 rows
    each on average: else they are kinds of rows, such as time zones.
    """
    if not repeats_like_unit(counts.values()):
        return 0.0
    n_values, n_rows = len(counts), counts.total()
    are_many = n_values >= _MANY_VALUES and n_rows <= _MANY_ROWS * n_values
    if names_unit(name, _UNITS):
        return 0.85 if n_values >= _MANY_VALUES or n_rows <= 100 * n_values else 0.0
    return 0.8 if are_many and _NAME.fullmatch(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()) else 0.0


def rounded_example(counts: Counter[str], *, is_id: bool) -> str:
    """Return one of the values of a column of long numbers that a spreadsheet has rounded, as ``5.7E+17``; else nothing.

    Args:
        is_id: the column is called an id; else only numbers of twelve digits and more are taken for ids.
    """
    found = {value: match for value in counts if (match := _ROUNDED.fullmatch(value))}
    if not found or len(found) < 0.9 * len(counts):
        return ""
    exponents = [int(match["exponent"]) for match in found.values()]
    lost = all(int(match["exponent"]) > len(match["digits"] or "") for match in found.values())
    return next(iter(found)) if lost and (is_id or min(exponents) >= _LONG) else ""
