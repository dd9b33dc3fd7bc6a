"""What an exception of DVC's or of a library below it means is known by its class, whatever it says."""

from __future__ import annotations

import errno
import importlib
import socket

import pytest

from graft.errors import BusyError, GraftError, InputError, StepError, TamperError
from graft_tasks.dvc.errors import ALL, HERE, REMOTE, causes, meaning

CLASSES = sorted({name for case in (*REMOTE, *HERE, *ALL) for name in case.classes})


def found(name: str) -> type[BaseException]:
    """Return a class by its name."""
    module, _, kind = name.partition(":")[0].rpartition(".")
    if module == "botocore.exceptions":
        pytest.importorskip("botocore")
    if module.startswith("aiohttp"):
        pytest.importorskip("aiohttp")
    cls = getattr(importlib.import_module(module), kind)
    assert isinstance(cls, type)
    assert issubclass(cls, BaseException)
    return cls


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_that_is_named_exists(name: str) -> None:
    """A DVC, botocore or aiohttp that renames a class is noticed here, and not by a user."""
    cls = found(name)
    assert f"{cls.__module__}.{cls.__qualname__}" == name.partition(":")[0]


def raised(error: BaseException, *, cause: BaseException | None = None) -> BaseException:
    """Return an exception as it is once it was raised, from another or not."""
    try:
        raise error from cause
    except BaseException as met:
        return met


def client_error(code: str) -> BaseException:
    """Return what botocore raises where a server answers with a code."""
    exceptions = pytest.importorskip("botocore.exceptions")
    error: BaseException = exceptions.ClientError({"Error": {"Code": code, "Message": "anything at all"}}, "GetObject")
    return error


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (PermissionError("words"), "The remote does not let these credentials in."),
        (PermissionError(errno.EACCES, "words", "/mnt/store"), "The remote does not let these credentials in."),
        (ConnectionRefusedError(111, "words"), "The remote does not answer."),
        (socket.gaierror(-2, "words"), "The remote does not answer."),
        (TimeoutError("words"), "The remote is too slow."),
    ],
)
def test_what_a_remote_refuses(error: OSError, what: str) -> None:
    """Standard exceptions, as fsspec's file systems raise them."""
    known = meaning(raised(RuntimeError("around it"), cause=error), of_remote=True)
    assert known is not None
    assert (type(known), known.what) == (StepError, what)
    assert known.do


def test_a_full_disk_is_no_refusal_of_the_remote() -> None:
    """What this machine refuses is said as ever, in a command that asks a remote too."""
    error = raised(RuntimeError("around it"), cause=OSError(errno.ENOSPC, "words", "/here"))
    known = meaning(error, of_remote=True)
    assert known is not None
    assert (known.code, known.where) == ("disk-full", "/here")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("NoCredentialsError", "remote-no-credentials"),
        ("EndpointConnectionError", "remote-silent"),
        ("ConnectTimeoutError", "remote-slow"),
        ("ReadTimeoutError", "remote-slow"),
    ],
)
def test_what_botocore_raises(name: str, code: str) -> None:
    """Its own classes, which have no number."""
    exceptions = pytest.importorskip("botocore.exceptions")
    error = getattr(exceptions, name)(endpoint_url="http://127.0.0.1:1", error="words")
    known = meaning(error, of_remote=True)
    assert known is not None
    assert known.code == code


def test_what_a_server_answers_is_known_by_its_code() -> None:
    """A bucket that is not there is told from an object that is not: both are a FileNotFoundError of s3fs's."""
    bucket = meaning(raised(FileNotFoundError("words"), cause=client_error("NoSuchBucket")), of_remote=True)
    assert bucket is not None
    assert bucket.what == "The remote is not there."
    assert meaning(raised(FileNotFoundError("words"), cause=client_error("NoSuchKey")), of_remote=True) is None


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("dvc.lock.LockError", BusyError),
        ("dvc.config.NoRemoteError", StepError),
        ("dvc.exceptions.OverlappingOutputPathsError", InputError),
        ("dvc.exceptions.CyclicGraphError", InputError),
        ("dvc.utils.strictyaml.YAMLSyntaxError", InputError),
    ],
)
def test_what_dvc_raises(name: str, kind: type[GraftError]) -> None:
    """Its class or one that it comes from; what it says is shown as where, and nothing is looked for in it."""
    cls = found(name)
    error = cls.__new__(cls)
    Exception.__init__(error, "words of another version\nand more")
    for of_remote in (False, True):
        known = meaning(raised(RuntimeError("around it"), cause=error), of_remote=of_remote)
        assert type(known) is kind
        assert known.exit_code == kind.exit_code
        assert known.do


def test_damage_is_told_by_where_it_is() -> None:
    """An object that is not what its name says is damage of this machine's cache; of a remote's, whoever fetches looks closer."""
    error = found("dvc_objects.errors.ObjectFormatError")("words")
    known = meaning(error, of_remote=False)
    assert type(known) is TamperError
    assert meaning(error, of_remote=True) is None


def test_what_is_not_known_is_not_guessed() -> None:
    """Words alone mean nothing, and an exception that is its own cause is gone through once."""
    assert meaning(RuntimeError("Unable to acquire lock. Access Denied. [Errno 28]"), of_remote=True) is None
    assert meaning(PermissionError("no number"), of_remote=False) is None
    first, second = RuntimeError("a"), RuntimeError("b")
    first.__context__, second.__context__ = second, first
    assert list(causes(first)) == [first, second]


def test_no_secret_of_an_address_is_shown() -> None:
    """What a library says may hold the address that it was given."""
    known = meaning(ConnectionError("cannot reach https://ada:lovelace-1815@store.example/x?sig=abc"), of_remote=True)
    assert known is not None
    assert "lovelace" not in known.where
    assert "abc" not in known.where
    assert "store.example/x" in known.where
