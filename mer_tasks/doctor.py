"""What `mer doctor` looks at: whether this machine has what the work needs, and the remedy if not."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Literal, NamedTuple

from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.settings import Machine, load_machine, load_params
from mer_tasks.text import on_one_line, printable, without_passwords

Status = Literal["ok", "note", "problem"]

LIBRARIES = (
    "apache-airflow",
    "dvc",
    "great-expectations",
    "librosa",
    "mlflow",
    "moviepy",
    "psycopg2-binary",
    "scikit-learn",
    "spotipy",
    "torch",
    "torchvision",
    "yt-dlp",
)
REINSTALL = "install the locked environment again (make setup)"
LEAST_GB, ENOUGH_GB = 1, 5


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. A note is fine to leave, a problem stops some of the work."""

    name: str
    status: Status
    detail: str
    remedy: str


class Found(NamedTuple):
    """What a look at one thing found."""

    status: Status
    detail: str
    remedy: str = ""


def checks(machine: Machine) -> list[Check]:
    """Look at everything once; makes no file and no database, and shows no password."""
    looks: dict[str, Callable[[], Found]] = {
        "Python": _python,
        **{name: partial(_library, name) for name in LIBRARIES},
        "ffmpeg": _ffmpeg,
        "params.yaml": _params,
        "MER_* variables": _variables,
        "home": lambda: _home(machine.home),
        "store": lambda: _store(machine),
        "catalog": lambda: _catalog(machine.catalog_url),
        "MLflow": lambda: _mlflow(machine.mlflow_uri),
        "DVC": _dvc,
        "ResNet-18 weights": lambda: _weights(machine),
        "musicnn weights": _musicnn_weights,
        "device": lambda: _device(machine.device),
        "alerts": lambda: _alerts(machine),
        "Spotify": lambda: _spotify(machine),
        "YouTube": _youtube,
    }
    return [_look(name, look) for name, look in looks.items()]


def print_checks(found: list[Check]) -> None:
    """Print what was found as a table; a remedy stands under what it mends."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    colours = {"ok": "green", "note": "yellow", "problem": "bold red"}
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in found:
        remedy = f"\n→ {printable(check.remedy)}" if check.remedy else ""
        words = printable(check.detail) + remedy
        table.add_row(Text(check.status, colours[check.status]), Text(check.name), Text(words))
    Console().print(table)


def _look(name: str, look: Callable[[], Found]) -> Check:
    """A check, or that a library it needs cannot be imported."""
    try:
        found = look()
    except ImportError as error:
        found = Found("problem", on_one_line(f"could not be looked at: {error}"), REINSTALL)
    return Check(name, found.status, found.detail, found.remedy)


def _python() -> Found:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] == (3, 11):
        return Found("ok", version)
    return Found("problem", f"{version}, but the libraries are fixed for 3.11", "use Python 3.11")


def _library(name: str) -> Found:
    """A library's version beside the one that this project asks for; nothing is imported."""
    from packaging.requirements import Requirement

    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Found("problem", "not installed", REINSTALL)
    asked = [Requirement(line) for line in metadata.requires("mer") or []]
    for requirement in asked:
        if requirement.name == name and not requirement.specifier.contains(version):
            return Found("problem", f"{version}, but mer needs {requirement.specifier}", REINSTALL)
    return Found("ok", version)


def _ffmpeg() -> Found:
    import imageio_ffmpeg

    try:
        program = imageio_ffmpeg.get_ffmpeg_exe()
        run = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=20, check=True)
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        remedy = "install imageio-ffmpeg again, or set IMAGEIO_FFMPEG_EXE to an ffmpeg that runs"
        return Found("problem", on_one_line(str(error)), remedy)
    return Found("ok", f"{run.stdout.split()[2]}, {program}")


def _params() -> Found:
    try:
        params = load_params()
    except InputError as error:
        return Found("problem", str(error), "correct it")
    models = (f"{name} ({' + '.join(model.reads)})" for name, model in params.models.items())
    return Found("ok", f"valid; models: {', '.join(models)}")


def _variables() -> Found:
    try:
        load_machine()
    except InputError as error:
        return Found("problem", without_passwords(str(error)), "correct or unset it")
    names = sorted(name for name in os.environ if name.startswith("MER_"))
    return Found("ok", f"set: {', '.join(names)}" if names else "none set; the defaults hold")


def _home(home: Path) -> Found:
    """Whether `MER_HOME` can be written, and the free space under it."""
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        return Found("problem", f"{home} cannot be written", "set MER_HOME to a folder of yours")
    free_gb = shutil.disk_usage(there).free / 1e9
    detail = f"{home}, {free_gb:.0f} GB free"
    if free_gb >= ENOUGH_GB:
        return Found("ok", detail)
    remedy = f"free some space, or set MER_HOME to a disk with more than {ENOUGH_GB} GB"
    return Found("note" if free_gb >= LEAST_GB else "problem", detail, remedy)


def _store(machine: Machine) -> Found:
    """Where clips and features lie; a bucket is asked whether it is there."""
    if machine.store is None:
        return Found("ok", f"{machine.clip_store} and {machine.feature_store}")
    try:
        machine.clip_store.prepare()
    except (InputError, UnavailableError) as error:
        detail, _, remedy = str(error).partition("; ")
        return Found("problem", detail, remedy or "check AWS_ENDPOINT_URL and whether its server runs")
    return Found("ok", f"{machine.store} answers")


def _catalog(url: str) -> Found:
    """The catalog's version, read without making or migrating one."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError

    try:
        address = make_url(url)
        where = address.render_as_string(hide_password=True)
        if address.get_backend_name() == "sqlite" and not Path(address.database or "").is_file():
            return Found("note", f"none yet at {address.database}", "mer import makes it")
        found, known, newest = _catalog_versions(url)
    except (SQLAlchemyError, OSError, ValueError) as error:
        detail = on_one_line(without_passwords(str(getattr(error, "orig", None) or error)))
        return Found("problem", detail, "check MER_DATABASE_URL and whether its server runs")
    if found == newest:
        return Found("ok", f"{where}, version {', '.join(found)}")
    if found <= known:
        version = ", ".join(found) or "no version yet"
        return Found("note", f"{where}, {version}", "the next mer command brings it up to date")
    detail = f"{where}, version {', '.join(sorted(found - known))} is not known here"
    return Found("problem", detail, "update mer, or set MER_DATABASE_URL to another database")


def _catalog_versions(url: str) -> tuple[set[str], set[str], set[str]]:
    """The Alembic revisions that the database is at, those this code knows, and the newest of them."""
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from sqlalchemy import NullPool, create_engine

    from mer_tasks.catalog.database import MIGRATIONS

    scripts = ScriptDirectory(str(MIGRATIONS))
    with create_engine(url, poolclass=NullPool).connect() as connection:
        found = set(MigrationContext.configure(connection).get_current_heads())
    return found, {script.revision for script in scripts.walk_revisions()}, set(scripts.get_heads())


def _mlflow(uri: str) -> Found:
    """Where MLflow keeps its runs: a file that is there or will be, or a server that answers."""
    import httpx

    shown = without_passwords(uri)
    if uri.startswith("sqlite:///"):
        there = Path(uri.removeprefix("sqlite:///")).is_file()
        return Found("ok", shown if there else f"{shown}, made by the first run")
    if not uri.startswith(("http://", "https://")):
        return Found("note", f"{shown}, not looked at")
    try:
        httpx.get(f"{uri.rstrip('/')}/health", timeout=3).raise_for_status()
    except httpx.InvalidURL:  # its text may have a part of a password
        return Found("problem", f"{shown} is no address", "correct or unset MLFLOW_TRACKING_URI")
    except httpx.HTTPError as error:
        detail = f"{shown} does not answer: {on_one_line(without_passwords(str(error)))}"
        return Found("problem", detail, "start the server, or correct or unset MLFLOW_TRACKING_URI")
    return Found("ok", f"{shown} answers")


def _dvc() -> Found:
    beside_python = Path(sys.executable).parent
    program = shutil.which("dvc", path=f"{beside_python}{os.pathsep}{os.environ.get('PATH', '')}")
    if program is None:
        return Found("problem", "no program dvc", REINSTALL)
    if not Path("dvc.yaml").is_file():
        return Found("problem", f"no dvc.yaml in {Path.cwd()}", "run mer in the project's folder")
    return Found("ok", f"dvc.yaml, {program}")


def _weights(machine: Machine) -> Found:
    """Where the pretrained ResNet-18 comes from; `MER_RESNET18_WEIGHTS` goes before params.yaml."""
    try:
        settings = load_params().representations.get("resnet18")
    except InputError:
        return Found("problem", "unknown, as params.yaml is not valid", "correct params.yaml first")
    if settings is None:
        return Found("ok", "not needed: no representation resnet18 in params.yaml")
    weights = machine.resnet18_weights or str(getattr(settings, "weights", ""))
    if weights == "none":
        return Found("note", "random weights", "set MER_RESNET18_WEIGHTS to imagenet for pretrained ones")
    if weights == "imagenet":
        return _imagenet()
    if Path(weights).is_file():
        return Found("ok", weights)
    remedy = "set MER_RESNET18_WEIGHTS to a file, imagenet or none"
    return Found("problem", f"no such file: {weights}", remedy)


def _imagenet() -> Found:
    """Whether torchvision's download lies in torch's cache."""
    import torch

    cached = sorted(Path(torch.hub.get_dir(), "checkpoints").glob("resnet18-*.pth"))
    if cached:
        return Found("ok", f"imagenet, cached at {cached[0]}")
    remedy = "without a network set MER_RESNET18_WEIGHTS to a file or to none"
    return Found("note", "imagenet, 45 MB to download at first use", remedy)


def _musicnn_weights() -> Found:
    """Whether the package that ships MSD_musicnn is there, and unaltered."""
    from mer_tasks.networks.musicnn_weights import FOLDER, package_weights

    try:
        if "musicnn" not in load_params().representations:
            return Found("ok", "not needed: no representation musicnn in params.yaml")
    except InputError:
        return Found("problem", "unknown, as params.yaml is not valid", "correct params.yaml first")
    try:
        package_weights()
    except InputError as error:
        detail, _, remedy = str(error).partition("; ")
        return Found("problem", detail, remedy)
    return Found("ok", f"{FOLDER} of the package")


def _device(device: str) -> Found:
    import torch

    if torch.cuda.is_available():
        return Found("ok", f"{device}, with {torch.cuda.get_device_name(0)}")
    if device == "cuda":
        remedy = "unset MER_DEVICE, or install a CUDA build of torch and a driver"
        return Found("problem", "cuda asked for, but torch finds none", remedy)
    return Found("ok", f"{device}, on the CPU")


def _alerts(machine: Machine) -> Found:
    from mer_tasks.alerts.addresses import addresses

    recorded = "recorded in the catalog"
    if bool(machine.smtp_url) != bool(machine.alert_to):
        missing = "MER_ALERT_TO" if machine.smtp_url else "MER_SMTP_URL"
        return Found("problem", f"{recorded}, nobody is mailed: {missing} is not set", f"set {missing}")
    found = addresses(machine)
    if not found:
        return Found("note", f"{recorded}, and sent nowhere", "set MER_ALERT_URLS (docs/alerts.md)")
    if wrong := [address.name for address in found if address.service is None]:
        return Found("problem", f"no address that Apprise knows: {'; '.join(wrong)}", "correct it")
    return Found("ok", f"{recorded}, and sent to {'; '.join(address.name for address in found)}")


def _spotify(machine: Machine) -> Found:
    if machine.spotify_client_id and machine.spotify_client_secret:
        return Found("ok", "an app is configured")
    remedy = "only for live Spotify lists: set MER_SPOTIFY_CLIENT_ID and MER_SPOTIFY_CLIENT_SECRET"
    return Found("note", "no app; features and lists come from files", remedy)


def _youtube() -> Found:
    runtime = shutil.which("deno") or shutil.which("node")
    if runtime:
        return Found("ok", f"JavaScript runtime {runtime}")
    return Found("note", "no JavaScript runtime", "only for YouTube: install Deno 2 or Node 20")
