"""DVC's cache: where it is, and who uses it: any number of runs, or one process that cleans it."""

import fcntl
import os
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from mer_tasks.files import write_text
from mer_tasks.workspace import Workspace

DVC_CONFIG = """\
[core]
    no_scm = true
    analytics = false
    check_update = false
[cache]
    dir = "{cache}"
    type = "reflink,hardlink,copy"
"""


def write_dvc_config(folder: Path, cache: Path) -> None:
    """Make a folder one of DVC's that uses a cache."""
    write_text(folder / ".dvc" / "config", DVC_CONFIG.format(cache=cache))


def cache_of(workspace: Workspace, home: Path) -> Path:
    """The cache that a workspace's configuration names, else its own; one under `home` where that cannot be written."""
    own = workspace.root.absolute() / ".dvc"
    config = ConfigParser(interpolation=None)
    config.read(own / "config", encoding="utf-8")
    if place := config.get("cache", "dir", fallback="").strip("\"'"):
        return own / place
    return own / "cache" if own.is_dir() and os.access(own, os.W_OK) else home / "dvc-cache"


@contextmanager
def cache_alone(cache: Path) -> Iterator[bool]:
    """Whether no run uses a cache; none begins to while this lasts."""
    with _cache_lock(cache).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@contextmanager
def using(cache: Path) -> Iterator[IO[str]]:
    """Keep what is in a cache from being cleaned away; many may use it at once."""
    with _cache_lock(cache).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield lock


def _cache_lock(cache: Path) -> Path:
    cache.mkdir(parents=True, exist_ok=True)
    return cache / "in-use"
