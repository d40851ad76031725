"""A DAG run's stages on several machines: each takes the workspace as the last one left it, wherever that was.

What is small, the settings, `dvc.lock` and the state that DVC watches, goes through the object store in one file a run;
what the stages wrote goes through a DVC remote beside it, by its hash and so only once. Without `MER_STORE` the
machines share a folder, and nothing is done here.
"""

import tarfile
import tempfile
from pathlib import Path

from mer_tasks.command import run
from mer_tasks.files import write_text
from mer_tasks.settings import Machine
from mer_tasks.workspace import Workspace

REMOTE = """\
[core]
    remote = store
['remote "store"']
    url = {store}/dvc
"""

REMOTE_FILE = ".dvc/config.local"
"""Only a run's workspace has it: what a person makes is not handed over."""

SMALL = ("params.yaml", "dvc.yaml", "dvc.lock", "data/state")
"""What of a workspace goes through the object store."""

MARK = ".dvc/handed-over"
"""A workspace's file with the bytes of what was taken or left last."""


def write_remote(workspace: Workspace, machine: Machine) -> None:
    """Let DVC know its remote, whose keys it finds in the `AWS_*` variables."""
    if machine.store is not None:
        config = REMOTE.format(store=machine.store.rstrip("/"))
        write_text(workspace.root / REMOTE_FILE, config)


def left_elsewhere(workspace: Workspace, machine: Machine) -> bytes | None:
    """What was last left of the run's workspace, if this machine has not got that already.

    Raises:
        UnavailableError: the store cannot be reached now.
    """
    if machine.store is None:
        return None
    try:
        left = machine.run_store.fresh(_key(workspace)).read_bytes()
    except FileNotFoundError:  # the run begins
        return None
    mark = workspace.root / MARK
    return None if mark.is_file() and mark.read_bytes() == left else left


def take_over(workspace: Workspace, left: bytes, machine: Machine) -> None:
    """Bring a workspace, which DVC knows already, up to what was `left`.

    Raises:
        CommandError: DVC cannot get what the stages wrote.
    """
    write_remote(workspace, machine)
    _unpack(left, workspace.root)
    if workspace.lock_file.is_file():
        run(["dvc", "pull", "--allow-missing"], workspace.root, machine)
    (workspace.root / MARK).write_bytes(left)


def leave(workspace: Workspace, machine: Machine) -> None:
    """Let other machines take the run's workspace over as it is now: first what the stages wrote, then what names it.

    Raises:
        UnavailableError: the store cannot be reached now.
    """
    if machine.store is None or not (workspace.root / REMOTE_FILE).is_file():
        return
    if workspace.lock_file.is_file():
        run(["dvc", "push"], workspace.root, machine)
    with machine.run_store.writing(_key(workspace)) as packed:
        with tarfile.open(packed, "w") as tar:
            for name in SMALL:
                if (workspace.root / name).exists():
                    tar.add(workspace.root / name, name)
        content = packed.read_bytes()
    (workspace.root / MARK).write_bytes(content)


def _key(workspace: Workspace) -> str:
    return f"{workspace.root.name}.tar"


def _unpack(content: bytes, root: Path) -> None:
    """Put files into their places, each whole or not at all."""
    with tempfile.TemporaryDirectory(prefix=".taking-", dir=root) as folder:
        packed = Path(folder, "packed.tar")
        packed.write_bytes(content)
        with tarfile.open(packed) as tar:
            tar.extractall(folder, filter="data")
        packed.unlink()
        for path in [path for path in Path(folder).rglob("*") if path.is_file()]:
            place = root / path.relative_to(folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            path.replace(place)
