import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from cryptography.fernet import Fernet

from mer_tasks.settings import Machine

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = sorted(name for name, service in SERVICES.items() if "build" in service)
ONE_SHOT = {"init"}
SECRET = re.compile(r"\$\{(\w+)(?::\?[^}]*)?\}")
"""A variable of `.env` that has no default."""


def pins(lock: str) -> dict[str, str]:
    """The versions in a lock file, by package."""
    return dict(line.split("==") for line in (ROOT / lock).read_text().split())


def stages() -> dict[str, list[str]]:
    """The instructions of each stage of the Dockerfile, those of the stages it starts from first."""
    found: dict[str, list[str]] = {}
    for line in (ROOT / "docker/Dockerfile").read_text().splitlines():
        if line.startswith("FROM "):
            _, parent, _, name = line.split()
            found[name] = list(found.get(parent, []))
        elif line and not line.startswith(("#", " ")):
            found[name].append(line)
    return found


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_is_watched_or_ends_by_itself(name: str) -> None:
    service = SERVICES[name]
    if name in ONE_SHOT:
        assert service["restart"] == "no"
    else:
        assert service["healthcheck"]["test"]
        assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_waits_until_what_it_needs_is_ready(name: str) -> None:
    for needed, how in SERVICES[name].get("depends_on", {}).items():
        ready = "service_completed_successfully" if needed in ONE_SHOT else "service_healthy"
        assert how == {"condition": ready}


DAGS = "\n".join(file.read_text() for file in sorted((ROOT / "dags").glob("*.py")))


def test_no_password_is_written_down() -> None:
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if value is None:
                continue  # handed over from .env as it is, or absent
            if re.search(r"PASSWORD|SECRET|FERNET|REDISCLI_AUTH", variable):
                assert SECRET.fullmatch(value), f"{name}: {variable}"
            if password := urlsplit(value).password:
                assert SECRET.fullmatch(password), f"{name}: {variable}"
    assert SECRET.fullmatch(SERVICES["redis"]["command"][-1])


def test_a_missing_secret_is_an_error_that_says_what_to_do() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    required = set(re.findall(r"\$\{(\w+):\?run docker/make-env\}", text))
    assert required == set(re.findall(r"^(\w+)=$", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert required >= {match[1] for match in SECRET.finditer(text)}


def test_only_this_machine_reaches_the_ports() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(published) == 2
    assert all(port.startswith("127.0.0.1:") for port in published)
    assert all("network_mode" not in service for service in SERVICES.values())


@pytest.mark.parametrize("name", OURS)
def test_our_services_do_not_run_as_root(name: str) -> None:
    service = SERVICES[name]
    assert "user" not in service
    assert not service.get("privileged", False)
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert stages()[service["build"]["target"]][-1] == "USER mer"


def test_only_the_databases_come_from_elsewhere() -> None:
    assert set(SERVICES) - set(OURS) == {"postgres", "redis"}


def test_every_path_and_volume_exists() -> None:
    for service in SERVICES.values():
        for source in (volume.split(":")[0] for volume in service.get("volumes", [])):
            assert (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]
        if "build" in service:
            assert (ROOT / service["build"]["dockerfile"]).is_file()
    kept = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert kept
    assert all((ROOT / path).exists() for path in kept)


@pytest.mark.parametrize("name", sorted(set(OURS) - {"mlflow"}))
def test_airflow_and_its_workers_share_their_keys(name: str) -> None:
    own = {"AIRFLOW_PASSWORD", "MER_AIRFLOW_DATABASE_URL"}  # that of housekeeping, which only workers do
    shared = {key: value for key, value in SERVICES[name]["environment"].items() if key not in own}
    assert shared == SERVICES["scheduler"]["environment"]


def test_the_variables_are_ones_that_mer_knows() -> None:
    known = {f"MER_{name.upper()}" for name in Machine.model_fields}
    gpu = yaml.safe_load((ROOT / "docker/gpu.yml").read_text())["services"]
    for service in [*SERVICES.values(), *gpu.values()]:
        assert {name for name in service.get("environment", {}) if name.startswith("MER_")} <= known
    assert set(gpu) <= set(SERVICES)


def test_every_queue_of_the_dags_has_a_worker() -> None:
    asked = set(re.findall(r'"?queue"?[=:] ?"(\w+)"', DAGS))
    commands = [service.get("command", "") for service in SERVICES.values()]
    served = {queue for command in commands for queue in re.findall(r"--queues (\w+)", str(command))}
    assert asked == served == {"default", "gpu"}


def test_every_pool_of_the_dags_is_made() -> None:
    asked = set(re.findall(r'"?pool"?[=:] ?"(\w+)"', DAGS))
    made = set(re.findall(r"^pool (\w+)", (ROOT / "docker/init").read_text(), re.MULTILINE))
    assert asked - {"default_pool"} == made


def test_every_database_is_made() -> None:
    made = set(re.findall(r"CREATE DATABASE (\w+)", (ROOT / "docker/databases.sql").read_text()))
    made.add(SERVICES["postgres"]["environment"]["POSTGRES_DB"])
    used = re.findall(r"@postgres/(\w+)", (ROOT / "docker-compose.yml").read_text())
    assert set(used) == made


def test_the_orchestrator_is_a_strict_subset_of_the_worker() -> None:
    orchestrator, worker = pins("requirements-orchestrator.lock"), pins("requirements.lock")
    assert orchestrator.items() < worker.items()
    assert not orchestrator.keys() & {"torch", "librosa", "mlflow", "pandas", "great-expectations", "dvc"}


def test_the_locks_pin_what_the_project_asks_for() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    exact = re.findall(r'"([\w-]+)(?:\[[\w,]+\])?==([\d.]+)"', project)
    assert len(exact) > 3
    assert set(exact) <= pins("requirements.lock").items()


def test_a_worker_anywhere_can_install_the_lock() -> None:
    """With pins of one build of PyTorch it could not be installed, or would bring gigabytes that are not used."""
    worker = pins("requirements.lock")
    assert not [name for name in worker if name.startswith(("nvidia-", "cuda-"))]
    assert not [version for version in worker.values() if "+" in version]


def test_libraries_are_installed_before_the_code_is_copied() -> None:
    for target in ("orchestrator", "worker"):
        lines = stages()[target]
        copied = lines.index("COPY . .")
        installed = [number for number, line in enumerate(lines) if line.startswith("RUN UV_FIND_LINKS")]
        assert max(installed) < copied


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with what `docker/make-env` reads."""
    (tmp_path / "docker").mkdir()
    shutil.copy(ROOT / "docker/make-env", tmp_path / "docker")
    shutil.copy(ROOT / ".env.example", tmp_path)
    return tmp_path


def test_make_env_draws_every_secret_and_only_its_owner_reads_them(project: Path) -> None:
    subprocess.run([project / "docker/make-env"], check=True, capture_output=True)
    assert stat.S_IMODE((project / ".env").stat().st_mode) == 0o600
    lines = (project / ".env").read_text().splitlines()
    values = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    secrets = [value for name, value in values.items() if name != "COMPOSE_PROJECT_NAME"]
    assert len(set(secrets)) == len(secrets) == 6
    assert all(re.fullmatch(r"\w{43,}=?", secret, re.ASCII) for secret in secrets)
    Fernet(values["AIRFLOW_FERNET_KEY"])
    assert {path.name for path in project.iterdir()} == {".env", ".env.example", "docker"}


def test_make_env_prints_no_secret(project: Path) -> None:
    said = subprocess.run([project / "docker/make-env"], check=True, capture_output=True, text=True)
    values = re.findall(r"^\w+=(.{20,})$", (project / ".env").read_text(), re.MULTILINE)
    assert values
    assert not [value for value in values if value in said.stdout + said.stderr]


def test_make_env_leaves_an_existing_file_alone(project: Path) -> None:
    (project / ".env").write_text("POSTGRES_PASSWORD=in-use\n")
    run = subprocess.run([project / "docker/make-env"], check=False, capture_output=True, text=True)
    assert run.returncode == 1
    assert ".env" in run.stderr
    assert (project / ".env").read_text() == "POSTGRES_PASSWORD=in-use\n"
