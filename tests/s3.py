"""An S3-compatible server in a process of its own on this machine, and what a test says of it by settings."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from s3fs import S3FileSystem

BUCKETS = count()

SERVER = """
import logging, sys
from moto.server import ThreadedMotoServer
logging.disable(logging.INFO)
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print("%s:%s" % server.get_host_and_port(), flush=True)
sys.stdin.read()
"""


@contextmanager
def s3_server() -> Iterator[str]:
    """The address of a server that ends with the block, or with this process."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout
        yield f"http://{server.stdout.readline().strip()}"
        server.kill()


def new_bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make a bucket and set the variables by which a machine uses it; gives the address of a prefix in it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    name = f"songs-{next(BUCKETS)}"
    plain().mkdir(name)
    return f"s3://{name}/of/us"


def plain() -> S3FileSystem:
    """The server as the test sees it, past the code that is tested."""
    return S3FileSystem(endpoint_url=os.environ["AWS_ENDPOINT_URL"], use_listings_cache=False)


def files(address: str) -> list[Path]:
    """The keys in a bucket's prefix, as paths below it."""
    place = address.removeprefix("s3://")
    return sorted(Path(key).relative_to(place) for key in plain().find(place))
