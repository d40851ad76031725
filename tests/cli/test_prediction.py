"""Commands that use a version: whatever names they are given, and what becomes of a folder."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import yaml

from mer_tasks.library.mood_tag import read_moods
from mer_tasks.prediction.table import read_rows
from tests.library.songs import run as run_ffmpeg
from tests.library.songs import sound_hash
from tests.prediction.versions import Registry, write_song
from tests.registry.scene import Scene
from tests.small_project import mer

PROGRAM = [str(Path(sys.executable).with_name("mer")), "predict", "--model", "models:/mood@challenger"]


def run(scene: Scene, *arguments: object) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MER_", "MLFLOW_"))}
    environment |= {"PYTHONPATH": str(Path(__file__).parents[2]), "MER_HOME": str(scene.machine.home)}
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        cwd=scene.workspace.root,
        env=environment | {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_each_name_is_answered_or_refused_on_a_line_of_its_own(empty_registry: Path, tmp_path: Path) -> None:
    scene = Scene(tmp_path / "scene", empty_registry, n_artists=2)
    (scene.workspace.root / "params.yaml").write_text(yaml.safe_dump(scene.values))
    scene.add()
    clip = scene.clip("t00-0")
    songs = [tmp_path / name / clip.name for name in ("\x1b[31mred\n", "half \udcff", "夜に")]
    for song in songs:
        song.parent.mkdir()
        shutil.copy(clip, song)
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
    (tmp_path / "link").symlink_to(tmp_path / "nowhere\x1b")
    no_files = [tmp_path / "fifo", tmp_path / "socket", tmp_path / "link", "/dev/zero"]

    done = run(scene, *no_files, *songs)

    assert done.returncode == 2
    table = done.stdout.splitlines()
    assert table[0] == "By mood version 1, trained on 0 real songs (songs)."
    assert [line.split()[-7:-4] for line in table[2:]] == [["sad", "70", "%"]] * 3
    assert ["\\x1b[31mred\\n" in table[2], "\\udcff" in table[3], "\\u591c\\u306b" in table[4]] == [True] * 3
    reasons = [line.split(": ", 2)[2] for line in done.stderr.splitlines()]
    assert reasons == [
        "cannot be opened: Is a FIFO, not a file; give a song's file",
        "cannot be opened: Is a socket, not a file; give a song's file",
        "no such file; give a song's file",
        "cannot be opened: Is a device, not a file; give a song's file",
    ]

    done = run(scene, "--json", tmp_path / "gone\x1b\udcff", *songs)

    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["file"] for answer in answers] == [str(tmp_path / "gone\x1b\udcff"), *map(str, songs)]
    assert "error" in answers[0] and all(answer["mood"] == "sad" for answer in answers[1:])
    assert "\x1b" not in done.stdout + done.stderr

    [line] = run(scene, "--\x1b[31m.mp3").stderr.splitlines()
    assert line == "mer: --\\x1b[31m.mp3: no option has such a name; write ./ before a file that has"


def test_a_folder_goes_into_a_table_once_and_a_picture_shows_a_song(
    empty_registry: Path, tmp_path: Path
) -> None:
    registry = Registry(tmp_path / "project", empty_registry)
    registry.add_champion()
    songs = [write_song(registry.root / "music" / f"{i}.wav", [0.9, 0.2]) for i in range(3)]
    (registry.root / "music" / "bad.mp3").write_text("no audio")

    def predict(*arguments: str) -> subprocess.CompletedProcess[str]:
        return mer(registry.root, "predict", *arguments)

    done = predict("music", "--csv", "moods.csv")
    assert done.returncode == 2 and "music/bad.mp3: cannot be decoded" in done.stderr
    songs[0].unlink()  # it is not asked again
    done = predict("music", str(songs[0]), "--csv", "moods.csv")
    assert "moods.csv: 0 songs answered, 3 answered before, 1 failed; by mood version 1" in done.stdout
    assert len(read_rows(registry.root / "moods.csv")) == 4

    done = predict("music/1.wav", "--json", "--plot", "song.png")
    answer = json.loads(done.stdout)
    assert (answer["version"]["origin"], len(answer["timeline"])) == ("synthetic", 2)
    assert (registry.root / "song.png").read_bytes().startswith(b"\x89PNG")

    done = predict("music", "--plot", "song.png")
    assert (done.returncode, done.stderr) == (2, "mer: --plot song.png: draws one song's file; name one\n")


def test_moods_become_tags_and_a_playlist_and_go_again(empty_registry: Path, tmp_path: Path) -> None:
    registry = Registry(tmp_path / "project", empty_registry)
    registry.add_champion()
    (registry.root / "music").mkdir()
    song = registry.root / "music" / "loud.flac"
    run_ffmpeg("-i", str(write_song(tmp_path / "loud.wav", [0.9])), str(song))
    run_ffmpeg("-i", str(write_song(tmp_path / "low.wav", [0.3])), str(song.with_name("unsure.flac")))
    before = sound_hash(song)

    done = mer(registry.root, "tag", "music", "--dry-run")
    assert done.stdout.splitlines()[1:] == [
        "music/loud.flac: energetic: would be written",
        "music/unsure.flac: not sure: left as it is",
        "2 songs, 0 failed",
    ]
    (song.parent / "bad.mp3").write_text("no audio")
    done = mer(registry.root, "tag", "music")
    assert done.returncode == 2 and "mer: music/bad.mp3: cannot be decoded" in done.stderr
    assert (read_moods(song), sound_hash(song)) == (["energetic"], before)

    mer(registry.root, "predict", "music", "--csv", "moods.csv")
    done = mer(registry.root, "playlist", "--mood", "energetic", "--out", "loud.m3u8")
    assert (done.returncode, done.stdout) == (0, "loud.m3u8: 1 songs, 0 minutes\n")
    assert (registry.root / "loud.m3u8").read_text().splitlines()[-1] == "music/loud.flac"
    done = mer(registry.root, "playlist", "--mood", "sad", "--out", "sad.m3u8")
    assert (done.returncode, "moods.csv: no song for this playlist among 2" in done.stderr) == (2, True)

    done = mer(registry.root, "tag", "music/loud.flac", "--undo")
    assert done.stdout.splitlines() == ["music/loud.flac: put back: no mood", "1 songs, 0 failed"]
    assert read_moods(song) == []
