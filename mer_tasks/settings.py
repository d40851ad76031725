"""What a person may set: `params.yaml` for the work, `MER_*` variables for the machine."""

import difflib
import os
import pkgutil
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal, NamedTuple, TypeVar
from urllib.parse import urlsplit

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from mer_tasks.domain import Mood
from mer_tasks.errors import InputError
from mer_tasks.objects import ObjectStore, open_store
from mer_tasks.pitch import BINS_PER_OCTAVE

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0, le=10_000_000)]
PositiveFloat = Annotated[float, Field(gt=0, le=1e9)]
Queue = Literal["default", "gpu"]
"""Where a task waits for a worker: only what gains from a GPU waits for one."""

Kept = Literal["given", "table", "array"]
"""How a data set keeps a representation: as it came with the songs, a row of numbers a clip, or an array a clip."""


class Readable(NamedTuple):
    """Which kinds of representations a system can read: the `first`, and each `further` one if it takes any."""

    first: tuple[Kept, ...]
    further: tuple[Kept, ...] = ()


TABLES = Readable(("given", "table"), ("given", "table"))
"""For a system that takes a row of numbers a song: the columns of several tables are joined."""

ONE_ARRAY = Readable(("array",))
"""For a system that takes an array a song."""

Block = Literal[
    "mfcc",
    "centroid",
    "cens",
    "mel",
    "chroma",
    "bandwidth",
    "rolloff",
    "contrast",
    "flatness",
    "zero_crossing_rate",
    "tempogram",
    "tonnetz",
    "rms",
]
"""A frame feature that an image can show (docs/features.md)."""


Checked = TypeVar("Checked", bound=BaseModel)


class Section(BaseModel):
    """A part of `params.yaml`: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


OUR_RULE = "our_rule"
"""The type of a validation error whose message is complete."""


class ClipSettings(Section):
    """How a clip is cut from a song."""

    start_fraction: Share
    duration_s: PositiveFloat
    min_duration_s: PositiveFloat
    bitrate_kbps: Positive

    @field_validator("min_duration_s")
    @classmethod
    def _fits_into_a_clip(cls, shortest: float, others: ValidationInfo) -> float:
        longest = others.data.get("duration_s", shortest)
        if shortest > longest:
            raise PydanticCustomError(
                OUR_RULE,
                "{shortest} s are longer than a clip; write at most clips.duration_s, {longest}",
                {"shortest": shortest, "longest": longest},
            )
        return shortest


def _quoted(value: object) -> object:
    if isinstance(value, date):
        raise PydanticCustomError(
            OUR_RULE, 'write the day in quotes, "{day}": DVC takes no dates', {"day": str(value)}
        )
    return value


class Chart(BaseModel):
    """A list of songs that is read every week: its source, the mood it stands for, and keys of the source's own."""

    model_config = ConfigDict(frozen=True, extra="allow")

    source: str
    mood: Mood | None = None


PORTS = {"http": 80, "https": 443}


def _private_hosts(chart: Chart) -> Iterator[str]:
    """HOST:PORT of each of a chart's own addresses that is private by the way it is written.

    That is an IP address or a name without a dot: where a longer name leads, its owner in the DNS may choose.
    """
    for value in (chart.model_extra or {}).values():
        with suppress(ValueError):  # no address: the chart's source has the message
            parts = urlsplit(value) if isinstance(value, str) else None
            host = (parts and parts.hostname) or ""
            is_number = ":" in host or host.replace(".", "").isdigit()
            if parts and parts.scheme in PORTS and host and (is_number or "." not in host):
                name = f"[{host}]" if ":" in host else host
                yield f"{name}:{parts.port or PORTS[parts.scheme]}"


class YoutubeSettings(Section):
    """How songs without an address are searched for; `{query}` stands for artist and title."""

    download_permitted: bool
    search: Annotated[str, Field(pattern=r"\{query\}")]
    per_hour: Positive
    min_score: Share


HOST = re.compile(r"([\w.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
"""A host as it stands in an address, with a port or without."""


def _host(value: object) -> object:
    if isinstance(value, str) and not HOST.fullmatch(value.lower()):
        raise PydanticCustomError(
            OUR_RULE, "{value} is no host; write HOST or HOST:PORT, without http://", {"value": value}
        )
    return value.lower() if isinstance(value, str) else value


class AudioSettings(Section):
    """Where songs' audio may come from, and what one download may cost.

    Outside the public internet songs come only from `private_hosts`: HOST, for all its ports, or HOST:PORT.
    """

    max_mb: Positive
    timeout_s: Annotated[float, Field(gt=0, le=900)]  # a song is held for half an hour
    max_redirects: Annotated[int, Field(ge=0)]
    private_hosts: tuple[Annotated[str, BeforeValidator(_host)], ...] = ()
    youtube: YoutubeSettings


class SnapshotSettings(Section):
    """Which songs a data set is made of, as the catalog knew them on which day."""

    collections: Annotated[tuple[str, ...], Field(min_length=1)]
    as_of: Annotated[date | Literal["latest"], BeforeValidator(_quoted)]
    needs: tuple[Literal["clip", "spotify"], ...]


class QualitySettings(Section):
    """When a data set is good enough to train on."""

    min_songs_per_mood: Positive
    max_mood_ratio: PositiveFloat
    clip_tolerance_s: PositiveFloat
    clip_length_mostly: Share
    max_left_out_share: Share
    max_lost_share: Share
    min_loudness_lufs: float
    max_loudness_lufs: float
    drift_min_songs: Positive
    drift_min_distance: Share
    drift_false_share: Share

    @field_validator("max_loudness_lufs")
    @classmethod
    def _is_above_the_least(cls, loudest: float, others: ValidationInfo) -> float:
        softest = others.data.get("min_loudness_lufs", loudest)
        if loudest < softest:
            raise PydanticCustomError(
                OUR_RULE,
                "{loudest} LUFS is softer than quality.min_loudness_lufs, {softest}; exchange them",
                {"loudest": loudest, "softest": softest},
            )
        return loudest


FRAMES_HZ = 100
"""A frame lasts as long as a period of this frequency, or longer: the spectral contrast begins at 200 Hz."""

TONNETZ_CHROMA = 12
"""The circles of fifths and thirds are made of semitones."""


class FeatureSettings(Section):
    """How audio becomes numbers; the names are librosa's."""

    sr: Annotated[int, Field(gt=12_800)]  # twice where the highest band of the spectral contrast begins
    n_fft: Annotated[int, Field(gt=0, le=2**20, multiple_of=2)]
    hop_length: Positive
    n_mfcc: Positive
    n_chroma: Positive
    n_mels: Positive

    @field_validator("n_fft")
    @classmethod
    def _resolves_the_lowest_bands(cls, n_fft: int, others: ValidationInfo) -> int:
        shortest = -(-others.data.get("sr", 0) // FRAMES_HZ)
        if n_fft < shortest:
            raise PydanticCustomError(
                OUR_RULE,
                "{n} samples are too short a frame to separate low pitches; write at least {shortest}, 1/{hz} s",
                {"n": n_fft, "shortest": shortest, "hz": FRAMES_HZ},
            )
        return n_fft

    @field_validator("n_chroma")
    @classmethod
    def _divides_an_octave(cls, n_chroma: int) -> int:
        if BINS_PER_OCTAVE % n_chroma:
            raise PydanticCustomError(
                OUR_RULE,
                "{n} does not divide the {bins} bins of an octave; write 12, or one of 1, 2, 3, 4, 6, 9, 18, 36",
                {"n": n_chroma, "bins": BINS_PER_OCTAVE},
            )
        return n_chroma

    @field_validator("n_mels")
    @classmethod
    def _are_enough_for_the_mfcc(cls, n_mels: int, others: ValidationInfo) -> int:
        n_mfcc = others.data.get("n_mfcc", 1)
        if n_mels < n_mfcc:
            raise PydanticCustomError(
                OUR_RULE,
                "{n} bands give no {n_mfcc} MFCC; write at least as many, or a smaller features.n_mfcc",
                {"n": n_mels, "n_mfcc": n_mfcc},
            )
        return n_mels


class RepresentationSettings(Section):
    """The keys of every representation; a module of `features/representations` adds its own."""


class StackSettings(RepresentationSettings):
    """The keys of a representation that stacks frame features, from the top row down."""

    stack: Annotated[tuple[Block, ...], Field(min_length=1)]

    @field_validator("stack")
    @classmethod
    def _names_each_once(cls, stack: tuple[Block, ...]) -> tuple[Block, ...]:
        if twice := [name for name in stack if stack.count(name) > 1]:
            raise PydanticCustomError(
                OUR_RULE, "{name} stands there more than once; take it out", {"name": twice[0]}
            )
        return stack


def _as_several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class SystemSettings(Section):
    """The keys of every model; its system, a module of `models`, adds its own.

    `system` is the model's own name where it is left out; `reads` names a representation, or several.
    """

    system: str
    reads: Annotated[tuple[str, ...], BeforeValidator(_as_several), Field(min_length=1)]

    @property
    def systems(self) -> tuple[str, ...]:
        """The systems whose code the model runs."""
        return (self.system,)


class TorchSettings(SystemSettings):
    """The schedule of a torch model: StepLR multiplies `lr` by `gamma` every `step_size` epochs."""

    lr: PositiveFloat
    epochs: Positive
    batch_size: Positive
    step_size: Positive
    gamma: PositiveFloat


Protocol = Literal["grouped", "paper", "ungrouped"]
"""Whether an artist's songs stay in one fold; not so as in much that is published, nor in the paper, whose networks
also keep the epoch that is best on the scored songs."""


class EvaluationSettings(Section):
    """How models are scored."""

    protocol: Protocol
    folds: Annotated[int, Field(ge=2)]
    holdout_share: Annotated[float, Field(ge=0, lt=1)]
    holdout_per_mood: Positive
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    bootstrap: Annotated[int, Field(gt=0, le=1_000_000)]


class RegistrationSettings(Section):
    """Where finished models go in the MLflow registry, and which fitted model goes there.

    That of the best fold, or one that is trained on all songs outside the holdout as well.
    """

    model_name: str
    experiment: str
    fit: Literal["best_fold", "all"]


class PromotionSettings(Section):
    """When a challenger takes the champion's place, and when the first champion goes into service.

    `approvers` are ids of users of Airflow; where there is none, every user who may run the DAG may answer.
    """

    min_gain: float
    max_p_value: Share
    min_accuracy_low: Share
    loss_p_value: Share
    max_recall_loss: Share
    max_slice_loss: Share
    max_calibration_loss: Share
    max_share_gap: Share
    approvers: tuple[str, ...]
    answer_within_h: PositiveFloat


class HousekeepingSettings(Section):
    """How long what is needed no longer is kept, and after how many days without a retraining a champion is stale."""

    keep_runs: Positive
    keep_features_days: Positive
    keep_deleted_runs_days: Positive
    keep_airflow_days: Positive
    stale_days: Positive


class PredictionSettings(Section):
    """When a song's mood is said, and how far apart the windows of a timeline are."""

    min_probability: Share
    timeline_step_s: Annotated[float, Field(ge=0.5, le=3600)]


class ServingSettings(Section):
    """What `mer serve` takes, and how often it looks for a new champion."""

    max_mb: Positive
    max_files: Positive
    max_song_s: PositiveFloat
    max_requests: Positive
    upload_timeout_s: PositiveFloat
    poll_s: Annotated[float, Field(ge=0.1, le=86_400)]


class Params(Section):
    """The whole of `params.yaml`, one section a stage; `representations` and `models` by name."""

    charts: dict[str, Chart]
    audio: AudioSettings
    clips: ClipSettings
    snapshot: SnapshotSettings
    quality: QualitySettings
    features: FeatureSettings
    representations: dict[str, SerializeAsAny[RepresentationSettings]]
    evaluation: EvaluationSettings
    models: Annotated[dict[str, SerializeAsAny[SystemSettings]], Field(min_length=1)]
    registration: RegistrationSettings
    promotion: PromotionSettings
    housekeeping: HousekeepingSettings
    prediction: PredictionSettings
    serving: ServingSettings

    @property
    def fetching(self) -> AudioSettings:
        """`audio` with the private hosts that charts' own addresses name as well."""
        own = {host for chart in self.charts.values() for host in _private_hosts(chart)}
        return self.audio.model_copy(update={"private_hosts": (*self.audio.private_hosts, *sorted(own))})


BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[\w.-]+)*/?", re.ASCII)


def _bucket(value: object) -> object:
    if isinstance(value, str) and not BUCKET.fullmatch(
        value
    ):  # the value may have a key in it, and is not shown
        raise PydanticCustomError(
            OUR_RULE,
            "is no address of a bucket; write s3://BUCKET or s3://BUCKET/PREFIX, and the rest into AWS_ENDPOINT_URL,"
            " AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        )
    return value


class Machine(BaseSettings):
    """What differs between machines, read from `MER_*` variables by `load_machine`."""

    model_config = SettingsConfigDict(env_prefix="MER_", env_ignore_empty=True, frozen=True)

    home: Path = Path("var")
    """This machine's catalog, clips, logs and servers' files."""
    store: Annotated[str | None, BeforeValidator(_bucket)] = None
    """`s3://BUCKET/PREFIX`, where clips, features, runs and DVC's data lie for workers on several machines."""
    store_cache_gb: Annotated[float, Field(gt=0)] = 10.0
    """How much of that bucket is kept on this machine's disk."""
    database_url: str | None = None
    """The catalog in PostgreSQL; else SQLite below `MER_HOME`."""
    resnet18_weights: str | None = None
    """`none` or a path, instead of `representations.resnet18.weights`."""
    spotify_client_id: str | None = None
    """Of an app that reads playlists (docs/charts.md)."""
    spotify_client_secret: SecretStr | None = None
    """The same app's; secret."""
    spotify_token: SecretStr | None = None
    """A user's, for playlists of that user; secret."""
    jamendo_client_id: SecretStr | None = None
    """For charts from Jamendo."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where networks compute: `auto`, `cpu` or `cuda`."""
    workers: Annotated[int, Field(gt=0)] | None = None
    """Processes for work that is spread over cores; else one a core."""
    commit: str | None = None
    """The commit of the code, in an image that has no git checkout."""
    secrets_dir: Path | None = None
    """A folder with secrets, each in a file that has its variable's name in small letters."""
    tracking_uri: str | None = Field(default=None, validation_alias="MLFLOW_TRACKING_URI")
    """MLflow's server; else SQLite below `MER_HOME`."""
    mlflow_page: Annotated[str, Field(pattern=r"^(https?://\S+)?$")] = ""
    """Where a browser reaches MLflow, if not at `MLFLOW_TRACKING_URI`."""
    alert_urls: SecretStr | None = None
    """Addresses for alerts, as Apprise writes them; secret."""
    airflow_database_url: SecretStr | None = None
    """Airflow's own database, for housekeeping of its rows; secret."""
    smtp_url: str | None = None
    """A mail server for alerts; secret if it holds a password."""
    serve_token: SecretStr | None = None
    """What callers of `mer serve` have to send; secret."""
    alert_from: str = "mer@localhost"
    """The sender of e-mail."""
    alert_to: str | None = None
    """Who gets alerts by that mail server, separated by commas."""

    @model_validator(mode="before")
    @classmethod
    def _empty_is_not_set(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if value != ""}

    @property
    def catalog_url(self) -> str:
        """The catalog's SQLAlchemy URL: `MER_DATABASE_URL`, or SQLite under `home`."""
        return self.database_url or f"sqlite:///{self.home / 'catalog.db'}"

    @property
    def mlflow_uri(self) -> str:
        """MLflow's tracking URI: `MLFLOW_TRACKING_URI`, or SQLite under `home`."""
        return self.tracking_uri or f"sqlite:///{self.home / 'mlflow' / 'mlflow.db'}"

    @property
    def mlflow_pages(self) -> str | None:
        """MLflow's address for a browser: `MER_MLFLOW_PAGE`, or its server's; None where there is no server."""
        is_server = (self.tracking_uri or "").startswith("http")
        return self.mlflow_page or (self.tracking_uri if is_server else None)

    @property
    def clip_store(self) -> ObjectStore:
        """The clips, by the SHA-256 of their bytes."""
        return self._objects("clips")

    @property
    def feature_store(self) -> ObjectStore:
        """Each clip's features, kept once computed."""
        return self._objects("features")

    @property
    def run_store(self) -> ObjectStore:
        """What one machine leaves of DAG runs for others; only where `store` is set."""
        return self._objects("runs")

    @property
    def downloads(self) -> Path:
        """The folder of what is being fetched."""
        return self.home / "downloads"

    @property
    def board(self) -> Path:
        """The folder of the mood board that Airflow shows."""
        return self.home / "board"

    @property
    def n_workers(self) -> int:
        """Processes for work that is spread over cores: `MER_WORKERS`, or one a core."""
        return self.workers or len(os.sched_getaffinity(0))

    def _objects(self, name: str) -> ObjectStore:
        return open_store(self.store, name, self.home, self.store_cache_gb)


ONLY_TESTS_READ = {"MER_REAL_DATA"}


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and check `params.yaml`.

    Raises:
        InputError: the file is missing, not YAML, or breaks a rule; names the key and the remedy.
    """
    if not path.is_file():
        raise InputError(f"{path.absolute()}: no such file; run mer in the project's folder")
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; let this user read it") from error
    except RecursionError as error:
        raise InputError(
            f"{path}: is nested too deeply; take the project's own params.yaml as a start"
        ) from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 2026-13-01, or not UTF-8
        raise InputError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    return parse_params(values, str(path))


class _Loader(yaml.SafeLoader):
    """YAML in which a key that stands twice in a section is an error, as DVC has it."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if twice := [key for key in keys if keys.count(key) > 1]:
            line = node.value[max(place for place, key in enumerate(keys) if key == twice[0])][
                0
            ].start_mark.line
            raise yaml.YAMLError(f"{twice[0]!r} stands twice, again in line {line + 1}; take one out")
        return super().construct_mapping(node, deep)


def parse_params(values: object, where: str) -> Params:
    """The contents of a `params.yaml` as settings, each model's and representation's keys checked by its module.

    Raises:
        InputError: they break a rule; names the place `where` they stand, the key and the remedy.
    """
    if not isinstance(values, Mapping):
        raise InputError(f"{where}: holds no sections; take the project's own params.yaml as a start")
    values = {**values}
    for section in PACKAGES:
        if isinstance(entries := values.get(section), Mapping):
            values[section] = {
                _plugin_name(name, f"{where}: {section}"): _plugin_settings(
                    section, name, entry, f"{where}: {section}.{name}"
                )
                for name, entry in entries.items()
            }
    params = checked(Params, values, where)
    _check_readings(params, where)
    return params


PLUGIN_NAME = re.compile(r"[A-Za-z0-9_-]+")

COMPARISON = "comparison"
"""The name in `metrics/` under which all models stand side by side."""


def _plugin_name(name: object, where: str) -> str:
    """A name of an entry, which is also the name of its files."""
    if not isinstance(name, str) or not PLUGIN_NAME.fullmatch(name) or name == COMPARISON:
        raise InputError(
            f"{where}: {name!r} is no name; take letters, digits, _ and -, and not {COMPARISON!r}"
        )
    return name


PACKAGES = {"representations": "mer_tasks.features.representations", "models": "mer_tasks.models"}
"""Sections whose entries are checked by modules of a package."""


def plugin_names(section: str) -> tuple[str, ...]:
    """The modules that a section's entries may name: found by listing the package's folder."""
    path = import_module(PACKAGES[section]).__path__
    return tuple(sorted(module.name for module in pkgutil.iter_modules(path)))


def member_settings(entry: object, where: str) -> SystemSettings:
    """The keys of a model within a model, checked by the `Settings` of its system.

    Raises:
        InputError: they break a rule.
    """
    name = entry.get("system", "") if isinstance(entry, Mapping) else ""
    settings = _plugin_settings("models", str(name), entry, where)
    assert isinstance(settings, SystemSettings)
    return settings


def _module(section: str, name: str) -> ModuleType:
    return import_module(f"{PACKAGES[section]}.{name}")


def _plugin_settings(section: str, name: str, entry: object, where: str) -> Section:
    """An entry's keys, checked by the `Settings` of its module: a model's `system`, else that of its name."""
    values = dict(entry) if isinstance(entry, Mapping) else {} if entry is None else entry
    module, what = name, "representation"
    if section == "models" and isinstance(values, dict):
        module, what = values.setdefault("system", name), "system"
    known = plugin_names(section)
    if module not in known:
        raise InputError(f"{where}: there is no {what} {module!r}{_closest(str(module), {*known})}")
    settings: type[Section] = _module(section, module).Settings
    return checked(settings, values, where, ".")


def _check_readings(params: Params, where: str) -> None:
    """Models must read what there is and what suits their system, and a tonnetz needs semitones."""
    kept = {name: _module("representations", name).KEPT for name in params.representations}
    for name, model in params.models.items():
        _check_reads(model, _module("models", model.system).READS, kept, f"{where}: models.{name}.reads")
    for name, representation in params.representations.items():
        stacked = isinstance(representation, StackSettings) and "tonnetz" in representation.stack
        if stacked and params.features.n_chroma != TONNETZ_CHROMA:
            raise InputError(
                f"{where}: representations.{name}.stack: tonnetz needs {TONNETZ_CHROMA} pitch classes; take it"
                f" out, or write features.n_chroma: {TONNETZ_CHROMA}, not {params.features.n_chroma}"
            )


def _check_reads(model: SystemSettings, readable: Readable, kept: Mapping[str, Kept], where: str) -> None:
    for place, name in enumerate(model.reads):
        wanted = readable.further if place else readable.first
        suitable = [one for one in kept if kept[one] in wanted and one not in model.reads[:place]]
        if name in suitable:
            continue
        if name not in kept:
            problem = "not among representations"
        elif name in model.reads[:place]:
            problem = "stands there more than once"
        else:
            problem = f"{model.system} cannot read it" + (f" beside {model.reads[0]}" if place else "")
        remedy = f"write one of {', '.join(suitable)}" if suitable else "take it out"
        raise InputError(f"{where}: {name!r}: {problem}; {remedy}")


def checked(model: type[Checked], values: object, where: str, joint: str = ": ") -> Checked:
    """The values as a `model`; `joint` stands between the place and the key in a message.

    Raises:
        InputError: they break a rule; names the place, the key and the remedy.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problem = _first_problem(error, model)
        joint = ": " if problem.startswith(": ") else joint  # the values are no section, so no key is named
        raise InputError(f"{where}{joint}{problem.removeprefix(': ')}") from error


def load_machine(root: Path = Path()) -> Machine:
    """Read and check the `MER_*` variables; a relative `MER_HOME` is meant from the folder `root`.

    What is no variable may be a file in the folder `MER_SECRETS_DIR`: `mer_database_url` holds `MER_DATABASE_URL`.

    Raises:
        InputError: a variable is unknown or its value breaks a rule; names it.
    """
    known = {f"MER_{name.upper()}" for name in Machine.model_fields} | ONLY_TESTS_READ
    secrets = os.environ.get("MER_SECRETS_DIR") or None
    if secrets and not Path(secrets).is_dir():
        raise InputError(
            f"MER_SECRETS_DIR: {secrets} is no folder; name the folder of secrets, or leave it out"
        )
    try:
        files = [file.name.upper() for file in Path(secrets).iterdir()] if secrets else []
        for name in sorted([*os.environ, *files]):
            if name.startswith("MER_") and name not in known:
                raise InputError(f"{name}: unknown variable{_closest(name, known)}")
        options: dict[str, Any] = {"_secrets_dir": secrets}
        with warnings.catch_warnings():
            # All that pydantic does of a folder in a file's place is to warn.
            warnings.simplefilter("error", UserWarning)
            machine = Machine(**options)
    except ValidationError as error:
        raise InputError(f"environment: {_first_problem(error, Machine, prefix='MER_')}") from error
    except (OSError, SettingsError, UserWarning) as error:
        raise InputError(
            f"MER_SECRETS_DIR: a file in {secrets} cannot be read: {error}; it has to be text that this user may read"
        ) from error
    return machine.model_copy(update={"home": (root / machine.home).absolute()})


def _first_problem(error: ValidationError, model: type[BaseModel], prefix: str = "") -> str:
    """The first broken rule in one line: the key, what is wrong, what to write instead."""
    # A misspelt key is both unknown and missing: the first is more help.
    problem = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    place = [str(part) for part in problem["loc"]]
    name = prefix + ".".join(place).upper() if prefix else ".".join(place)
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if problem["type"] == "extra_forbidden":
        return f"{name}: unknown key{_closest(place[-1], _keys_beside(model, place))}{more}"
    if problem["type"] == "missing":
        return f"{name}: missing; add it{more}"
    if problem["type"] == OUR_RULE:
        return f"{name}: {problem['msg']}{more}"
    return f"{name}: {problem['msg']}, not {problem['input']!r}{more}"


def _keys_beside(model: type[BaseModel], place: list[str]) -> set[str]:
    """The keys that there may be where `place` stands."""
    section: Any = model
    for part in place[:-1]:
        section = section.model_fields[part].annotation
    return set(section.model_fields)


def _closest(name: str, known: set[str]) -> str:
    """A remedy for a misspelt name: the nearest known one, or all of them."""
    if not known:
        return "; take it out"
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; known are {', '.join(sorted(known))}"
