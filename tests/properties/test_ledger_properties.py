"""What holds of envelopes and canonical JSON for any content."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from graft.errors import TamperError
from graft.ledger import Keyring, Signer, make_key
from graft.records import canonical_json

TEXT = st.text(st.characters(codec="utf-8"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)  # fmt: skip


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Signer, Keyring]:
    folder: Path = tmp_path_factory.mktemp("keys")
    make_key(folder / "private.pem", folder / "trusted")
    return Signer(folder / "private.pem"), Keyring(folder / "trusted")


@settings(max_examples=60, deadline=None)
@given(payload=st.binary(max_size=300))
def test_any_payload_comes_back(keys: tuple[Signer, Keyring], payload: bytes) -> None:
    """Whatever was signed opens to the same bytes."""
    signer, ring = keys
    assert ring.open(signer.envelope(payload), "here") == (payload, signer.keyid)


@settings(max_examples=150, deadline=None)
@given(payload=st.binary(max_size=60), position=st.integers(0, 10_000), byte=st.integers(0, 255), how=st.booleans())
def test_any_damage_is_refused(
    keys: tuple[Signer, Keyring], payload: bytes, position: int, byte: int, how: bool
) -> None:
    """An envelope with a byte replaced or put in is refused."""
    signer, ring = keys
    content = bytearray(signer.envelope(payload))
    at = position % len(content)
    assume(how or content[at] != byte)
    content[at : at + (not how)] = bytes([byte])
    with pytest.raises(TamperError):
        ring.open(bytes(content), "here")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=80) | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_accident_is_an_envelope(content: bytes) -> None:
    """Bytes that nobody signed never open, and never end in anything but a TamperError."""
    with pytest.raises(TamperError):
        Keyring(Path("nowhere")).open(content, "here")


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(TEXT, JSON, max_size=4))
def test_canonical_json_is_a_fixed_point(value: dict) -> None:
    """Canonical JSON reads back to the value, and writing that again gives the same bytes, whatever the order of keys."""
    content = canonical_json(value)
    assert json.loads(content) == value
    assert canonical_json(dict(reversed(json.loads(content).items()))) == content
