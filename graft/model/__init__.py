"""Models: finding a base, embedding with it, fine-tuning it, writing it down, predicting. The only package that imports torch.

``text.py`` and ``image.py`` are where the modality lives: how rows become tensors and how a base embeds them. Every other
module works through ``encoder.Encoder`` and does not know what a row is.
"""

import os

os.environ["HF_HUB_OFFLINE"] = (
    "1"  # before transformers is imported: a base is a folder here, nothing may ask a hub for more
)
os.environ["TOKENIZERS_PARALLELISM"] = "false"
