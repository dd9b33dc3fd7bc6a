"""Graft: fine-tuned models that stay good, fair and accountable.

    import graft

    model = graft.load_model("registry/support/0001")
    graft.detect_shift, graft.judge, graft.verify_ledger

This package holds *what* is computed: plain functions on arrays, frames and folders, without a clock, a server or a global
random state, usable from a notebook. ``tasks`` decides which files they read and write, ``flows`` when and where they run.

The data's path: ``data`` (rows and sides) -> ``validate`` -> ``model`` (embed, fine-tune, predict) -> ``shift`` ->
``evaluate`` -> ``report`` -> ``ledger``. ``records`` and ``stats`` serve all of them; the others do not import one another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graft.api import Judgement, Model, detect_shift, judge, load_model, verify_ledger

__version__ = "0.1.0"
__all__ = ["Judgement", "Model", "__version__", "detect_shift", "judge", "load_model", "verify_ledger"]


def __getattr__(name: str) -> Any:
    """Import the front door when something of it is first asked for: it brings torch with it."""
    if name not in __all__:
        raise AttributeError(f"module 'graft' has no attribute {name!r}")
    from graft import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return __all__
