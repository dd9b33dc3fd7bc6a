"""What the step embed costs when a dataset grows by one file, with the feature cache and without it.

    python benchmarks/feature_cache.py [--share 0.05]

The bundled messages and MiniLM, in a new workspace: first all rows but a share, then that share as one more file. CPU time of
the step in this process, once everything is imported; and beside it that of embedding all rows as one chunk, without a cache.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path

import pandas as pd

from graft.model.encoder import embed
from graft.recipe.text import recipe_text
from graft.records import EmbeddingRecord, sha256_file
from graft_tasks.commands.init import adopt, init
from graft_tasks.datasets.add import add
from graft_tasks.registry.bases import locate
from graft_tasks.registry.pin import pin
from graft_tasks.steps.context import run_step
from graft_tasks.steps.rows import FEATURES
from graft_tasks.workspace import Workspace

MESSAGES = Path(__file__).parents[1] / "data" / "datasets" / "support" / "messages.csv"
KEYS = {"data.dataset": "mail", "data.train": "rows.csv", "data.text": "text", "data.label": "intent"}


def step(workspace: Workspace) -> tuple[float, EmbeddingRecord]:
    """Return the CPU seconds of the step embed, and its record."""
    pin(workspace.recipe("mail"))
    for before in ("ingest", "validate"):
        run_step(workspace.recipe("mail"), before)
    began = time.process_time()
    record = run_step(workspace.recipe("mail"), "embed")
    seconds = time.process_time() - began
    assert isinstance(record, EmbeddingRecord)
    return seconds, record


def measure(folder: Path, share: float) -> None:
    """Measure the four embeddings and print them."""
    rows = pd.read_csv(MESSAGES, dtype=str, keep_default_na=False)
    n_new = round(share * len(rows))
    rows.iloc[:-n_new].to_csv(folder / "rows.csv", index=False)
    rows.iloc[-n_new:].to_csv(folder / "week.csv", index=False)
    workspace, _ = init(folder / "workspace")
    adopt(workspace.recipe("mail"), {"rows.csv": folder / "rows.csv"}, recipe_text("mail", KEYS))
    base = locate(workspace, pin(workspace.recipe("mail")).bases[0])
    embed(base, ["warm"], modality="text", max_tokens=128)
    first, before = step(workspace)
    add(workspace.recipe("mail"), folder / "week.csv")
    grown, after = step(workspace)
    digest = sha256_file(workspace.recipe("mail").files("embed") / FEATURES)
    shutil.rmtree(workspace.recipe("mail").features)
    anew, _ = step(workspace)
    same = digest == sha256_file(workspace.recipe("mail").files("embed") / FEATURES)
    texts = pd.read_parquet(workspace.recipe("mail").files("ingest") / "rows.parquet").query("side != 'dropped'")[
        "content"
    ]
    began = time.process_time()
    embed(base, texts.tolist(), modality="text", max_tokens=128)
    whole = time.process_time() - began
    print(f"{before.n_rows:,} rows                          {first:6.2f} s")
    print(
        f"{after.n_rows:,} rows, {after.n_rows - before.n_rows:,} of them new           {grown:6.2f} s  {grown / anew:.1%} of"
    )
    print(f"  without what was kept             {anew:6.2f} s  the same bytes: {'yes' if same else 'NO'}")
    print(f"  all rows as one chunk, no cache   {whole:6.2f} s  chunks and cache cost {anew / whole - 1:+.1%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=0.05, help="share of the rows that comes as one more file")
    share = parser.parse_args().share
    os.environ |= {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "user.name", "GIT_CONFIG_VALUE_0": "ann"}
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), share)


if __name__ == "__main__":
    main()
