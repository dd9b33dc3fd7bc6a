"""Bases: found by name, known by digest, never a pickle."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

import pytest

from graft.errors import InputError, TamperError
from graft.model.bases import PUBLISHED, WEIGHTS, count_parameters, describe_base, locate_base, read_licence
from graft.model.encoder import load_encoder
from graft.records import sha256_file
from tests.conftest import MINILM
from tests.support.refusals import refused


def test_a_folder_is_described_by_its_bytes(tiny_base: Path) -> None:
    """A local base's digest is that of its weights, its size that of the model, its licence that of its card."""
    base = describe_base("bases/tiny", locate_base(str(tiny_base), root=Path("/")))
    assert base.sha256 == sha256_file(tiny_base / WEIGHTS)
    assert base.revision == base.sha256[:12]
    assert base.n_parameters == sum(
        p.numel() for p in load_encoder(tiny_base, "text", max_tokens=8).network.parameters()
    )
    assert base.licence == "apache-2.0"


def test_minilm_is_the_published_one(minilm: Path) -> None:
    """The package carries the weights published upstream, 22.7 million of them, under a named licence."""
    base = describe_base(MINILM, minilm)
    assert base.sha256 == PUBLISHED[MINILM][0]
    assert base.n_parameters == 22_713_728  # the pooler and the position ids counted
    assert base.licence == "apache-2.0"
    assert base.revision.startswith("sentence-transformers/all-MiniLM-L6-v2 in ")


def test_other_weights_under_a_published_name(tiny_base: Path) -> None:
    """Weights that are not those published under a package's name are refused, with both digests."""
    with pytest.raises(TamperError, match="not those published") as caught:
        describe_base(MINILM, tiny_base)
    assert sha256_file(tiny_base / WEIGHTS) in caught.value.where
    assert PUBLISHED[MINILM][0] in caught.value.where


def test_pickles_are_never_a_base(tiny_base: Path, tmp_path: Path) -> None:
    """A folder with pickled weights only is refused by name, neither opened nor loaded."""
    folder = tmp_path / "pickled"
    shutil.copytree(tiny_base, folder)
    (folder / WEIGHTS).unlink()
    canary = tmp_path / "canary"
    (folder / "pytorch_model.bin").write_bytes(b"cposix\nsystem\n(S'touch " + str(canary).encode() + b"'\ntR.")
    with pytest.raises(InputError, match=r"has no model\.safetensors") as caught:
        locate_base(str(folder), root=tmp_path)
    assert "pytorch_model.bin" in caught.value.where
    with refused("not-an-encoder"):
        load_encoder(folder, "text", max_tokens=8)
    assert not canary.exists()


@pytest.mark.parametrize(
    ("name", "says"),
    [("pkg:left-pad", "not a package that Graft knows"), ("graft:support@0001", "registry alone"),
     ("nowhere", "is not on this machine")],
)  # fmt: skip
def test_unknown_names(tmp_path: Path, name: str, says: str) -> None:
    """A name that stands for nothing here is refused, and nothing is asked over a network."""
    with pytest.raises(InputError, match=says):
        locate_base(name, root=tmp_path)


@pytest.mark.parametrize("name", ["hf:org/name", "https://example.org/x"])
def test_unknown_kinds(tmp_path: Path, name: str) -> None:
    """A name of a kind that is not known is refused likewise."""
    with refused("base-kind-unknown"):
        locate_base(name, root=tmp_path)


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        (None, "unknown"),
        ("# No front matter\nlicense: mit\n", "unknown"),
        ("---\ntags: [a]\n---\n", "unknown"),
        ("---\nlicense: mit\n---\n", "mit"),
        ("\n---\nlicense: cc-by-4.0\nlanguage: en\n---\n# T\n", "cc-by-4.0"),
        ("---\nlicense: [mit, apache-2.0]\n---\n", "unknown"),
        ("---\nlicense: [\n---\n", "unknown"),
        ("---\n- license\n---\n", "unknown"),
        ("---\ndate: 2024-13-45\nlicense: mit\n---\n", "unknown"),
        ("---\nlicense: mit\n", "unknown"),
    ],
)
def test_licence_is_named_or_unknown(tmp_path: Path, card: str | None, licence: str) -> None:
    """A licence is what the card's front matter names; otherwise it is unknown, never assumed."""
    if card is not None:
        (tmp_path / "README.md").write_text(card)
    assert read_licence(tmp_path) == licence


def framed(header: bytes, size: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if size is None else size) + header


@pytest.mark.parametrize(
    "content",
    [b"", b"abc", framed(b""), framed(b"{}", 3), framed(b"{}", 2**63), framed(b"{]"), framed(b"[1]"), framed(b'{"a": 1}'),
     framed(b'{"a": {}}'), framed(b'{"a": {"shape": 3}}'), framed(b'{"a": {"shape": ["x"]}}'), framed(b"\xff\xff"),
     framed(b"[" * 100_000)],
)  # fmt: skip
def test_damaged_header(tmp_path: Path, content: bytes) -> None:
    """A safetensors file whose header is cut short, too long or says nonsense is refused."""
    (tmp_path / WEIGHTS).write_bytes(content)
    with pytest.raises(TamperError, match="its header is damaged"):
        count_parameters(tmp_path)


def test_truncated_base(tiny_base: Path, tmp_path: Path) -> None:
    """A base whose file ends anywhere before its end is refused; its header alone says how many values there are."""
    content = (tiny_base / WEIGHTS).read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    path = tmp_path / WEIGHTS
    for end in (4, 8, 100, 8 + size - 1, 8 + size, len(content) - 1):
        path.write_bytes(content[:end])
        with pytest.raises(TamperError):
            count_parameters(tmp_path)
    header = json.loads(content[8 : 8 + size])
    path.write_bytes(content)
    assert count_parameters(tmp_path) == sum(
        (t["data_offsets"][1] - t["data_offsets"][0]) // 4 for name, t in header.items() if name != "__metadata__"
    )
