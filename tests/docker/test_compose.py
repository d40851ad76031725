import os
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
OURS = sorted(name for name, service in SERVICES.items() if service["image"].startswith("mer-"))
BUILDS = {service["image"]: service["build"] for service in SERVICES.values() if "build" in service}
ONE_SHOT = {"init"}


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
        assert needed not in ONE_SHOT, "brought back alone, a service would run it again"
        assert how == {"condition": "service_healthy"}


def test_each_image_is_built_by_one_service() -> None:
    built = [service["image"] for service in SERVICES.values() if "build" in service]
    assert sorted(built) == sorted({SERVICES[name]["image"] for name in OURS})


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_has_limits(name: str) -> None:
    service = SERVICES[name]
    assert service["mem_limit"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service.get("read_only", False) or name in {"postgres", "worker", "worker-gpu"}


DAGS = "\n".join(file.read_text() for file in sorted((ROOT / "dags").glob("*.py")))


def secrets_of(name: str) -> set[str]:
    return {one if isinstance(one, str) else one["source"] for one in SERVICES[name].get("secrets", [])}


def test_no_secret_is_in_the_configuration() -> None:
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if (
                re.search(r"PASSWORD|SECRET|FERNET|TOKEN|_URL|CREDENTIALS|CONN", variable)
                and value is not None
            ):
                at_hand = {
                    "MLFLOW_TRACKING_URI",
                    "AIRFLOW__CORE__EXECUTION_API_SERVER_URL",
                    "AIRFLOW__API__BASE_URL",
                }
                assert variable in at_hand or "/run/secrets" in value, f"{name}: {variable}"
            assert urlsplit(value or "").password is None
    assert not re.findall(r"\$\{\w*(?:PASSWORD|SECRET|KEY|TOKEN)", (ROOT / "docker-compose.yml").read_text())


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_gets_the_secrets_that_it_reads_and_no_other(name: str) -> None:
    service = SERVICES[name]
    script = (
        ROOT / "docker" / str(service.get("command", "")).split("--")[0].removeprefix("sh docker/").strip()
    )
    text = str(service) + (script.read_text() if script.is_file() else "")
    given = secrets_of(name)
    shared = {
        "airflow_fernet_key",
        "airflow_jwt_secret",
        "airflow_secret_key",
        "broker_url",
        "results_database_url",
    }
    read = set(re.findall(r"/run/secrets/(\w+)", text)) - shared - {"aws_credentials"}
    assert read <= given
    assert given - read - shared <= {one for one in given if one.startswith("mer_")} | {
        "aws_credentials",
        "airflow_database_url",
        "mlflow_credentials",
        "mlflow_database_url",
    }


def test_airflow_s_database_is_reached_by_few() -> None:
    """And by a worker for housekeeping alone, under a name that only that reads."""
    assert {name for name in SERVICES if "airflow_database_url" in secrets_of(name)} == {
        *("postgres", "init", "api-server", "scheduler", "dag-processor", "triggerer", "worker")
    }
    assert "airflow_database_url" not in SERVICES["worker"]["secrets"]
    assert {name for name in SERVICES if "postgres_password" in secrets_of(name)} == {"postgres"}


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
    assert stages()[BUILDS[service["image"]]["target"]][-1] == "USER mer"


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
    [names] = re.findall(r"^for name in ([\w ]+); do$", (ROOT / "docker/roles.sh").read_text(), re.MULTILINE)
    urls = re.findall(r"://(\w+):\$\(random 33\)@postgres/(\w+)", (ROOT / "docker/make-secrets").read_text())
    assert {role for role, _ in urls} == {database for _, database in urls} == set(names.split())


def test_the_orchestrator_is_a_strict_subset_of_the_worker() -> None:
    orchestrator, worker = pins("requirements-orchestrator.lock"), pins("requirements-worker.lock")
    assert orchestrator.items() < worker.items() < pins("requirements.lock").items()
    assert not worker.keys() & {"pytest", "mypy", "playwright", "moto", "mkdocs"}
    assert not orchestrator.keys() & {"torch", "librosa", "mlflow", "pandas", "great-expectations", "dvc"}


def test_the_locks_pin_what_the_project_asks_for() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    exact = re.findall(r'"([\w-]+)(?:\[[\w,]+\])?==([\d.]+)"', project)
    assert len(exact) > 3
    assert set(exact) <= pins("requirements-worker.lock").items()


def test_a_worker_anywhere_can_install_the_lock() -> None:
    """With pins of one build of PyTorch it could not be installed, or would bring gigabytes that are not used."""
    worker = pins("requirements-worker.lock")
    assert not [name for name in worker if name.startswith(("nvidia-", "cuda-"))]
    assert not [version for version in worker.values() if "+" in version]


def test_libraries_are_installed_before_the_code_is_copied() -> None:
    for target in ("orchestrator", "worker"):
        lines = stages()[target]
        copied = lines.index("COPY . .")
        installed = [number for number, line in enumerate(lines) if line.startswith("RUN UV_FIND_LINKS")]
        assert max(installed) < copied


@pytest.fixture
def make_secrets(tmp_path: Path) -> Path:
    """`docker/make-secrets` in a folder of its own."""
    (tmp_path / "docker").mkdir()
    return Path(shutil.copy(ROOT / "docker/make-secrets", tmp_path / "docker"))


def contents(make_secrets: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in make_secrets.with_name("secrets").iterdir()}


def test_every_secret_of_the_services_is_made_and_drawn_anew(make_secrets: Path) -> None:
    done = subprocess.run([make_secrets], check=True, capture_output=True, text=True)
    values = contents(make_secrets)
    assert values.keys() == COMPOSE["secrets"].keys()
    assert {Path(entry["file"]).name for entry in COMPOSE["secrets"].values()} == values.keys()
    drawn = [
        text for value in values.values() for text in re.findall(r"\b(?!mlflow_)\w{24,}=?", value, re.ASCII)
    ]
    own = {"aws_credentials", *(name for name in values if name.startswith("mer_"))} - {"mer_database_url"}
    assert len(set(drawn)) == len(drawn) == len(values) - len(own)
    assert not any(values[name] for name in own)
    Fernet(values["airflow_fernet_key"])
    assert not done.stdout + done.stderr
    assert stat.S_IMODE(make_secrets.with_name("secrets").stat().st_mode) == 0o700


def test_secrets_that_are_there_stay(make_secrets: Path) -> None:
    subprocess.run([make_secrets], check=True)
    before = contents(make_secrets)
    (make_secrets.with_name("secrets") / "mer_database_url").unlink()
    subprocess.run([make_secrets], check=True)
    after = contents(make_secrets)
    assert {name for name in before if before[name] != after[name]} == {"mer_database_url"}


def test_the_passwords_of_urls_are_read_as_they_are(make_secrets: Path) -> None:
    """By the expressions with which PostgreSQL's roles and Redis get theirs."""
    subprocess.run([make_secrets], check=True)
    values = contents(make_secrets)
    [expression] = re.findall(r"sed '([^']+)' \"\$file\"", (ROOT / "docker/roles.sh").read_text())
    for name in ("airflow_database_url", "results_database_url", "mer_database_url", "mlflow_database_url"):
        found = subprocess.run(
            ["sed", expression], input=values[name], check=True, capture_output=True, text=True
        )
        assert found.stdout == urlsplit(values[name]).password
    [expression] = re.findall(r"sed '([^']+)' /run", SERVICES["redis"]["command"][-1])
    found = subprocess.run(
        ["sed", expression], input=values["broker_url"], check=True, capture_output=True, text=True
    )
    assert found.stdout == f"requirepass {urlsplit(values['broker_url']).password}"


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (["backup"], "docker/backup FOLDER: name the folder to make"),
        (["backup", "docker"], "docker is there already: name a new folder"),
        (["restore"], "docker/restore [--replace] FOLDER: name the folder that docker/backup made"),
        (["restore", "docs"], "docs is no whole backup; take another"),
        (["rotate"], "docker/rotate SECRET…: name files of docker/secrets"),
        (["rotate", "../../etc/passwd"], "../../etc/passwd: not one that this command can change; docs/services.md says how"),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_one_line(command: list[str], line: str) -> None:
    name, *arguments = command
    done = subprocess.run([ROOT / "docker" / name, *arguments], check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == line


@pytest.fixture
def installation(make_secrets: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the scripts of docker/, where `docker` only writes what it is asked into the file `asked`."""
    root = make_secrets.parents[1]
    shutil.copytree(ROOT / "docker", root / "docker", dirs_exist_ok=True)
    shutil.rmtree(root / "docker" / "secrets", ignore_errors=True)
    programs = {
        "docker": f"""echo "$*" >>{root}/asked
case "$*" in
  "compose ps"*) echo id ;;
  inspect*) [ ! -e {root}/away ] || exit 1; echo one running healthy ;;
esac""",
        "date": f"[ $1 = +%s ] && echo $(($(cat {root}/now 2>/dev/null || echo 0) + 1000)) | tee {root}/now",
        "sleep": "",
    }
    (root / "bin").mkdir()
    for name, text in programs.items():
        (root / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (root / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{root / 'bin'}:{os.environ['PATH']}")
    return root


def asked(installation: Path) -> list[str]:
    return (installation / "asked").read_text().splitlines()


def test_a_backup_is_where_who_asks_for_it_means(
    installation: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    subprocess.run([installation / "docker/backup", "today/"], cwd=elsewhere, check=True)
    assert {file.name for file in (elsewhere / "today").iterdir()} == {
        *(f"{name}.dump" for name in ("airflow", "catalog", "mlflow")),
        *(f"{name}.tar" for name in ("logs", "mlflow", "var")),
        "SHA256SUMS",
    }
    assert [folder.name for folder in elsewhere.iterdir()] == ["today"]
    subprocess.run([installation / "docker/restore", "today"], cwd=elsewhere, check=True)


def test_databases_that_are_put_back_are_closed_to_the_other_roles(installation: Path) -> None:
    """A new database is open to all; docker/roles.sh closes it."""
    subprocess.run([installation / "docker/backup", "one"], cwd=installation, check=True)
    subprocess.run([installation / "docker/restore", "one"], cwd=installation, check=True)
    order = ["roles.sh" if line.endswith("roles.sh") else line for line in asked(installation)]
    dropped = max(place for place, line in enumerate(order) if "DROP DATABASE" in line)
    filled = min(place for place, line in enumerate(order) if "pg_restore" in line)
    assert "roles.sh" in order[dropped:filled]
    assert not any("CREATE DATABASE" in line for line in order)


def test_services_of_which_docker_says_nothing_are_not_healthy(installation: Path) -> None:
    subprocess.run([installation / "docker/wait"], check=True)
    (installation / "away").touch()
    done = subprocess.run([installation / "docker/wait"], check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "the containers: unknown"


def test_a_rotation_that_was_killed_is_run_again(installation: Path) -> None:
    subprocess.run([installation / "docker/make-secrets"], check=True)
    secret = installation / "docker/secrets/mer_database_url"
    secret.unlink()
    subprocess.run([installation / "docker/rotate", secret.name], check=True)
    assert secret.read_text()


@pytest.mark.parametrize("name", ["../x_database_url", "my_database_url", "airflow_fernet_key"])
def test_only_what_is_drawn_is_rotated(installation: Path, name: str) -> None:
    subprocess.run([installation / "docker/make-secrets"], check=True)
    (installation / "docker" / "x_database_url").touch()
    done = subprocess.run([installation / "docker/rotate", name], check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert (installation / "docker" / "x_database_url").exists()


def test_a_secret_is_never_empty_because_nothing_could_be_drawn(installation: Path) -> None:
    (installation / "bin/base64").write_text("#!/bin/sh\nexit 1\n")
    (installation / "bin/base64").chmod(0o755)
    done = subprocess.run([installation / "docker/make-secrets"], check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["docker/make-secrets: base64 -w 0 fails; install GNU coreutils"]
    assert not list((installation / "docker/secrets").iterdir())


def test_the_owner_of_the_secrets_may_write_them(make_secrets: Path) -> None:
    """A value of the owner's own, and make-secrets itself where it was killed before."""
    subprocess.run([make_secrets], check=True)
    modes = {stat.S_IMODE(file.stat().st_mode) for file in make_secrets.with_name("secrets").iterdir()}
    assert modes == {0o644}


def test_no_secret_is_in_a_command_line_of_a_health_check() -> None:
    """All users of the machine see those."""
    for service in SERVICES.values():
        test = str(service.get("healthcheck", {}).get("test", ""))
        assert not re.search(r"^(?!\w+=).*/run/secrets", test), test
