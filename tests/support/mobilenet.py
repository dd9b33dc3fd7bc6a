"""ImageNet's MobileNetV2 as a Hugging Face folder: Google's weights, which the shared data hold under torchvision's names."""

from __future__ import annotations

from pathlib import Path

WEIGHTS = Path("weights") / "mobilenet_imagenet" / "mobilenet_v2_1.0_224_imagenet1001.safetensors"
LABELS = WEIGHTS.with_name("imagenet_labels.txt")
PICTURE = WEIGHTS.with_name("grace_hopper.bmp")
N_BLOCKS = 17
CARD = """---
license: apache-2.0
---

# MobileNetV2 1.0

Google's quantised ImageNet weights (google-coral/test_data), dequantised. Input: RGB / 127.5 - 1, {side} pixels a side.
"""


def layers() -> dict[str, str]:
    """Return the name in transformers of each convolution, normalisation and the classifier, by torchvision's name.

    torchvision: ``features.0`` is the first convolution, ``features.1`` the block without expansion, ``features.2`` to ``17``
    blocks of expansion, depthwise convolution and reduction, ``features.18`` the last convolution. transformers calls the
    first two ``conv_stem`` and counts the blocks after them from 0.
    """
    pairs = {
        "features.0.0": "conv_stem.first_conv.convolution",
        "features.0.1": "conv_stem.first_conv.normalization",
        "features.1.conv.0.0": "conv_stem.conv_3x3.convolution",
        "features.1.conv.0.1": "conv_stem.conv_3x3.normalization",
        "features.1.conv.1": "conv_stem.reduce_1x1.convolution",
        "features.1.conv.2": "conv_stem.reduce_1x1.normalization",
        "features.18.0": "conv_1x1.convolution",
        "features.18.1": "conv_1x1.normalization",
    }
    for block in range(2, N_BLOCKS + 1):
        theirs, ours = f"features.{block}.conv", f"layer.{block - 2}"
        pairs |= {
            f"{theirs}.0.0": f"{ours}.expand_1x1.convolution",
            f"{theirs}.0.1": f"{ours}.expand_1x1.normalization",
            f"{theirs}.1.0": f"{ours}.conv_3x3.convolution",
            f"{theirs}.1.1": f"{ours}.conv_3x3.normalization",
            f"{theirs}.2": f"{ours}.reduce_1x1.convolution",
            f"{theirs}.3": f"{ours}.reduce_1x1.normalization",
        }
    return {theirs: f"mobilenet_v2.{ours}" for theirs, ours in pairs.items()} | {"classifier.1": "classifier"}


def write_mobilenet(shared_data: Path, folder: Path, *, side: int = 224, classifier: bool = False) -> Path:
    """Write the network (with its 1,001 classes, or without, as a base) and its image processor.

    Args:
        side: pixels that images are resized to, proportions dropped; 96 takes a fifth of the time of 224.

    Raises:
        AssertionError: a tensor of the file has no place, or a place no tensor.
    """
    from safetensors.torch import load_file
    from transformers import MobileNetV2Config, MobileNetV2ForImageClassification
    from transformers.models.mobilenet_v2.image_processing_pil_mobilenet_v2 import MobileNetV2ImageProcessorPil

    tensors = load_file(shared_data / WEIGHTS)
    names = layers()
    state = {}
    for name, tensor in tensors.items():
        layer, kind = name.rsplit(".", 1)
        state[f"{names[layer]}.{kind}"] = tensor
    assert len(state) == len(tensors)
    config = MobileNetV2Config(
        num_labels=1001,
        layer_norm_eps=1e-5,  # torchvision's, with which the running statistics were estimated
        tf_padding=True,
        image_size=side,
    )
    network = MobileNetV2ForImageClassification(config)
    network.load_state_dict(state, strict=True)
    folder.mkdir(parents=True, exist_ok=True)
    (network if classifier else network.mobilenet_v2).save_pretrained(folder)
    MobileNetV2ImageProcessorPil(
        size={"height": side, "width": side},
        do_center_crop=False,
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    ).save_pretrained(folder)
    (folder / "README.md").write_text(CARD.format(side=side))
    return folder
