"""The whole pipeline on a small project of its own, through `mer` and `dvc` as a person runs it."""

import base64
import json
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
import yaml

from mer_tasks.settings import load_params
from tests.small_project import make_project, mer, run, shrunk_params

MODELS = shrunk_params()["models"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # one of each kind of model is trained first


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose songs are imported and whose stages have all run."""
    folder = make_project(tmp_path_factory.mktemp("project"))
    assert run(folder, "dvc", "init", "--no-scm", "-q").returncode == 0
    imported = mer(folder, "import", "songs/tracks.csv")
    assert imported.returncode == 0, imported.stderr
    assert "54 new songs" in imported.stdout
    done = run(folder, "dvc", "repro")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def stages_run(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The stages that a `dvc repro` ran."""
    return re.findall(r"^Running stage '(.+)':$", done.stdout, flags=re.MULTILINE)


def test_every_model_is_scored_on_named_songs(project: Path) -> None:
    for name in MODELS:
        metrics = json.loads((project / "metrics" / f"{name}.json").read_text())
        assert metrics["accuracy_low"] <= metrics["accuracy"] <= metrics["accuracy_high"]
        assert metrics["reads"] == list(load_params(project / "params.yaml").models[name].reads)
        assert metrics["protocol"] == "grouped" and len(metrics["folds"]) == 3
        assert set(metrics["recall"]) == {"sad", "happy", "energetic", "calm"}
        predictions = pd.read_csv(project / "data" / "predictions" / f"{name}.csv")
        seen = predictions[predictions["split"] != "holdout"]
        assert metrics["n"] == len(seen)
        assert metrics["accuracy"] == pytest.approx((seen["mood"] == seen["predicted"]).mean(), abs=1e-4)
        assert len(predictions) - len(seen) == metrics["holdout"]["n"]
        assert (project / "metrics" / "plots" / name / "confusion.png").stat().st_size > 5000
    assert (project / "metrics" / "plots" / "resnet18" / "curves.png").exists()


def test_songs_that_are_easy_to_distinguish_are_distinguished(project: Path) -> None:
    comparison = json.loads((project / "metrics" / "comparison.json").read_text())
    assert {one["model"] for one in comparison["models"]} == set(MODELS)
    assert comparison["models"][0]["model"] == comparison["best"]
    assert comparison["models"][0]["accuracy"] > 0.8


def test_again_with_nothing_changed_does_nothing(project: Path) -> None:
    again = run(project, "dvc", "repro")
    assert again.returncode == 0
    assert stages_run(again) == ["state"]


def test_importing_again_changes_nothing(project: Path) -> None:
    assert "0 new songs, 0 changed, 54 unchanged" in mer(project, "import", "songs/tracks.csv").stdout
    assert stages_run(run(project, "dvc", "repro")) == ["state"]


def test_one_models_parameter_trains_that_model_alone(project: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(project, tmp_path / "copy", symlinks=True)
    params = yaml.safe_load((copy / "params.yaml").read_text())
    params["models"]["logistic_regression"]["C"] = 0.01
    (copy / "params.yaml").write_text(yaml.safe_dump(params))
    assert stages_run(run(copy, "dvc", "repro")) == [
        "state",
        "inputs",
        "train@logistic_regression",
        "evaluate",
    ]


def test_a_representations_parameter_trains_what_reads_it_alone(project: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(project, tmp_path / "copy", symlinks=True)
    params = yaml.safe_load((copy / "params.yaml").read_text())
    params["representations"]["resnet18"]["stride"] = 2
    (copy / "params.yaml").write_text(yaml.safe_dump(params))
    assert stages_run(run(copy, "dvc", "repro")) == [
        "state",
        "features",
        "inputs",
        "train@resnet18",
        "evaluate",
    ]


def test_a_clone_without_songs_is_told_what_to_do(tmp_path: Path) -> None:
    folder = make_project(tmp_path / "clone")
    assert run(folder, "dvc", "init", "--no-scm", "-q").returncode == 0
    done = run(folder, "dvc", "repro")
    assert done.returncode != 0
    assert "mer: collection songs: holds no songs" in done.stderr and "mer import FILE" in done.stderr


def test_a_mood_too_small_stops_the_run_by_name(project: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(project, tmp_path / "copy", symlinks=True)
    params = yaml.safe_load((copy / "params.yaml").read_text())
    params["quality"]["min_songs_per_mood"] = 14
    (copy / "params.yaml").write_text(yaml.safe_dump(params))
    stopped = run(copy, "dvc", "repro")
    assert stopped.returncode != 0
    assert "quality gate: stopped by" in stopped.stderr and "Traceback" not in stopped.stderr
    assert stages_run(stopped) == ["state", "validate"]
    assert (copy / "data" / "quality" / "report.html").exists()
    raised = [json.loads(line) for line in mer(copy, "alerts", "--json").stdout.splitlines()]
    assert "data quality: training stopped by 1 critical finding" in [one["title"] for one in raised]


def test_the_registered_model_goes_into_service_and_predicts(project: Path) -> None:
    first = json.loads(mer(project, "register", "--json").stdout)
    assert (first["name"], first["version"], first["alias"]) == ("mood", "1", "challenger")
    again = json.loads(mer(project, "register", "--json").stdout)
    assert again == first  # the same training is the same version

    decision = json.loads(mer(project, "promote", "--json").stdout)
    assert decision["promoted"] and decision["champion"] == "1"

    songs = pd.read_csv(project / "songs" / "tracks.csv").head(4)
    paths = [project / "songs" / path for path in songs["path"]]
    answered = mer(project, "predict", "--json", *paths)
    answers = [json.loads(line) for line in answered.stdout.splitlines()]
    likely = [max(answer["probabilities"], key=answer["probabilities"].get) for answer in answers]
    assert likely == list(songs["mood"])  # `mood` may be "not sure" for so small a training
    assert all(sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-4) for answer in answers)

    second = json.loads(mer(project, "register", "resnet18", "--json").stdout)
    assert second["version"] == "2"
    judged = json.loads(mer(project, "promote", "--json").stdout)
    assert judged["version"] == "2" and "holdout songs" in judged["reason"]
    back = json.loads(mer(project, "promote", "--version", "1", "--force", "--json").stdout)
    assert back["champion"] == "1"


def test_a_file_that_cannot_be_used_stops_no_other(project: Path, tmp_path: Path) -> None:
    mer(project, "register"), mer(project, "promote", "--force")
    bad = tmp_path / "text.mp3"
    bad.write_text("not music")
    good = next((project / "songs").glob("*.wav"))
    answered = mer(project, "predict", "--json", bad, tmp_path / "absent.mp3", good)
    lines = [json.loads(line) for line in answered.stdout.splitlines()]
    assert answered.returncode == 2
    assert "error" in lines[0] and "error" in lines[1] and lines[2]["mood"]
    errors = [line for line in answered.stderr.splitlines() if line.startswith("mer: ")]
    assert len(errors) == 2 and "Traceback" not in answered.stderr


def test_mlflow_serves_what_was_registered(project: Path) -> None:
    mer(project, "register"), mer(project, "promote", "--force")
    song = next((project / "songs").glob("*.wav"))
    payload = json.dumps({"dataframe_records": [{"audio": base64.b64encode(song.read_bytes()).decode()}]})
    (project / "payload.json").write_text(payload)
    model = ["-m", "models:/mood@champion", "--env-manager", "local"]
    answer = run(project, "mlflow", "models", "predict", *model, "-i", "payload.json", "-t", "json")
    assert answer.returncode == 0, answer.stderr
    served = json.loads(answer.stdout.strip().splitlines()[-1])["predictions"][0]
    predicted = json.loads(mer(project, "predict", "--json", song).stdout)
    assert served["mood"] == max(predicted["probabilities"], key=predicted["probabilities"].get)
    assert served["calm"] == pytest.approx(predicted["probabilities"]["calm"], abs=1e-4)
