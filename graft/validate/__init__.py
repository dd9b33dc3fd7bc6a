"""May this data be trained on? The only package that imports Great Expectations."""

from graft.validate.repair import repair, repairs
from graft.validate.suite import validate_rows
from graft.validate.suspects import find_suspects

__all__ = ["find_suspects", "repair", "repairs", "validate_rows"]
