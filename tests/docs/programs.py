"""`mer` and `dvc` whose libraries are imported once: a process forks for each call, which saves seconds.

Run as a program with the path of a Unix socket, it serves calls there until it is ended.
"""

import array
import atexit
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CALLER = """#!{python} -IS
import array, json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    fds = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))]
    call = json.dumps([os.path.basename(sys.argv[0]), sys.argv[1:], os.getcwd(), dict(os.environ)])
    server.sendmsg([b"!"], fds)
    server.sendall(call.encode(errors="surrogateescape"))
    server.shutdown(socket.SHUT_WR)
    sys.exit(int(server.recv(10) or 70))
"""
"""What stands for a program on PATH: it hands over its arguments, folder, variables and standard streams."""


@contextmanager
def programs(folder: Path, seconds: float = 300) -> Iterator[Path]:
    """A folder for PATH with `mer` and `dvc`; `folder` must have a short name, for it holds the socket."""
    address, places = folder / "socket", folder / "bin"
    places.mkdir(parents=True)
    for name in ("mer", "dvc"):
        (places / name).write_text(CALLER.format(python=sys.executable, address=str(address)))
        (places / name).chmod(0o755)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MER_", "MLFLOW_"))}
    command = [sys.executable, __file__, str(address)]
    server = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE)
    try:
        end = time.monotonic() + seconds
        while not address.exists():
            assert server.poll() is None and time.monotonic() < end
            time.sleep(0.1)
        yield places
    finally:
        server.terminate()
        server.wait()


def _serve(address: str) -> None:
    """Import everything, then fork for every call."""
    _import_all()
    gc.freeze()  # else collecting garbage would copy all of it in every process
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{address}.new")
        server.listen()
        Path(f"{address}.new").rename(address)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who answer
        while sys.stdin not in select.select([server, sys.stdin], [], [])[0]:  # it ends with who started it
            caller, _ = server.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                server.close()
                _answer(caller)
                return
            caller.close()


def _answer(caller: socket.socket) -> None:
    """Run what a caller asks for in a process of its own, and tell how it ended."""
    _, sent, _, _ = caller.recvmsg(1, socket.CMSG_SPACE(3 * array.array("i").itemsize))
    streams = array.array("i", sent[0][2])
    text = b"".join(iter(lambda: caller.recv(1 << 16), b"")).decode(errors="surrogateescape")
    name, arguments, folder, environment = json.loads(text)
    if child := os.fork():
        _, status = os.waitpid(child, 0)
        caller.sendall(str(os.waitstatus_to_exitcode(status) % 256).encode())
        return
    caller.close()
    for fd, stream in enumerate(streams):
        os.dup2(stream, fd)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [name, *arguments]
    os._exit(_ended(name, arguments))  # freeing all that was imported would take seconds


def _ended(name: str, arguments: list[str]) -> int:
    """Run a program as the interpreter does, to its end; return its exit code."""
    code: object = 1
    try:
        code = _program(name, arguments)
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    return code if isinstance(code, int) else int(code is not None)


def _program(name: str, arguments: list[str]) -> int:
    if name == "dvc":
        from dvc.cli import main

        return int(main(arguments))
    from mer_tasks.cli import main as run_mer

    run_mer()
    return 0


def _import_all() -> None:
    import dvc.cli
    import dvc.commands
    import dvc.repo

    import mer_tasks

    for package in (mer_tasks, dvc.commands):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if "migrations" not in module.name:
                importlib.import_module(module.name)


if __name__ == "__main__":
    _serve(sys.argv[1])
