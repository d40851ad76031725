"""Which version is in service, whatever happens to the process that changes it, or in MLflow: the ledger knows."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mer_tasks.errors import InputError
from mer_tasks.registry.aliases import CHAMPION, IN_SERVICE, PREVIOUS, TAKEN_OUT
from mer_tasks.registry.lookup import find_version
from tests.conftest import ROOT
from tests.registry.scene import Scene


@pytest.fixture
def scene(tmp_path: Path, empty_registry: Path) -> Scene:
    return Scene(tmp_path, empty_registry)


KILLED = """
import os, signal, sys
from pathlib import Path
from mer_tasks.registry.aliases import Aliases
from mer_tasks.registry.promotion import PersonsWord, promote, roll_back
from mer_tasks.settings import load_machine, load_params
from mer_tasks.workspace import Workspace

what, step = sys.argv[1:]
original = getattr(Aliases, step.removesuffix("!"))

def killed(*arguments):
    if step.endswith("!"):
        original(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)

params, machine, person = load_params(), load_machine(), PersonsWord("eve", "hurry")
setattr(Aliases, step.removesuffix("!"), killed)
if what == "promote":
    promote(Workspace(Path()), params, machine, None, person)
else:
    roll_back(params, machine, person)
"""


def killed(scene: Scene, what: str, step: str) -> None:
    """Run `what` in a process that is killed before a step with MLflow, or after it where it ends with !."""
    import yaml

    (scene.workspace.root / "params.yaml").write_text(yaml.safe_dump(scene.values))
    done = subprocess.run(
        [sys.executable, "-c", KILLED, what, step],
        cwd=scene.workspace.root,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_the_ledger_says_who_and_why(scene: Scene) -> None:
    first = scene.add()
    scene.promote()
    second = scene.add()
    scene.promote(force=True)
    by_rule, by_person = scene.ledger
    assert (by_rule.kind, by_rule.from_version, by_rule.to_version) == ("rule", None, first)
    assert by_rule.reason.startswith("no champion yet") and by_rule.decided_by
    assert (by_person.kind, by_person.from_version, by_person.to_version) == ("person", first, second)
    assert (by_person.decided_by, by_person.reason) == ("ann", "sounds better")
    assert by_rule.decided_at < by_person.decided_at


@pytest.mark.parametrize("step", ["move_champion", "move_champion!", "set_mark!"])
def test_what_a_killed_promote_began_the_next_one_ends(scene: Scene, step: str) -> None:
    old = scene.add()
    scene.promote()
    new = scene.add()
    killed(scene, "promote", step)
    assert scene.changes == [("rule", None, old), ("person", old, new)]
    assert scene.champion == (old if step == "move_champion" else new)
    assert scene.promote().reason == "is the champion already"
    assert scene.champion == new and len(scene.ledger) == 2
    assert TAKEN_OUT in scene.tags(old) and TAKEN_OUT not in scene.tags(new)
    assert str(scene.client.get_model_version_by_alias("mood", PREVIOUS).version) == old


def test_what_a_killed_rollback_began_the_next_promote_ends(scene: Scene) -> None:
    old = scene.add()
    scene.promote()
    new = scene.add()
    scene.promote(force=True)
    killed(scene, "rollback", "move_champion")
    assert scene.champion == new
    decision = scene.promote()
    assert scene.champion == old and decision.reason.startswith("was taken out of service")
    assert scene.changes[-1] == ("rollback", new, old)


def test_a_version_deleted_after_a_kill_is_not_waited_for(scene: Scene) -> None:
    old = scene.add()
    scene.promote()
    new = scene.add()
    killed(scene, "promote", "move_champion")
    scene.delete(new)
    third = scene.add()
    assert scene.promote(third, force=True).champion == third == scene.champion
    assert scene.changes[1:] == [("person", old, new), ("mlflow", new, old), ("person", old, third)]
    assert scene.ledger[2].reason == f"version {new} was deleted in MLflow"


def test_a_move_in_mlflow_is_noted_once(scene: Scene) -> None:
    old, new = scene.add(), scene.add()
    scene.promote(old)
    scene.promote(new, force=True)
    scene.client.set_registered_model_alias("mood", CHAMPION, old)
    for _ in range(2):
        scene.promote(old)
    assert scene.changes[2:] == [("mlflow", new, old)]
    assert (scene.ledger[2].decided_by, TAKEN_OUT in scene.tags(new)) == ("unknown", True)


def test_a_registry_older_than_the_ledger_comes_along(scene: Scene) -> None:
    old = scene.add()
    scene.client.set_registered_model_alias("mood", CHAMPION, old)
    scene.client.set_registered_model_tag("mood", IN_SERVICE, old)
    new = scene.add()
    assert scene.promote(force=True).champion == new
    assert scene.changes == [("mlflow", None, old), ("person", old, new)]
    assert scene.ledger[0].reason == "was in service before the ledger began"


def test_rolling_back_goes_one_back_each_time(scene: Scene) -> None:
    one, two, three = (scene.add() for _ in range(3))
    for number in (one, two, three):
        scene.promote(number, force=True)
    assert [scene.roll_back().champion for _ in range(2)] == [two, one]
    row = scene.ledger[-1]
    assert (row.kind, row.from_version, row.to_version) == ("rollback", two, one)
    assert (row.decided_by, row.reason) == ("bob", "calls all calm")
    assert scene.champion == one and TAKEN_OUT in scene.tags(three)
    with pytest.raises(InputError, match=r"^mood@champion: the ledger has no earlier version .* give --to$"):
        scene.roll_back()
    assert scene.roll_back(three).champion == three
    assert TAKEN_OUT not in scene.tags(three)


def test_rolling_back_to_what_is_there_changes_nothing(scene: Scene) -> None:
    one = scene.add()
    scene.promote(one)
    decision = scene.roll_back(one)
    assert (decision.promoted, decision.reason) == (False, "is the champion already")
    assert len(scene.ledger) == 1
    with pytest.raises(InputError, match=r"^mood: has no version 9; see the registry"):
        scene.roll_back("9")


@pytest.mark.parametrize("dangling", [True, False])
def test_a_deleted_version_breaks_neither_ledger_nor_rollback(scene: Scene, dangling: bool) -> None:
    one, two, three = (scene.add() for _ in range(3))
    for number in (one, two, three):
        scene.promote(number, force=True)
    scene.delete(two)
    scene.delete(three, dangling=dangling)
    assert scene.roll_back().champion == one == scene.champion
    assert find_version(scene.machine, "models:/mood@champion").number == one
    assert [to for _, _, to in scene.changes] == [one, two, three, *([] if dangling else [None]), one]
