"""Objects in a bucket of an S3-compatible store, through s3fs; where it is and its keys say the `AWS_*` variables."""

import hashlib
import os
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.files import FULL
from mer_tasks.objects import Stamp
from mer_tasks.objects.cache import Cache
from mer_tasks.text import on_one_line, without_passwords

if TYPE_CHECKING:
    from s3fs import S3FileSystem

AT_A_TIME = 16
"""Objects that are got at once; each takes some milliseconds to answer."""


@dataclass(frozen=True, slots=True)
class BucketStore:
    """The keys of a bucket below `place`, BUCKET/PREFIX; what is read or written stays in `cache` for a while.

    A single request puts an object, so it is there whole or not at all.
    """

    place: str
    cache: Cache

    checks_itself = True

    def __str__(self) -> str:
        """The address."""
        return f"s3://{self.place}"

    def prepare(self) -> None:
        """See that the bucket is there."""
        self.is_empty()

    @contextmanager
    def writing(self, key: str) -> Iterator[Path]:
        """A temporary file in the cache, which is put."""
        with self.cache.adding(key) as temporary:
            yield temporary
            with self._asking() as s3:
                s3.put_file(str(temporary), self._path(key))

    def local(self, key: str) -> Path:
        """The copy in the cache, got first if there is none."""
        if copy := self.cache.find(key):
            return copy
        with self.cache.adding(key) as temporary, self._asking() as s3:
            s3.get_file(self._path(key), str(temporary))
        return self.cache.path(key)

    def fresh(self, key: str) -> Path:
        """The copy, got anew unless the store's own hash of the object is that of the copy."""
        if copy := self.cache.find(key):
            with self._asking() as s3:
                etag = s3.info(self._path(key))["ETag"].strip('"')
            if etag == hashlib.md5(copy.read_bytes(), usedforsecurity=False).hexdigest():
                return copy
            self.cache.drop(key)
        return self.local(key)

    def fetch(self, keys: Collection[str]) -> None:
        """By several threads."""
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            list(pool.map(self._try_local, keys))

    def stamps(self, keys: Collection[str]) -> dict[str, Stamp]:
        """Size, hash and time, from a listing, a request a thousand objects."""
        wanted = set(keys)
        return {
            key: [found["size"], found["ETag"], found["LastModified"].isoformat()]
            for key, found in self._listed("")
            if key in wanted
        }

    def keys(self, folder: str) -> Iterator[str]:
        """From a listing."""
        for key, _ in self._listed(folder):
            yield key

    def is_empty(self) -> bool:
        """Whether a listing has nothing."""
        bucket, _, prefix = self.place.partition("/")
        with self._asking() as s3:
            found = s3.call_s3("list_objects_v2", Bucket=bucket, Prefix=f"{prefix}/", MaxKeys=1)
        return not found.get("KeyCount")

    def take_away(self, key: str, is_right: Callable[[Path], bool]) -> None:
        """Looked at once more just before: what another process puts in the instant between goes with it."""
        with suppress(FileNotFoundError):
            if is_right(self.fresh(key)):
                return
            self.cache.drop(key)
            with self._asking() as s3:
                s3.rm_file(self._path(key))

    def _path(self, key: str) -> str:
        return f"{self.place}/{key}"

    def _try_local(self, key: str) -> None:
        with suppress(FileNotFoundError):
            self.local(key)

    def _listed(self, folder: str) -> list[tuple[str, dict[str, Any]]]:
        with self._asking() as s3:
            found = s3.find(self._path(folder).rstrip("/"), detail=True)
        return [(path.removeprefix(f"{self.place}/"), info) for path, info in found.items()]

    @contextmanager
    def _asking(self) -> Iterator["S3FileSystem"]:
        """The file system, whose errors become one line that names the store and not its keys.

        Raises:
            FileNotFoundError: there is no such object.
        """
        from botocore.exceptions import BotoCoreError, NoCredentialsError
        from s3fs.core import S3_RETRYABLE_ERRORS

        try:
            yield _file_system(os.getpid())
        except FileNotFoundError as error:
            if _code(error) == "NoSuchBucket":
                raise InputError(f"{self}: there is no such bucket; make it, or correct MER_STORE") from error
            raise
        except (PermissionError, NoCredentialsError) as error:
            if getattr(error, "filename", None):  # of this machine's disk
                raise
            remedy = "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and what they may do"
            raise InputError(f"{self}: refuses: {_reason(error)}; {remedy}") from error
        except (BotoCoreError, OSError, *S3_RETRYABLE_ERRORS) as error:
            if isinstance(error, OSError) and (error.filename or error.errno in FULL):
                raise
            raise UnavailableError(f"{self}: cannot be reached now: {_reason(error)}") from error


@lru_cache
def _file_system(pid: int) -> "S3FileSystem":
    """One for all threads of the process `pid`; it keeps no listings, for other machines change the store."""
    from s3fs import S3FileSystem

    return S3FileSystem(use_listings_cache=False, skip_instance_cache=True)


def _code(error: Exception) -> str:
    """What the store calls an error."""
    return str(getattr(error.__cause__, "response", {}).get("Error", {}).get("Code", ""))


def _reason(error: Exception) -> str:
    return on_one_line(without_passwords(str(error)))
