"""How fast the audit verifies, beside ``sha256sum`` on the same files, and what a long ledger costs in time and memory.

    python benchmarks/verify_speed.py [--gib 1] [--rounds 5] [--entries 10000]

First: a model folder of the given size, verified against its signature, and digested by ``sha256sum`` and ``openssl dgst``; in
turn, after one unmeasured round each; CPU time. Second: ledgers of a tenth of the entries and of all of them, three runs to a
promotion and thirteen records to a run, each verified whole in a process of its own; CPU time and peak memory.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from graft.ledger import (
    Keyring,
    Ledger,
    LedgerTally,
    PromotionPredicate,
    RunPredicate,
    Signer,
    make_key,
    sign_model,
    verify_ledger,
    verify_model,
)
from graft.records import digest_folder

A = "a" * 64


def artifact_speed(folder: Path, gib: float, rounds: int) -> None:
    """Verify one folder and digest its files with sha256sum, in turn."""
    make_key(folder / "key.pem", folder / "trusted")
    model = folder / "model"
    model.mkdir()
    with (model / "model.safetensors").open("wb") as file:
        for _ in range(max(1, round(gib * 64))):
            file.write(os.urandom(16 * 2**20))
    (model / "config.json").write_text("{}")
    signature, keyring = sign_model(model, folder / "key.pem"), Keyring(folder / "trusted")
    n_bytes = sum(path.stat().st_size for path in model.iterdir())
    paths = [str(path) for path in sorted(model.iterdir())]
    peers = {"sha256sum": ["sha256sum", *paths], "openssl": ["openssl", "dgst", "-sha256", *paths]}
    seconds: dict[str, list[float]] = {"graft": [], **{name: [] for name in peers}}
    for k in range(rounds + 1):
        began = time.process_time()
        verify_model(digest_folder(model)[0], signature, keyring, "model")
        measured = {"graft": time.process_time() - began}
        measured |= {name: cpu_seconds(command) for name, command in peers.items()}
        for name, value in measured.items() if k else ():
            seconds[name].append(value)
    print(f"artifact bytes   {n_bytes / 2**30:.2f} GiB, {rounds} rounds in turn, CPU time, median")
    for name, values in seconds.items():
        ratio = [their / our for our, their in zip(seconds["graft"], values, strict=True)]
        speed = f"{n_bytes / statistics.median(values) / 1e6:,.0f} MB/s"
        beside = f"; graft's speed over it {statistics.median(ratio):.2f} ({min(ratio):.2f} to {max(ratio):.2f})"
        print(f"  {name:<12} {statistics.median(values):.3f} s, {speed}{beside if name != 'graft' else ''}")


def cpu_seconds(command: list[str]) -> float:
    """Return the CPU time of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def write_ledger(folder: Path, n_entries: int) -> None:
    """Write a ledger: of four entries one is a promotion."""
    make_key(folder / "key.pem", folder / "trusted")
    signer = Signer(folder / "key.pem")
    ledger = Ledger(folder / "ledger", Keyring(folder / "trusted"))
    (folder / "model").mkdir()
    (folder / "model" / "head.safetensors").write_bytes(b"weights")
    files, model_id = digest_folder(folder / "model")
    signature = ledger.add_blob(sign_model(folder / "model", folder / "key.pem"))
    previous: tuple[str, ...] = ()
    parent = None
    number = 0
    for k in range(n_entries * 3 // 4):
        records = {f"step-{j}": ledger.add_blob(os.urandom(16).hex().encode() * 100) for j in range(12)}
        run = ledger.add_run(
            RunPredicate(
                recipe="mail", recipe_sha256=ledger.add_blob(b"recipe"), inputs_sha256=ledger.add_blob(b"%d" % k),
                dataset_sha256=A, base_id="b", base_sha256=A, records=records, verdict="promote", headline="h",
                model_id=model_id, model_files=files, parents=(parent,) if parent else (), previous=previous,
                graft_version="0", finished_at="2026-11-01T10:00:00Z", costs={},
            ),
            signer,
        )  # fmt: skip
        previous = (run.entry,)
        if k % 3 == 2:
            number += 1
            predicate = PromotionPredicate(
                recipe="mail", number=f"{number:04}", action="promote", model_id=model_id, model_number=f"{number:04}",
                folder_md5=f"{'a' * 32}.dir", signature_sha256=signature, run=run.entry, parent=parent, reason="r", by="ann",
                at="2026-11-01T10:00:00Z", overrides=False,
            )  # fmt: skip
            parent = ledger.add_promotion(predicate, signer).entry


def verify_one(folder: Path) -> None:
    """Verify a ledger and print seconds of CPU time, peak memory above the start, and what was counted."""
    start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, tally = time.process_time(), LedgerTally()
    verify_ledger(Ledger(folder / "ledger", Keyring(folder / "trusted")), tally)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start) / 1024
    entries = tally.n_runs + tally.n_promotions
    seconds = time.process_time() - began
    print(f"  {entries:,} entries, {tally.n_records:,} records: {seconds:.1f} s CPU, {grown:.0f} MiB more memory")


def main() -> None:
    """Measure both."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--gib", type=float, default=1)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--entries", type=int, default=10_000)
    arguments.add_argument("--verify", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.verify:
        verify_one(given.verify)
        return
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "artifact").mkdir()
        artifact_speed(Path(scratch) / "artifact", given.gib, given.rounds)
        print("whole ledgers", flush=True)
        for n_entries in (given.entries // 10, given.entries):
            folder = Path(scratch) / str(n_entries)
            folder.mkdir()
            write_ledger(folder, n_entries)
            subprocess.run([sys.executable, __file__, "--verify", str(folder)], check=True)


if __name__ == "__main__":
    main()
