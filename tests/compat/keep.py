"""Keeps what this version writes, once per release: python -m tests.compat.keep

A folder that is there is never written again.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from graft import __version__
from graft.model.classifier import predict
from graft.model.folder import load_model
from graft_tasks.commands.monitor import monitor
from tests.support.lineage_workspace import make_lineage
from tests.support.tiny_models import write_tiny_base

HERE = Path(__file__).parent
TEXTS = ["Please cancel my order", "Where is my parcel?", "ünïcode, and a very long text " * 9]
KEPT = ("base", "data", "keys", "ledger", "recipes", "registry", "params.yaml")
LEFT_OUT = shutil.ignore_patterns("files", "cost.json", ".gitignore", ".gitkeep", "*.part")


def keep(folder: Path) -> None:
    """Write a workspace with a chain, a monitored batch and some predictions; without git, DVC and the private key."""
    os.environ |= {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "user.name", "GIT_CONFIG_VALUE_0": "ann"}
    with tempfile.TemporaryDirectory() as scratch:
        workspace = make_lineage(Path(scratch), write_tiny_base(Path(scratch) / "tiny"))
        monitor(workspace.recipe("grown"), workspace.dataset("grown") / "rows.csv", progress=lambda *_: None)
        model = load_model(workspace.recipe("grown").registry / "0001")
        scores = predict(model, TEXTS).round(6).tolist()
        for name in KEPT:
            if (workspace.root / name).is_dir():
                shutil.copytree(workspace.root / name, folder / name, ignore=LEFT_OUT)
            else:
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(workspace.root / name, folder / name)
        (folder / "predictions.json").write_text(json.dumps({"texts": TEXTS, "scores": scores}, indent=1) + "\n")


if __name__ == "__main__":
    target = HERE / __version__
    if target.exists():
        sys.exit(f"{target} is there already: what a release wrote is never written again.")
    keep(target)
