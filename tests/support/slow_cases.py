"""Cases of a parametrized test that only ``make slow`` runs."""

from __future__ import annotations

from typing import Any

import pytest


def slow(*cases: Any) -> list[Any]:
    """Return the cases, a value each or a tuple of values, with the marker ``slow``."""
    return [pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.slow) for case in cases]
