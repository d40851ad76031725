"""A file that changed without DVC's knowing is found, by real DVC's own lock."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mer_tasks.dvc_cache import cache_of, write_dvc_config
from mer_tasks.errors import InputError
from mer_tasks.locked_files import check_locked
from mer_tasks.pipeline import run
from mer_tasks.settings import Machine
from mer_tasks.workspace import Workspace

STAGES = """\
stages:
  features:
    cmd: mkdir -p data/features/a data/features/b; echo one > data/features/a/1; echo two > data/features/b/2
    outs:
      - data/features
  songs:
    cmd: echo songs > data/songs.csv
    outs:
      - data/songs.csv
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    root = tmp_path_factory.mktemp("locked") / "project"
    write_dvc_config(root, root / ".dvc" / "cache")
    (root / "dvc.yaml").write_text(STAGES)
    run(["dvc", "repro"], root, Machine(home=root))
    return Workspace(root)


def rot(path: Path) -> None:
    """Other bytes of the same size and date: what a disk may do, and what DVC does not see."""
    before, stat = path.read_bytes(), path.stat()
    path.chmod(0o644)
    path.write_bytes(before[:-1] + b"!")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            rot,
            r"data/features/a/1: has other bytes .* delete it and .*/files/md5/\w\w/\w{30}, then run dvc repro",
        ),
        (Path.unlink, r"data/features/a/1: is missing"),
    ],
)
def test_a_damaged_file_is_named_with_the_remedy(
    made: Workspace, damage: Callable[[Path], None], message: str
) -> None:
    file, cache = made.features / "a" / "1", cache_of(made, made.root)
    before = file.read_bytes()
    check_locked(made, cache, [made.features / "a"])
    damage(file)
    with pytest.raises(InputError, match=message):
        check_locked(made, cache, [made.features / "a"])
    check_locked(made, cache, [made.features / "b", made.root / "data" / "songs.csv"])  # what is not read
    file.unlink(missing_ok=True)
    file.write_bytes(before)
    check_locked(made, cache, [made.features])


def test_without_dvc_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    check_locked(Workspace(tmp_path), tmp_path / "cache", [tmp_path])


def test_a_damaged_list_of_a_folder_is_named(made: Workspace) -> None:
    cache = cache_of(made, made.root)
    (listing,) = (cache / "files").rglob("*.dir")
    before = listing.read_bytes()
    listing.chmod(0o644)
    try:
        listing.write_bytes(b"[]")
        with pytest.raises(InputError, match=r"\.dir: is damaged, so that .*data/features cannot be checked"):
            check_locked(made, cache, [made.features])
    finally:
        listing.write_bytes(before)
