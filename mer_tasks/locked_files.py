"""Whether the files that a stage reads are those that DVC recorded: DVC itself trusts a file whose date has not changed."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from mer_tasks.errors import InputError
from mer_tasks.workspace import Workspace

FOLDER = ".dir"
"""What the hash of a folder ends with: it is that of the list of its files, which lies in the cache."""


def check_locked(workspace: Workspace, cache: Path, needed: Sequence[Path]) -> None:
    """Read some files or folders that stages made, and compare each with its hash in `dvc.lock`.

    What `dvc.lock` does not know is not looked at: it was made without DVC.

    Raises:
        InputError: a file has other bytes, is missing, or is one too many; names it and the remedy.
    """
    for path, md5 in _recorded(workspace, cache, needed):
        found = _md5(path) if path.is_file() else None
        if found != md5:
            what = "is missing" if found is None else "has other bytes than the stage wrote (dvc.lock)"
            stored = cache / "files" / "md5" / md5[:2] / md5[2:]
            raise InputError(
                f"{path}: {what}; delete it and {stored}, then run dvc repro, or Clear the stage that makes it"
            )


def _recorded(workspace: Workspace, cache: Path, needed: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """The files below what is needed, with the MD5 that each had when its stage ended."""
    if not workspace.lock_file.is_file():
        return
    lock = yaml.safe_load(workspace.lock_file.read_text(encoding="utf-8")) or {}
    for stage in lock.get("stages", {}).values():
        for out in stage.get("outs", []):
            for path, md5 in _files(workspace.root / out["path"], str(out["md5"]), cache):
                if any(path.is_relative_to(one) for one in needed):
                    yield path, md5


def _files(path: Path, md5: str, cache: Path) -> Iterator[tuple[Path, str]]:
    if not md5.endswith(FOLDER):
        yield path, md5
        return
    listing = cache / "files" / "md5" / md5[:2] / md5[2:]
    try:
        content = listing.read_bytes()
    except OSError as error:
        raise InputError(
            f"{listing}: cannot be read ({error.strerror}), so that {path} cannot be checked; delete {path}, then run dvc repro"
        ) from error
    if hashlib.md5(content, usedforsecurity=False).hexdigest() + FOLDER != md5:
        raise InputError(
            f"{listing}: is damaged, so that {path} cannot be checked; delete both, then run dvc repro"
        )
    for file in json.loads(content):
        yield path / file["relpath"], file["md5"]


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
