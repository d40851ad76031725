"""Runs the server until it is told to end."""

import logging
import socket
from ipaddress import ip_address

import uvicorn

from mer_tasks.errors import InputError
from mer_tasks.serving.app import make_app
from mer_tasks.serving.champion import LOG, Champion
from mer_tasks.serving.prompt import PromptProtocol
from mer_tasks.settings import Machine, Params

GRACE_S = 60
"""So long requests in work may take when the server is told to end."""


IDLE_S = 5
"""So long a connection may stand without a whole request line and headers."""


def serve(params: Params, machine: Machine, uri: str, host: str, port: int) -> None:
    """Answer requests at `host`:`port` by the version at `uri` until SIGTERM or SIGINT.

    Raises:
        InputError: the port cannot be had, there is no such version, or there is no token for a host that others reach.
        UnavailableError: MLflow cannot be reached now, or a process of the version died or hung.
    """
    token = machine.serve_token.get_secret_value() if machine.serve_token else None
    if not token and not is_loopback(host):
        raise InputError(
            f"--host {host}: others reach this machine there; set MER_SERVE_TOKEN to a secret that they send"
        )
    listening = _listen(host, port)
    LOG.setLevel(logging.INFO)
    with listening:
        champion = Champion(machine, uri, params.serving.poll_s)
        try:
            LOG.info("http://%s:%d by %s", host, listening.getsockname()[1], champion.card.line)
            config = uvicorn.Config(
                make_app(champion, params, token),
                log_config=None,
                access_log=False,
                server_header=False,
                http=PromptProtocol,
                timeout_keep_alive=IDLE_S,
                limit_concurrency=params.serving.max_requests,
                timeout_graceful_shutdown=GRACE_S,
            )
            uvicorn.Server(config).run(sockets=[listening])
        finally:
            champion.close()


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise InputError(
            f"{host}:{port}: cannot listen there: {error.strerror}; give another --port"
        ) from error
