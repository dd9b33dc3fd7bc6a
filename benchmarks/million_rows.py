"""Time and memory of ingest and validate as rows grow: short texts drawn at random, one in fifty a near-duplicate of another.

    python benchmarks/million_rows.py 50000 500000 5000000

Each size is a workspace of its own; each step runs as `graft step` does, in a process of its own, and is measured from outside:
CPU seconds and the peak of its resident memory.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from graft.recipe.text import recipe_text
from graft_tasks.commands.init import adopt, init
from graft_tasks.registry.pin import pin
from tests.support.tiny_models import write_tiny_base

WORDS = 20_000
CLASSES = 20


def write_rows(path: Path, n: int, seed: int = 0) -> None:
    """Write n rows of 6 to 14 words, Zipf-like, each with a class, a customer and a time."""
    rng = np.random.default_rng(seed)
    letters = np.array(list("etaoinshrdlucmfwygpbvk"))
    words = np.array(["".join(rng.choice(letters, size=k)) for k in rng.integers(2, 10, WORDS)], dtype=object)
    weights = 1 / np.arange(1, WORDS + 1) ** 0.9
    weights /= weights.sum()
    with path.open("w", encoding="utf-8") as file:
        file.write("id,text,label,region\n")
        last = ""
        for start in range(0, n, 100_000):
            size = min(100_000, n - start)
            lengths = rng.integers(6, 15, size)
            drawn = words[rng.choice(WORDS, size=int(lengths.sum()), p=weights)]
            ends = np.cumsum(lengths)
            lines = []
            for k in range(size):
                text = f"{last} again" if k % 50 == 49 else " ".join(drawn[ends[k] - lengths[k] : ends[k]])
                last = text
                lines.append(
                    f"r{start + k},{text},class {(start + k) * 7919 % CLASSES},{'north' if k % 3 else 'south'}\n"
                )
            file.writelines(lines)


def measure(root: Path, step: str) -> tuple[float, float]:
    """Run a step; return its CPU seconds and its peak memory in GiB."""
    graft = Path(sys.executable).parent / "graft"
    process = subprocess.Popen([str(graft), "step", step, "rows"], cwd=root, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, f"{step} ended with {status}"
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 2**20


def main() -> None:
    print(f"{'rows':>12}  {'step':<10}{'CPU s':>8}{'us a row':>10}{'GiB':>7}")
    for n in [int(argument) for argument in sys.argv[1:]] or [50_000, 500_000]:
        with tempfile.TemporaryDirectory() as folder:
            workspace, _ = init(Path(folder) / "workspace")
            write_tiny_base(workspace.root / "base")
            write_rows(Path(folder) / "rows.csv", n)
            keys = {"data.dataset": "rows", "data.train": "rows.csv", "data.text": "text", "data.label": "label"}
            text = recipe_text("rows", {**keys, "data.id": "id", "choose_base.bases": ["base"]})
            adopt(workspace.recipe("rows"), {"rows.csv": Path(folder) / "rows.csv"}, text)
            os.unlink(Path(folder) / "rows.csv")
            pin(workspace.recipe("rows"))
            for step in ("ingest", "validate"):
                cpu, memory = measure(workspace.root, step)
                print(f"{n:>12,}  {step:<10}{cpu:>8.1f}{cpu / n * 1e6:>10.1f}{memory:>7.2f}", flush=True)
            shutil.rmtree(workspace.root)


if __name__ == "__main__":
    main()
