"""A base small enough for unit tests: a real BERT with a real WordPiece tokenizer, its weights drawn at random."""

from __future__ import annotations

import string
from pathlib import Path

WORDS = """the a an and or not to of in on for my your i you it is was are has have with this that please what where when
how money card order bill refund pay late parcel broken cancel move house engineer visit password account good bad red blue
cat dog car tree no yes"""
CARD = "---\nlicense: apache-2.0\n---\n\n# Tiny\n\nRandom weights, for tests.\n"


def write_tiny_base(folder: Path, seed: int = 0) -> Path:
    """Write a tiny random BERT (hidden size 32) as a Hugging Face folder; the same seed gives the same bytes."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    letters = string.ascii_lowercase + string.digits + string.punctuation
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = list(dict.fromkeys([*special, *letters, *(f"##{c}" for c in letters), *WORDS.split()]))
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = BertConfig(
            vocab_size=len(words),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=160,
        )
        BertModel(config).save_pretrained(folder)
    BertTokenizerFast(vocab={word: k for k, word in enumerate(words)}).save_pretrained(folder)
    (folder / "README.md").write_text(CARD)
    return folder
