"""Whatever is altered, the audit finds it and names it; an untouched workspace raises no alarm."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from graft.errors import InputError, TamperError
from graft.ledger import Keyring, Ledger, Signer, make_key
from graft.records import sha256_bytes
from graft.report.content import Audit
from tasks.audit import audit
from tasks.beside import verify_here
from tasks.promote import publish
from tasks.verify import Tally, verify_ledger
from tasks.versions import git
from tasks.workspace import Workspace
from tests.faults.chain import make_chain
from tests.memory import memory_ledger, read_ledger

N_FLIPS = 250


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Workspace:
    """The workspace of ``make_chain``; a test that changes it puts it back."""
    return make_chain(tmp_path_factory.mktemp("chain"), tiny_base)


@pytest.fixture
def copied(chain: Workspace, tmp_path: Path) -> Workspace:
    """A copy that a test may ruin."""
    shutil.copytree(chain.root, tmp_path / "workspace", symlinks=True)
    return Workspace(tmp_path / "workspace")


def evidence(workspace: Workspace) -> list[Path]:
    """Return every file that the audit of ``grown`` vouches for: ledger, records, pointers, models, raw data."""
    patterns = (
        "ledger/**/*", "data/grown/*/record.json", "registry/*/*.dvc", "registry/grown/0001/**/*", "registry/tiny/0001/**/*",
        "data/datasets/*/*", "base/model.safetensors",
    )  # fmt: skip
    return [path for pattern in patterns for path in sorted(workspace.root.glob(pattern)) if path.is_file()]


def found(workspace: Workspace, path: Path | None = None) -> Audit:
    """Audit a workspace in which something is wrong; it must be found and, if a path is given, named."""
    result = audit(workspace, "grown")
    assert result.verdict == "broken", path
    named = f"{result.headline} {' '.join(text for _, text in result.broken_at)}"
    if path is not None:
        assert path.name in named or path.parent.name in named or path.stem[:12] in named, (path, named)
    assert any(hop in named for hop in ("tiny", "grown", "base")), named
    return result


def test_an_untouched_chain_is_intact(chain: Workspace) -> None:
    """Both recipes are intact: two promotions and a rollback, and a hop from them."""
    for name, n_hops in (("tiny", 2), ("grown", 3)):
        result = audit(chain, name)
        assert (result.verdict, len(result.hops)) == ("intact", n_hops)


def test_flipped_bytes(chain: Workspace) -> None:
    """A byte flipped anywhere in what the audit vouches for is found, and the file is named."""
    rng, files = random.Random(4), evidence(chain)  # noqa: S311 - damage, no secrets
    assert len(files) > 80
    for k in range(N_FLIPS):
        path = files[k] if k < len(files) else rng.choice(files)
        content = path.read_bytes()
        at = rng.randrange(len(content))
        path.chmod(0o644)
        path.write_bytes(content[:at] + bytes([content[at] ^ (1 << rng.randrange(8))]) + content[at + 1 :])
        found(chain, path)
        path.write_bytes(content)
    assert audit(chain, "grown").verdict == "intact"


def test_removed_cut_and_lengthened_files(chain: Workspace) -> None:
    """Any file of the ledger that is removed, cut, emptied or lengthened is found, the last entry of each kind included."""
    for path in sorted((chain.root / "ledger").rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            for damaged in (None, content[:-1], b"", content + b" ", content + content):
                if damaged is None:
                    path.unlink()
                else:
                    path.write_bytes(damaged)
                found(chain)
                path.write_bytes(content)
    assert audit(chain, "grown").verdict == "intact"


def test_every_pair_of_entries_swapped(chain: Workspace) -> None:
    """Entries that change places, or stand twice, are found: of promotions, of runs, and of one kind for the other."""
    entries = [
        path for kind in ("promotions", "runs") for path in sorted((chain.root / "ledger" / kind).glob("*/*.json"))
    ]
    for k, one in enumerate(entries):
        for other in entries[k + 1 :]:
            first, second = one.read_bytes(), other.read_bytes()
            one.write_bytes(second)
            found(chain)
            other.write_bytes(first)
            found(chain)
            one.write_bytes(first)
            found(chain)
            other.write_bytes(second)
    last = chain.root / "ledger" / "promotions" / "tiny" / "0004.json"
    for repeated in entries:
        shutil.copyfile(repeated, last)
        found(chain, last)
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
    publish(workspace, "tiny", "tidy")


def _replace_last(workspace: Workspace) -> None:
    """Write another last promotion with the right key, and commit that."""
    last = workspace.ledger().promotions("grown")[0].predicate
    (workspace.root / "ledger" / "promotions" / "grown" / "0001.json").unlink()
    workspace.ledger().add_promotion(last.model_copy(update={"reason": "another"}), Signer(workspace.private_key))
    publish(workspace, "grown", "tidy")


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
def test_tricks(copied: Workspace, trick: str) -> None:
    """Each trick is found, and the sentence says what it was."""
    play, says = TRICKS[trick]
    play(copied)
    try:
        result = audit(copied, "grown")
    except InputError as error:
        said = str(error)
    else:
        assert result.verdict == "broken"
        said = f"{result.headline} {result.broken_at}"
    assert says in said


def test_an_added_file_is_no_alarm(copied: Workspace) -> None:
    """What is added beside the evidence, or written again with the same bytes, raises no alarm; nor does git's own tidying."""
    (copied.root / "notes.md").write_text("mine")
    (copied.dataset("tiny") / "added-0001.csv").write_text("text,intent\nx,cancel\n")
    for path in (copied.root / "ledger").rglob("*.json"):
        path.write_bytes(path.read_bytes())
    git(copied.root, "gc", "--quiet")
    assert audit(copied, "grown").verdict == "intact"


def _check_one(ledger: Ledger, name: str) -> None:
    """Check a file as ``verify_ledger`` does, without the many around it where that is the same."""
    kind, rest = name.split("/", 1)
    if kind == "blobs":
        ledger.blob(rest)
    elif kind == "runs":
        list(ledger.runs(rest.split("/")[0]))
    else:
        verify_ledger(ledger, Tally())


@pytest.mark.slow
def test_every_byte(chain: Workspace) -> None:
    """Every byte of every file of the ledger, and of every record in the workspace: one bit of it flipped is found."""
    rng, files = random.Random(5), read_ledger(chain.root / "ledger")  # noqa: S311
    keyring = Keyring(chain.trusted_keys)
    verify_ledger(memory_ledger(keyring, files), Tally())
    n = 0
    for name, content in files.items():
        for at in range(len(content)):
            flipped = content[:at] + bytes([content[at] ^ (1 << rng.randrange(8))]) + content[at + 1 :]
            ledger = memory_ledger(keyring, {**files, name: flipped})
            with pytest.raises(TamperError):
                _check_one(ledger, name)
            n += 1
    assert n > 200_000
    for path in sorted(chain.root.glob("data/*/*/record.json")):
        content = path.read_bytes()
        for at in range(len(content)):
            path.write_bytes(content[:at] + bytes([content[at] ^ (1 << rng.randrange(8))]) + content[at + 1 :])
            with pytest.raises(TamperError):
                verify_here(chain, chain.ledger(), path.parts[-3])
        path.write_bytes(content)
