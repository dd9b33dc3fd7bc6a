"""Graft: fine-tuned models that stay good, fair and accountable.

This package holds *what* is computed: plain functions on arrays, frames and folders, without a clock, a server or a global
random state, usable from a notebook. ``tasks`` decides which files they read and write, ``flows`` when and where they run.

The data's path: ``data`` (rows and sides) -> ``validate`` -> ``model`` (embed, fine-tune, predict) -> ``shift`` ->
``evaluate`` -> ``report`` -> ``ledger``. ``records`` and ``stats`` serve all of them; the others do not import one another.
"""

__version__ = "0.1.0"
