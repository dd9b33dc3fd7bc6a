"""Verifies what lies in a workspace beside ledger and models, and names what nobody vouches for: records, step files, batches.

A signed run vouches for its records, and they for the files of the steps. For what is not signed git is the witness: what the
last commit holds, and what its history says of the records of batches. What neither reaches is named: silence is never a pass.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from graft.errors import TamperError
from graft.ledger import Ledger, Run
from graft.recipe.json_schema import SCHEMA_FILE
from graft.records import sha256_file
from graft.records.safe_read import parse_object
from graft_tasks.dvc.repro import git, in_head, is_blob, unquoted
from graft_tasks.recipe_handle import HELD_OUT, MISTAKES, PREDICTIONS, RecipeHandle
from graft_tasks.registry.verify import Tally, is_written
from graft_tasks.steps.context import STEPS, WITH_FILES
from graft_tasks.steps.cost import COST
from graft_tasks.steps.report import REPORT

UNSIGNED = ("pages/", ".graft/", "DVC's cache", COST, MISTAKES)
"""What no audit looks at: it is drawn or measured anew, checked when it is fetched, or private to this machine."""
_COMMITTED = (
    *(".dvc", ".dvcignore", ".gitignore", "cards", "data/datasets", "dvc.lock", "dvc.yaml", "keys"),
    *("params.yaml", "recipes/.gitkeep", f"recipes/{SCHEMA_FILE}"),
)


@dataclass
class Beside:
    """What was found beside the ledger. Each list names what is open."""

    is_of_a_run: bool = False
    n_files: int = 0
    n_batches: int = 0
    unmatched: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    batches: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def verify_beside(handle: RecipeHandle, ledger: Ledger, recipes: set[str], tally: Tally) -> Beside:
    """Verify what lies beside the ledger of a recipe and of those that its chain goes through.

    Raises:
        TamperError: a record or file is not the one of the run from the inputs pinned here, or a batch's record not the one that
            was committed.
    """
    found = Beside()
    run, found.unmatched = verify_here(handle, ledger)
    found.is_of_a_run, vouched = run is not None, _vouched(ledger, run) if run else {}
    _verify_step_files(handle, ledger, vouched, found, tally)
    if run and sha256_file(handle.path) != run.predicate.recipe_sha256:
        found.unmatched.append(f"recipes/{handle.name}.yaml")
    _verify_batches(handle, found)
    signed = {"inputs.json", f"report/{REPORT}", *(f"{step}/record.json" for step in STEPS)} if run else set()
    found.changed = _changed(handle, sorted(recipes), signed)
    found.unknown = _unknown(handle, ledger, vouched, has_run=run is not None)
    return found


def verify_here(handle: RecipeHandle, ledger: Ledger) -> tuple[Run | None, list[str]]:
    """Verify the records that lie in the workspace against the finished run from the inputs that are pinned here.

    Returns that run; None and what no finished run made, where there is none: a run is under way, or somebody changed the pin.

    Raises:
        TamperError: that run made other records.
    """
    workspace, name = handle.workspace, handle.name
    pin = handle.inputs
    paths = {step: handle.record(step) for step in STEPS}
    here = {step: sha256_file(path) if path.is_file() else "" for step, path in paths.items()}
    pinned = sha256_file(pin) if pin.is_file() else ""
    same = [ledger.run(name, run.entry) for run in ledger.summaries(name) if run.inputs_sha256 == pinned]
    found = next((run for run in same if run.predicate.records == here), None)
    if same and not found:
        wanted = same[-1].predicate.records
        step = min((step for step in STEPS if here[step] != wanted.get(step)), key=STEPS.index)
        what = f"The record of {step} that lies here is not the one of its run."
        raise TamperError(what, where=str(paths[step]), do="restore it with git")
    if found:
        return found, []
    known = {digest for run in ledger.runs(name) for digest in run.predicate.records.values()}
    odd = [pin, *(paths[step] for step in STEPS if here[step] not in known)]
    return None, [path.relative_to(workspace.root).as_posix() for path in odd]


def _vouched(ledger: Ledger, run: Run) -> dict[str, str]:
    """Return the sha256 of each file that a run's records name, by its path below ``data/RECIPE``."""
    found: dict[str, str] = {}
    for digest in run.predicate.records.values():
        record = parse_object(ledger.blob(digest), "a record", where=digest)
        step = record["step"]
        for what, sha256 in record["inputs"].items():
            maker, _, file = what.partition("/")
            if file and maker in WITH_FILES:
                found[f"{maker}/files/{file}"] = sha256
        if step in WITH_FILES:
            inside = f"{step}/files/model" if step == "finetune" else f"{step}/files"
            found |= {f"{inside}/{file['path']}": file["sha256"] for file in record.get("files", ())}
        named = {
            f"evaluate/files/{PREDICTIONS}": "predictions_sha256",
            f"evaluate/files/{HELD_OUT}": "held_out_sha256",
            f"report/{REPORT}": "report_sha256",
        }
        found |= {path: record[key] for path, key in named.items() if record.get(key)}
    return found


def _verify_step_files(
    handle: RecipeHandle, ledger: Ledger, vouched: dict[str, str], found: Beside, tally: Tally
) -> None:
    workspace, name = handle.workspace, handle.name
    for relative, sha256 in sorted(vouched.items()):
        path = workspace.root / "data" / name / relative
        if not path.is_file():
            found.absent.append(f"data/{name}/{relative}")
            continue
        digest = sha256_file(path)
        found.n_files += 1
        tally.n_files += 1
        tally.n_bytes += path.stat().st_size
        if digest == sha256:
            continue
        if not any(_vouched(ledger, run).get(relative) == digest for run in ledger.runs(name)):
            raise TamperError(
                "A step's file is not the one that its run made.",
                where=f"{path}: found {digest[:12]}, recorded {sha256[:12]}",
                do=f"dvc checkout brings files/ back, git the rest; or graft run {name}",
            )
        found.unmatched.append(f"data/{name}/{relative}")  # as after git pull, before dvc checkout


def _verify_batches(handle: RecipeHandle, found: Beside) -> None:
    """Verify that the records of batches are those of the last commit, and name those that git saw taken out or written again."""
    workspace = handle.workspace
    folder = handle.monitor
    inside = folder.relative_to(workspace.root).as_posix()
    head = in_head(workspace.root, inside)
    for relative, object_id in head.items():
        path = workspace.root / relative
        if not _is_as(path, object_id):
            how = "is not the one that was committed" if path.is_file() else "was taken away"
            do = "restore it with git; or graft monitor looks at that batch again"
            raise TamperError(f"A batch's record {how}.", where=str(path), do=do)
    found.n_batches = sum(relative.endswith("/record.json") for relative in head)
    for path in sorted(folder.glob("*/*")):
        if path.relative_to(workspace.root).as_posix() not in head:
            found.batches.append(f"{path.relative_to(folder).as_posix()} is not committed")
    log = ("log", "--format=%x00%H of %an", "--raw", "--no-abbrev", "--no-renames", "--diff-filter=DM", "--", inside)
    commit, visited = "", set()
    for line in git(workspace.root, "-c", "core.quotePath=true", *log).splitlines():
        if line.startswith("\0"):
            commit = line[1:10] + line[line.index(" ") :]
        elif line.startswith(":") and (relative := unquoted(line.split("\t")[1])) not in visited:
            visited.add(relative)
            how = "written again" if relative in head else "taken out"
            found.batches.append(f"{relative.removeprefix(f'{inside}/')} was {how} by commit {commit}")


def _changed(handle: RecipeHandle, recipes: list[str], signed: set[str]) -> list[str]:
    """Return what the last commit has otherwise: settings, keys, recipes, pointers, and records that were not verified yet."""
    own = [kind.format(recipe) for recipe in recipes for kind in ("recipes/{}.yaml", "data/{}", "registry/{}")]
    head = in_head(handle.workspace.root, *_COMMITTED, *own)
    done = {f"data/{handle.name}/{relative}" for relative in signed}
    raw = re.compile(rf"data/(datasets/.+|{handle.name}/monitor)/")  # verified already, where git keeps it
    left = {path: blob for path, blob in head.items() if path not in done and not raw.match(path)}
    return sorted(path for path, object_id in left.items() if not _is_as(handle.workspace.root / path, object_id))


def _is_as(path: Path, object_id: str) -> bool:
    return path.is_file() and not path.is_symlink() and is_blob(path.read_bytes(), object_id)


def _unknown(handle: RecipeHandle, ledger: Ledger, vouched: dict[str, str], *, has_run: bool) -> list[str]:
    """Return what lies among a recipe's files and models that no run made and no record names; not what is being written."""
    workspace, name = handle.workspace, handle.name
    data, registry = workspace.root / "data" / name, handle.registry
    known = {
        "inputs.json",
        "dvc.yaml",
        "dvc.lock",
        *vouched,
        *(f"{step}/{file}" for step in (*STEPS, "curve") for file in ("record.json", COST)),
    }
    found = []
    for path in sorted(data.rglob("*")):
        relative = path.relative_to(data).as_posix()
        is_ours = relative in known or path.name == MISTAKES or relative.startswith("monitor/")
        is_open = not has_run and path.parts[len(data.parts) + 1 : len(data.parts) + 2] == ("files",)
        if not (path.is_dir() or is_ours or is_open):
            found.append(path)
    numbers = {promotion.predicate.model_number for promotion in ledger.promotions(name)}
    promoted = {*numbers, *(f"{number}.dvc" for number in numbers), ".gitignore"}
    found += [path for path in sorted(registry.glob("*")) if path.name not in promoted]
    return [path.relative_to(workspace.root).as_posix() for path in found if not is_written(path)]
