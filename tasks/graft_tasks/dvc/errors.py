"""What an exception means that ended a DVC command: DVC's own, or one of a library below it, known by its class.

Classes are named and not imported: which libraries are installed depends on the remote. A test looks each of them up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from graft.errors import BusyError, GraftError, InputError, StepError, TamperError
from graft_tasks.processes.disk import from_disk
from graft_tasks.processes.secret import without_secrets


@dataclass(frozen=True)
class _Meaning:
    classes: tuple[str, ...]
    kind: type[GraftError]
    what: str
    do: str
    code: str = ""


_LOOK = "look at its address (dvc remote list) and at the network, then the same command again"
REMOTE: tuple[_Meaning, ...] = (
    _Meaning(
        (
            "botocore.exceptions.NoCredentialsError",
            "botocore.exceptions.PartialCredentialsError",
            "botocore.exceptions.CredentialRetrievalError",
            "botocore.exceptions.TokenRetrievalError",
            "botocore.exceptions.ProfileNotFound",
            "dvc_objects.fs.errors.AuthError",
        ),
        StepError,
        "There are no credentials for the remote.",
        "set them where its tools look for them, for S3 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or a profile",
        code="remote-no-credentials",
    ),
    _Meaning(
        (
            "builtins.PermissionError",
            "aiohttp.client_exceptions.ClientResponseError:401",
            "aiohttp.client_exceptions.ClientResponseError:403",
            "botocore.exceptions.ClientError:AuthorizationHeaderMalformed",
            "botocore.exceptions.ClientError:InvalidToken",
        ),
        StepError,
        "The remote does not let these credentials in.",
        "look at the credentials and at what they may do",
    ),
    _Meaning(
        (
            "builtins.TimeoutError",
            "aiohttp.client_exceptions.ServerTimeoutError",
            "botocore.exceptions.ConnectTimeoutError",
            "botocore.exceptions.ReadTimeoutError",
        ),
        StepError,
        "The remote is too slow.",
        "try again later, or with a longer --patience",
        code="remote-slow",
    ),
    _Meaning(
        (
            "builtins.ConnectionError",
            "socket.gaierror",
            "aiohttp.client_exceptions.ClientConnectionError",
            "botocore.exceptions.ConnectionError",
            "botocore.exceptions.HTTPClientError",
        ),
        StepError,
        "The remote does not answer.",
        _LOOK,
        code="remote-silent",
    ),
    _Meaning(
        ("botocore.exceptions.ClientError:NoSuchBucket",),
        StepError,
        "The remote is not there.",
        "look at its address: dvc remote list",
    ),
)
"""What a remote refuses, in a command that asks one."""
HERE: tuple[_Meaning, ...] = (
    _Meaning(
        ("dvc_objects.errors.ObjectFormatError",),
        TamperError,
        "A file in DVC's cache is not what its name says.",
        "graft fetch RECIPE    brings it again",
    ),
)
"""What is wrong on this machine, in a command that asks no remote."""
ALL: tuple[_Meaning, ...] = (
    _Meaning(
        ("dvc.lock.LockError",),
        BusyError,
        "Another DVC command holds the workspace.",
        "wait until it has ended",
    ),
    _Meaning(
        ("dvc.config.NoRemoteError",),
        StepError,
        "DVC has no default remote.",
        "dvc remote add --default NAME ADDRESS",
    ),
    _Meaning(
        ("dvc_objects.fs.errors.RemoteMissingDepsError",),
        StepError,
        "The package for this kind of remote is not installed.",
        "pip install 'dvc[KIND]', for S3 dvc[s3]",
    ),
    _Meaning(
        ("dvc.config.ConfigError", "dvc_objects.fs.errors.ConfigError"),
        StepError,
        "DVC's configuration is wrong.",
        "look at .dvc/config and .dvc/config.local",
    ),
    _Meaning(
        (
            "dvc.exceptions.CheckoutError",
            "dvc.exceptions.FileMissingError",
            "dvc.output.OutputDoesNotExistError",
            "dvc.stage.exceptions.MissingDataSource",
        ),
        StepError,
        "A file that DVC keeps is not here.",
        "graft fetch RECIPE    brings what a recipe needs",
    ),
    _Meaning(
        (
            "dvc.exceptions.OutputDuplicationError",
            "dvc.exceptions.OverlappingOutputPathsError",
            "dvc.exceptions.StagePathAsOutputError",
        ),
        InputError,
        "Two stages of the workspace make the same file or folder.",
        "dvc stage list    names them; change your own",
    ),
    _Meaning(
        ("dvc.exceptions.CircularDependencyError", "dvc.exceptions.CyclicGraphError"),
        InputError,
        "Stages of the workspace wait for one another.",
        "dvc dag    shows them; change your own",
    ),
    _Meaning(
        (
            "dvc.parsing.ResolveError",
            "dvc.utils.serialize._common.ParseError",
            "dvc.utils.strictyaml.YAMLValidationError",
        ),
        InputError,
        "A file of DVC's cannot be read.",
        "correct it, or restore it with git",
    ),
)
"""What else DVC refuses, in any command."""


def meaning(error: BaseException, *, of_remote: bool) -> GraftError | None:
    """Return what an exception means, by its class or that of what it came from; None where that is not known.

    Args:
        of_remote: the command asks a remote, so that what is refused is refused there.
    """
    cases = (*REMOTE, *ALL) if of_remote else (*HERE, *ALL)
    for cause in causes(error):
        named = set(_names(cause))
        for case in cases:
            if named.intersection(case.classes):
                return case.kind(case.what, where=words(cause), do=case.do, code=case.code)
        if isinstance(cause, OSError) and (refused := from_disk(cause)):
            return refused
    return None


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception, and those that it came from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def words(error: BaseException) -> str:
    """Return the first line of what an exception says, else its name; without secrets."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return without_secrets(lines[0] if lines else type(error).__name__)


def _names(error: BaseException) -> Iterator[str]:
    """Yield the classes of an exception by name; of what a server answered also with its code behind a colon."""
    response = getattr(error, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else getattr(error, "status", None)
    for kind in type(error).__mro__:
        name = f"{kind.__module__}.{kind.__qualname__}"
        yield name
        if code is not None:
            yield f"{name}:{code}"
