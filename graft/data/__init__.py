"""From files to rows: looking, bringing in, reading, and which side of the train/test border each row lies on."""

from graft.data.assign import Placed, place_rows
from graft.data.drift import check_ids, schema_drift
from graft.data.findings import side_findings
from graft.data.gather import Gathered, check_times, read_rows_file
from graft.data.importing import IMAGE_COLUMN, import_data
from graft.data.labels import check_test_labels, nearest_label, strange_labels
from graft.data.profile.profile import DataProfile, profile_data
from graft.data.readers.read import read_batches, read_table
from graft.data.sides import BECAUSE, Sides
from graft.data.source_files import (
    Part,
    check_kinds,
    columns_of,
    in_force,
    next_name,
    parts_of,
    read_part,
    read_repairs,
    taken_back,
)
from graft.data.times import order_of, read_times, refuse_unread

__all__ = [
    "BECAUSE",
    "IMAGE_COLUMN",
    "DataProfile",
    "Gathered",
    "Part",
    "Placed",
    "Sides",
    "check_ids",
    "check_kinds",
    "check_test_labels",
    "check_times",
    "columns_of",
    "import_data",
    "in_force",
    "nearest_label",
    "next_name",
    "order_of",
    "parts_of",
    "place_rows",
    "profile_data",
    "read_batches",
    "read_part",
    "read_repairs",
    "read_rows_file",
    "read_table",
    "read_times",
    "refuse_unread",
    "schema_drift",
    "side_findings",
    "strange_labels",
    "taken_back",
]
