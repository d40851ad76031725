"""The protocol between a caller and a version's process, whatever the process does."""

import json
import os
import threading
import time
from pathlib import Path

import pytest

from mer_tasks.registry.process import (
    DESCRIPTION,
    LostError,
    SongError,
    VersionError,
    VersionProcess,
    check_files,
    read_description,
)
from tests.registry.fakes import ANSWER, BEGIN, MOODS, READY, fake_version


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "song.mp3"
    path.write_bytes(b"music")
    return path


def test_a_version_answers_song_after_song(tmp_path: Path, song: Path) -> None:
    with VersionProcess(fake_version(tmp_path / "v", BEGIN + READY + ANSWER)) as version:
        assert version.predict(song) == MOODS
        assert version.predict(song) == MOODS


def test_a_number_arrives_to_its_last_digit(tmp_path: Path, song: Path) -> None:
    script = BEGIN + READY + 'for line in asked:\n    send({"probabilities": {"sad": 0.1 + 0.2}})\n'
    with VersionProcess(fake_version(tmp_path / "v", script), self_test=False) as version:
        assert version.predict(song) == {"sad": 0.1 + 0.2}


def test_what_libraries_print_and_programs_read_disturbs_nothing(tmp_path: Path, song: Path) -> None:
    noise = 'print("{}", flush=True); os.write(1, b"[1]\\n" * 100000); os.write(2, b"!" * 100000)\n'
    reader = 'subprocess.run(["cat"], check=True)\n'  # as ffmpeg does, it reads what it is given
    script = (
        BEGIN
        + noise
        + READY
        + f"for line in asked:\n    {noise}    {reader}"
        + f'    send({{"probabilities": {MOODS}}})\n'
    )
    with VersionProcess(fake_version(tmp_path / "v", script)) as version:
        assert version.predict(song) == MOODS


def test_one_song_without_an_answer_stops_no_other(tmp_path: Path, song: Path) -> None:
    script = (
        BEGIN
        + READY
        + (
            "for line in asked:\n"
            '    if "bad" in line: send({"error": "bad.mp3: is silent"})\n'
            f"    else: send({{'probabilities': {MOODS}}})\n"
        )
    )
    with VersionProcess(fake_version(tmp_path / "v", script)) as version:
        with pytest.raises(SongError, match=r"^bad\.mp3: is silent$"):
            version.predict(tmp_path / "bad.mp3")
        assert version.predict(song) == MOODS


def test_a_song_that_kills_the_process_is_told_and_the_next_is_answered(tmp_path: Path, song: Path) -> None:
    script = (
        BEGIN
        + READY
        + (
            "for line in asked:\n"
            '    if "bad" in line: print("out of memory", file=sys.stderr, flush=True); os.kill(os.getpid(), 9)\n'
            f"    send({{'probabilities': {MOODS}}})\n"
        )
    )
    with VersionProcess(fake_version(tmp_path / "v", script)) as version:
        with pytest.raises(LostError, match=r"^its process ended by signal 9 \(out of memory\)"):
            version.predict(tmp_path / "bad.mp3")
        assert version.predict(song) == MOODS


@pytest.mark.parametrize("ready", [READY, ""])
def test_a_process_that_hangs_is_ended(tmp_path: Path, song: Path, ready: str) -> None:
    folder = fake_version(tmp_path / "v", BEGIN + ready + "time.sleep(600)\n")
    began = time.monotonic()
    with pytest.raises(LostError, match=r"^gave no answer in [125] s and was ended; try again$"):
        VersionProcess(folder, ready_s=5 if ready else 1, answer_s=2).predict(song)
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    "garbage",
    [
        '"half an ans',
        "[]",
        '{"probabilities": {"sad": "much"}}',
        "{}",
        "not JSON",
        '{"probabilities": {"sad": NaN}}',
        '{"probabilities": {"sad": 1.5}}',
        '{"probabilities": {"sad": 0.5}, "tags": ["rock"]}',
        '{"probabilities": {"sad": 0.5}, "tags": {"rock": 2.0}}',
    ],
)
def test_garbage_is_no_answer(tmp_path: Path, song: Path, garbage: str) -> None:
    script = BEGIN + READY + f"for line in asked:\n    out.write({garbage!r} + chr(10)); out.flush()\n"
    with (
        VersionProcess(fake_version(tmp_path / "v", script), self_test=False) as version,
        pytest.raises(
            VersionError,
            match=r"^gave .* instead of an answer; delete the version in MLflow, then run mer register$",
        ),
    ):
        version.predict(song)


def test_a_line_without_end_is_garbage_too(tmp_path: Path) -> None:
    script = BEGIN + "while True: out.write('x' * 10000)\n"
    with pytest.raises(VersionError, match=r"instead of an answer"):
        VersionProcess(fake_version(tmp_path / "v", script))


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("import nothing_of_this_name\n", r"ended with exit code 1 \(ModuleNotFoundError: No module named"),
        (
            BEGIN + 'send({"error": "ImportError: no librosa"})\n',
            r"^cannot answer here: ImportError: no librosa; ",
        ),
        (BEGIN + 'send({"protocol": 2, "code": "x"})\n', r"instead of an answer"),
        (
            BEGIN + 'send({"protocol": 1, "code": "/elsewhere"})\n',
            r"^ran the code in /elsewhere instead of its own",
        ),
        ("", r"ended with exit code 0 \(it printed nothing\)"),
    ],
)
def test_a_version_that_cannot_answer_says_so_at_once(tmp_path: Path, script: str, told: str) -> None:
    with pytest.raises(VersionError, match=told):
        VersionProcess(fake_version(tmp_path / "v", script))


def test_other_answers_than_at_registration_are_an_error(tmp_path: Path) -> None:
    libraries = {"numpy": "0.1", "no-such-library": "2"}
    script = BEGIN + READY + ANSWER.replace("0.4", "0.395")
    with pytest.raises(VersionError) as caught:
        VersionProcess(fake_version(tmp_path / "v", script, libraries=libraries, python="3.2.1"))
    told = str(caught.value)
    assert told.startswith(
        "answers calm 0.395 for its own one.flac, where it answered 0.4 when it was registered; "
    )
    assert "numpy " in told and "is not 0.1" in told
    assert "no-such-library (not installed) is not 2" in told and "is not 3.2.1" in told
    assert "requirements.txt" in told and "\n" not in told


def test_rounding_is_no_difference(tmp_path: Path, song: Path) -> None:
    script = BEGIN + READY + ANSWER.replace("0.4", "0.4002")
    with VersionProcess(fake_version(tmp_path / "v", script)) as version:
        assert version.predict(song)["calm"] == 0.4002


@pytest.mark.parametrize("answer", ['{"error": "no"}', '{"probabilities": {"sad": 0.1}}'])
def test_no_answer_to_the_self_test_is_an_error(tmp_path: Path, answer: str) -> None:
    script = BEGIN + READY + f"for line in asked:\n    out.write({answer!r} + chr(10)); out.flush()\n"
    with pytest.raises(VersionError, match=r"its own one\.flac.*its libraries are the same|Python"):
        VersionProcess(fake_version(tmp_path / "v", script))


def test_variables_of_another_mer_do_not_reach_it(
    tmp_path: Path, song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MER_OF_THE_FUTURE", "1")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere")
    script = (
        BEGIN
        + READY
        + (
            "for line in asked:\n"
            '    send({"error": " ".join(k for k in os.environ if k.startswith(("MER_", "MLFLOW_"))) + "|" + device})\n'
        )
    )
    with (
        VersionProcess(fake_version(tmp_path / "v", script), "cpu", self_test=False) as version,
        pytest.raises(SongError, match=r"^\|cpu$"),
    ):
        version.predict(song)


def test_its_own_code_comes_before_the_caller_s(
    tmp_path: Path, song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other" / "mer_tasks").mkdir(parents=True)
    (tmp_path / "other" / "mer_tasks" / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "other"))
    monkeypatch.chdir(tmp_path / "other")
    script = BEGIN + (
        'import mer_tasks\nsend({"protocol": 1, "code": os.path.dirname(mer_tasks.__file__)})\n' + ANSWER
    )
    with VersionProcess(fake_version(tmp_path / "v", script)) as version:
        assert version.predict(song) == MOODS


def test_threads_take_turns(tmp_path: Path, song: Path) -> None:
    script = (
        BEGIN
        + READY
        + (
            "for line in asked:\n"
            '    time.sleep(0.01); send({"error": json.loads(line)["audio"].rpartition("/")[2]})\n'
        )
    )
    wrong: list[str] = []
    with VersionProcess(fake_version(tmp_path / "v", script), self_test=False) as version:

        def ask(name: str) -> None:
            for _ in range(10):
                try:
                    version.predict(tmp_path / name)
                except SongError as error:
                    wrong.extend([name] if str(error) != name else [])

        threads = [threading.Thread(target=ask, args=(f"{n}.mp3",)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


def test_closing_ends_the_process_and_leaves_no_descriptor(tmp_path: Path) -> None:
    folder = fake_version(tmp_path / "v", BEGIN + READY + ANSWER)
    before = len(list(Path("/proc/self/fd").iterdir()))
    version = VersionProcess(folder)
    pid = version._process.pid
    version.close()
    version.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_one_that_is_forgotten_ends_as_well(tmp_path: Path) -> None:
    version = VersionProcess(fake_version(tmp_path / "v", BEGIN + READY + ANSWER))
    pid = version._process.pid
    del version
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize(
    ("content", "told"),
    [("{", "cannot be read"), ("[]", "holds no object"), ('{"protocol": 7}', "speaks protocol 7")],
)
def test_a_description_of_another_age_is_one_line(tmp_path: Path, content: str, told: str) -> None:
    folder = fake_version(tmp_path / "v", "")
    (folder / DESCRIPTION).write_text(content)
    with pytest.raises(VersionError, match=told):
        read_description(folder)


@pytest.mark.parametrize("change", ["added", "altered", "missing"])
def test_files_are_those_that_were_registered(tmp_path: Path, change: str) -> None:
    folder = fake_version(tmp_path / "v", "print()")
    check_files(folder)
    file = folder / "code" / ("more.py" if change == "added" else "fake.py")
    if change == "missing":
        file.unlink()
    else:
        file.write_text("print(1)")
    with pytest.raises(VersionError, match=rf"^code/{file.name} (was|is) {change} after it was registered"):
        check_files(folder)
    assert json.loads((folder / DESCRIPTION).read_text())["files"]
