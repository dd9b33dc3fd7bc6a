"""Which layers a network has, and cutting between two: features and losses through a cut are those of the whole network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from graft.errors import InputError
from graft.model.encoder import Encoder, load_encoder
from graft.model.layers import Cut, find_stack
from graft.model.train import Rows, Training
from tests.support.slow_cases import slow
from tests.support.tiny_models import finetune_settings, without_dropout, write_tiny_base, write_tiny_image_base
from tests.unit.model.test_image_model import Digits
from tests.unit.model.test_text_model import messages

SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "vocab_size": 300,
}
IMAGE = {"image_size": 32}
Make = Callable[[], Any]


def made(name: str, **settings: object) -> Make:
    return lambda: getattr(transformers, f"{name}Model")(getattr(transformers, f"{name}Config")(**settings))


TEXT_NETWORKS = {
    "bert": made("Bert", **SMALL),
    "roberta": made("Roberta", **SMALL),
    "mpnet": made("MPNet", **SMALL),
    "distilbert": made("DistilBert", dim=32, n_layers=3, n_heads=2, hidden_dim=64, vocab_size=300),
    "electra": made("Electra", **SMALL, embedding_size=16),
    "deberta": made("DebertaV2", **SMALL),
    "modernbert": made("ModernBert", **SMALL, pad_token_id=0, local_attention=8),
    "gpt2": made("GPT2", n_embd=32, n_layer=3, n_head=2, vocab_size=300),
    "albert": made("Albert", **SMALL, embedding_size=16),
    "t5": lambda: transformers.T5EncoderModel(
        transformers.T5Config(d_model=32, d_kv=16, d_ff=64, num_layers=3, num_heads=2, vocab_size=300)
    ),
}
IMAGE_NETWORKS = {
    "resnet": made("ResNet", embedding_size=8, hidden_sizes=[8, 16, 16], depths=[1, 1, 1], layer_type="basic"),
    "vit": made("ViT", **{**SMALL, **IMAGE}, patch_size=8),
    "dinov2": made("Dinov2", **{**SMALL, **IMAGE}, patch_size=8),
    "mobilenet": made("MobileNetV2", depth_multiplier=0.35, **IMAGE),
    "convnext": made("ConvNext", hidden_sizes=[8, 16, 16], depths=[1, 1, 1], num_stages=3),
    "swin": made("Swin", **IMAGE, patch_size=4, embed_dim=8, depths=[1, 1], num_heads=[1, 2], window_size=4),
}
CUT = {
    "bert",
    "roberta",
    "mpnet",
    "distilbert",
    "deberta",
    "modernbert",
    "resnet",
    "vit",
    "dinov2",
    "mobilenet",
    "convnext",
}


@pytest.fixture(scope="module")
def text_encoder(tiny_base: Path) -> Encoder:
    return load_encoder(tiny_base, "text", max_tokens=64)


@pytest.fixture(scope="module")
def image_encoder(tiny_image_base: Path) -> Encoder:
    return load_encoder(tiny_image_base, "image", max_tokens=0)


def check_cut(encoder: Encoder, contents: list[Any], n_layers: int) -> bool:
    """Return whether an encoder can be cut; where it can, its features are the same, whatever shares a batch."""
    items, _ = encoder.prepare(contents)
    try:
        cut = Cut(encoder, n_layers)
        kept, _ = cut.prepare(items, batch_size=5)
    except InputError as error:
        return "finetune.strategy: full" not in error.do
    with torch.inference_mode():
        for rows in ([0, 1], [2, len(items) - 1], range(len(items))):
            whole = encoder.pool(encoder.collate([items[i] for i in rows]))
            assert (cut.pool(cut.collate([kept[i] for i in rows])) - whole).abs().max() < 1e-5
    return True


@pytest.mark.parametrize("name", TEXT_NETWORKS)
def test_text_networks_are_cut_or_refused(name: str, text_encoder: Encoder) -> None:
    """Every architecture either gives the same features through a cut, for texts of any lengths, or is refused in a sentence."""
    torch.manual_seed(1)
    encoder = text_encoder.with_network(TEXT_NETWORKS[name]().eval())
    texts = ["cat", *messages(4)[0][::3], "please pay my bill " * 8, "where " * 50]
    assert check_cut(encoder, texts, 1) == (name in CUT)
    assert find_stack(encoder.network).n_layers == (1 if name == "albert" else 3)


@pytest.mark.parametrize("name", IMAGE_NETWORKS)
def test_image_networks_are_cut_or_refused(name: str, image_encoder: Encoder, digits: Digits) -> None:
    """Likewise for images, with running statistics that are not those of a new network."""
    torch.manual_seed(1)
    network = IMAGE_NETWORKS[name]()
    pixels = image_encoder.collate(image_encoder.prepare(digits[0][20:40])[0])["pixel_values"]
    for _ in range(20):
        network(pixel_values=pixels)
    encoder = image_encoder.with_network(network.eval())
    assert check_cut(encoder, digits[0][:12], 1) == (name in CUT)


def test_a_network_without_layers_is_refused() -> None:
    """Where no list of layers stands behind a first part, the sentence names what works."""
    with pytest.raises(InputError, match="The layers of a Linear cannot be told apart"):
        find_stack(torch.nn.Linear(2, 2))
    with pytest.raises(InputError, match="The layers of a Sequential cannot be told apart"):
        find_stack(torch.nn.Sequential(torch.nn.ModuleList([torch.nn.Linear(2, 2)])))


def test_as_many_layers_as_there_are(text_encoder: Encoder) -> None:
    """All layers or more are not the last ones."""
    for n_layers in (2, 9):
        with pytest.raises(InputError, match=f"finetune.n_layers is {n_layers}, and this base has 2 layers") as said:
            Cut(text_encoder, n_layers)
        assert said.value.do.startswith("take 1 to 1, or")


def test_depths(text_encoder: Encoder) -> None:
    """What lies before the layers is the deepest, each layer counts one, and what lies behind counts as the last."""
    stack = find_stack(text_encoder.network)
    depths = {name: stack.depth(name) for name, _ in text_encoder.network.named_parameters()}
    assert depths["embeddings.position_embeddings.weight"] == 2
    assert depths["encoder.layer.0.output.dense.weight"] == 1
    assert depths["encoder.layer.1.output.dense.weight"] == 0
    assert depths["pooler.dense.weight"] == 0
    gpt = find_stack(TEXT_NETWORKS["gpt2"]())
    assert [gpt.depth(f"{name}.weight") for name in ("wte", "wpe", "h.0.ln_1", "h.2.ln_1", "ln_f")] == [3, 3, 2, 0, 0]


@pytest.fixture(params=["text", *slow("resnet", "vit")])
def base_without_dropout(
    request: pytest.FixtureRequest, tmp_path: Path, digits: Digits
) -> tuple[Path, str, list[Any], np.ndarray]:
    """A base without dropout, with rows of four classes."""
    if request.param == "text":
        return without_dropout(write_tiny_base(tmp_path)), "text", *messages(4)
    base = without_dropout(write_tiny_image_base(tmp_path, architecture=request.param))
    return base, "image", digits[0][:40], digits[1][:40]


class RecordingTraining(Training):
    """A training that tells the loss of each step."""

    def _step(self, batch: np.ndarray, epoch: int) -> float:
        loss = super()._step(batch, epoch)
        self.steps = [*getattr(self, "steps", []), loss]
        return loss


def test_losses_through_a_cut(base_without_dropout: tuple[Path, Any, list[Any], np.ndarray]) -> None:
    """Over 50 steps at dropout 0, the last layer trained behind a cut and in the whole network: the same losses and weights.

    The bias of an attention's keys is left out: its gradient is 0 in theory, and Adam scales up what rounding makes of it.
    """
    base, modality, contents, labels = base_without_dropout
    codes = np.unique(labels, return_inverse=True)[1]
    wanted, weights = torch.eye(codes.max() + 1)[codes], torch.ones(len(codes))
    losses, ends = [], []
    for is_cut in (True, False):
        encoder = load_encoder(base, modality, max_tokens=32)
        items = encoder.prepare(contents)[0]
        for parameter in encoder.frozen():
            parameter.requires_grad_(False)
        through: Any = Cut(encoder, 1) if is_cut else encoder
        rows = Rows(through.prepare(items)[0] if is_cut else items, wanted, weights)
        stack = find_stack(through.network)
        trained = {n: p for n, p in through.network.named_parameters() if p.requires_grad and stack.depth(n) == 0}
        seen = [p for n, p in trained.items() if not n.endswith("key.bias")]
        torch.manual_seed(0)
        head = torch.nn.Linear(encoder.dimension, wanted.shape[1])
        begins = [p.detach().clone() for p in (*seen, head.weight, head.bias)]
        training = RecordingTraining(through, head, rows, finetune_settings(n_epochs=13, learning_rate=3e-3), trained)
        training.run()
        losses.append(training.steps)
        ends.append([p.detach().clone() for p in (*seen, head.weight, head.bias)])
    assert len(losses[0]) == len(losses[1]) >= 50
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    moved = [(one - first).abs().max() > 0.003 for one, first in zip(ends[0], begins, strict=True)]
    assert sum(moved) > 0.8 * len(moved)
    assert all((one - other).abs().max() < 1e-5 for one, other in zip(*ends, strict=True))
