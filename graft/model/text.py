"""Text: how strings become tensors, and how a base embeds them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from graft.errors import InputError
from graft.modality import TEXT
from graft.model.network import load_classifier, load_network, refusal, refusals, save_network, untrained

WITHOUT_GRAFT = """\
import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer


def classify(text, folder="."):
    graft, head = json.loads(Path(folder, "graft.json").read_text()), load_file(Path(folder, "head.safetensors"))
    cut = AutoTokenizer.from_pretrained(folder)(text, truncation=True, max_length=graft["max_tokens"], return_tensors="pt")
    hidden = AutoModel.from_pretrained(folder)(cut["input_ids"], attention_mask=cut["attention_mask"]).last_hidden_state
    feature = torch.nn.functional.normalize(hidden.mean(dim=1), dim=1)
    shares = (feature @ head["weight"].T + head["bias"]).softmax(dim=1)
    return dict(zip(graft["labels"], shares[0].tolist()))
"""
"""How a promoted model is asked without Graft. It stands in each model's card, and a test runs it."""

TRIED = ("a", "a a")
"""What each encoder reads when it is loaded: lengths without a common divisor, as some settings work for few lengths only."""


@dataclass(frozen=True)
class TextEncoder:
    """A tokenizer and a network; an item is the token ids of a text."""

    tokenizer: Any
    network: Any
    max_tokens: int
    modality: str = TEXT.name
    is_pretrained: bool = True

    @classmethod
    def load(cls, folder: Path, max_tokens: int) -> TextEncoder:
        """Return the encoder in a folder, tried on two texts: then tokenizer, settings and network fit each other.

        Raises:
            InputError: as ``load_network``; no tokenizer that knows a word, or a network without places for so many tokens.
        """
        network = load_network(folder, TEXT.name, takes="input_ids")
        n_places = _places(network)
        if max_tokens > n_places:
            raise InputError(
                f"embed.max_tokens is {max_tokens:,}, and {folder.name} reads {n_places:,} tokens at most.",
                do=f"set embed.max_tokens to {n_places} or less",
            )
        with refusals(folder, TEXT.name):
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
            vocabulary = set(tokenizer.get_vocab())
        if vocabulary <= set(tokenizer.all_special_tokens):  # transformers makes such a one where there is none
            raise refusal(folder, TEXT.name, f"{folder} has no tokenizer that knows a word")
        encoder = cls(tokenizer=tokenizer, network=network, max_tokens=max_tokens)
        with refusals(folder, TEXT.name), torch.inference_mode():
            for text in TRIED:
                encoder.pool(encoder.collate(encoder.prepare([text])[0]))
        return encoder

    @property
    def dimension(self) -> int:
        """The features' width."""
        return int(self.network.config.hidden_size)

    def prepare(self, contents: Sequence[str]) -> tuple[list[list[int]], int]:
        """Return the token ids of each text, cut to ``max_tokens``, and how many texts were cut."""
        encoded = self.tokenizer(list(contents), truncation=False, padding=False)["input_ids"]
        n_cut = sum(len(ids) > self.max_tokens for ids in encoded)
        if n_cut:
            encoded = self.tokenizer(list(contents), truncation=True, padding=False, max_length=self.max_tokens)[
                "input_ids"
            ]
        return encoded, n_cut

    def batch_order(self, items: Sequence[list[int]]) -> list[int]:
        """Return each text's length in tokens: texts of like length together need less padding."""
        return [len(ids) for ids in items]

    def collate(self, items: Sequence[list[int]]) -> dict[str, torch.Tensor]:
        """Return one batch as tensors ``input_ids`` and ``attention_mask``, shape (rows, longest)."""
        width = max(len(row) for row in items)
        padding = self.tokenizer.pad_token_id or 0
        return {
            "input_ids": torch.tensor([row + [padding] * (width - len(row)) for row in items]),
            "attention_mask": torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in items]),
        }

    def pool(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the unit-norm mean over each text's tokens, shape (rows, dimension).

        Assumes: mean pooling, as sentence encoders of the MiniLM family are trained with.
        """
        hidden = self.network(**batch).last_hidden_state
        mask = batch["attention_mask"].unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
        return torch.nn.functional.normalize(mean, dim=1)

    def lengths(self, items: Sequence[list[int]]) -> list[int | None]:
        """Return each text's length in tokens."""
        return [len(ids) for ids in items]

    def collate_behind(self, items: Sequence[list[int]], hidden: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return one batch with ``hidden`` beside the tokens and their mask."""
        return {**self.collate(items), "hidden": hidden}

    def frozen(self) -> list[torch.nn.Parameter]:
        """Return the pooler, and pretrained word embeddings, as few rows hold few words and it saves a third of the time."""
        pooler = [parameter for name, parameter in self.network.named_parameters() if name.startswith("pooler.")]
        return [self.network.get_input_embeddings().weight, *pooler] if self.is_pretrained else pooler

    def augment(
        self, batch: dict[str, torch.Tensor], strength: float, rng: np.random.Generator
    ) -> dict[str, torch.Tensor]:
        """Hide each token with probability ``strength``, but for the first of each text: neither attention nor mean see it."""
        mask = batch["attention_mask"]
        is_kept = torch.from_numpy(rng.random(tuple(mask.shape)) >= strength)
        is_kept[:, 0] = True
        return {**batch, "attention_mask": mask * is_kept}

    def with_network(self, network: Any) -> TextEncoder:
        """Return the encoder with another network."""
        return replace(self, network=network)

    def untrained(self, seed: int) -> TextEncoder:
        """Return an encoder of the same architecture and tokenizer that has learned nothing."""
        return replace(self, network=untrained(self.network, seed), is_pretrained=False)

    def settings(self) -> dict[str, Any]:
        """Return what ``graft.json`` says of the encoder."""
        return {"max_tokens": self.max_tokens, "pooling": "mean, unit norm"}

    def own_classifier(self, folder: Path) -> Any | None:
        """Return the base's network with its own head, or None."""
        return load_classifier(folder, self.modality, AutoModelForSequenceClassification)

    def without_graft(self) -> str:
        """Return the lines of Python that ask a model with this encoder without Graft."""
        return WITHOUT_GRAFT

    @property
    def auto_class(self) -> str:
        """The class of transformers for classifiers of texts."""
        return str(AutoModelForSequenceClassification.__name__)

    def save(self, folder: Path) -> None:
        """Write network and tokenizer."""
        save_network(self.network, folder, AutoModelForSequenceClassification)
        self.tokenizer.save_pretrained(folder)


def _places(network: Any) -> int:
    """Return how many tokens a network has learned places for; one that computes places reads any number.

    RoBERTa's family counts from behind the place of its padding.
    """
    names = {"position_embeddings", "wpe"}
    tables = [module for name, module in network.named_modules() if name.rpartition(".")[2] in names]
    first = [0 if table.padding_idx is None else table.padding_idx + 1 for table in tables]
    return min((table.num_embeddings - k for table, k in zip(tables, first, strict=True)), default=sys.maxsize)
