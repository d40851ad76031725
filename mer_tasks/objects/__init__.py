"""Files by key, in a folder of this machine or in a bucket of any S3-compatible store.

Clips, features and the state of DAG runs lie in either. What uses them knows neither: it is given local files. An object
is seen whole or not at all, and putting it again replaces it.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

Stamp = list[int | str]
"""Another one whenever an object was written; it begins with the size in bytes."""


class ObjectStore(Protocol):
    """What a store of either kind offers. Keys are relative paths with `/`; `str()` of it is shown to a person.

    All of it raises UnavailableError where the store cannot be reached now, and InputError where it refuses.
    """

    @property
    def checks_itself(self) -> bool:
        """Whether the store itself sees to it that its objects' bytes stay what they were."""

    def prepare(self) -> None:
        """Make the store if need be, and take away what killed processes left unfinished long ago.

        Raises:
            InputError: there can be none at its place.
        """

    def writing(self, key: str) -> AbstractContextManager[Path]:
        """Yield the path of a file to be written; with the end of the block it is the object, on failure nothing is.

        Raises:
            OSError: it cannot be written; where the disk is full, `filename` is the place.
        """

    def local(self, key: str) -> Path:
        """The file with an object's bytes, for reading within minutes: a copy, where the store is elsewhere.

        The copy may be older than the object: for keys whose bytes never change.

        Raises:
            FileNotFoundError: there is no such object; where the store is a folder, reading the file says so.
        """

    def fresh(self, key: str) -> Path:
        """The same, with the bytes that the object has now."""

    def fetch(self, keys: Collection[str]) -> None:
        """Get many objects at a time, so that `local` does not wait for each; those that are not there are passed over."""

    def stamps(self, keys: Collection[str]) -> dict[str, Stamp]:
        """The stamps of those of the keys that there are."""

    def keys(self, folder: str) -> Iterator[str]:
        """The keys that begin with `folder/`."""

    def is_empty(self) -> bool:
        """Whether it has no object at all, or is not there."""

    def take_away(self, key: str, is_right: Callable[[Path], bool]) -> None:
        """Take away what is in the place of an object, unless another process has just put there what `is_right`."""


def open_store(address: str | None, name: str, home: Path, cache_gb: float) -> ObjectStore:
    """The store called `name`: in the folder `home`, or below an `address` s3://BUCKET/PREFIX.

    What is read from there is copied to `home`, as many GB at most.
    """
    if address is None:
        from mer_tasks.objects.folder import FolderStore

        return FolderStore(home / name)
    from mer_tasks.objects.bucket import BucketStore
    from mer_tasks.objects.cache import Cache

    place = f"{address.removeprefix('s3://').strip('/')}/{name}"
    return BucketStore(place, Cache(home / "store-cache", place, round(cache_gb * 1e9)))
