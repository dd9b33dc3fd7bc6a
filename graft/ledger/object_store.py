"""A ledger's files in an S3 bucket, or in what speaks its protocol and puts conditionally. The only importer of boto3."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from graft.errors import InputError, StepError, TamperError
from graft.ledger.objects import MAX_BYTES

T = TypeVar("T")
_ABSENT = {"NoSuchKey", "404"}
_TAKEN = {"PreconditionFailed", "412"}
_AT_ONCE = {"ConditionalRequestConflict", "OperationAborted", "409"}
_SECONDS = 20


class ObjectStore:
    """A ledger's files under a prefix of a bucket. Credentials, region and endpoint are those of the AWS settings.

    A put with ``If-None-Match: *`` is what makes a number unique: the store refuses the second writer.

    Raises, from every method:
        StepError: the store does not answer, or refuses.
    """

    def __init__(self, url: str) -> None:
        try:
            import boto3
            from botocore.config import Config
        except ImportError as error:
            raise InputError(
                "A ledger on S3 needs the extra 's3'.", where=url, do="pip install 'graft-mlops[s3]'"
            ) from error
        self.url = url.rstrip("/")
        self._bucket, _, prefix = self.url.removeprefix("s3://").partition("/")
        self._prefix = f"{prefix}/" if prefix else ""
        settings = Config(connect_timeout=_SECONDS, read_timeout=_SECONDS, retries={"mode": "standard"})
        client, _ = self._asked("", set(), lambda: boto3.client("s3", config=settings))
        self._s3: Any = client

    def read(self, name: str) -> bytes | None:
        """Return an object's bytes."""

        def get() -> bytes:
            found = self._s3.get_object(Bucket=self._bucket, Key=self._prefix + name)
            if found["ContentLength"] > MAX_BYTES:
                raise TamperError("A file of the ledger is too large to be one.", where=self.where(name))
            content: bytes = found["Body"].read()
            return content

        return self._asked(name, _ABSENT, get)[0]

    def create(self, name: str, content: bytes) -> bool:
        """Put an object that must not exist yet; False: it exists."""

        def put() -> None:
            self._s3.put_object(Bucket=self._bucket, Key=self._prefix + name, Body=content, IfNoneMatch="*")

        while (code := self._asked(name, _TAKEN | _AT_ONCE, put)[1]) in _AT_ONCE:
            pass  # others put the same name at this moment: the store wants to be asked again
        # A put whose answer was lost is sent again by boto3, and then meets itself.
        return not code or self.read(name) == content

    def replace(self, name: str, content: bytes) -> None:
        """Put an object."""
        self._asked(
            name, set(), lambda: self._s3.put_object(Bucket=self._bucket, Key=self._prefix + name, Body=content)
        )

    def names(self, prefix: str) -> Iterator[str]:
        """Yield names under a prefix, page by page."""
        yield from (name for name, _ in self.marks(prefix))

    def marks(self, prefix: str) -> Iterator[tuple[str, str]]:
        """Yield names with the entity tags that the store gives its objects."""
        after: dict[str, Any] = {}
        while True:
            page, _ = self._asked(
                prefix,
                set(),
                lambda: self._s3.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix + prefix, **after),
            )
            assert page is not None  # noqa: S101 - no refusal was allowed
            yield from ((item["Key"].removeprefix(self._prefix), item["ETag"]) for item in page.get("Contents", ()))
            if not page.get("IsTruncated"):
                return
            after["ContinuationToken"] = page["NextContinuationToken"]

    def where(self, name: str) -> str:
        """Return the object's address."""
        return f"{self.url}/{name}"

    def _asked(self, name: str, allowed: set[str], ask: Callable[[], T]) -> tuple[T | None, str]:
        """Return the store's answer and an empty code, or no answer and the code of an allowed refusal."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return ask(), ""
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in allowed:
                return None, code
            do = "check the bucket and your rights to it"
            raise StepError("The ledger's store refuses.", where=f"{self.where(name)}: {error}", do=do) from error
        except BotoCoreError as error:
            do = "check the address, the credentials and the network, then the same command again"
            raise StepError("The ledger's store fails.", where=f"{self.where(name)}: {error}", do=do) from error
