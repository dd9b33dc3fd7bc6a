"""May this data be trained on? The only package that imports Great Expectations."""

from graft.validate.repair import repairs
from graft.validate.suite import validate_rows

__all__ = ["repairs", "validate_rows"]
