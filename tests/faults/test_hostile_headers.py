"""Hostile headers of safetensors: every lie is refused in a sentence that says how it lies, and none costs memory."""

from __future__ import annotations

import json
import resource
import struct
from pathlib import Path
from typing import Any

import pytest
from safetensors import SafetensorError, safe_open

from graft.errors import TamperError
from graft.model.bases import WEIGHTS, describe_base
from graft.model.header import read_header
from tests.support.cli_runner import check_error
from tests.support.refusals import refused


def framed(header: dict[str, Any] | bytes, values: bytes = b"", size: int | None = None) -> bytes:
    """Return a safetensors file of a header and values; ``size`` lies about the header's length."""
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(content) if size is None else size) + content + values


def tensor(begin: int, end: int, shape: list[Any], kind: Any = "F32") -> dict[str, Any]:
    return {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}


ONE = tensor(0, 4, [1])
HEADERS: dict[str, tuple[bytes, str]] = {
    "length 2^60": (framed({}, size=2**60), "1,152,921,504,606,846,976 bytes in a file of"),
    "length 2^64 - 1": (framed({}, size=2**64 - 1), "bytes in a file of"),
    "overlap": (framed({"a": ONE, "b": tensor(2, 6, [1])}, bytes(6)), "'b' begins at byte 2 of the values, not at 4"),
    "the same place": (framed({"a": ONE, "b": ONE}, bytes(4)), "'b' begins at byte 0 of the values, not at 4"),
    "a gap": (framed({"a": ONE, "b": tensor(8, 12, [1])}, bytes(12)), "'b' begins at byte 8 of the values, not at 4"),
    "trailing bytes": (framed({"a": ONE}, bytes(5)), "5 bytes of values, of which its tensors cover 4"),
    "trailing bytes alone": (framed({}, bytes(9)), "9 bytes of values"),
    "values that are not there": (framed({"a": ONE}, bytes(3)), "3 bytes of values, of which its tensors cover 4"),
    "backwards": (framed({"a": tensor(4, 0, [1])}, bytes(4)), "do not fill its shape"),
    "another shape": (framed({"a": tensor(0, 4, [2])}, bytes(4)), "do not fill its shape"),
    "a shape beyond numbers": (framed({"a": tensor(0, 4, [2**64])}, bytes(4)), "a shape or a place that is none"),
    "a shape that overflows": (framed({"a": tensor(0, 0, [2**40, 2**40])}), "do not fill its shape"),
    "a negative shape": (framed({"a": tensor(0, 4, [-1])}, bytes(4)), "a shape or a place that is none"),
    "a shape of half numbers": (framed({"a": tensor(0, 4, [1.0])}, bytes(4)), "a shape or a place that is none"),
    "a shape of truths": (framed({"a": tensor(0, 4, [True])}, bytes(4)), "a shape or a place that is none"),
    "many dimensions": (framed({"a": tensor(0, 4, [1] * 10**5)}, bytes(4)), "a shape or a place that is none"),
    "an unknown type": (framed({"a": tensor(0, 4, [1], "OBJECT")}, bytes(4)), "of the type 'OBJECT'"),
    "a type that is a list": (framed({"a": tensor(0, 4, [1], [])}, bytes(4)), "of the type '[]'"),
    "a key more": (framed({"a": {**ONE, "pickle": "x"}}, bytes(4)), "without type, shape and place"),
    "a name twice": (framed(b'{"a": %s, "a": %s}' % ((json.dumps(ONE).encode(),) * 2), bytes(4)), "not plain JSON"),
    "no UTF-8": (framed(b'{"\xff\xfe": 1}'), "not plain JSON"),
    "a number of a million digits": (framed(b'{"a": 1' + b"0" * 10**6 + b"}"), "not plain JSON"),
    "depth": (framed(b'{"a": ' + b"[" * 10**6 + b"]" * 10**6 + b"}"), "not plain JSON"),
    "a list": (framed(b"[]"), "no JSON object"),
}


@pytest.mark.parametrize("what", HEADERS)
def test_headers_that_lie(tmp_path: Path, what: str) -> None:
    """A header that lies about lengths, places, shapes, types or names is refused, and it is said how it lies."""
    content, why = HEADERS[what]
    (tmp_path / WEIGHTS).write_bytes(content)
    with refused("safetensors-damaged") as caught:
        read_header(tmp_path / WEIGHTS)
    assert why in caught.value.where
    check_error(str(caught.value), (WEIGHTS,))
    with pytest.raises(TamperError):
        describe_base("base", tmp_path)


def test_a_bloated_header_costs_nothing(tmp_path: Path) -> None:
    """A header of 100 MB, and a file of 1 GB behind a header that claims it all, are refused before they are read."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for size in (100 * 10**6, 2**30 - 8):
        with (tmp_path / WEIGHTS).open("wb") as file:
            file.write(struct.pack("<Q", size) + b'{"a": 1,')
            file.truncate(2**30)
        with refused("safetensors-damaged") as caught:
            read_header(tmp_path / WEIGHTS)
        assert "4,194,304 are not read" in caught.value.where
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024  # KiB


def test_the_library_refuses_too(tmp_path: Path) -> None:
    """The safetensors library refuses what overlaps or trails by itself: Graft's own look is not the only one."""
    for what in ("overlap", "trailing bytes", "a gap", "another shape", "length 2^60"):
        (tmp_path / WEIGHTS).write_bytes(HEADERS[what][0])
        with pytest.raises(SafetensorError), safe_open(tmp_path / WEIGHTS, "np"):
            pass
