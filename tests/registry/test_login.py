"""What MLflow's clients know of a login, and files of theirs that nobody can read."""

from pathlib import Path

import pytest

from mer_tasks.errors import InputError
from mer_tasks.registry.connection import connected, explained
from mer_tasks.registry.login import login
from mer_tasks.settings import Machine


@pytest.fixture
def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in a home of its own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_USERNAME", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_PASSWORD", raising=False)
    (tmp_path / ".mlflow").mkdir()
    return tmp_path / ".mlflow" / "credentials"


def test_what_the_environment_does_not_say_is_in_the_file(
    credentials: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert login() is None
    credentials.write_text(
        "[mlflow]\nmlflow_tracking_username = ann\nmlflow_tracking_password = 50 %% of it\n"
    )
    assert login() == ("ann", "50 % of it")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "%")
    assert login() == ("ann", "%")


@pytest.mark.parametrize(
    "text",
    [
        b"[mlflow]\nmlflow_tracking_username = ann\nmlflow_tracking_password = a%hidden\n",
        b"mlflow_tracking_password = hidden\n",
        b"\xff hidden",
    ],
)
def test_a_file_that_mlflow_cannot_read_is_one_line_without_the_password(
    credentials: Path, text: bytes, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials.write_bytes(text)
    monkeypatch.setattr("mer_tasks.registry.connection.check_server", lambda uri: None)
    machine = machine.model_copy(update={"tracking_uri": "http://127.0.0.1:9"})
    with (
        pytest.raises(InputError, match=r"^~/.mlflow/credentials: cannot be read") as refused,
        connected(machine) as client,
    ):
        client.get_experiment_by_name("any")
    assert "hidden" not in str(refused.value) and "\n" not in str(refused.value)


def test_who_must_log_in_is_told_where() -> None:
    error = Exception(
        "API request to endpoint /x failed with error code 401 != 200. Response body: 'You are not'"
    )
    assert str(explained(error, "http://ann:pw@mlflow", is_set=True)) == (
        "MLflow at http://mlflow: answers 401; check MLFLOW_TRACKING_USERNAME and its like, or ~/.mlflow/credentials"
    )
