"""Files that would run code if anybody unpickled or imported them: each writes a file, the marker."""

from __future__ import annotations

import struct
import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def executable_pickle(marker: Path) -> bytes:
    """Return a pickle that writes the marker when it is loaded."""
    return b"cbuiltins\nopen\n(S'" + str(marker).encode() + b"'\nS'w'\ntR."


def executable_zip(marker: Path) -> bytes:
    """Return the same as torch saves it: a zip archive with ``data.pkl``."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as box:
        box.writestr("model/data.pkl", executable_pickle(marker))
        box.writestr("model/version", b"3\n")
    return file.getvalue()


def executable_array(marker: Path) -> bytes:
    """Return the same as numpy saves an array of objects."""
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + executable_pickle(marker)


EXECUTABLE_FILES = (executable_pickle, executable_zip, executable_array)
"""The same code in three wrappings."""


def executable_code(marker: Path) -> str:
    """Return a Python module that writes the marker when it is imported."""
    return f"open({str(marker)!r}, 'w')\n"


def extension_table(marker: Path) -> pa.Table:
    """Return rows whose column is of the Arrow type that old versions unpickled."""
    metadata = {
        "ARROW:extension:name": "arrow.py_extension_type",
        "ARROW:extension:metadata": executable_pickle(marker),
    }
    fields = [pa.field("text", pa.string(), metadata=metadata), pa.field("label", pa.string())]
    return pa.table([["a card", "a parcel"] * 9, ["card", "parcel"] * 9], schema=pa.schema(fields))


def extension_parquet(marker: Path) -> bytes:
    """Return those rows as Parquet."""
    file = BytesIO()
    pq.write_table(extension_table(marker), file)
    return file.getvalue()


def extension_arrow(marker: Path) -> bytes:
    """Return those rows as an Arrow stream."""
    file, table = BytesIO(), extension_table(marker)
    with pa.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table)
    return file.getvalue()


def runs_when_loaded(marker: Path) -> bool:
    """Return whether the pickle runs where somebody does load it, in a process of its own."""
    load = "import pickle, sys; pickle.loads(sys.stdin.buffer.read())"
    subprocess.run([sys.executable, "-c", load], input=executable_pickle(marker), check=True)
    sang = marker.exists()
    marker.unlink(missing_ok=True)
    return sang
