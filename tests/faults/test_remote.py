"""A remote that is absent, slow, closed or damaged: said in a sentence, state as before, and the same command heals it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from graft.errors import StepError, TamperError
from graft_tasks.commands.up_to_date import nothing_to_do
from graft_tasks.dvc.cache import Cache, pointed
from graft_tasks.dvc.fetch import fetch
from graft_tasks.dvc.repro import dvc, git
from graft_tasks.registry.audit import audit
from graft_tasks.registry.pin import pin
from graft_tasks.workspace import Workspace
from tests.support.cli_runner import CommandLine, check_unchanged
from tests.support.registry_workspace import push_and_clone

pytestmark = pytest.mark.slow

OBJECTS = {
    "a file of the dataset": "data/datasets/known.dvc/rows.csv",
    "the dataset's listing": "data/datasets/known.dvc",
    "a model's weights": "registry/known/0001.dvc/model.safetensors",
    "a model's listing": "registry/known/0001.dvc",
}


@pytest.fixture(scope="module")
def cloned_once(promoted_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a workspace, its remote, and a second clone of it; copied, never changed."""
    folder = tmp_path_factory.mktemp("remote")
    shutil.copytree(promoted_once, folder / "first", symlinks=True)
    push_and_clone(folder, f"{folder}/remote")
    return folder


@pytest.fixture
def clone(cloned_once: Path, tmp_path: Path) -> Workspace:
    """A second clone of a workspace whose remote is a folder: what git carries, and nothing else."""
    shutil.copytree(cloned_once, tmp_path, symlinks=True, dirs_exist_ok=True)
    for name in ("first", "second"):
        config = tmp_path / name / ".dvc" / "config"
        config.write_text(config.read_text().replace(str(cloned_once), str(tmp_path)))
        git(tmp_path / name, "commit", "--quiet", "--all", "--message", "where the remote is now")
    return Workspace(tmp_path / "second")


def md5_of(workspace: Workspace, what: str) -> str:
    """Return the md5 of what a pointer, or a path in it, names."""
    pointer, _, path = OBJECTS[what].partition(".dvc")
    (out,) = pointed((workspace.root / f"{pointer}.dvc").read_bytes(), f"{pointer}.dvc")
    first = Cache(workspace.root.parent / "first/.dvc/cache/files/md5")
    return first.files(out)[path[1:]] if path else out.md5


def stored(workspace: Workspace, md5: str, where: str = "remote") -> Path:
    return workspace.root.parent / where / "files" / "md5" / md5[:2] / md5[2:]


def flip_bit(path: Path) -> None:
    """Flip one bit, and leave size, time and mode as they were: what DVC would look at."""
    content, stat = bytearray(path.read_bytes()), path.stat()
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(bytes(content))
    path.chmod(stat.st_mode)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_a_second_clone_has_everything_after_one_command(clone: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    """git clone, graft fetch: the audit is intact and a run has nothing to do."""
    cli = CommandLine(clone.root, capsys)
    said = cli.succeeds("fetch", "known")
    assert "known 0001" in said
    assert all(len(line) <= 80 for line in said.replace(str(clone.root.parent), "").splitlines())
    assert audit(clone.recipe("known")).verdict == "intact"
    pin(clone.recipe("known"))
    assert "The same recipe, data and base were run" in nothing_to_do(clone.recipe("known"))
    assert git(clone.root, "status", "--porcelain") == ""


def test_what_is_here_and_whole_is_not_asked_for_again(clone: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    """The second time no remote is needed, and nothing changes."""
    fetch(clone.recipe("known"))
    shutil.rmtree(clone.root.parent / "remote")
    with check_unchanged(clone.root):
        facts = json.loads(CommandLine(clone.root, capsys).succeeds("fetch", "--json"))["recipes"][0]
    assert facts["n_brought"] == 0
    assert facts["mended"] == []


def test_a_damaged_object_in_the_cache_is_found_and_brought_again(clone: Workspace) -> None:
    """One flipped bit under a file that DVC trusts: found by digest, taken away, fetched, named; each kind of object."""
    fetch(clone.recipe("known"))
    for what, path in OBJECTS.items():
        harmed = stored(clone, md5_of(clone, what), "second/.dvc/cache")
        whole = harmed.read_bytes()
        flip_bit(harmed)
        assert path.replace(".dvc", "") in fetch(clone.recipe("known")).mended
        assert harmed.read_bytes() == whole
    assert audit(clone.recipe("known")).verdict == "intact"


def test_a_damaged_object_of_the_remote_is_named(clone: Workspace) -> None:
    """DVC would take it and keep it: here nothing is brought, the object is named, and once it is mended all is well."""
    for what in OBJECTS:
        harmed = stored(clone, md5_of(clone, what))
        whole = harmed.read_bytes()
        flip_bit(harmed)
        with check_unchanged(clone.root), pytest.raises(TamperError, match="The remote's own copy of") as caught:
            fetch(clone.recipe("known"))
        assert f"files/md5/{harmed.parent.name}/{harmed.name}" in caught.value.where
        assert str(clone.root.parent / "remote") in caught.value.where
        assert not stored(clone, md5_of(clone, what), "second/.dvc/cache").exists()
        harmed.chmod(0o644)
        harmed.write_bytes(whole)
        shutil.rmtree(clone.root / ".dvc" / "cache")
    fetch(clone.recipe("known"))
    assert audit(clone.recipe("known")).verdict == "intact"


def test_a_remote_that_is_gone_lacks_something_or_was_never_set(
    clone: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """DVC calls the first "up to date"; each is one sentence here, exit 1, nothing changed, and the same command heals it."""
    cli, remote = CommandLine(clone.root, capsys), clone.root.parent / "remote"
    remote.rename(remote.with_name("away"))
    cli.refuses("fetch", "known", words=("The remote is not there.", str(remote)), exit_code=1)
    remote.with_name("away").rename(remote)
    weights = stored(clone, md5_of(clone, "a model's weights"))
    weights.rename(weights.with_suffix(".away"))
    words = ("is damaged or not whole", f"files/md5/{weights.parent.name}/{weights.name}", str(remote))
    cli.refuses("fetch", "known", words=words, exit_code=1)
    weights.with_suffix(".away").rename(weights)
    config = clone.root / ".dvc" / "config"
    content = config.read_bytes()
    config.write_bytes(b"")
    cli.refuses("fetch", "known", words=("no default remote is set", "dvc remote add"), exit_code=1)
    config.write_bytes(content)
    cli.succeeds("fetch", "known")
    assert audit(clone.recipe("known")).verdict == "intact"


def test_a_damaged_model_is_restored_and_a_changed_dataset_is_not(clone: Workspace) -> None:
    """Nobody edits a promoted model; rows may be a person's work."""
    fetch(clone.recipe("known"))
    flip_bit(clone.recipe("known").registry / "0001" / "model.safetensors")
    assert fetch(clone.recipe("known")).mended == ["registry/known/0001"]
    assert audit(clone.recipe("known")).verdict == "intact"
    with (clone.dataset("known") / "rows.csv").open("a") as file:
        file.write("x,one more,card\n")
    with check_unchanged(clone.root), pytest.raises(StepError, match="not the version that its pointer names"):
        fetch(clone.recipe("known"))


@pytest.mark.parametrize("pointer", ["registry/known/0001.dvc", "data/datasets/known.dvc"])
def test_a_pointer_to_other_bytes_is_found(clone: Workspace, pointer: str) -> None:
    """A pointer that leads to another whole folder brings nothing: its files are not those that were signed or pinned."""
    path = clone.root / pointer
    other = clone.root / ("data/datasets/known.dvc" if "registry" in pointer else "registry/known/0001.dvc")
    (mine,), (its,) = (pointed(one.read_bytes(), one.name) for one in (path, other))
    text = path.read_text()
    path.write_text(text.replace(mine.md5, its.md5))
    if "datasets" in pointer:  # the lock file would have to be forged too, for the pin to be asked
        lock = clone.root / "data" / "known" / "dvc.lock"
        lock.write_text(lock.read_text().replace(mine.md5, its.md5))
    with (
        check_unchanged(clone.root),
        pytest.raises(TamperError, match="names other bytes than those that were signed or pinned"),
    ):
        fetch(clone.recipe("known"))


def test_all_that_a_recipe_stands_on_is_brought(many_models: Workspace, tmp_path: Path) -> None:
    """The champion, what a rollback goes to, and the chain; not what is behind them."""
    many_models.root.rename(tmp_path / "first")
    clone = push_and_clone(tmp_path, f"{tmp_path}/remote")
    assert fetch(clone.recipe("grown")).models == ["grown 0001", "known 0002"]
    found = audit(clone.recipe("grown"))
    assert found.verdict == "intact", (found.headline, found.broken_at)
    assert fetch(clone.recipe("known")).models == ["known 0002", "known 0001"]
    assert not (clone.recipe("known").registry / "0003").exists()
    assert audit(clone.recipe("known")).verdict == "intact"


class FaultyProxy:
    """A way to a server that can be made bad: ``mute`` takes a call and says nothing, ``drip`` gives a byte at a time."""

    def __init__(self, port: int) -> None:
        self.mode, self.port, self.over = "open", port, threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while not self.over.is_set():
            try:
                caller, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.port))
            threading.Thread(target=self._pass, args=(caller, server, "open"), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, caller, self.mode), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, mode: str) -> None:
        try:
            while block := source.recv(1 if mode == "drip" else 65536):
                if mode == "mute":
                    continue
                target.sendall(block)
                if mode == "drip":
                    self.over.wait(0.05)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def close(self) -> None:
        if self.over.is_set():
            return
        self.over.set()
        self.listener.shutdown(socket.SHUT_RDWR)  # or the kernel goes on listening for who waits in accept
        self.listener.close()


@pytest.fixture
def s3(promoted_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Workspace, FaultyProxy]]:
    """A second clone of a workspace whose remote is a bucket, and the gate before that."""
    boto3 = pytest.importorskip("boto3")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    pytest.importorskip("dvc_s3")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    server.start()
    gate = FaultyProxy(server.get_host_and_port()[1])
    try:
        boto3.client("s3", endpoint_url=gate.address).create_bucket(Bucket="models")
        shutil.copytree(promoted_once, tmp_path / "first", symlinks=True)
        yield push_and_clone(tmp_path, "s3://models/known", ("endpointurl", gate.address)), gate
    finally:
        gate.close()
        server.stop()


def test_a_bucket_that_does_not_answer_lets_nobody_in_or_is_damaged(
    s3: tuple[Workspace, FaultyProxy], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mute, dripping, no credentials, no bucket, a damaged object: one sentence each, and afterwards all is brought."""
    clone, gate = s3
    cli = CommandLine(clone.root, capsys)
    fast = ("fetch", "known", "--patience", "2")
    gate.mode = "mute"
    cli.refuses(*fast, words=("The remote sent", "bytes in 2 seconds", "s3://models/known"), exit_code=1)
    gate.mode = "drip"
    cli.refuses(*fast, words=("The remote sent", "bytes in 2 seconds"), exit_code=1)
    gate.mode = "open"
    with monkeypatch.context() as without:
        without.delenv("AWS_ACCESS_KEY_ID")
        without.delenv("AWS_SECRET_ACCESS_KEY")
        cli.refuses("fetch", "known", words=("There are no credentials for the remote.",), exit_code=1)
    dvc(clone.root, "remote", "modify", "--local", "store", "url", "s3://nowhere/known")
    cli.refuses("fetch", "known", words=(), exit_code=1)
    dvc(clone.root, "remote", "modify", "--local", "--unset", "store", "url")

    import boto3

    client = boto3.client("s3", endpoint_url=gate.address)
    md5 = md5_of(clone, "a model's weights")
    place = {"Bucket": "models", "Key": f"known/files/md5/{md5[:2]}/{md5[2:]}"}
    whole = client.get_object(**place)["Body"].read()
    client.put_object(**place, Body=whole[:-1] + bytes([whole[-1] ^ 1]))
    words = ("The remote's own copy of", "model.safetensors", f"files/md5/{md5[:2]}/{md5[2:]}", "s3://models/known")
    cli.refuses("fetch", "known", words=words, exit_code=1)
    client.put_object(**place, Body=whole)
    cli.succeeds("fetch", "known")
    assert audit(clone.recipe("known")).verdict == "intact"


def test_a_bucket_behind_a_closed_port(s3: tuple[Workspace, FaultyProxy], capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody listens there: that is said after S3's own retries, or when patience ends."""
    clone, gate = s3
    gate.close()
    words = ("error: The remote", "s3://models/known")
    CommandLine(clone.root, capsys).refuses("fetch", "known", words=words, exit_code=1)
