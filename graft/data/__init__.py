"""From files to rows: reading, and which side of the train/test border each row lies on."""

from graft.data.read import read_table
from graft.data.sides import TEST, TRAIN, assign_sides, content_key, limit_rows_per_class

__all__ = ["TEST", "TRAIN", "assign_sides", "content_key", "limit_rows_per_class", "read_table"]
