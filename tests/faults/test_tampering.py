"""Whatever is altered, the audit finds it and names it; an untouched workspace raises no alarm."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path, PurePath

import pytest

from graft.errors import InputError, TamperError
from graft.ledger import Keyring, Ledger, LedgerTally, Signer, make_key, verify_ledger
from graft.records import Inputs, digest_folder, sha256_bytes, write_json
from graft.records.audit import Audit
from graft_tasks.commands.monitor import monitor
from graft_tasks.commands.render import redraw
from graft_tasks.commands.status import status
from graft_tasks.dvc.repro import commit, git
from graft_tasks.registry.audit import audit
from graft_tasks.registry.beside import verify_here
from graft_tasks.registry.promote import publish
from graft_tasks.workspace import Workspace
from tests.support.lineage_workspace import make_lineage
from tests.support.memory_ledger import memory_ledger, read_ledger

pytestmark = pytest.mark.slow

N_FLIPS = 250


@pytest.fixture(scope="module")
def lineage(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Workspace:
    """The workspace of ``make_lineage``, with a batch and pages; a test that changes it puts it back."""
    workspace = make_lineage(tmp_path_factory.mktemp("chain"), tiny_base)
    commit(workspace.root, "the base, and where the ledger is", ["base", "params.yaml"])
    monitor(workspace.recipe("grown"), workspace.dataset("grown") / "rows.csv", progress=lambda *_: None)
    pages = workspace.recipe("grown").pages
    pages.mkdir(parents=True)
    (pages / "drift.html").write_text("Evidently's page takes long to draw")
    (pages / "report.html").write_text("as drawn before the promotion")
    redraw(workspace.recipe("grown"))
    return workspace


@pytest.fixture
def lineage_copy(lineage: Workspace, tmp_path: Path) -> Workspace:
    """A copy that a test may ruin."""
    shutil.copytree(lineage.root, tmp_path / "workspace", symlinks=True)
    return Workspace(tmp_path / "workspace")


def evidence(workspace: Workspace) -> list[Path]:
    """Return every file that the audit of ``grown`` vouches for: ledger, records, pointers, models, raw data."""
    patterns = (
        "ledger/**/*", "data/grown/*/record.json", "registry/*/*.dvc", "registry/grown/0001/**/*", "registry/tiny/0001/**/*",
        "data/datasets/*/*", "base/model.safetensors",
    )  # fmt: skip
    return [path for pattern in patterns for path in sorted(workspace.root.glob(pattern)) if path.is_file()]


def check_broken(workspace: Workspace, path: Path | None = None) -> Audit:
    """Audit a workspace in which something is wrong; it must be found and, if a path is given, named."""
    result = audit(workspace.recipe("grown"))
    assert result.verdict == "broken", path
    named = f"{result.headline} {' '.join(text for _, text in result.broken_at)}"
    if path is not None:
        assert path.name in named or path.parent.name in named or path.stem[:12] in named, (path, named)
    assert any(hop in named for hop in ("tiny", "grown", "base")), named
    return result


def test_an_untouched_chain_is_intact(lineage: Workspace) -> None:
    """Both recipes are intact: two promotions and a rollback, and a hop from them."""
    for name, n_hops in (("tiny", 2), ("grown", 3)):
        result = audit(lineage.recipe(name))
        assert (result.verdict, len(result.hops)) == ("intact", n_hops)


def test_a_forced_promotion_is_on_both_pages(lineage: Workspace) -> None:
    """``grown`` was promoted against its verdict: both pages, drawn anew after it, say so and by whom; so do status and audit."""
    (promotion,) = lineage.ledger().promotions("grown")
    assert promotion.predicate.overrides
    for name in ("report.html", "chain.html"):
        said = " ".join((lineage.recipe("grown").pages / name).read_text().split())
        assert "against the verdict" in said, name
        assert "a hop" in said, name
    assert "a hop" in status(lineage.recipe("grown")).forced
    assert audit(lineage.recipe("grown")).forced == status(lineage.recipe("grown")).forced


def test_flipped_bytes(lineage: Workspace) -> None:
    """A byte flipped anywhere in what the audit vouches for is found, and the file is named."""
    rng, files = random.Random(4), evidence(lineage)  # noqa: S311 - damage, no secrets
    assert len(files) > 80
    for k in range(N_FLIPS):
        path = files[k] if k < len(files) else rng.choice(files)
        content = path.read_bytes()
        at = rng.randrange(len(content))
        path.chmod(0o644)
        path.write_bytes(content[:at] + bytes([content[at] ^ (1 << rng.randrange(8))]) + content[at + 1 :])
        check_broken(lineage, path)
        path.write_bytes(content)
    assert audit(lineage.recipe("grown")).verdict == "intact"


def test_removed_cut_and_lengthened_files(lineage: Workspace) -> None:
    """Any file of the ledger that is removed, cut, emptied or lengthened is found, the last entry of each kind included."""
    for path in sorted((lineage.root / "ledger").rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            for damaged in (None, content[:-1], b"", content + b" ", content + content):
                if damaged is None:
                    path.unlink()
                else:
                    path.write_bytes(damaged)
                check_broken(lineage)
                path.write_bytes(content)
    assert audit(lineage.recipe("grown")).verdict == "intact"


def test_every_pair_of_entries_swapped(lineage: Workspace) -> None:
    """Entries that change places, or stand twice, are found: of promotions, of runs, and of one kind for the other."""
    entries = [
        path for kind in ("promotions", "runs") for path in sorted((lineage.root / "ledger" / kind).glob("*/*.json"))
    ]
    for k, one in enumerate(entries):
        for other in entries[k + 1 :]:
            first, second = one.read_bytes(), other.read_bytes()
            one.write_bytes(second)
            check_broken(lineage)
            other.write_bytes(first)
            check_broken(lineage)
            one.write_bytes(first)
            check_broken(lineage)
            other.write_bytes(second)
    last = lineage.root / "ledger" / "promotions" / "tiny" / "0004.json"
    for repeated in entries:
        shutil.copyfile(repeated, last)
        check_broken(lineage, last)
    last.unlink()


def _rehash(workspace: Workspace) -> None:
    """Edit a record, name it by its new digest, and name that in the run's entry, which cannot be signed anew."""
    run = next(workspace.ledger().runs("grown"))
    record = json.loads(workspace.ledger().blob(run.predicate.records["evaluate"]))
    record["summary"] = "much better"
    digest = workspace.ledger().add_blob(json.dumps(record).encode())
    _edit_entry(workspace, run.entry, run.predicate.records["evaluate"], digest)


def _edit_entry(workspace: Workspace, entry: str, old: str, new: str) -> None:
    import base64

    path = workspace.root / "ledger" / "runs" / "grown" / f"{entry}.json"
    envelope = json.loads(path.read_bytes())
    payload = base64.b64decode(envelope["payload"]).replace(old.encode(), new.encode())
    envelope["payload"] = base64.b64encode(payload).decode()
    content = (json.dumps(envelope, sort_keys=True) + "\n").encode()
    path.unlink()
    path.with_name(f"{sha256_bytes(content)}.json").write_bytes(content)


def _sign_anew(workspace: Workspace) -> None:
    """Write the last promotion anew, signed by a key that nobody trusts."""
    make_key(workspace.root / ".graft" / "other.pem", workspace.root.parent / "untrusted")
    promotion = workspace.ledger().promotions("grown")[0]
    (workspace.root / "ledger" / "promotions" / "grown" / "0001.json").unlink()
    workspace.ledger().add_promotion(promotion.predicate, Signer(workspace.root / ".graft" / "other.pem"))


def _remove_last(workspace: Workspace) -> None:
    """Take the rollback out, and commit that, as somebody would who wants the worse model live."""
    (workspace.root / "ledger" / "promotions" / "tiny" / "0003.json").unlink()
    publish(workspace.recipe("tiny"), "tidy")


def _replace_last(workspace: Workspace) -> None:
    """Write another last promotion with the right key, and commit that."""
    last = workspace.ledger().promotions("grown")[0].predicate
    (workspace.root / "ledger" / "promotions" / "grown" / "0001.json").unlink()
    workspace.ledger().add_promotion(last.model_copy(update={"reason": "another"}), Signer(workspace.private_key))
    publish(workspace.recipe("grown"), "tidy")


def _swap_folders(workspace: Workspace) -> None:
    first, second = (workspace.root / "registry" / "tiny" / number for number in ("0001", "0002"))
    first.rename(first.with_name("x"))
    second.rename(first)
    first.with_name("x").rename(second)


def _point_elsewhere(workspace: Workspace) -> None:
    first, second = (workspace.root / "registry" / "tiny" / f"{number}.dvc" for number in ("0001", "0002"))
    first.write_text(second.read_text().replace("0002", "0001"))


def _swap_base(workspace: Workspace) -> None:
    weights = workspace.root / "base" / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-4] + bytes(4))


def _swap_tokenizer(workspace: Workspace) -> None:
    path = next((workspace.root / "base").glob("tokenizer.json"))
    path.write_text(path.read_text().replace('"lowercase": true', '"lowercase": false') + "\n")


def _add_file(workspace: Workspace) -> None:
    (workspace.root / "registry" / "grown" / "0001" / "modeling.py").write_text("print(1)")


def _link_folder(workspace: Workspace) -> None:
    folder = workspace.root / "registry" / "tiny" / "0001"
    shutil.rmtree(folder)
    folder.symlink_to("0002")


def _lose_pointer(workspace: Workspace) -> None:
    (workspace.root / "registry" / "tiny" / "0002.dvc").unlink()


def _plant(workspace: Workspace) -> None:
    (workspace.root / "ledger" / "promotions" / "tiny" / "note.txt").write_text("trust me")


TRICKS: dict[str, tuple[Callable[[Workspace], None], str]] = {
    "a record edited, and hashed anew": (_rehash, "entry is missing"),
    "an entry signed by another key": (_sign_anew, "no trusted key"),
    "the last promotion taken out, and that committed": (_remove_last, "taken out"),
    "the last promotion replaced by another signed one": (_replace_last, "was replaced"),
    "two promoted folders swapped": (_swap_folders, "is not the one that was signed"),
    "a pointer that leads to another model": (_point_elsewhere, "leads elsewhere"),
    "a pointer lost": (_lose_pointer, "is absent"),
    "the base's weights": (_swap_base, "not the one that was pinned"),
    "the base's tokenizer": (_swap_tokenizer, "not the one that was pinned"),
    "a file put into a promoted model": (_add_file, "is not the one that was signed"),
    "a promoted folder that is a link": (_link_folder, "is a link"),
    "a file planted in the ledger": (_plant, "no file of it"),
}


@pytest.mark.parametrize("trick", TRICKS)
def test_tricks(lineage_copy: Workspace, trick: str) -> None:
    """Each trick is found, and the sentence says what it was."""
    play, says = TRICKS[trick]
    play(lineage_copy)
    try:
        result = audit(lineage_copy.recipe("grown"))
    except InputError as error:
        said = str(error)
    else:
        assert result.verdict == "broken"
        said = f"{result.headline} {result.broken_at}"
    assert says in said


BROKEN, OPEN, UNSIGNED_KIND, ELSEWHERE = "broken", "open", "outside", "elsewhere"
KINDS: dict[str, str] = {
    "ledger/blobs/*": BROKEN,
    "ledger/runs/*/*.json": BROKEN,
    "ledger/promotions/*/*.json": BROKEN,
    "keys/*.pem": BROKEN,
    "base/*": BROKEN,
    "registry/*/*.dvc": BROKEN,
    "registry/grown/0001/*": BROKEN,
    "registry/tiny/0001/*": BROKEN,
    "registry/tiny/0002/*": ELSEWHERE,
    "data/datasets/*/rows.csv": BROKEN,
    "data/datasets/*.dvc": OPEN,
    "data/grown/monitor/*/record.json": BROKEN,
    "data/grown/inputs.json": OPEN,
    "data/grown/*/record.json": BROKEN,
    "data/grown/report/report.json": BROKEN,
    "data/grown/*/cost.json": UNSIGNED_KIND,
    "data/grown/evaluate/files/mistakes.json": UNSIGNED_KIND,
    "data/grown/ingest/files/*": BROKEN,
    "data/grown/embed/files/*": BROKEN,
    "data/grown/evaluate/files/predictions.parquet": BROKEN,
    "data/grown/evaluate/files/held_out.safetensors": BROKEN,
    "data/grown/finetune/files/model/*": BROKEN,
    "data/tiny/inputs.json": OPEN,
    "data/tiny/*/record.json": OPEN,
    "data/tiny/report/report.json": OPEN,
    "data/tiny/*/cost.json": ELSEWHERE,
    "data/tiny/*/files/*": ELSEWHERE,
    "data/tiny/finetune/files/model/*": ELSEWHERE,
    "recipes/*": OPEN,
    ".dvc/*": OPEN,
    "*.yaml": OPEN,
    ".dvcignore": OPEN,
    "**/.gitignore": OPEN,
    "pages/*/*": UNSIGNED_KIND,
}
"""What an audit of ``grown`` says of a changed file of each kind: the chain is broken there; the file is named as open; files of
its kind are not looked at; or the audit of ``tiny``, which it names, says so."""


def kind_of(path: PurePath) -> str:
    return next(
        (kind for kind in KINDS if path.match(kind) and len(path.parts) == len(PurePath(kind).parts)), ""
    ) or next((kind for kind in KINDS if kind.startswith("**/") and path.match(kind[3:])), "")


def test_every_kind_of_file(lineage: Workspace) -> None:
    """A byte changed in, or the loss of, a file of each kind that lies in a workspace is named, or its kind is."""
    private = (".git/", ".graft/", ".dvc/cache/", ".dvc/tmp/")
    files = [path.relative_to(lineage.root) for path in sorted(lineage.root.rglob("*")) if path.is_file()]
    by_kind: dict[str, Path] = {}
    for path in files:
        if not path.as_posix().startswith(private):
            assert kind_of(path), f"{path}: say what an audit makes of it"
            by_kind.setdefault(kind_of(path), path)
    assert set(by_kind) == set(KINDS)
    for kind, path in by_kind.items():
        content = (lineage.root / path).read_bytes()
        for changed in (content[:-1] + bytes([content[-1] ^ 1]) if content else b"x", None):
            (lineage.root / path).unlink()
            if changed is not None:
                (lineage.root / path).write_bytes(changed)
            try:
                check_outcome(lineage, path, KINDS[kind], lost=changed is None)
            finally:
                (lineage.root / path).write_bytes(content)
    assert audit(lineage.recipe("grown")).verdict == "intact"


def check_outcome(lineage: Workspace, path: Path, outcome: str, *, lost: bool) -> None:
    """Check what the audit says of a file."""
    if lost and path.name in {
        "dvc.yaml",
        "grown.yaml",
    }:  # what every command needs is refused before anything is audited
        return
    result = audit(lineage.recipe("grown"))
    lines = {line.name: line for line in result.lines}
    if outcome == BROKEN:
        if (
            lost and path.parts[:2] == ("data", "grown") and {"files", "report.json"} & set(path.parts)
        ):  # DVC or git has it
            assert path.name in lines["workspace"].finding, path
            assert lines["workspace"].integrity == "open"
            return
        check_broken(lineage, None if path.match("base/*") else path)
        return
    assert result.verdict == "intact", (path, result.broken_at)
    if outcome == OPEN:
        assert path.as_posix() in lines["workspace"].finding, (path, lines["workspace"])
        assert "every digest" not in result.headline
    elif outcome == UNSIGNED_KIND:
        kind = "pages/" if path.parts[0] == "pages" else path.name
        assert kind in lines["outside"].finding
    else:
        assert "graft audit tiny" in lines["outside"].finding
        if path.parts[0] == "registry":
            its = audit(lineage.recipe("tiny"))
            named = " ".join([its.headline, *(text for _, text in its.broken_at), *(one.finding for one in its.lines)])
            assert path.name in named, path


def test_what_no_run_made_is_named(lineage_copy: Workspace) -> None:
    """A file put among those of the steps, among the models, the raw data or the batches, or into the ledger, is named."""
    fresh = {
        "data/grown/evaluate/files/findings.jsonl": "outside",
        "data/grown/evaluate/more.json": "outside",
        "data/grown/notes.txt": "outside",
        "registry/grown/0007": "outside",
        "data/datasets/grown/added-0001.csv": "datasets",
        "data/grown/monitor/made-up/record.json": "batches",
        "keys/extra.txt": "key",
        f"ledger/blobs/{sha256_bytes(b'mine')}": "ledger",
    }
    for name in fresh:
        (lineage_copy.root / name).parent.mkdir(exist_ok=True)
        (lineage_copy.root / name).write_bytes(b"mine")
    result = audit(lineage_copy.recipe("grown"))
    assert result.verdict == "intact"
    for name, line in fresh.items():
        said = " ".join(one.finding for one in result.lines if one.name == line)
        assert Path(name).name[:12] in said, name
    assert "every digest" not in result.headline
    for hidden in (".hidden", "blobs/.hidden", "promotions/grown/.0002.json.swp", "extra/file"):
        path = lineage_copy.root / "ledger" / hidden
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"mine")
        check_broken(lineage_copy, path)
        assert lineage_copy.ledger().champion("grown"), "no command is stopped by a file that is no entry"
        path.unlink()


def test_the_pin_is_no_switch(lineage_copy: Workspace) -> None:
    """A space at its end, or its loss, is named with the records that it would have let through; no headline claims them."""
    pin, record = lineage_copy.recipe("grown").inputs, lineage_copy.recipe("grown").record("evaluate")
    content = pin.read_bytes()
    record.write_bytes(record.read_bytes().replace(b"passed", b"parsed"))
    assert audit(lineage_copy.recipe("grown")).verdict == "broken"
    for changed in (content + b" ", None):
        pin.unlink()
        if changed is not None:
            pin.write_bytes(changed)
        result = audit(lineage_copy.recipe("grown"))
        (line,) = (line for line in result.lines if line.name == "workspace")
        assert line.integrity == "open"
        assert "data/grown/inputs.json, data/grown/evaluate/record.json" in line.finding
        assert "every digest" not in result.headline
        pin.write_bytes(content)


def test_a_changed_training_file_stays_broken(lineage_copy: Workspace) -> None:
    """A pin that was edited along with the raw file is no excuse; a finished run that read the new file is."""
    rows = lineage_copy.dataset("grown") / "rows.csv"
    rows.write_bytes(rows.read_bytes().replace(b"order", b"Order", 1))
    pinned = Inputs.model_validate_json(lineage_copy.recipe("grown").inputs.read_bytes())
    files, digest = digest_folder(lineage_copy.dataset("grown"))
    newer = pinned.model_copy(update={"dataset": pinned.dataset.model_copy(update={"sha256": digest, "files": files})})
    write_json(lineage_copy.recipe("grown").inputs, newer)
    check_broken(lineage_copy, rows)
    ledger, signer = lineage_copy.ledger(), Signer(lineage_copy.private_key)
    said = next(ledger.runs("grown"))
    update = {"inputs_sha256": ledger.add_blob(lineage_copy.recipe("grown").inputs.read_bytes()), "dataset_sha256": digest,
              "previous": (said.entry,), "verdict": "hold"}  # fmt: skip
    ledger.add_run(said.predicate.model_copy(update=update), signer)
    result = audit(lineage_copy.recipe("grown"))
    assert result.verdict == "intact"
    assert "datasets" in {line.name for line in result.lines if line.integrity == "open"}
    assert "every digest" not in result.headline
    shutil.rmtree(lineage_copy.dataset("grown"))
    assert audit(lineage_copy.recipe("grown")).verdict == "broken", "an absent file is none that a later run read"


def test_an_alarm_that_is_erased_is_named(lineage_copy: Workspace) -> None:
    """Taken away or altered: broken. Taken out by a commit: named with it and its author, which anybody can look up."""
    (record,) = lineage_copy.recipe("grown").monitor.glob("*/record.json")
    content = record.read_bytes()
    record.write_bytes(content.replace(b"true", b"True"))
    check_broken(lineage_copy, record)
    shutil.rmtree(record.parent)
    check_broken(lineage_copy, record)
    git(lineage_copy.root, "add", "--all", "data")
    git(lineage_copy.root, "-c", "user.name=Eve", "-c", "user.email=e@example.org", "commit", "--quiet", "-m", "tidy")
    result = audit(lineage_copy.recipe("grown"))
    (line,) = (line for line in result.lines if line.name == "batches")
    assert line.integrity == "open"
    assert f"{record.parent.name}/record.json was taken out by commit" in line.finding
    assert "of Eve" in line.finding
    assert "every digest" not in result.headline


def test_an_added_file_is_no_alarm(lineage_copy: Workspace) -> None:
    """What is added beside the evidence, or written again with the same bytes, raises no alarm; nor does git's own tidying."""
    (lineage_copy.root / "notes.md").write_text("mine")
    (lineage_copy.dataset("tiny") / "added-0001.csv").write_text("text,intent\nx,cancel\n")
    for path in (lineage_copy.root / "ledger").rglob("*.json"):
        path.write_bytes(path.read_bytes())
    git(lineage_copy.root, "gc", "--quiet")
    assert audit(lineage_copy.recipe("grown")).verdict == "intact"


def _check_one(ledger: Ledger, name: str) -> None:
    """Check a file as ``verify_ledger`` does, without the many around it where that is the same."""
    kind, rest = name.split("/", 1)
    if kind == "blobs":
        ledger.blob(rest)
    elif kind == "runs":
        list(ledger.runs(rest.split("/")[0]))
    else:
        verify_ledger(ledger, LedgerTally())


@pytest.mark.long
def test_every_byte(lineage: Workspace) -> None:
    """Every byte of every file of the ledger, and of every record in the workspace: one bit of it flipped is found."""
    rng, files = random.Random(5), read_ledger(lineage.root / "ledger")  # noqa: S311
    keyring = Keyring(lineage.trusted_keys)
    verify_ledger(memory_ledger(keyring, files), LedgerTally())
    n = 0
    for name, content in files.items():
        for at in range(len(content)):
            flipped = content[:at] + bytes([content[at] ^ (1 << rng.randrange(8))]) + content[at + 1 :]
            ledger = memory_ledger(keyring, {**files, name: flipped})
            with pytest.raises(TamperError):
                _check_one(ledger, name)
            n += 1
    assert n > 200_000
    for path in sorted(lineage.root.glob("data/*/*/record.json")):
        content = path.read_bytes()
        for at in range(len(content)):
            path.write_bytes(content[:at] + bytes([content[at] ^ (1 << rng.randrange(8))]) + content[at + 1 :])
            with pytest.raises(TamperError):
                verify_here(lineage.recipe(path.parts[-3]), lineage.ledger())
        path.write_bytes(content)
