"""What a view of the ledger remembers, and what nobody can make it believe."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graft.errors import TamperError
from graft.ledger import Index, Keyring, Ledger, LedgerView, Run, Signer
from graft.records import PART
from tests.support.refusals import refused
from tests.unit.ledger.test_store import A, SignedLedger, promotion, run_predicate

RECIPE = "mail"
N_RUNS, N_PROMOTIONS = 6, 3


class Counted:
    """A view of a ledger, as a process of its own would open it, that counts which files it reads and signatures it verifies."""

    def __init__(self, signed: SignedLedger, **changed: Any) -> None:
        self.reads: list[str] = []
        self.n_signatures = 0
        keyring = Keyring(signed.folder / "trusted")
        index = Index(
            signed.folder / "index", changed.pop("signer", signed.signer), str(signed.root), keyring, **changed
        )
        self.view = LedgerView(signed.root, keyring, index)
        read, verify = self.view.objects.read, keyring.signer_of

        def reading(name: str) -> bytes | None:
            self.reads.append(name)
            return read(name)

        def verifying(*given: Any, **named: Any) -> str | None:
            self.n_signatures += 1
            return verify(*given, **named)

        self.view.objects.read = reading  # type: ignore[method-assign]
        keyring.signer_of = verifying  # type: ignore[method-assign]

    def look(self) -> tuple[int, int]:
        """Ask all that commands ask, some of it twice; return how many files were read and signatures verified for it."""
        before = len(self.reads), self.n_signatures
        for _ in range(2):
            assert len(self.view.promotions(RECIPE)) >= N_PROMOTIONS
            assert self.view.heads(RECIPE).n_runs == len(self.view.summaries(RECIPE)) >= N_RUNS
        return len(self.reads) - before[0], self.n_signatures - before[1]


@pytest.fixture
def signed(tmp_path: Path) -> SignedLedger:
    """A ledger with runs, one after the other, and promotions."""
    made = SignedLedger(tmp_path)
    for _ in range(N_RUNS):
        add_run(made)
    made.promote(N_PROMOTIONS)
    return made


def add_run(signed: SignedLedger, signer: Signer | None = None) -> Run:
    previous = tuple(path.stem for path in (signed.root / "runs" / RECIPE).glob("*.json"))
    return Ledger(signed.root, Keyring(signed.folder / "trusted")).add_run(
        run_predicate(previous=previous), signer or signed.signer
    )


def index_file(signed: SignedLedger, kind: str = "runs") -> Path:
    return signed.folder / "index" / RECIPE / f"{kind}.json"


def test_it_says_what_the_ledger_says(signed: SignedLedger) -> None:
    """With what was noted and without it, runs and promotions are those that are read file by file."""
    plain = Ledger(signed.root, Keyring(signed.folder / "trusted"))
    for _ in range(3):
        view = Counted(signed).view
        assert view.promotions(RECIPE) == plain.promotions(RECIPE)
        assert sorted(view.summaries(RECIPE)) == sorted(plain.summaries(RECIPE))
        assert view.heads(RECIPE) == plain.heads(RECIPE)
        assert {run.entry for run in view.runs(RECIPE)} == {run.entry for run in plain.runs(RECIPE)}
        assert view.champion(RECIPE) == plain.promotions(RECIPE)[-1]
    assert (view.promotions("other"), view.summaries("other"), view.heads("other").n_runs) == ([], [], 0)


def test_each_entry_is_verified_once(signed: SignedLedger) -> None:
    """However much is asked of them; a run that is read whole is read a second time and not verified again."""
    counted = Counted(signed)
    assert counted.look() == (N_RUNS + N_PROMOTIONS,) * 2
    assert counted.look() == (0, 0)
    first = next(counted.view.runs(RECIPE))
    assert counted.view.run(RECIPE, first.entry) == first
    assert (len(counted.reads), counted.n_signatures) == (N_RUNS + N_PROMOTIONS + 1, N_RUNS + N_PROMOTIONS)


def test_a_later_process_reads_what_is_new(signed: SignedLedger) -> None:
    """Of a history that was verified before, the last promotion alone; then the runs and promotions that came."""
    Counted(signed).look()
    counted = Counted(signed)
    assert counted.look() == (1, 1)
    assert counted.reads == [f"promotions/{RECIPE}/{N_PROMOTIONS:04}.json"]
    run = add_run(signed)
    assert counted.look() == (1, 1)
    assert counted.reads[-1] == f"runs/{RECIPE}/{run.entry}.json"
    assert Counted(signed).look() == (1, 1)
    parent = counted.view.promotions(RECIPE)[-1].entry
    signed.ledger.add_promotion(promotion(f"{N_PROMOTIONS + 1:04}", parent), signed.signer)
    assert Counted(signed).look() == (1, 1)


def test_a_fresh_view_takes_nothing_for_granted(signed: SignedLedger) -> None:
    """It verifies every entry, whatever was noted, and notes it anew."""
    Counted(signed).look()
    index_file(signed).write_bytes(b"")
    assert Counted(signed, is_read=False).look() == (N_RUNS + N_PROMOTIONS,) * 2
    assert Counted(signed).look() == (1, 1)


def test_the_index_is_its_owners_alone(signed: SignedLedger) -> None:
    """Nobody else reads or writes it, whatever the umask."""
    before = os.umask(0)
    try:
        Counted(signed).look()
    finally:
        os.umask(before)
    assert {index_file(signed, kind).stat().st_mode & 0o777 for kind in ("runs", "promotions")} == {0o600}


def change(signed: SignedLedger) -> None:
    """Let the index say that a run ended on another day."""
    content = index_file(signed).read_bytes()
    index_file(signed).write_bytes(content.replace(b"2026-11-01", b"2027-11-01", 1))


def cut(signed: SignedLedger) -> None:
    content = index_file(signed).read_bytes()
    index_file(signed).write_bytes(content[: len(content) // 2])


def without_code(signed: SignedLedger) -> None:
    index_file(signed).write_bytes(index_file(signed).read_bytes().partition(b"\n")[2])


def nonsense(signed: SignedLedger) -> None:
    index_file(signed).write_bytes(b"\n\0[[[[")


def of_a_stranger(signed: SignedLedger) -> None:
    """Authenticate the same under a key that is not the one that signs here."""
    Index(signed.folder / "index", signed.stranger(), str(signed.root), Keyring(signed.folder / "trusted")).write(
        f"runs/{RECIPE}/", json.loads(index_file(signed).read_bytes().partition(b"\n")[2])
    )


def of_another_place(signed: SignedLedger) -> None:
    Index(signed.folder / "index", signed.signer, "elsewhere", Keyring(signed.folder / "trusted")).write(
        f"runs/{RECIPE}/", json.loads(index_file(signed).read_bytes().partition(b"\n")[2])
    )


def of_another_recipe(signed: SignedLedger) -> None:
    """Put the index of a recipe with the same runs in this one's place."""
    keyring = Keyring(signed.folder / "trusted")
    other = Index(signed.folder / "index", signed.signer, str(signed.root), keyring)
    other.write("runs/other/", json.loads(index_file(signed).read_bytes().partition(b"\n")[2]))
    shutil.copyfile(signed.folder / "index" / "other" / "runs.json", index_file(signed))


def of_another_kind(signed: SignedLedger) -> None:
    shutil.copyfile(index_file(signed, "promotions"), index_file(signed))


def linked(signed: SignedLedger) -> None:
    """Lead to the same bytes elsewhere."""
    index_file(signed).rename(signed.folder / "elsewhere.json")
    index_file(signed).symlink_to(signed.folder / "elsewhere.json")


def too_large(signed: SignedLedger) -> None:
    os.truncate(index_file(signed), 65 * 1024 * 1024)


FORGERIES = [change, cut, without_code, nonsense, of_a_stranger, of_another_place, of_another_recipe, of_another_kind, linked,
             too_large]  # fmt: skip


@pytest.mark.parametrize("forge", FORGERIES)
def test_an_index_that_was_not_written_here_is_none(
    signed: SignedLedger, forge: Callable[[SignedLedger], None]
) -> None:
    """Every run is verified again, and the index is whole again."""
    Counted(signed).look()
    forge(signed)
    assert Counted(signed).look() == (N_RUNS + 1,) * 2
    assert Counted(signed).look() == (1, 1)


def test_no_forged_index_makes_an_entry_good(signed: SignedLedger) -> None:
    """A run by a stranger is refused, though an index of the stranger's own says that it was verified."""
    stranger = signed.stranger()
    add_run(signed, stranger)
    forged = Index(signed.folder / "index", stranger, str(signed.root), Keyring(signed.folder / "trusted"))
    prefix = f"runs/{RECIPE}/"
    noted = {
        name: (mark, [A, "2026-11-01T10:00:00Z", [], A, A, A, A]) for name, mark in signed.ledger.objects.marks(prefix)
    }
    forged.write(prefix, noted)
    assert forged.read(prefix).keys() == noted.keys(), "whoever holds that key takes it for good"
    with refused("entry-untrusted"):
        Counted(signed).look()


def test_another_set_of_keys_begins_anew(signed: SignedLedger) -> None:
    """What a removed key signed counts no more, though it was verified before; with a key more all is verified again."""
    Counted(signed).look()
    other = signed.stranger()
    shutil.copyfile(next((signed.folder / "untrusted").iterdir()), signed.folder / "trusted" / "other.pem")
    assert Counted(signed).look() == (N_RUNS + N_PROMOTIONS,) * 2
    signed.public.unlink()
    for who in (signed.signer, other):
        with refused("entry-untrusted"):
            Counted(signed, signer=who).look()


@pytest.mark.parametrize("number", [1, N_PROMOTIONS])
def test_a_promotion_replaced_after_it_was_noted(signed: SignedLedger, number: int) -> None:
    """Bytes in another's place are read, the right key or not; the time of the file is no excuse."""
    Counted(signed).look()
    path, parent = signed.promotion(number), signed.ledger.promotions(RECIPE)[-1].predicate.parent
    times = path.stat()
    path.unlink()
    signer, words = (signed.stranger(), "no trusted key") if number > 1 else (signed.signer, "does not follow")
    signed.ledger.add_promotion(promotion(f"{number:04}", parent if number > 1 else None, reason="Worse é!"), signer)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(TamperError, match=words):
        Counted(signed).look()


def test_a_run_replaced_after_it_was_noted(signed: SignedLedger) -> None:
    """One byte in the middle, in place, with the old time: the file is read again, and refused."""
    Counted(signed).look()
    path = next((signed.root / "runs" / RECIPE).glob("*.json"))
    content, times = path.read_bytes(), path.stat()
    path.write_bytes(content[:200] + bytes([content[200] ^ 1]) + content[201:])
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(TamperError):
        Counted(signed).look()
    path.unlink()
    counted = Counted(signed)
    assert len(counted.view.summaries(RECIPE)) == N_RUNS - 1, "a run that is gone is gone; the audit says which"


def test_where_no_index_can_be_written(signed: SignedLedger) -> None:
    """Every process verifies all of it, and says what it says."""
    (signed.folder / "index").write_bytes(b"a file where a folder belongs")
    for _ in range(2):
        assert Counted(signed).look() == (N_RUNS + N_PROMOTIONS,) * 2
    (signed.folder / "index").unlink()
    (signed.folder / "elsewhere").mkdir()
    (signed.folder / "index").mkdir()
    (signed.folder / "index" / RECIPE).symlink_to(signed.folder / "elsewhere")
    assert Counted(signed).look() == (N_RUNS + N_PROMOTIONS,) * 2
    assert list((signed.folder / "elsewhere").iterdir()) == []


CHILD = """
import os, signal, sys
from pathlib import Path
from graft.ledger import Index, Keyring, LedgerView, Signer
folder = Path(sys.argv[1])
if sys.argv[2] == "kill":
    os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
keyring = Keyring(folder / "trusted")
for _ in range(int(sys.argv[3])):
    index = Index(folder / "index", Signer(folder / "keys" / "private.pem"), str(folder / "ledger"), keyring,
                  is_read=sys.argv[2] == "kill")
    view = LedgerView(folder / "ledger", keyring, index)
    assert len(view.summaries("mail")) == 6
    assert len(view.promotions("mail")) == 3
"""


def child(signed: SignedLedger, how: str, n: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", CHILD, str(signed.folder), how, str(n)])


def test_killed_while_it_is_written(signed: SignedLedger) -> None:
    """The one before stays, or none; what was half written is taken away by the next."""
    assert child(signed, "kill", 1).wait() == -signal.SIGKILL
    assert not index_file(signed).exists()
    assert list(index_file(signed).parent.glob(f".*{PART}"))
    assert Counted(signed).look() == (N_RUNS + N_PROMOTIONS,) * 2
    assert not list(index_file(signed).parent.glob(f".*{PART}"))
    assert Counted(signed).look() == (1, 1)


def test_written_by_two_at_once(signed: SignedLedger) -> None:
    """Each writes it many times; whoever reads has that of one of them, and in the end it is whole."""
    writers = [child(signed, "anew", 30) for _ in range(2)]
    while any(writer.poll() is None for writer in writers):
        reads, _ = Counted(signed).look()
        assert reads in {1, 1 + N_RUNS, N_PROMOTIONS, N_PROMOTIONS + N_RUNS}
    assert [writer.returncode for writer in writers] == [0, 0]
    assert Counted(signed).look() == (1, 1)
