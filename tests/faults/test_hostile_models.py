"""Hostile bases and models: nothing in them runs, nothing outside them is read, and every lie of a header is refused."""

from __future__ import annotations

import json
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from graft.errors import GraftError, InputError
from graft.modality import ModalityName
from graft.model.bases import WEIGHTS, check_modality, describe_base, locate_base, read_licence
from graft.model.encoder import embed, load_encoder
from graft.model.folder_check import ADAPTER
from tests.support.cli_runner import check_error
from tests.support.executable_files import (
    EXECUTABLE_FILES,
    executable_code,
    executable_pickle,
    executable_zip,
    runs_when_loaded,
)
from tests.support.refusals import refused

BESIDE = (
    "pytorch_model.bin", "model.pt", "model.pth", "model.ckpt", "model.pkl", "model.joblib", "model.npy", "model.npz",
    "training_args.bin", "optimizer.pt", "scheduler.pt", "rng_state.pth", "tokenizer.model", "tokenizer.pkl", "vocab.pkl",
    "vocab.bin", "spiece.model", "sentencepiece.bpe.model", "merges.txt", "vocab.json", "added_tokens.json",
    "special_tokens_map.json", "chat_template.jinja", "processor_config.json", "adapter_model.bin",
    "adapter_model.safetensors", "model.safetensors.index.json", "pytorch_model.bin.index.json", "flax_model.msgpack",
    "tf_model.h5", "generation_config.json", "README.md", "custom_generate/generate.py", "checkpoint-1/pytorch_model.bin",
)  # fmt: skip
"""Names under which a pickle may lie in a base that is otherwise whole."""


@pytest.fixture
def marker(tmp_path: Path) -> Iterator[Path]:
    """A file that must not be there afterwards."""
    path = tmp_path / "marker"
    yield path
    assert not path.exists(), "code of an artifact ran"


def use_base(folder: Path, modality: ModalityName) -> bool:
    """Do with a base all that Graft does with one; return whether it was taken. It may be refused in one sentence only."""
    content: Any = ["a card"] if modality == "text" else []
    try:
        found = locate_base(str(folder), root=Path("/"))
        check_modality("base", found, modality)
        describe_base("base", found)
        if content:
            embed(found, content, modality=modality, max_tokens=16)
        else:
            load_encoder(found, modality, max_tokens=0)
    except GraftError as error:
        check_error(str(error), ())
        return False
    return True


@pytest.fixture
def folder(tmp_path: Path, tiny_base: Path) -> Path:
    """A base that may be spoilt."""
    shutil.copytree(tiny_base, tmp_path / "base")
    return tmp_path / "base"


def test_the_planted_pickle_runs_where_it_is_loaded(tmp_path: Path) -> None:
    """The pickle that these tests plant does run where it is unpickled: else the others would prove nothing."""
    assert runs_when_loaded(tmp_path / "marker")


@pytest.mark.parametrize("modality", ["text", "image"])
def test_pickles_in_a_base_never_run(
    tiny_base: Path,
    tiny_image_base: Path,
    tmp_path: Path,
    marker: Path,
    modality: ModalityName,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A pickle beside the files of a base is left alone, and one in the place of any of them is refused; none runs."""
    source = tiny_base if modality == "text" else tiny_image_base
    inside = sorted(path.name for path in source.iterdir())
    taken = {}
    for k, name in enumerate((*inside, *BESIDE)):
        folder = tmp_path / f"base{k}"
        shutil.copytree(source, folder)
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(EXECUTABLE_FILES[k % 3](marker))
        monkeypatch.chdir(folder)
        taken[name] = use_base(folder, modality)
        assert not marker.exists(), name
    assert not taken[WEIGHTS]
    assert not taken["config.json"]
    assert taken["pytorch_model.bin"]
    assert taken["README.md"]


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.ckpt", "model.safetensors.index.json"])
def test_pickles_instead_of_weights(folder: Path, marker: Path, name: str) -> None:
    """A base without safetensors is refused, whatever lies in their place."""
    (folder / WEIGHTS).unlink()
    (folder / name).write_bytes(executable_zip(marker))
    assert not use_base(folder, "text")
    with pytest.raises(InputError):
        load_encoder(folder, "text", max_tokens=8)


CODE: dict[str, tuple[str, dict[str, Any], bool]] = {
    "a model's code": ("config.json", {"auto_map": {"AutoModel": "evil.Evil", "AutoConfig": "evil.Evil"}}, True),
    "an unknown model's code": ("config.json", {"auto_map": {"AutoModel": "evil.Evil", "AutoConfig": "evil.Evil"},
                                                "model_type": "evil"}, False),
    "a hub's code": ("config.json", {"auto_map": {"AutoModel": "evil/repo--evil.Evil"}, "model_type": "evil"}, False),
    "a tokenizer's code": ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["evil.Evil", "evil.Evil"]}}, True),
    "an unknown tokenizer's code": ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["evil.Evil", None]},
                                                              "tokenizer_class": "Evil"}, True),
    "other weights": ("config.json", {"transformers_weights": "pytorch_model.bin"}, False),
    "other weights elsewhere": ("config.json", {"transformers_weights": "../evil.safetensors"}, False),
    "a kernel": ("config.json", {"_attn_implementation": "evil/kernel"}, False),
    "another kernel": ("config.json", {"attn_implementation": {"": "evil/kernel@main:evil"}}, False),
    "a vocabulary elsewhere": ("tokenizer_config.json", {"vocab_file": "../secret.txt"}, False),
    "a vocabulary at an absolute path": ("tokenizer_config.json", {"tokenizer_file": "{secret}"}, False),
    "a vocabulary of the maker's machine": ("tokenizer_config.json", {"special_tokens_map_file": "/nowhere/x.json"}, True),
    "an adapter": (ADAPTER, {"base_model_name_or_path": "../base", "peft_type": "LORA"}, False),
    "a quantizer": ("config.json", {"quantization_config": {"quant_method": "evil"}}, True),
    "deep settings": ("config.json", {"x": "DEEP"}, False),
}  # fmt: skip


@pytest.mark.parametrize("what", CODE)
def test_settings_that_bring_code_or_files(
    folder: Path, tmp_path: Path, marker: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings that name code, other weights, kernels to fetch, or files elsewhere run nothing and read nothing there."""
    name, added, taken = CODE[what]
    (tmp_path / "secret.txt").write_text("[UNK]\n")
    (folder / "evil.py").write_text(executable_code(marker))
    (folder / "modeling_evil.py").write_text(executable_code(marker))
    (folder / "pytorch_model.bin").write_bytes(executable_zip(marker))
    (tmp_path / "evil.safetensors").write_bytes(executable_pickle(marker))
    path = folder / name
    settings = json.loads(path.read_bytes()) if path.is_file() else {}
    text = json.dumps({**settings, **added}).replace("{secret}", str(tmp_path / "secret.txt"))
    path.write_text(text.replace('"DEEP"', "[" * 100_000 + "]" * 100_000))
    monkeypatch.chdir(folder)
    assert use_base(folder, "text") == taken


def test_code_of_a_processor(tiny_image_base: Path, tmp_path: Path, marker: Path) -> None:
    """A processor's own code is never run, whether or not Graft's libraries know the processor."""
    for k, named in enumerate(({}, {"image_processor_type": "Evil"})):
        folder = tmp_path / f"base{k}"
        shutil.copytree(tiny_image_base, folder)
        (folder / "evil.py").write_text(executable_code(marker))
        path = folder / "preprocessor_config.json"
        path.write_text(
            json.dumps({**json.loads(path.read_text()), **named, "auto_map": {"AutoImageProcessor": "evil.Evil"}})
        )
        assert use_base(folder, "image") == (not named)


def link(path: Path, target: str | Path) -> None:
    """Put a link in a file's place."""
    path.unlink(missing_ok=True)
    path.symlink_to(target)


@pytest.mark.parametrize("how", ["absolute", "relative", "a folder", "a loop", "nowhere", "a chain"])
def test_links_out_of_a_base(folder: Path, tiny_base: Path, tmp_path: Path, how: str) -> None:
    """A link that leads out of a base's folder, or nowhere, is refused, however it does so, and its path is named."""
    (tmp_path / "secret.txt").write_text("[UNK]\nsecret\n")
    inside = folder / "vocab.txt"
    if how == "absolute":
        link(inside, tmp_path / "secret.txt")
    elif how == "relative":
        link(inside, "../secret.txt")
    elif how == "a folder":
        link(folder / "more", tmp_path)
    elif how == "a loop":
        link(inside, "vocab.txt")
    elif how == "nowhere":
        link(inside, tmp_path / "nothing")
    else:
        link(folder / "step", "../secret.txt")
        link(inside, "step")
    for act in (lambda: locate_base(str(folder), root=tmp_path), lambda: load_encoder(folder, "text", max_tokens=8)):
        with pytest.raises(InputError, match="not a folder of plain files") as caught:
            act()
        assert "is a link that leads out of the folder" in caught.value.where


def test_links_that_are_allowed(tiny_base: Path, tmp_path: Path) -> None:
    """Links inside a base's folder are followed, so are those of the Hugging Face cache to its blobs, and none from there on."""
    home = tmp_path / "models--org--tiny"
    folder = home / "snapshots" / "abc123"
    shutil.copytree(tiny_base, folder)
    (home / "blobs").mkdir()
    (folder / WEIGHTS).rename(home / "blobs" / "0123")
    (folder / WEIGHTS).symlink_to("../../blobs/0123")
    link(folder / "same.json", "config.json")
    assert use_base(folder, "text")
    (tmp_path / "elsewhere").write_bytes(b"")
    link(home / "blobs" / "4567", tmp_path / "elsewhere")
    link(folder / "merges.txt", "../../blobs/4567")
    assert not use_base(folder, "text")


def test_texts_that_are_too_long(folder: Path) -> None:
    """A tokenizer or settings of 1 GB are refused by their size; of a model card only the beginning is read."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name in ("tokenizer.json", "vocab.txt", "config.json"):
        content = (folder / name).read_bytes() if (folder / name).is_file() else None
        with (folder / name).open("wb") as file:
            file.truncate(2**30)
        with refused("base-not-plain") as caught:
            locate_base(str(folder), root=folder)
        assert "1,073,741,824 bytes" in caught.value.where
        (folder / name).unlink() if content is None else (folder / name).write_bytes(content)
    with (folder / "README.md").open("r+b") as file:
        file.truncate(2**29)
    assert read_licence(folder) == "apache-2.0"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024


@pytest.mark.parametrize(
    "licence",
    ['"mit\\nbase_model: evil"', '"\\x1b[31mred"', "<script>alert(1)</script>", "!!python/object/apply:os.getcwd []",
     "&a [*a]", "{a: 1}", "x" * 101, "'\u202etim'"],
)  # fmt: skip
def test_a_licence_is_a_few_words(folder: Path, licence: str) -> None:
    """What a card calls its licence is taken where it is a licence's name, and is unknown where it is anything else."""
    (folder / "README.md").write_text(f"---\nlicense: {licence}\n---\n")
    assert read_licence(folder) == "unknown"


def test_a_card_that_is_a_bomb(folder: Path) -> None:
    """A card whose front matter is made of aliases, merges or depth names no licence, at once."""
    n = 3000
    bombs = (
        "a0: &a0 {x: 1}\n" + "".join(f"a{k}: &a{k} {{<<: [*a{k - 1}, *a{k - 1}]}}\n" for k in range(1, n)),
        "a: " + "[" * n * 10,
        "a: " + "{a: " * n,
    )
    for bomb in bombs:
        (folder / "README.md").write_text(f"---\nlicense: mit\n{bomb}\n---\n")
        assert read_licence(folder) == "unknown"
