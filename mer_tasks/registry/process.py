"""Asks a registered version in a process of its own: the caller's side of the protocol (docs/registry.md).

The version's own code runs in the process, this module in the caller's: whichever `mer` asks, and MLflow's
`pyfunc`, which runs the copy that the version carries. So it imports nothing but the standard library.
"""

import hashlib
import json
import os
import re
import select
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeGuard

PROTOCOL = 1

FILES = Path("artifacts", "version")
"""Where in a version everything lies that is not code."""

DESCRIPTION = FILES / "version.json"
SELF_TEST = FILES / "self_test"
ANSWERS = SELF_TEST / "answers.json"
TRAINING = FILES / "training.json"
CODE = Path("code")

TOLERANCE = 1e-3
"""How far a probability may be from the stored one: rounding on another processor, no other computation."""

READY_S, ANSWER_S = 600.0, 300.0
"""How long a process may take until it is ready (the first use of librosa compiles it), and for a song."""

NOT_PASSED_ON = re.compile("^(MER_|MLFLOW_|AIRFLOW)|SECRET|PASSWORD|TOKEN|_KEY")
"""Variables that a version's process is not given."""

LONGEST_ANSWER = 1_000_000


class Answer(NamedTuple):
    """The probability of each mood for a song, and of each tag that the version's representation tells."""

    probabilities: dict[str, float]
    tags: dict[str, float]


class SongError(Exception):
    """The version has no answer for one song; others may be asked."""


class VersionError(Exception):
    """The version cannot answer in this environment, or its files are not those that were registered."""


class LostError(Exception):
    """The process died or hung; a new one may do better."""


class VersionProcess:
    """A running version: `predict` asks it for a song, `close` ends it. One thread at a time is served."""

    def __init__(
        self,
        folder: Path,
        device: str = "auto",
        self_test: bool = True,
        ready_s: float = READY_S,
        answer_s: float = ANSWER_S,
    ) -> None:
        """Start the process of the version in `folder` and ask it for the answers of its self-test.

        `device` as settings have it.

        Raises:
            VersionError: it cannot answer here, or answers otherwise than when it was registered.
            LostError: the process died or hung.
        """
        self._folder, self._device = folder.absolute(), device
        self._self_test, self._ready_s, self._answer_s = self_test, ready_s, answer_s
        self._lock = threading.Lock()
        self._description = read_description(self._folder)
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        """End the process of a version that nobody closed, as MLflow never does."""
        if hasattr(self, "_process"):
            self.close()

    def predict(self, audio: Path) -> dict[str, float]:
        """The probability of each mood for the song in a file; raises what `answer` does."""
        return self.answer(audio).probabilities

    def answer(self, audio: Path) -> Answer:
        """What the version tells of the song in a file.

        Raises:
            SongError: it cannot be used.
            VersionError: what answered is no version.
            LostError: the process died or hung; the next song is asked of a new one.
        """
        with self._lock:
            if self._process.poll() is not None:
                self._start()
            return self._ask_song(audio.absolute())

    def libraries(self) -> dict[str, str]:
        """The distributions whose modules the process has imported, with their versions.

        Raises:
            VersionError: what answered is no version.
            LostError: the process died or hung.
        """
        with self._lock:
            found = self._ask({"libraries": True}, self._answer_s).get("libraries")
        if not isinstance(found, dict):
            raise self._garbage(found)
        return found

    def close(self) -> None:
        """End the process; closing it twice does no harm."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        if not self._errors.closed:
            os.close(self._requests)
            os.close(self._answers)
            self._errors.close()

    def _start(self) -> None:
        """Start the process anew, and see that it answers as it did when it was registered."""
        if hasattr(self, "_process"):
            self.close()
        self._open()
        try:
            self._is_ready = False
            self._check_ready()
            self._is_ready = True
            if self._self_test:
                self._check_answers()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        """Open the process and two pipes of its own: libraries print to standard output, and ffmpeg reads its input."""
        theirs_in, self._requests = os.pipe()
        self._answers, theirs_out = os.pipe()
        self._buffer = b""
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - close() closes it
        command = [sys.executable, "-P", *self._description["command"]]
        try:
            self._process = subprocess.Popen(
                [*command, str(self._folder), str(theirs_in), str(theirs_out), self._device],
                cwd=self._folder,
                env=_environment(self._folder / CODE),
                stdin=subprocess.DEVNULL,
                stdout=self._errors,
                stderr=self._errors,
                pass_fds=(theirs_in, theirs_out),
            )
        finally:
            os.close(theirs_in)
            os.close(theirs_out)

    def _check_ready(self) -> None:
        ready = self._read_answer(self._ready_s)
        if "error" in ready:
            raise VersionError(f"cannot answer here: {ready['error']}; {self._differences()}")
        if ready.get("protocol") != PROTOCOL:
            raise self._garbage(ready)
        if Path(str(ready.get("code"))).resolve() != (self._folder / CODE / "mer_tasks").resolve():
            raise VersionError(f"ran the code in {ready.get('code')} instead of its own; unset PYTHONPATH")

    def _check_answers(self) -> None:
        """Ask for the self-test's answers again.

        Probabilities, not moods, are compared: they change long before a mood does.
        """
        stored = _read_json(self._folder / ANSWERS)
        for name, expected in stored.items():
            try:
                found = self._ask_song(self._folder / SELF_TEST / name).probabilities
            except SongError as error:
                raise VersionError(
                    f"has no answer for its own {name} ({error}); {self._differences()}"
                ) from error
            for mood, probability in expected.items():
                if not abs(found.get(mood, -1.0) - probability) <= TOLERANCE:
                    raise VersionError(
                        f"answers {mood} {found.get(mood)} for its own {name}, where it answered {probability}"
                        f" when it was registered; {self._differences()}"
                    )

    def _differences(self) -> str:
        """Which libraries are not those of the registration, and what to do."""
        there: Mapping[str, str] = self._description.get("libraries", {})
        here = {name: _version_here(name) for name in there}
        others = [f"{name} {here[name]} is not {there[name]}" for name in there if here[name] != there[name]]
        python = ".".join(map(str, sys.version_info[:3]))
        if python != self._description.get("python"):
            others.append(f"Python {python} is not {self._description.get('python')}")
        listed = "; ".join(others[:5]) or "its libraries are the same"
        return f"{listed}: install {self._folder / 'requirements.txt'} in an environment of its own, or train again"

    def _ask_song(self, audio: Path) -> Answer:
        answer = self._ask({"audio": str(audio)}, self._answer_s)
        if isinstance(error := answer.get("error"), str):
            raise SongError(error)
        found, tags = answer.get("probabilities"), answer.get("tags", {})
        if not _are_probabilities(found) or not _are_probabilities(tags):
            raise self._garbage(answer)
        return Answer(found, tags)

    def _ask(self, request: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        try:
            os.write(self._requests, json.dumps(request).encode() + b"\n")
        except BrokenPipeError:
            raise self._lost() from None
        return self._read_answer(seconds)

    def _read_answer(self, seconds: float) -> dict[str, Any]:
        line = self._read_line(time.monotonic() + seconds, seconds)
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise self._garbage(line.decode(errors="replace"))
        return answer

    def _read_line(self, deadline: float, seconds: float) -> bytes:
        poll = select.poll()
        poll.register(self._answers, select.POLLIN)
        while b"\n" not in self._buffer:
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                self._kill()
                raise LostError(f"gave no answer in {seconds:g} s and was ended; try again")
            part = os.read(self._answers, 65536)
            self._buffer += part
            if not part:
                raise self._lost()
            if len(self._buffer) > LONGEST_ANSWER:
                raise self._garbage(self._buffer[:100].decode(errors="replace"))
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _lost(self) -> LostError | VersionError:
        """Why the process is gone, in its own last words; one that ends by itself before it is ready always will."""
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._kill()
            return LostError("closed the way to it; try again")
        self._errors.seek(0)
        words = self._errors.read().decode(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(words) if line.strip()), "it printed nothing")
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        kind = LostError if self._is_ready or code < 0 else VersionError
        return kind(f"its process ended {how} ({last[:200]}); try again, or see whether memory suffices")

    def _kill(self) -> None:
        """End the process for certain, so that the next song is asked of a new one."""
        self._process.kill()
        self._process.wait()

    def _garbage(self, answer: object) -> VersionError:
        self._kill()
        return VersionError(
            f"gave {str(answer)[:100]!r} instead of an answer; delete the version in MLflow, then run mer register"
        )


def read_description(folder: Path) -> dict[str, Any]:
    """What `version.json` in a version's folder holds.

    Raises:
        VersionError: there is none, or it is of a protocol that this code does not speak.
    """
    found = _read_json(folder / DESCRIPTION)
    if found.get("protocol") != PROTOCOL:
        raise VersionError(
            f"speaks protocol {found.get('protocol')}, this code {PROTOCOL}; ask with a newer mer"
        )
    return found


def check_files(folder: Path) -> None:
    """Compare a version's files with the hashes that it was registered with.

    Raises:
        VersionError: one is missing, altered, or was not there then.
    """
    expected: dict[str, str] = read_description(folder)["files"]
    found = hashes_of(folder)
    for name in sorted(expected.keys() | found.keys()):
        if found.get(name) != expected.get(name):
            what = "is missing" if name not in found else "was altered" if name in expected else "was added"
            remedy = (
                "delete it" if what == "was added" else "delete the version in MLflow, then run mer register"
            )
            raise VersionError(f"{name} {what} after it was registered; {remedy}")


def hashes_of(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file that the process may read, but not of `version.json`, which holds them.

    Raises:
        VersionError: there is a link, behind which anything may lie, or what may wait for ever when it is read.
    """
    paths = [path for part in (CODE, FILES) for path in (folder / part).rglob("*")]
    if links := [path for path in paths if path.is_symlink()]:
        raise VersionError(f"{links[0].relative_to(folder)} is a link, which a version has none of")
    paths = [path for path in paths if not path.is_dir()]
    if others := [path for path in paths if not path.is_file()]:
        raise VersionError(f"{others[0].relative_to(folder)} is no file, but a FIFO or a device; delete it")
    names = {path.relative_to(folder).as_posix(): path for path in paths}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in sorted(names.items())
        if name != DESCRIPTION.as_posix()
    }


def _are_probabilities(found: object) -> TypeGuard[dict[str, float]]:
    return isinstance(found, dict) and all(isinstance(p, float) and 0 <= p <= 1 for p in found.values())


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise VersionError(
            f"{path.name} cannot be read ({error}); delete the version in MLflow, then run mer register"
        ) from error
    if not isinstance(content, dict):
        raise VersionError(
            f"{path.name} holds no object; delete the version in MLflow, then run mer register"
        )
    return content


def _environment(code: Path) -> dict[str, str]:
    """This process's variables, without other programs' secrets and what means something to a `mer` of another age.

    One thread computes, as in training, so that sums keep their order; and nothing is written beside the code.
    """
    kept = {name: value for name, value in os.environ.items() if not NOT_PASSED_ON.search(name)}
    paths = [str(code), *filter(None, [os.environ.get("PYTHONPATH")])]
    kept |= dict.fromkeys(("MKL_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return kept | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}


def _version_here(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "(not installed)"
