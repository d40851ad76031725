"""The values for Airflow's Helm chart say of queues, versions and variables what the project does; Helm is not asked."""

import re
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from mer_tasks.settings import BUCKET, Machine

ROOT = Path(__file__).parents[2]
VALUES: dict[str, Any] = yaml.safe_load((ROOT / "docker/kubernetes/values.yaml").read_text())
WORKERS = [VALUES["workers"]["celery"], *VALUES["workers"]["celery"]["sets"]]


def test_every_queue_of_the_dags_has_workers_and_no_other() -> None:
    dags = "\n".join(file.read_text() for file in (ROOT / "dags").glob("*.py"))
    wanted = set(re.findall(r"""["']?queue["']?[=:] ?"(\w+)\"""", dags))
    assert {worker["queue"] for worker in WORKERS} == wanted == {"default", "gpu"}
    assert [worker["queue"] for worker in WORKERS if "nvidia.com/gpu" in worker["resources"]["limits"]] == [
        "gpu"
    ]


def test_the_variables_are_ones_that_mer_knows_and_no_secret_is_written_down() -> None:
    plain = [VALUES["env"], *(worker["env"] for worker in WORKERS)]
    variables = {one["name"]: one["value"] for some in plain for one in some}
    secret = {one["envName"] for one in VALUES["secret"]}
    known = {f"MER_{name.upper()}" for name in Machine.model_fields}
    assert {name for name in {*variables, *secret} if name.startswith("MER_")} <= known
    assert {"MER_DATABASE_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} == secret
    assert not [name for name in variables if re.search("SECRET|PASSWORD|KEY|TOKEN", name)]
    assert BUCKET.fullmatch(variables["MER_STORE"].lower())


def test_it_is_the_airflow_and_the_folders_of_the_image() -> None:
    assert VALUES["airflowVersion"] == metadata.version("apache-airflow")
    image = (ROOT / "docker/Dockerfile").read_text()
    variables = {one["name"]: one["value"] for one in VALUES["env"]}
    assert f"MER_HOME={variables['MER_HOME']}" in image and f"--uid {VALUES['uid']}" in image
    for worker in WORKERS:
        mounts = {one["name"]: one["mountPath"] for one in worker["extraVolumeMounts"]}
        assert mounts["var"] == variables["MER_HOME"]
        assert {one["name"] for one in worker["extraVolumes"]} == set(mounts)
