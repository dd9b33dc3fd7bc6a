"""What a comparison costs as rows grow: CPU time and peak memory of ``graft.shift.compare``, each size in a process of its own.

    python -m benchmarks.shift_scale [10000 30000 100000]

Rows are made up: 77 classes around their own centres in 384 dimensions, unit norm, float32; the reference has labels, the current
rows none, and a shift.  Bounds are a recipe's defaults. Memory is told before the comparison (imports, both samples) too.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
import resource
import subprocess
import sys
import time

import numpy as np

from graft.recipe.schema import DetectShift
from graft.shift.compare import compare
from graft.shift.sample import Sample

WIDTH, N_CLASSES = 384, 77
BOUNDS = DetectShift(alpha=0.01, max_auc=0.65, n_permutations=999, max_rows=1_000)


def made_up(n: int, centres: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return n unit-norm rows around their classes' centres, and the classes' names."""
    classes = rng.integers(0, len(centres), n)
    features = rng.standard_normal((n, WIDTH), dtype=np.float32)
    features += centres[classes]
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return features, np.array([f"class {k}" for k in range(len(centres))])[classes]


def peak() -> float:
    """Return this process's peak memory, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def cost_of(n: int) -> None:
    """Measure one size, in this process."""
    rng = np.random.default_rng(0)
    centres = 2 * rng.standard_normal((N_CLASSES, WIDTH), dtype=np.float32)
    features, labels = made_up(n, centres, rng)
    reference = Sample("reference", features, labels)
    current = Sample("current", made_up(n, centres + np.float32(0.1), rng)[0])
    before, began = peak(), time.process_time()
    found = compare("scale", reference, current, BOUNDS, rng=rng)
    spent = time.process_time() - began
    print(f"{n:10,}{spent:10.1f}{spent / n * 1e6:16.1f}{before:16.0f}{peak():12.0f}   {found.because}")


def main() -> None:
    match sys.argv[1:]:
        case ["cost-of", n]:
            cost_of(int(n))
        case sizes:
            print(f"{'rows':>10}{'CPU s':>10}{'us a row':>16}{'MiB before':>16}{'peak MiB':>12}", flush=True)
            for n in sizes or ["10000", "30000", "100000"]:
                subprocess.run([sys.executable, "-m", "benchmarks.shift_scale", "cost-of", n], check=True)


if __name__ == "__main__":
    main()
