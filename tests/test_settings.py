"""params.yaml and the MER_* variables: every mistake is one line that names the key and the remedy."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mer_tasks.errors import InputError
from mer_tasks.models import neural_network, queue_of, resnet18
from mer_tasks.settings import Chart, Params, load_machine, load_params, parse_params, plugin_names

PARAMS = Path(__file__).parents[1] / "params.yaml"
LOGISTIC = {"system": "logistic_regression", "reads": "spotify", "C": 1.0, "max_iter": 10}

Values = dict[str, Any]


def changed(tmp_path: Path, old: str, new: str) -> Path:
    text = PARAMS.read_text()
    assert old in text
    path = tmp_path / "params.yaml"
    path.write_text(text.replace(old, new, 1))
    return path


def test_the_projects_params_hold_the_papers_constants() -> None:
    params = load_params()
    network, resnet18 = (params.models[name].model_dump() for name in ("neural_network", "resnet18"))
    assert network["hidden"] == (128, 128, 64, 32)
    assert (network["lr"], network["epochs"]) == (0.006, 200)
    assert (resnet18["lr"], resnet18["momentum"], resnet18["batch_size"]) == (0.0009, 0.9, 4)
    assert (params.clips.start_fraction, params.clips.duration_s) == (0.25, 30.0)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("n_mels:", "n_mel:", r"features\.n_mel: unknown key; did you mean n_mels\?"),
        ("promotion:", "promotions:", r"promotions: unknown key; did you mean promotion\?"),
        ("folds: 5", "folds: 1", r"evaluation\.folds: .*greater than or equal to 2.*not 1"),
        ("mel: db", "mel: loud", r"representations\.image\.mel: .*'db' or 'power'.*not 'loud'"),
        ("n_chroma: 12", "n_chroma: 24", r"features\.n_chroma: 24 does not divide the 36 bins .*; write 12"),
        ("sr: 22050", "sr: 12800", r"features\.sr: .*greater than 12800, not 12800"),
        (
            "n_fft: 2048",
            "n_fft: 220",
            r"features\.n_fft: 220 samples are too short .*; write at least 221, 1/100 s",
        ),
        ("n_fft: 2048", "n_fft: 2047", r"features\.n_fft: .*multiple of 2, not 2047"),
        (
            "stack: [mfcc,",
            "stack: [mel, mfcc,",
            r"representations\.image\.stack: mel stands there more than once; take it out",
        ),
        ("n_mfcc: 20", "n_mfcc: 129", r"features\.n_mels: 128 bands give no 129 MFCC; .*features\.n_mfcc"),
        ("n_chroma: 12", "n_chroma: 0", r"features\.n_chroma: .*greater than 0, not 0"),
        ("sr: 22050", "sr: [", r"not YAML"),
        ("    C: 0.1", "    #", r"models\.logistic_regression\.C: missing; add it"),
        ("as_of: latest", "as_of: sometimes", r"snapshot\.as_of"),
        ("as_of: latest", "as_of: 2026-11-22", r'snapshot\.as_of: write the day in quotes, "2026-11-22"'),
    ],
)
def test_a_mistake_in_params_is_one_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_params(changed(tmp_path, old, new))
    assert "\n" not in str(caught.value)


def test_tonnetz_has_twelve_pitch_classes(tmp_path: Path) -> None:
    path = changed(tmp_path, "stack: [mfcc,", "stack: [tonnetz,")
    assert load_params(path).representations["image"].model_dump()["stack"][0] == "tonnetz"
    path.write_text(path.read_text().replace("n_chroma: 12", "n_chroma: 6"))
    message = r"representations\.image\.stack: tonnetz needs 12 pitch classes; .* write features\.n_chroma: 12, not 6$"
    with pytest.raises(InputError, match=message):
        load_params(path)


@pytest.mark.parametrize("n_chroma", [1, 2, 3, 4, 6, 9, 12, 18, 36])
def test_pitch_classes_that_divide_an_octave(tmp_path: Path, n_chroma: int) -> None:
    path = changed(tmp_path, "n_chroma: 12", f"n_chroma: {n_chroma}")
    assert load_params(path).features.n_chroma == n_chroma


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "quality:",
            "clips: {}\nquality:",
            r"not YAML: 'clips' stands twice, again in line \d+; take one out$",
        ),
        ("  folds: 5", "  folds: 5\n  folds: 6", r"not YAML: 'folds' stands twice"),
        ("    C: 0.1", "    C: 0.1\n    C: 1", r"not YAML: 'C' stands twice"),
        (
            "min_duration_s: 20.0",
            "min_duration_s: 31.0",
            r"clips\.min_duration_s: 31.0 s are longer .* 30.0$",
        ),
        ("duration_s: 30.0", "duration_s: .inf", r"clips\.duration_s: .*finite number, not inf"),
        ("max_mood_ratio: 3.0", "max_mood_ratio: .nan", r"quality\.max_mood_ratio: .*, not nan"),
        ("    lr: 0.006", "    lr: .inf", r"models\.neural_network\.lr: .*finite number, not inf"),
    ],
)
def test_what_yaml_or_numbers_would_hide_is_an_error(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_params(changed(tmp_path, old, new))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "# only a comment\n", "[]", "charts"])
def test_a_file_that_is_no_settings_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"params\.yaml: holds no sections; take the project's own"):
        load_params(path)


def test_no_params_at_all_says_where_to_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file; run mer in the project's folder"):
        load_params(tmp_path / "params.yaml")


def test_an_unknown_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MER_DATABSE_URL", "sqlite://")
    with pytest.raises(
        InputError, match=r"MER_DATABSE_URL: unknown variable; did you mean MER_DATABASE_URL\?"
    ):
        load_machine()


def test_a_variable_with_a_bad_value_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MER_WORKERS", "many")
    with pytest.raises(InputError, match=r"MER_WORKERS: .*not 'many'"):
        load_machine()


def test_home_is_where_everything_of_the_machine_lies(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("MER_DATABASE_URL", "MLFLOW_TRACKING_URI", "MER_STORE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MER_HOME", str(tmp_path / "here"))
    machine = load_machine()
    assert (str(machine.clip_store), str(machine.feature_store)) == (
        f"{tmp_path}/here/clips",
        f"{tmp_path}/here/features",
    )
    assert machine.catalog_url == f"sqlite:///{tmp_path}/here/catalog.db"
    assert machine.mlflow_uri == f"sqlite:///{tmp_path}/here/mlflow/mlflow.db"


@pytest.mark.parametrize("address", ["s3://songs", "s3://songs/", "s3://songs/of/us"])
def test_clips_and_features_lie_in_a_bucket_if_one_is_named(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MER_STORE", address)
    assert str(load_machine().clip_store) == f"{address.rstrip('/')}/clips"


@pytest.mark.parametrize(
    "address", ["songs", "https://s3/songs", "s3://key:s3cret@songs", "s3://songs/../x y"]
)
def test_what_is_no_bucket_is_refused_and_not_shown(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MER_STORE", address)
    with pytest.raises(
        InputError, match="MER_STORE: is no address of a bucket; write s3://BUCKET"
    ) as refused:
        load_machine()
    assert address not in str(refused.value)


def values_with(change: Callable[[Values], object]) -> Values:
    """The contents of params.yaml with a change."""
    values: Values = yaml.safe_load(PARAMS.read_text())
    change(values)
    return values


def refusal(change: Callable[[Values], object]) -> str:
    """The one line by which params.yaml with this change is refused."""
    with pytest.raises(InputError) as caught:
        parse_params(values_with(change), "params.yaml")
    message = str(caught.value)
    assert message.startswith("params.yaml: ") and "\n" not in message
    return message.removeprefix("params.yaml: ")


def model(name: object, **keys: object) -> Callable[[Values], object]:
    """A change that adds a logistic regression under this name."""
    return lambda values: values["models"].update({name: {**LOGISTIC, **keys}})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda values: values["models"].update(logistic_regresion={"reads": "summary"}),
            "models.logistic_regresion: there is no system 'logistic_regresion'; did you mean logistic_regression?",
        ),
        (
            model("mine", system="forest"),
            "models.mine: there is no system 'forest'; known are " + ", ".join(plugin_names("models")),
        ),
        (model("mine", system=["x"]), "models.mine: there is no system ['x']; known are "),
        (model("mine", system=None), "models.mine: there is no system None; known are "),
        (
            model("mine", c=1.0),
            "models.mine.c: unknown key; known are C, max_iter, reads, system",
        ),
        (model("mine", max_itr=1), "models.mine.max_itr: unknown key; did you mean max_iter?"),
        (model("mine", C=-1), "models.mine.C: Input should be greater than 0, not -1"),
        (
            model("mine", reads="sumary"),
            "models.mine.reads: 'sumary': not among representations; write one of spotify, summary, psychoacoustic, marsyas, resnet18, musicnn",
        ),
        (
            model("mine", reads="image"),
            "models.mine.reads: 'image': logistic_regression cannot read it; write one of spotify, summary, ",
        ),
        (
            lambda values: values["representations"].pop("summary"),
            "models.logistic_regression.reads: 'summary': not among representations; write one of spotify, ",
        ),
        (
            lambda values: values["representations"].update(summry={}),
            "representations.summry: there is no representation 'summry'; did you mean summary?",
        ),
        (
            lambda values: values["representations"].update(summary={"frames": 1}),
            "representations.summary.frames: unknown key; take it out",
        ),
        (
            lambda values: values["representations"]["image"].update(stack=[]),
            "representations.image.stack: Tuple should have at least 1 item",
        ),
        (
            lambda values: values["models"].update(logistic_regression=5),
            "models.logistic_regression: Input should be a valid dictionary",
        ),
        (
            lambda values: values["models"].update(logistic_regression=None),
            "models.logistic_regression.reads: missing; add it (and 2 more)",
        ),
        (
            lambda values: values["models"]["neural_network"].update(hidden=[8, 0]),
            "models.neural_network.hidden.1: Input should be greater than 0, not 0",
        ),
        (lambda values: values.update(models={}), "models: Dictionary should have at least 1 item"),
        (lambda values: values.update(models=None), "models: Input should be a valid dictionary, not None"),
        (lambda values: values.pop("models"), "models: missing; add it"),
        (lambda values: values.pop("representations"), "representations: missing; add it"),
    ],
)
def test_a_mistake_in_a_model_or_representation_is_named_with_the_remedy(
    change: Callable[[Values], object], message: str
) -> None:
    assert refusal(change).startswith(message)


@pytest.mark.parametrize("name", ["../mine", "a/b", "a b", "", ".", "a.b", 1, None, "comparison", "ä"])
@pytest.mark.parametrize("section", ["models", "representations"])
def test_a_name_that_cannot_name_files_is_refused(name: object, section: str) -> None:
    entry = LOGISTIC if section == "models" else {}
    message = refusal(lambda values: values[section].update({name: entry}))
    assert message.startswith(f"{section}: {name!r} is no name; take letters, digits, _ and -")


def test_two_models_share_a_system() -> None:
    params = parse_params(
        values_with(
            lambda values: values["models"].update({"paper": LOGISTIC, "Ours-2": {**LOGISTIC, "C": 2}})
        ),
        "x",
    )
    paper, ours = params.models["paper"], params.models["Ours-2"]
    assert type(paper) is type(ours) is type(params.models["logistic_regression"])
    assert (paper.system, ours.system) == ("logistic_regression", "logistic_regression")
    assert [one.model_dump()["C"] for one in (paper, ours)] == [1.0, 2.0]


def test_a_model_is_of_the_system_of_its_name_where_none_is_given() -> None:
    params = load_params(PARAMS)
    assert isinstance(params.models["neural_network"], neural_network.Settings)
    assert isinstance(params.models["resnet18"], resnet18.Settings)
    assert params.models["resnet18"].system == "resnet18"
    assert queue_of(params, "resnet18") == resnet18.QUEUE


def test_a_representation_without_keys_may_be_left_empty() -> None:
    params = parse_params(values_with(lambda values: values["representations"].update(summary=None)), "x")
    assert params.representations["summary"] == load_params(PARAMS).representations["summary"]


def test_what_was_parsed_is_parsed_again_from_its_own_values() -> None:
    params = parse_params(values_with(model("mine")), "x")
    values = json.loads(json.dumps(params.model_dump(mode="json")))
    before = copy.deepcopy(values)
    again = parse_params(values, "x")
    assert again == params
    assert values == before  # parsing changes nothing of what it is given
    assert {name: type(one) for name, one in again.models.items()} == {
        name: type(one) for name, one in params.models.items()
    }
    assert values["models"]["neural_network"]["hidden"] == [128, 128, 64, 32]
    assert values["representations"]["image"]["mel"] == "db"


def test_a_day_is_parsed_again_from_its_own_values() -> None:
    params = parse_params(values_with(lambda values: values["snapshot"].update(as_of="2026-11-22")), "x")
    assert parse_params(params.model_dump(mode="json"), "x") == params


@pytest.mark.parametrize("section", ["models", "representations"])
def test_settings_do_not_change(section: str) -> None:
    params: Params = load_params(PARAMS)
    entry = next(iter(getattr(params, section).values()))
    with pytest.raises(ValueError, match="frozen"):
        entry.reads = "other"


def test_modules_are_found_by_listing_a_folder() -> None:
    folder = PARAMS.parent / "mer_tasks" / "models"
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert set(plugin_names("models")) == files
    assert {"logistic_regression", "neural_network", "resnet18"} <= files


@pytest.mark.parametrize(
    ("location", "hosts"),
    [
        ("http://127.0.0.1:8000/a.csv", ("127.0.0.1:8000",)),
        ("https://NAS/a.csv", ("nas:443",)),
        ("http://me:secret@[::1]/a.csv", ("[::1]:80",)),
        ("http://10.0.0.7/a.csv", ("10.0.0.7:80",)),
        ("http://radio.example.org/a.csv", ()),  # whoever owns the name says where it leads
        ("http://[::1/a.csv", ()),
        ("http://", ()),
        ("lists/a.csv", ()),
    ],
)
def test_songs_may_come_from_where_a_chart_is_by_its_number_or_short_name(
    params: Params, location: str, hosts: tuple[str, ...]
) -> None:
    charts = {"a": Chart(source="file", location=location), "b": Chart(source="sample")}
    assert params.model_copy(update={"charts": charts}).fetching.private_hosts == hosts


def test_private_hosts_are_hosts(tmp_path: Path) -> None:
    text = PARAMS.read_text()
    path = tmp_path / "params.yaml"
    path.write_text(
        text.replace("private_hosts: []", 'private_hosts: [NAS.local, "10.0.0.7:80", "[fd00::1]"]')
    )
    assert load_params(path).audio.private_hosts == ("nas.local", "10.0.0.7:80", "[fd00::1]")
    for wrong in ("http://nas", "nas/music", "10.0.0.0/8", "*", "fd00::1"):
        path.write_text(text.replace("private_hosts: []", f'private_hosts: ["{wrong}"]'))
        with pytest.raises(
            InputError, match=r"audio\.private_hosts\.0: .* is no host; write HOST or HOST:PORT"
        ):
            load_params(path)


def test_a_file_that_is_nested_too_deeply_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("a: " + "[" * 5000)
    with pytest.raises(InputError, match="is nested too deeply") as caught:
        load_params(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("seed: 20", "seed: -1"),
        ("seed: 20", "seed: 999999999999999999999999"),
        ("bootstrap: 2000", "bootstrap: 99999999999999999999"),
        ("n_fft: 2048", "n_fft: 2000000000000"),
        ("duration_s: 30.0", "duration_s: 1.0e+300"),
        ("hidden: [128,", "hidden: [9999999999999,"),
    ],
)
def test_numbers_that_no_machine_can_use_are_refused(tmp_path: Path, old: str, new: str) -> None:
    with pytest.raises(InputError, match=rf"{old.partition(':')[0]}.*(less than|greater than)"):
        load_params(changed(tmp_path, old, new))


def test_a_secret_may_be_a_file_and_an_empty_one_is_not_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MER_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("MER_ALERT_TO", "")
    (tmp_path / "mer_database_url").write_text("postgresql://catalog:secret@host/catalog\n")
    (tmp_path / "mer_smtp_url").write_text("")
    (tmp_path / "of_another_program").write_text("anything")
    machine = load_machine()
    assert machine.catalog_url == "postgresql://catalog:secret@host/catalog"
    assert machine.smtp_url is None and machine.alert_to is None
    monkeypatch.setenv("MER_DATABASE_URL", "postgresql://from.the/environment")
    assert load_machine().catalog_url == "postgresql://from.the/environment"


def test_a_misspelt_secret_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MER_SECRETS_DIR", str(tmp_path))
    (tmp_path / "mer_databse_url").write_text("postgresql://host/catalog")
    with pytest.raises(
        InputError, match=r"^MER_DATABSE_URL: unknown variable; did you mean MER_DATABASE_URL\?"
    ):
        load_machine()


def test_a_folder_of_secrets_that_cannot_be_read_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MER_SECRETS_DIR", str(tmp_path / "missing"))
    with pytest.raises(
        InputError, match=r"^MER_SECRETS_DIR: .*missing is no folder; name the folder of secrets"
    ):
        load_machine()
    monkeypatch.setenv("MER_SECRETS_DIR", str(tmp_path))
    (tmp_path / "mer_database_url").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"^MER_SECRETS_DIR: a file in .* cannot be read: "):
        load_machine()
    (tmp_path / "mer_database_url").unlink()
    (tmp_path / "mer_database_url").mkdir()  # which Docker makes where there is no file
    with pytest.raises(InputError, match=r'cannot be read: .*"database_url".* text that this user may read'):
        load_machine()


def test_an_empty_variable_does_not_hide_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mer_database_url").write_text("postgresql://catalog\n")
    monkeypatch.setenv("MER_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("MER_DATABASE_URL", "")
    assert load_machine().database_url == "postgresql://catalog"
