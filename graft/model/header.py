"""Reads the header of a safetensors file, and holds it to the format before anything else reads the file.

Source: the safetensors format (huggingface/safetensors, README.md, "Format"): eight bytes of length, a JSON object, the values
without gaps. The library checks most of it too, but reads headers of 100 MB and takes the last of two tensors of one name.
"""

from __future__ import annotations

import json
import struct
from math import prod
from pathlib import Path
from typing import Any

from graft.errors import TamperError

_MAX_HEADER = 4 * 1024 * 1024  # some 40,000 tensors; encoders have a few hundred
_MAX_DIMENSIONS = 16
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16,
    "I32": 32, "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64,
}  # fmt: skip


def read_header(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor in a safetensors file.

    Raises:
        TamperError: the header is larger than 4 MiB or not what the format allows, two tensors have one name, or the tensors do
            not lie side by side from the first byte of values to the last.

    Cost: memory and time of the header; values are not read.
    """
    with path.open("rb") as file:
        size = struct.unpack("<Q", file.read(8).ljust(8, b"\0"))[0]
        n_values = path.stat().st_size - 8 - size
        if n_values < 0 or size < 2:
            raise _damaged(path, f"a header of {size:,} bytes in a file of {n_values + 8 + size:,}")
        if size > _MAX_HEADER:
            raise _damaged(path, f"a header of {size:,} bytes; more than {_MAX_HEADER:,} are not read")
        content = file.read(size)
    try:
        header = json.loads(content.decode(), object_pairs_hook=without_repeats)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, "a header that is not plain JSON") from error
    if not isinstance(header, dict):
        raise _damaged(path, "a header that is no JSON object")
    tensors = {name: _tensor(path, name, described) for name, described in header.items() if name != "__metadata__"}
    at = 0
    for name, (_, begin, end) in sorted(tensors.items(), key=lambda entry: entry[1][1:]):
        if begin != at:
            raise _damaged(path, f"tensor {name[:80]!r} begins at byte {begin:,} of the values, not at {at:,}")
        at = end
    if at != n_values:
        raise _damaged(path, f"{n_values:,} bytes of values, of which its tensors cover {at:,}")
    return {name: shape for name, (shape, _, _) in tensors.items()}


def size_of_values(path: Path) -> int:
    """Return how many bytes of values stand behind the header of a file that ``read_header`` has read."""
    with path.open("rb") as file:
        return path.stat().st_size - 8 - int(struct.unpack("<Q", file.read(8))[0])


def _tensor(path: Path, name: str, described: Any) -> tuple[tuple[int, ...], int, int]:
    """Return the shape of one tensor and where it begins and ends."""
    if not isinstance(described, dict) or described.keys() != {"dtype", "shape", "data_offsets"}:
        raise _damaged(path, f"tensor {name[:80]!r} without type, shape and place")
    kind, shape, place = described["dtype"], described["shape"], described["data_offsets"]
    if not _are_sizes(shape, _MAX_DIMENSIONS) or not _are_sizes(place, 2) or len(place) != 2:
        raise _damaged(path, f"tensor {name[:80]!r} with a shape or a place that is none")
    if not isinstance(kind, str) or kind not in _BITS:
        raise _damaged(path, f"tensor {name[:80]!r} of the type {str(kind)[:40]!r}")
    begin, end = place
    if end - begin != prod(shape) * _BITS[kind] // 8:
        raise _damaged(path, f"tensor {name[:80]!r} of {end - begin:,} bytes, which do not fill its shape")
    return tuple(shape), begin, end


def _are_sizes(value: Any, most: int) -> bool:
    """Return whether a value is a list of sizes that a file can have."""
    return isinstance(value, list) and len(value) <= most and all(type(n) is int and 0 <= n < 2**63 for n in value)


def without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object's pairs; a name that stands twice is a ValueError."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice")
    return found


def _damaged(path: Path, why: str) -> TamperError:
    return TamperError(
        f"{path.name} is not a safetensors file: its header is damaged.",
        where=f"{path}: {why}",
        do="copy the base's folder again",
        code="safetensors-damaged",
    )
