"""MSD_musicnn: TensorFlow's own numbers, whatever the sound a number or a reason, and weights that are whole."""

import os
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import librosa
import numpy as np
import pytest
import torch

from mer_tasks.audio.decode import AudioError
from mer_tasks.errors import InputError
from mer_tasks.features.musicnn_network import MusicNetwork
from mer_tasks.features.musicnn_output import patches_of
from mer_tasks.features.representations import ClipReader, check_networks, musicnn
from mer_tasks.networks import musicnn_weights
from mer_tasks.networks.musicnn_weights import package_weights, read_weights, save_weights
from mer_tasks.networks.tensorflow_checkpoint import read_checkpoint
from mer_tasks.settings import Params

REAL = os.environ.get("MER_REAL_DATA")
DEVICES = ["cpu", "cpu:0", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
"""NumPy, torch's CPU, and every GPU."""

SR = 16_000


@pytest.fixture(scope="module")
def network() -> MusicNetwork:
    return MusicNetwork(package_weights())


@pytest.fixture
def folder(params: Params, tmp_path: Path) -> Path:
    musicnn.write_network(params, tmp_path)
    return tmp_path


def music(seconds: float, sr: int = SR) -> np.ndarray:
    """A chord that swells, in noise."""
    t = np.arange(round(seconds * sr)) / sr
    chord = np.sin(2 * np.pi * np.array([220.0, 277.2, 329.6])[:, None] * t).sum(axis=0)
    noise = np.random.default_rng(0).normal(size=len(t))
    return (0.1 * chord * (1.2 + np.sin(9 * t)) + 0.02 * noise).astype(np.float32)


@pytest.mark.skipif(not REAL, reason="MER_REAL_DATA names no folder")
@pytest.mark.parametrize("device", DEVICES)
def test_the_network_gives_what_tensorflow_gives(device: str) -> None:
    golden = np.load(Path(str(REAL), "musicnn", "golden.npz"))
    network = MusicNetwork(package_weights(), device)
    songs = {name.partition("__")[0] for name in golden.files}
    assert len(songs) == 3
    for song in songs:
        found = network(golden[f"{song}__patches"])
        for name, values in zip(("mean_pool", "max_pool", "penultimate", "tags"), found, strict=True):
            expected = golden[f"{song}__MSD_musicnn__{name}"]
            assert values.dtype == np.float32
            assert np.abs(values - expected).max() <= 1e-5 * np.abs(expected).max(), (song, name)


@pytest.mark.parametrize("device", DEVICES[1:])
def test_torch_gives_what_numpy_gives(device: str, network: MusicNetwork) -> None:
    patches = patches_of(music(7.0), SR)
    other = MusicNetwork(package_weights(), device)(patches)
    for found, expected in zip(other, network(patches), strict=True):
        assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def test_a_patch_does_not_depend_on_those_beside_it(network: MusicNetwork) -> None:
    patches = patches_of(music(10.0), SR)
    assert len(patches) == 3
    alone = network(patches[1:2])
    for found, expected in zip(alone, network(patches), strict=True):
        np.testing.assert_allclose(found[0], expected[1], rtol=1e-4, atol=1e-4)


def test_patches_are_librosas_mel_bands() -> None:
    y = music(6.5)
    mel = librosa.feature.melspectrogram(y=y, sr=SR, n_fft=512, hop_length=256, n_mels=96)
    expected = np.log10(10_000 * mel.T + 1)[: 2 * 187].reshape(2, 187, 96)
    np.testing.assert_allclose(patches_of(y, SR), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("seconds", "n"), [(2.976, 1), (5.967, 1), (5.968, 2), (30.0, 10)])
def test_how_many_patches(seconds: float, n: int) -> None:
    assert patches_of(music(seconds), SR).shape == (n, 187, 96)


ODD = {
    "silence": np.zeros(3 * 22050, np.float32),
    "an offset": np.full(3 * 22050, 0.5, np.float32),
    "a click": np.eye(1, 3 * 22050, 40000, dtype=np.float32)[0],
    "full scale": np.sign(music(3.0, 22050)),
    "near nothing": 1e-30 * music(3.0, 22050),
    "far too loud": 1e6 * music(3.0, 22050),
    "an hour's worth": np.tile(music(3.0, 22050), 20),
}


@pytest.mark.parametrize("name", ODD)
def test_every_sound_has_numbers(name: str, params: Params, folder: Path) -> None:
    values = ClipReader(params, "musicnn", folder).compute(ODD[name])
    assert values.shape == (1556,) and values.dtype == np.float32
    assert np.isfinite(values).all()
    tags = values[-50:]
    assert ((tags >= 0) & (tags <= 1)).all()


def test_sounds_that_have_none_say_why(params: Params, folder: Path) -> None:
    reader = ClipReader(params, "musicnn", folder)
    for n in (1, 100, 22050, 65500):
        with pytest.raises(AudioError, match=r"^is \d\.\d\d s long; musicnn needs 2\.98 s$"):
            reader.compute(music(3.0, 22050)[:n])
    with pytest.raises(AudioError, match=r"^its samples are too large for musicnn; export it again"):
        reader.compute(1e25 * music(3.0, 22050))


def test_channels_of_filters_that_are_zero_are_constant_for_every_song(params: Params, folder: Path) -> None:
    reader = ClipReader(params, "musicnn", folder)
    values = np.stack([reader.compute(y) for y in (music(3.0, 22050), music(7.0, 22050), ODD["a click"])])
    constant = (values == values[0]).all(axis=0)[:1506].sum()
    assert constant >= 1000


def test_names_are_those_of_the_columns(params: Params) -> None:
    names = musicnn.names(params)
    assert (names[0], names[753], names[-1]) == ("mean_0", "max_0", "tag_happy")
    assert len(set(names)) == len(names) == 1556


def test_a_calm_sound_is_told_from_a_noisy_one(network: MusicNetwork) -> None:
    t = np.arange(4 * SR) / SR
    calm = 0.1 * np.sin(2 * np.pi * 220 * t).astype(np.float32)
    noisy = np.clip(np.random.default_rng(0).normal(0, 0.4, len(t)), -1, 1).astype(np.float32)
    tag = dict(zip(musicnn.TAGS, range(50), strict=True))
    gentle, loud = (network(patches_of(y, SR)).tags[0] for y in (calm, noisy))
    assert gentle[tag["ambient"]] > 3 * gentle[tag["metal"]]
    assert loud[tag["ambient"]] + loud[tag["experimental"]] > 0  # noise is none of the moods


def test_without_the_package(params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(musicnn_weights, "distribution", absent)
    for attempt in (lambda: musicnn.write_network(params, tmp_path), lambda: musicnn.check_network(params)):
        with pytest.raises(
            InputError, match=r"^representations\.musicnn: no package musicnn here; .*make setup"
        ):
            attempt()


@pytest.mark.parametrize("name", list(musicnn_weights.SHA256))
def test_another_packages_files_are_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file, path in musicnn_weights.package_files().items():
        (tmp_path / file).write_bytes(path.read_bytes())
    paths = {file: tmp_path / file for file in musicnn_weights.SHA256}
    monkeypatch.setattr(musicnn_weights, "package_files", lambda: paths)
    assert set(package_weights()) == set(musicnn_weights.SHAPES)
    paths[name].write_bytes(paths[name].read_bytes()[:-1] + b"x")
    with pytest.raises(InputError, match=rf"{name}: not the file of musicnn 0\.1\.0; install"):
        package_weights()


def test_no_index_of_a_checkpoint() -> None:
    for content in (b"", b"no index", bytes(48)):
        with pytest.raises(ValueError, match="no index of a TensorFlow checkpoint"):
            read_checkpoint(content, b"")


def test_the_same_weights_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    path = folder / "weights.npz"
    again = tmp_path / "again.npz"
    save_weights(read_weights(path), again)
    assert again.read_bytes() == path.read_bytes()
    assert path.stat().st_size < 3_300_000


def _without_one(path: Path) -> None:
    arrays = dict(np.load(path))
    np.savez(path, **{name: value for name, value in arrays.items() if name != "dense/bias"})


def _with(path: Path, value: np.ndarray) -> None:
    np.savez(path, **(dict(np.load(path)) | {"dense/bias": value}))


DAMAGES = {
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_bytes(b"no weights"),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1000]),
    "a bit flipped": lambda path: path.write_bytes(
        (content := path.read_bytes())[:100_000] + bytes([content[100_000] ^ 1]) + content[100_001:]
    ),
    "one array": lambda path: np.save(path.open("wb"), np.zeros(3)),
    "one missing": _without_one,
    "another shape": lambda path: _with(path, np.zeros(199, np.float32)),
    "text in place of numbers": lambda path: _with(path, np.array(["a"] * 200)),
    "objects": lambda path: _with(path, np.array([Path()] * 200, dtype=object)),
    "not numbers": lambda path: _with(path, np.full(200, np.nan, np.float32)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_weights_are_refused_when_they_are_loaded(damage: str, params: Params, folder: Path) -> None:
    DAMAGES[damage](folder / "weights.npz")
    with pytest.raises(InputError, match=r"weights\.npz: .*MSD_musicnn.*; run mer features again$"):
        ClipReader(params, "musicnn", folder)


def test_no_weights_at_all(params: Params, tmp_path: Path) -> None:
    for nothing in (None, tmp_path):
        with pytest.raises(InputError, match=r": holds no weights\.npz; run mer features$"):
            ClipReader(params, "musicnn", nothing)


def test_clips_that_may_be_too_short_are_refused_before_a_run(params: Params) -> None:
    for seconds in (0.5, 2.9):
        clips = params.clips.model_copy(update={"min_duration_s": seconds})
        with pytest.raises(
            InputError, match=r"^clips\.min_duration_s: musicnn reads 3 s; write at least as many"
        ):
            check_networks(params.model_copy(update={"clips": clips}))
    check_networks(params)
