"""Features that were computed before: the same bits with and without, and nothing damaged or foreign is used."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from graft.model.encoder import embed
from graft.model.feature_cache import FeatureCache, keep_only

TEXTS = [f"{'please ' * (k % 5)}where is my parcel {k}" for k in range(50)]
CHUNKS = [slice(0, 20), slice(20, 40), slice(40, 50)]


def run(base: Path, cache: FeatureCache | None, texts: list[str] = TEXTS) -> tuple[np.ndarray, int]:
    return embed(base, texts, modality="text", max_tokens=10, batch_size=8, chunks=CHUNKS, cache=cache)


def test_the_same_bits_with_and_without(tiny_base: Path, tmp_path: Path, prepared: list[str]) -> None:
    """The first time everything is computed, the second time nothing, and features and the count of cut texts are the same."""
    plain, n_cut = run(tiny_base, None)
    cache = FeatureCache(tmp_path, "key")
    first, first_cut = run(tiny_base, cache)
    prepared.clear()
    again, again_cut = run(tiny_base, cache)
    assert prepared == []
    assert plain.tobytes() == first.tobytes() == again.tobytes()
    assert 0 < n_cut == first_cut == again_cut < 50


def test_just_what_is_new_is_computed(tiny_base: Path, tmp_path: Path, prepared: list[str]) -> None:
    """A text that changes costs its chunk and no other; another key costs everything; what is not asked for goes."""
    cache = FeatureCache(tmp_path, "key")
    run(tiny_base, cache)
    changed = [*TEXTS[:45], "refund", *TEXTS[46:]]
    expected, _ = run(tiny_base, None, changed)
    prepared.clear()
    later = FeatureCache(tmp_path, "key")
    assert run(tiny_base, later, changed)[0].tobytes() == expected.tobytes()
    assert prepared == changed[40:]
    assert len(list(tmp_path.iterdir())) == 4
    (tmp_path / ".x.killed.part").write_bytes(b"half")
    keep_only(tmp_path, later.used)
    assert {path.name for path in tmp_path.iterdir()} == later.used
    assert len(later.used) == 3
    prepared.clear()
    run(tiny_base, FeatureCache(tmp_path, "another key"), changed)
    assert prepared == changed


def test_a_name_is_of_one_chunk_alone() -> None:
    """Where one content ends and the next begins counts, and so do order and key."""
    cache = FeatureCache(Path(), "key")
    names = {cache.name(contents) for contents in (["ab", "c"], ["a", "bc"], ["c", "ab"], ["abc"], [], ["ab", "c", ""])}
    names.add(FeatureCache(Path(), "other").name(["ab", "c"]))
    assert len(names) == 7
    assert cache.name([b"ab", b"c"]) == cache.name(["ab", "c"])
    assert cache.name(["\ud800"])


def test_nothing_damaged_or_foreign_is_used(tiny_base: Path, tmp_path: Path, prepared: list[str]) -> None:
    """A file with any byte changed, cut short, of another chunk or no file at all: its chunk is computed again, and mended."""
    cache = FeatureCache(tmp_path, "key")
    expected, _ = run(tiny_base, cache)
    paths = [tmp_path / cache.name(TEXTS[chunk]) for chunk in CHUNKS]
    whole = paths[0].read_bytes()
    for place in range(0, len(whole), len(whole) // 40):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        paths[0].write_bytes(bytes(damaged))
        assert cache.read(paths[0].name, (20, 32)) is None, place
    for content in (b"", whole[:100], whole[:-1], paths[1].read_bytes(), b"\xff" * 300):
        paths[0].write_bytes(content)
        prepared.clear()
        assert run(tiny_base, cache)[0].tobytes() == expected.tobytes()
        assert prepared == TEXTS[:20]
        assert cache.read(paths[0].name, (20, 32)) is not None
    assert cache.read(paths[0].name, (20, 31)) is None
