"""Checkpoints: a training that was interrupted ends with the bits of one that was not, and no other checkpoint is used."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from graft.model.checkpoint import MAX_SHARE, Checkpoint, TrainingState, training_key
from graft.model.classifier import Classifier
from graft.model.encoder import Progress, silent
from graft.model.examples import Examples
from graft.model.finetune import finetune
from tests.support.slow_cases import slow
from tests.support.tiny_models import finetune_settings, write_tiny_base, write_tiny_image_base
from tests.unit.model.test_image_model import Digits
from tests.unit.model.test_text_model import embed, messages

Train = Callable[..., Classifier]
KEY = "k" * 64


class Interrupted(BaseException):
    """What ends a training from outside."""


class InterruptingScreen:
    """Hears what a training says, and interrupts it at a step."""

    def __init__(self, at: int = 0) -> None:
        self.at, self.steps, self.notes = at, [], []

    def __call__(self, done: int, total: int, note: str) -> None:
        if note.startswith("epoch"):
            self.steps.append(done)
            if done == self.at:
                raise Interrupted
        else:
            self.notes.append((done, note))


def checkpoint(folder: Path, key: str = KEY, seconds: float = 0.0) -> Checkpoint:
    """A checkpoint that is written at every step: no time passes, and none need pass."""
    return Checkpoint(folder / "checkpoints" / "finetune.safetensors", key, clock=lambda: 0.0, seconds=seconds)


def bits(classifier: Classifier) -> dict[str, bytes]:
    """Return what was trained: every tensor with its memory layout, and the losses."""
    tensors = {
        **classifier.encoder.network.state_dict(),
        "weight": classifier.weight,
        "bias": classifier.bias,
    }
    said = {name: repr(tensor.stride()).encode() + tensor.numpy().tobytes() for name, tensor in tensors.items()}
    return {**said, "told": repr((classifier.loss, classifier.held_out, classifier.alpha)).encode()}


@pytest.fixture(scope="module", params=["text", *slow("resnet", "vit")])
def train(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, digits: Digits) -> Train:
    """Train a tiny network for 3 epochs of 4 steps: with dropout, with batch normalisation, with a pooler."""
    folder = tmp_path_factory.mktemp("bases") / request.param
    if request.param == "text":
        write_tiny_base(folder)
        contents, labels, modality = *messages(4), "text"
    else:
        write_tiny_image_base(folder, architecture=request.param)
        contents, labels, modality = digits[0][:32], digits[1][:32], "image"
    features, _ = embed(folder, contents, modality=modality, max_tokens=32)
    examples = Examples(contents, features, labels)

    def run(checkpoint: Checkpoint | None = None, progress: Progress = silent, **changed: object) -> Classifier:
        config = finetune_settings(**{"batch_size": 9, **changed})
        return finetune(
            folder, examples, config, modality=modality, C=10.0, max_tokens=32, checkpoint=checkpoint, progress=progress
        )

    return run


@pytest.fixture(scope="module")
def undisturbed(train: Train) -> dict[str, bytes]:
    """What the training ends with when nothing happens and no checkpoint is kept."""
    return bits(train())


@pytest.mark.parametrize("at", [1, 4, 12, *slow(3, 5)])
def test_an_interrupted_training_ends_with_the_same_bits(
    train: Train, undisturbed: dict[str, bytes], tmp_path: Path, at: int
) -> None:
    """Interrupted within an epoch, at its border or at the end, only the steps left are done, and every bit is the same."""
    with pytest.raises(Interrupted):
        train(checkpoint=checkpoint(tmp_path), progress=InterruptingScreen(at))
    torch.manual_seed(at)  # a new process has another random state
    again = InterruptingScreen()
    assert bits(train(checkpoint=checkpoint(tmp_path), progress=again)) == undisturbed
    assert again.notes == [(at, f"goes on after step {at}")]
    assert again.steps == list(range(at + 1, 13))


STOP = {"held_out": 0.25, "patience": 1}
WAYS = {
    "top_k": {"strategy": "top_k", "n_layers": 1, **STOP},
    "lora": {"strategy": "lora", "layer_decay": 0.5, "l2_sp": 0.1, "precision": "bf16"},
    "contrastive": {"strategy": "contrastive", "label_smoothing": 0.1},
    "full, stopped early": {"learning_rate": 0.1, "interpolation": "auto", **STOP},
    "full, all at random": {"augment": 0.1, "mixup": 0.4, "l2_sp": 0.1, "class_weights": "balanced"},
}


@pytest.mark.parametrize("way", [*slow("top_k", "contrastive"), "lora", "full, stopped early", "full, all at random"])
def test_whatever_the_strategy(train: Train, tmp_path: Path, way: str) -> None:
    """Each strategy, early stop, and all that draws at random: interrupted twice and run again when done, the same bits."""
    undisturbed = InterruptingScreen()
    expected = bits(train(progress=undisturbed, **WAYS[way]))
    n_steps = len(undisturbed.steps)
    for at in (2, n_steps - 1):
        with pytest.raises(Interrupted):
            train(checkpoint=checkpoint(tmp_path), progress=InterruptingScreen(at), **WAYS[way])
        torch.manual_seed(at)
    assert bits(train(checkpoint=checkpoint(tmp_path), **WAYS[way])) == expected
    again = InterruptingScreen()
    assert bits(train(checkpoint=checkpoint(tmp_path), progress=again, **WAYS[way])) == expected
    assert (again.steps, again.notes[-1]) == ([], (n_steps, f"goes on after step {n_steps}"))


def test_interrupted_at_every_step(train: Train, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    """A training that is interrupted after each of its steps arrives, a step at a time, at the same bits."""
    for at in range(1, 13):
        with pytest.raises(Interrupted):
            train(checkpoint=checkpoint(tmp_path), progress=InterruptingScreen(at))
    assert bits(train(checkpoint=checkpoint(tmp_path))) == undisturbed


def test_a_finished_training_is_not_done_again(train: Train, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    """At the end a checkpoint is written, however little time has passed: where the result is lost, no step is repeated."""
    assert bits(train(checkpoint=checkpoint(tmp_path, seconds=1e9))) == undisturbed
    again = InterruptingScreen()
    assert bits(train(checkpoint=checkpoint(tmp_path, seconds=1e9), progress=again)) == undisturbed
    assert again.notes == [(12, "goes on after step 12")]
    assert again.steps == []


def test_the_checkpoint_of_another_training_is_not_used(
    train: Train, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """Under another key training starts anew and says so; its own checkpoint takes the place of the other."""
    train(seed=6, checkpoint=checkpoint(tmp_path, "other"))
    again = InterruptingScreen(5)
    with pytest.raises(Interrupted):
        train(checkpoint=checkpoint(tmp_path), progress=again)
    assert again.notes == [(0, "starts anew, the checkpoint is of another training")]
    assert again.steps == [1, 2, 3, 4, 5]
    assert bits(train(checkpoint=checkpoint(tmp_path))) == undisturbed
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["finetune.safetensors"]


def test_a_checkpoint_of_another_network_is_not_used(tmp_path: Path) -> None:
    """Where the code has changed so that other tensors move, under the same key, training starts anew."""
    mine = checkpoint(tmp_path)
    mine.save(*network(3), training_state())
    for moving, optimizer in (network(4), network(3, dtype=torch.float64), network(3, name="b")):
        before = {name: tensor.clone() for name, tensor in moving.items()}
        assert mine.restore(moving, optimizer) == (TrainingState(), "starts anew, the checkpoint is of another network")
        assert all(torch.equal(tensor, moving[name]) for name, tensor in before.items())
        assert "exp_avg" not in optimizer.state[next(iter(moving.values()))]


def network(
    size: int, *, name: str = "a", dtype: torch.dtype = torch.float32, steps: int = 0
) -> tuple[dict[str, torch.Tensor], torch.optim.Optimizer]:
    """Return the smallest thing that can be trained, after some steps."""
    parameter = torch.arange(float(size), dtype=dtype).requires_grad_()
    optimizer = torch.optim.AdamW([parameter], lr=0.1)
    for _ in range(steps):
        (parameter**2).sum().backward()
        optimizer.step()
    return {name: parameter, "n": torch.tensor(7)}, optimizer


def training_state() -> TrainingState:
    return TrainingState(n_done=2, total=0.1 + 0.2, losses=(1.5,))


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    """Tensors, what the optimizer keeps of them, torch's random state and the stand come back, bit for bit."""
    moving, optimizer = network(3, steps=2)
    random_state = torch.get_rng_state()
    checkpoint(tmp_path).save(moving, optimizer, training_state())
    torch.rand(1)
    other, fresh = network(3)
    other["n"] += 1
    assert checkpoint(tmp_path).restore(other, fresh) == (training_state(), "goes on after step 2")
    assert torch.equal(torch.get_rng_state(), random_state)
    assert all(torch.equal(other[name], tensor) for name, tensor in moving.items())
    kept, found = optimizer.state[moving["a"]], fresh.state[other["a"]]
    assert set(kept) == {"step", "exp_avg", "exp_avg_sq"} == set(found)
    assert all(torch.equal(found[kind], value) for kind, value in kept.items())
    assert not found["exp_avg"].requires_grad


@pytest.fixture
def intact_checkpoint(tmp_path: Path) -> Path:
    """A checkpoint that is whole."""
    mine = checkpoint(tmp_path)
    mine.save(*network(3, steps=2), training_state())
    return mine.path


def is_refused(path: Path) -> bool:
    """Return whether a checkpoint is refused, with nothing changed."""
    moving, optimizer = network(3)
    random_state = torch.get_rng_state()
    found, note = checkpoint(path.parents[1]).restore(moving, optimizer)
    return (
        (found, note[:28]) == (TrainingState(), "starts anew, the checkpoint ")
        and torch.equal(moving["a"], torch.arange(3.0))
        and not optimizer.state[moving["a"]]
        and torch.equal(torch.get_rng_state(), random_state)
    )


def test_every_flipped_byte_is_noticed(intact_checkpoint: Path) -> None:
    """Whichever byte of the header is another, and whatever it is now, the checkpoint is not used; nor with one of its tensors'.

    These are for the most part the 5,056 bytes of the random state, of which every 25th is tried.
    """
    content = intact_checkpoint.read_bytes()
    n_header = 8 + struct.unpack("<Q", content[:8])[0]
    rng = random.Random(0)  # noqa: S311 - damage, not secrets
    for at in [*range(n_header), *range(n_header, len(content), 25)]:
        for other in {content[at] ^ 1, rng.choice([c for c in range(256) if c != content[at]])}:
            intact_checkpoint.write_bytes(content[:at] + bytes([other]) + content[at + 1 :])
            assert is_refused(intact_checkpoint), (at, other)
    intact_checkpoint.write_bytes(content)
    assert checkpoint(intact_checkpoint.parents[1]).restore(*network(3))[0] == training_state()


def test_a_file_that_is_cut_or_grown_is_not_used(intact_checkpoint: Path) -> None:
    """A file without its end, with more behind it, with noise in it, an empty one, and what is no checkpoint at all."""
    content = intact_checkpoint.read_bytes()
    rng = random.Random(1)  # noqa: S311 - likewise
    cut = [content[: rng.randrange(len(content))] for _ in range(40)]
    noise = [bytes(rng.randbytes(300)), b"\xff" * 300, struct.pack("<Q", 2**62) + b"{}", b"PK\x03\x04" * 99]
    for other in [
        b"",
        content[:-1],
        content + b"\0",
        content + content,
        content[:4000].ljust(len(content), b"\0"),
        *cut,
        *noise,
    ]:
        intact_checkpoint.write_bytes(other)
        assert is_refused(intact_checkpoint), other[:50]


def test_tensors_under_another_name_or_telling_are_noticed(intact_checkpoint: Path) -> None:
    """A file in order, but with another stand, two tensors of one shape exchanged, one absent, or nothing said of itself."""
    with safe_open(intact_checkpoint, framework="pt") as file:
        told = file.metadata()
    tensors = load_file(intact_checkpoint)
    later = {**told, "stand": json.dumps({"n_done": 3, "total": 0.0, "losses": []})}
    swapped = {**tensors, "exp_avg/a": tensors["exp_avg_sq/a"], "exp_avg_sq/a": tensors["exp_avg/a"]}
    short = {name: tensor for name, tensor in tensors.items() if name != "random/torch"}
    for one, says in [(tensors, later), (swapped, told), (short, told), (tensors, None), (tensors, {"key": KEY})]:
        save_file({name: tensor.clone() for name, tensor in one.items()}, intact_checkpoint, metadata=says)
        assert is_refused(intact_checkpoint)


def test_a_crash_while_it_is_written_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted before the file has its name, the checkpoint before stands; the next one takes away what is left."""
    mine = checkpoint(tmp_path)
    mine.save(*network(3, steps=1), training_state())
    with monkeypatch.context() as patched:
        patched.setattr("graft.model.checkpoint.os.replace", interrupt)
        with pytest.raises(Interrupted):
            mine.save(*network(3, steps=2), TrainingState(n_done=9))
    (mine.path.parent / ".tmpX7dQ2a").write_bytes(b"what safetensors had written when it was killed")
    assert len(list(mine.path.parent.iterdir())) == 3
    assert mine.restore(*network(3))[0] == training_state()
    mine.save(*network(3, steps=2), TrainingState(n_done=9))
    assert list(mine.path.parent.iterdir()) == [mine.path]


def interrupt(*_: object) -> None:
    raise Interrupted


def test_checkpoints_are_written_as_time_passes_and_take_little_of_it(tmp_path: Path) -> None:
    """One is due so long after the one before, and later where writing takes long, so that training gets the time."""
    now = [0.0]
    mine = Checkpoint(tmp_path / "c" / "finetune.safetensors", KEY, clock=lambda: now[0], seconds=30.0)
    assert not mine.due()
    now[0] = 29.9
    assert not mine.due()
    now[0] = 30.0
    assert mine.due()
    mine.save(*network(3), training_state())
    assert not mine.due()
    ticks = iter([100.0, 110.0])  # writing takes ten seconds
    mine.clock = lambda: next(ticks)
    mine.save(*network(3), training_state())
    mine.clock = lambda: now[0]
    now[0] = 110.0 + 10.0 / MAX_SHARE - 0.1
    assert not mine.due()
    now[0] += 0.2
    assert mine.due()


def test_a_key_is_of_one_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same facts have the same key, in any order; another fact, package or number of threads has another."""
    facts = {"seed": 5, "base": {"model.safetensors": "0" * 64}}
    key = training_key(facts)
    assert key == training_key(dict(reversed(facts.items())))
    assert key != training_key({**facts, "seed": 6})
    monkeypatch.setattr("graft.model.checkpoint.version", lambda name: "0.1")
    assert key != (other := training_key(facts))
    monkeypatch.setattr("torch.get_num_threads", lambda: 99)
    assert training_key(facts) not in {key, other}


def test_the_random_state_of_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is a GPU its random state is written and restored too; a checkpoint with another kind of state is not used."""
    state = [torch.arange(16, dtype=torch.uint8)]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda: torch.clone(state[0]))
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda new: state.__setitem__(0, new))
    moving = {"w": torch.ones(2)}
    checkpoint(tmp_path).save(moving, None, TrainingState(n_done=3))
    state[0] = torch.zeros(16, dtype=torch.uint8)
    moving["w"].zero_()
    assert checkpoint(tmp_path).restore(moving, None)[0].n_done == 3
    assert state[0].tolist() == list(range(16))
    assert moving["w"].tolist() == [1.0, 1.0]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert checkpoint(tmp_path).restore(moving, None)[0].n_done == 0
