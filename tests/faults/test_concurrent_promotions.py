"""Sixteen promoters of one recipe at once: each number is won by exactly one, the others are told so, nothing is overwritten."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Any

import boto3
import pytest

from graft.errors import StepError
from graft.ledger import Index, Keyring, Ledger, LedgerView, Signer, make_key
from graft.ledger.object_store import ObjectStore
from graft_tasks.registry.audit import audit
from tests.support.lineage_workspace import make_lineage
from tests.support.refusals import refused
from tests.unit.ledger.test_store import promotion, run_predicate

N_PROMOTERS = 16


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """An S3 server on the loopback with one bucket; the address of a ledger in it."""
    from moto.s3.responses import S3Response
    from moto.server import ThreadedMotoServer

    one_at_a_time, put = Lock(), S3Response.put_object

    def put_object(response: S3Response) -> Any:
        with one_at_a_time:
            return put(response)

    # moto looks whether an object is there and then puts it: two threads can both find nothing. S3 puts in one step.
    monkeypatch.setattr(S3Response, "put_object", put_object)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    settings = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
    }  # fmt: skip
    for key, value in settings.items():
        monkeypatch.setenv(key, value)
    bucket = f"ledgers-{tmp_path.name.replace('_', '-').lower()}"  # moto keeps what other tests of the process put
    boto3.client("s3").create_bucket(Bucket=bucket)
    yield f"s3://{bucket}/team/one"
    server.stop()


def race(place: str, folder: Path, n_rounds: int) -> None:
    """Let the promoters run against each other, and look at what lies there after each round."""
    make_key(folder / "key.pem", folder / "trusted")
    ledger = Ledger(place if place.startswith("s3://") else Path(place), Keyring(folder / "trusted"))
    command = [sys.executable, "-m", "tests.support.racing_promoter", place, str(folder), str(n_rounds)]
    racers = [
        subprocess.Popen([*command, str(me)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ)
        for me in range(N_PROMOTERS)
    ]
    try:
        seen: list[str] = []
        for k in range(1, n_rounds + 1):
            assert _read_lines(racers) == ["ready\n"] * N_PROMOTERS
            said = _read_lines(racers, tell="go\n")
            promotions = ledger.promotions("mail")
            (won,) = (one for one in said if one.startswith("won"))
            assert [one.entry for one in promotions[:-1]] == seen
            assert promotions[-1].entry == won.split()[1]
            assert said.count(f"promotion-overtaken {k:04}\n") == N_PROMOTERS - 1
            seen.append(promotions[-1].entry)
            for racer in racers:
                _send(racer, "next\n")
        assert len(list(ledger.names())) == n_rounds
    finally:
        for racer in racers:
            racer.kill()
            racer.communicate()


def _send(racer: subprocess.Popen[str], line: str) -> None:
    assert racer.stdin is not None
    racer.stdin.write(line)
    racer.stdin.flush()


def _read_lines(racers: list[subprocess.Popen[str]], tell: str = "") -> list[str]:
    """Tell all of them something, then read a line from each."""
    for racer in racers:
        if tell:
            _send(racer, tell)
    return [racer.stdout.readline() if racer.stdout else "" for racer in racers]


def test_promoters_on_a_folder(tmp_path: Path) -> None:
    """Three rounds on a local folder; no half-written file is left."""
    race(str(tmp_path / "ledger"), tmp_path, 3)
    assert {path.suffix for path in (tmp_path / "ledger").rglob("*") if path.is_file()} == {".json"}


@pytest.mark.slow
@pytest.mark.parametrize("place", ["folder", "store"])
def test_promoters_at_length(tmp_path: Path, place: str, request: pytest.FixtureRequest) -> None:
    """Thirty rounds of each."""
    race(request.getfixturevalue("s3") if place == "store" else str(tmp_path / "ledger"), tmp_path, 30)


@pytest.mark.slow
def test_an_object_store_holds_what_a_folder_holds(tmp_path: Path, s3: str) -> None:
    """Blobs and entries come back from a store, absent names are absent, and many names are listed on several pages."""
    store = ObjectStore(s3)
    assert store.read("blobs/none") is None
    assert store.create("a/1", b"one")
    assert not store.create("a/1", b"two")
    assert store.create("a/1", b"one")  # the same bytes again: an answer was lost, and boto3 sent them twice
    assert store.read("a/1") == b"one"
    store.replace("a/1", b"two")
    assert store.read("a/1") == b"two"
    for k in range(1001):
        store.create(f"b/{k:04}", b"")
    assert list(store.names("b/")) == [f"b/{k:04}" for k in range(1001)]
    assert list(store.names("c/")) == []


@pytest.mark.slow
def test_what_is_known_of_a_store_is_not_fetched(tmp_path: Path, s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later process lists the entries and fetches the last promotion, and what was written since; other bytes are refused."""
    make_key(tmp_path / "key.pem", tmp_path / "trusted")
    signer, keyring = Signer(tmp_path / "key.pem"), Keyring(tmp_path / "trusted")
    plain = Ledger(s3, keyring)
    first = plain.add_promotion(promotion("0001", None), signer)
    plain.add_promotion(promotion("0002", first.entry), signer)
    runs = [plain.add_run(run_predicate(headline=str(k)), signer).entry for k in range(5)]
    fetched: list[str] = []
    read = ObjectStore.read
    monkeypatch.setattr(ObjectStore, "read", lambda self, name: (fetched.append(name), read(self, name))[1])

    def look() -> int:
        fetched.clear()
        view = LedgerView(s3, keyring, Index(tmp_path / "index", signer, s3, keyring))
        for _ in range(2):
            assert len(view.promotions("mail")) == 2
            assert {run.entry for run in view.summaries("mail")} == set(runs)
            assert view.run("mail", runs[0]).entry == runs[0]
        return len(fetched)

    assert look() == 2 + 5 + 1
    assert look() == 2
    runs.append(plain.add_run(run_predicate(headline="one more"), signer).entry)
    assert look() == 3
    plain.objects.replace(f"runs/mail/{runs[1]}.json", read(ObjectStore(s3), f"runs/mail/{runs[2]}.json") or b"")
    with refused("run-moved"):
        look()


@pytest.mark.slow
def test_a_chain_whose_ledger_is_in_a_store(tmp_path: Path, s3: str, tiny_base: Path) -> None:
    """Promotions, a rollback and a hop with the ledger in a bucket: intact; with an object of it gone, broken and named."""
    workspace = make_lineage(tmp_path, tiny_base, ledger=s3)
    assert not (workspace.root / "ledger").exists()
    assert workspace.params()["ledger"] == s3
    result = audit(workspace.recipe("grown"))
    assert result.verdict == "intact", result.broken_at
    name = next(name for name in workspace.ledger().names() if name.startswith("runs/tiny/"))
    boto3.client("s3").delete_object(Bucket=s3.split("/")[2], Key=f"team/one/{name}")
    result = audit(workspace.recipe("grown"))
    assert result.verdict == "broken"
    assert name in str(result.broken_at)


@pytest.mark.parametrize("url", ["s3://nowhere/x", "s3://ledgers/x"])
def test_a_store_that_refuses_or_does_not_answer(url: str, s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bucket that is not there and a server that does not answer are each one sentence."""
    if url.startswith("s3://ledgers"):
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    store = ObjectStore(url)
    for act in (lambda: store.read("a"), lambda: store.create("a", b""), lambda: list(store.names("a/"))):
        with pytest.raises(StepError, match="The ledger's store"):
            act()
