"""Weights in shards: the same base in another form, and an index that lies is refused before anything is loaded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from graft.errors import GraftError, InputError, TamperError
from graft.model.bases import WEIGHTS, describe_base, locate_base
from graft.model.encoder import embed, load_encoder
from graft.model.shards import INDEX, digest_weights, read_shapes, weight_files
from tests.support.cli_runner import check_error
from tests.support.refusals import refused

TEXTS = ["good cat", "bad dog and tree", "please pay"]


@pytest.fixture
def sharded(tiny_base: Path, tmp_path: Path) -> Path:
    """The tiny base as transformers writes it with a small limit: several files and an index."""
    folder = tmp_path / "sharded"
    shutil.copytree(tiny_base, folder)
    (folder / WEIGHTS).unlink()
    load_encoder(tiny_base, "text", max_tokens=8).network.save_pretrained(folder, max_shard_size="40KB")
    assert len(list(folder.glob("model-0000?-of-0000?.safetensors"))) >= 3
    return folder


def test_a_sharded_base_is_the_same_base(tiny_base: Path, sharded: Path) -> None:
    """It embeds to the same bits, has as many parameters, and its digest depends on each byte of each shard."""
    features = [embed(folder, TEXTS, modality="text", max_tokens=16)[0] for folder in (tiny_base, sharded)]
    assert (features[0] == features[1]).all()
    assert locate_base(str(sharded), root=Path("/")) == sharded
    whole, cut = describe_base("a", tiny_base), describe_base("b", sharded)
    assert whole.n_parameters == cut.n_parameters
    assert read_shapes(tiny_base) == read_shapes(sharded)
    digests = {cut.sha256}
    for path in weight_files(sharded):
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert describe_base("b", sharded).folder_sha256 != cut.folder_sha256
        digests.add(digest_weights(sharded))
        path.write_bytes(content)
    assert len(digests) == 1 + len(weight_files(sharded))
    assert describe_base("b", sharded) == cut


def test_one_file_goes_before_an_index(tiny_base: Path, sharded: Path, tmp_path: Path) -> None:
    """Where both are there the one file is taken, as transformers does, and the index is not read."""
    shutil.copy(tiny_base / WEIGHTS, sharded)
    (sharded / INDEX).write_text("[")
    assert describe_base("b", sharded).sha256 == describe_base("a", tiny_base).sha256
    assert embed(sharded, TEXTS, modality="text", max_tokens=16)[0].shape == (3, 32)


def remapped(change: Callable[[dict[str, Any], dict[str, str], str, Path], None]) -> Callable[[Path], None]:
    """Change the index: it, its map, the first tensor's name and the folder are given."""

    def act(folder: Path) -> None:
        index = json.loads((folder / INDEX).read_text())
        change(index, index["weight_map"], next(iter(index["weight_map"])), folder)
        (folder / INDEX).write_text(json.dumps(index))

    return act


def _twice(index: dict[str, Any], named: dict[str, str], first: str, folder: Path) -> None:
    """Put a tensor of the first shard into the last one too."""
    last = folder / sorted(set(named.values()))[-1]
    own = folder / named[first]
    assert last != own
    save_file({**load_file(last), first: load_file(own)[first]}, last, metadata={"format": "pt"})


def _outside(index: dict[str, Any], named: dict[str, str], first: str, folder: Path) -> None:
    shutil.copy(folder / named[first], folder.parent / "evil.safetensors")
    named[first] = "../evil.safetensors"


def _link(index: dict[str, Any], named: dict[str, str], first: str, folder: Path) -> None:
    (folder / named[first]).rename(folder.parent / "evil.safetensors")
    (folder / named[first]).symlink_to(folder.parent / "evil.safetensors")


LIES: dict[str, tuple[Callable[[Path], None], str]] = {
    "a file elsewhere": (remapped(_outside), "no safetensors file of this folder"),
    "a link elsewhere": (remapped(_link), "leads out of the folder"),
    "an absolute path": (remapped(lambda i, m, t, f: m.update({t: "/etc/passwd"})), "no safetensors file"),
    "a pickle": (remapped(lambda i, m, t, f: m.update({t: "pytorch_model.bin"})), "no safetensors file"),
    "a hidden file": (remapped(lambda i, m, t, f: m.update({t: ".x.safetensors"})), "no safetensors file"),
    "a number": (remapped(lambda i, m, t, f: m.update({t: 5})), "no safetensors file"),  # type: ignore[dict-item]
    "a shard that is not there": (remapped(lambda i, m, t, f: (f / m[t]).unlink()), "which is not there"),
    "a tensor in another shard": (remapped(lambda i, m, t, f: m.update({t: sorted(m.values())[-1]})), "tensor"),
    "a tensor that is not there": (remapped(lambda i, m, t, f: m.update({"more": m[t]})), "'more' is missing in"),
    "a tensor that is not named": (remapped(lambda i, m, t, f: m.pop(t)), "is not in"),
    "a tensor twice": (remapped(_twice), "tensor"),
    "another total": (remapped(lambda i, m, t, f: i["metadata"].update(total_size=5)), "it says 5"),
    "no files": (remapped(lambda i, m, t, f: m.clear()), "names no files"),
    "no metadata": (remapped(lambda i, m, t, f: i.pop("metadata")), "has no metadata"),
    "a name twice": (lambda f: (f / INDEX).write_text('{"weight_map": {}, "weight_map": {}}'), "not plain JSON"),
    "a list": (lambda f: (f / INDEX).write_text("[]"), "names no files"),
    "depth": (lambda f: (f / INDEX).write_text("[" * 10**5), "not plain JSON"),
    "noise": (lambda f: (f / INDEX).write_bytes(b"\x80\x04\xff"), "not plain JSON"),
    "a damaged shard": (lambda f: weight_files(f)[1].write_bytes(b"\xff" * 50), "a header of"),
}  # fmt: skip


@pytest.mark.parametrize("what", LIES)
def test_an_index_that_lies(sharded: Path, what: str) -> None:
    """What an index says is held to the files: none elsewhere, none absent, each tensor once, and all bytes counted."""
    lie, why = LIES[what]
    lie(sharded)
    with pytest.raises((InputError, TamperError)) as refused:
        describe_base("b", locate_base(str(sharded), root=Path("/")))
    check_error(str(refused.value), (why,))
    with pytest.raises(GraftError) as caught:
        load_encoder(sharded, "text", max_tokens=16)
    check_error(str(caught.value), (why,))


def test_a_pinned_shard_that_changed(sharded: Path, tmp_path: Path) -> None:
    """A run refuses a base one of whose shards is no longer the pinned one."""
    from graft_tasks.registry.bases import locate, pin
    from graft_tasks.workspace import Workspace

    workspace = Workspace(tmp_path)
    base = pin(workspace, "sharded", "text")
    assert locate(workspace, base) == sharded
    path = weight_files(sharded)[-1]
    path.write_bytes(path.read_bytes()[:-4] + bytes([1, 2, 3, 4]))
    with refused("base-changed"):
        locate(workspace, base)
