"""How fast and how exact a clip's features are, against librosa called once a feature, in one run.

Run it in the project's folder with the real clips: `MER_REAL_DATA=… OMP_NUM_THREADS=1 python
benchmarks/features.py`. With `--scaling` it builds the features of 100, 400 and 1200 clips instead, in one
process and in one a core; then 12 clips more than 400. With `--growth` it needs no clips: it fills a store with
numbers and shows what 12 songs add to what DVC caches, and how memory follows the number of songs.
"""

import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import librosa
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits
from watch import watch

from mer_tasks.audio.decode import decode, mono
from mer_tasks.catalog.dataset import Snapshot
from mer_tasks.domain import SPOTIFY_FEATURES
from mer_tasks.features import constant_q, tuning
from mer_tasks.features.build import build_features
from mer_tasks.features.clip import ClipFrames, fix_length
from mer_tasks.features.frames import Blocks, Frames, block_of
from mer_tasks.features.image import song_image
from mer_tasks.features.representations import ClipReader, image, settings_of
from mer_tasks.features.representations import resnet18 as network
from mer_tasks.features.store import FeatureStore
from mer_tasks.features.summary import song_summary
from mer_tasks.objects.folder import FolderStore
from mer_tasks.pitch import BINS_PER_OCTAVE
from mer_tasks.settings import Block, Params, RepresentationSettings, load_params
from mer_tasks.workspace import Workspace, clip_key

PARAMS = load_params()
SETTINGS, IMAGE = PARAMS.features, settings_of(PARAMS, "image", image.Settings)
PAPER: tuple[Block, ...] = ("mfcc", "centroid", "cens", "mel")
N_CLIPS, REPEATS = 24, 3
TAG_BYTES = 128  # of an ID3v1 tag, which decoders pass over


def main() -> None:
    """Print tables in Markdown."""
    if "--growth" in sys.argv:
        print_growth()
        return
    clips = sorted(Path(os.environ["MER_REAL_DATA"], "4q", "clips").iterdir())
    if "--scaling" in sys.argv:
        print_scaling(clips)
    elif "--build" in sys.argv:
        build(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    else:
        with threadpool_limits(1):
            print_comparison(clips[:: len(clips) // N_CLIPS][:N_CLIPS])


def print_comparison(clips: list[Path]) -> None:
    """Times of both, medians of three runs and over the clips; and how far they are apart."""
    sounds = [fix_length(mono(decode(clip), SETTINGS.sr), SETTINGS) for clip in clips]
    librosas(sounds[0]), ours(sounds[0]), song_summary(Frames(sounds[0], SETTINGS))  # compile and warm up
    times, errors = [], []
    for clip, y in zip(clips, sounds, strict=True):
        times.append(times_of(clip, y))
        errors.append(errors_of(librosas(y), y))
    ms = {name: 1000 * median(row[name] for row in times) for name in times[0]}
    loaded, decoded = ms["load"] + ms["librosa"], ms["decode"] + ms["resample"] + ms["ours"]
    print(f"{len(clips)} clips of 30 s, one thread, ms a clip (median)\n")
    print("| | librosa | ours | times faster |\n| --- | ---: | ---: | ---: |")
    print(
        f"| from the decoded signal | {ms['librosa']:.1f} | {ms['ours']:.1f} | {ms['librosa'] / ms['ours']:.2f} |"
    )
    print(f"| from mp3 | {loaded:.1f} | {decoded:.1f} | {loaded / decoded:.2f} |")
    print("\n| where our time goes | ms |\n| --- | ---: |")
    for name in [name for name in ms if name not in ("librosa", "ours", "load")]:
        print(f"| {name} | {ms[name]:.1f} |")
    print("\n| against librosa | largest of all clips |\n| --- | ---: |")
    for name in errors[0]:
        worst = min if name.startswith("CENS within") else max
        print(f"| {name} | {worst(row[name] for row in errors):.2g} |")


def print_scaling(clips: list[Path]) -> None:
    """Wall time and peak memory of building a data set; clips repeat under other hashes."""
    print("| clips | of them new | cores | seconds | clips a second | peak MB |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        print_build(clips, 100, 100, 1, Path(folder, "one"))
        print_build(clips, 100, 100, cores, Path(folder, "few"))
        print_build(clips, 400, 400, cores, Path(folder, "many"))
        print_build(clips, 412, 12, cores, Path(folder, "many"))
        print_build(clips, 412, 0, cores, Path(folder, "many"))
        print_build(clips, 12, 12, cores, Path(folder, "dozen"))
        print_build(clips, 1200, 1200, cores, Path(folder, "most"))


def print_build(clips: list[Path], n: int, n_new: int, processes: int, folder: Path) -> None:
    """Build the features of `n` clips in a process of its own; all but `n_new` are in the folder's store."""
    hashes = repeated(clips, n, folder / "clips")
    (folder / "songs.txt").write_text("\n".join(hashes))
    cost = watch([sys.executable, __file__, "--build", str(folder), str(processes), str(n_new)])
    rate = n / cost.seconds
    print(
        f"| {n} | {n_new} | {processes} | {cost.seconds:.1f} | {rate:.1f} | {cost.peak_mb:.0f} |", flush=True
    )


def repeated(clips: list[Path], n: int, store: Path) -> list[str]:
    """Fill a clip store with `n` clips that sound like some of `clips`, each with a hash of its own."""
    hashes = []
    for i in range(n):
        content = clips[i % len(clips)].read_bytes() + b"TAG" + str(i).encode().ljust(TAG_BYTES - 3)
        hashes.append(hashlib.sha256(content).hexdigest())
        path = store / clip_key(hashes[-1])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return hashes


def build(folder: Path, processes: int, n_new: int) -> None:
    """Build the features of the clips in a folder that `print_build` filled."""
    hashes = (folder / "songs.txt").read_text().splitlines()
    songs = pd.DataFrame({"track_id": hashes, "clip_sha256": hashes}, dtype="str")
    songs[list(SPOTIFY_FEATURES)] = np.nan
    snapshot, params = Snapshot(songs, songs.iloc[:0]), tiny_params()
    if (folder / "clips").exists():
        params = PARAMS.model_copy(update={"representations": without_network()})
    workspace = Workspace(folder / "project")
    report = build_features(
        snapshot, params, workspace, FolderStore(folder / "clips"), FolderStore(folder / "store"), processes
    )
    assert report.computed == n_new, report.summary


def without_network() -> dict[str, RepresentationSettings]:
    """What is computed from clips but for the network's output, which takes ten times as long."""
    return {name: PARAMS.representations[name] for name in ("summary", "image")}


def print_growth() -> None:
    """What DVC has to cache anew as a data set grows, and the memory that building it takes."""
    os.environ["MER_RESNET18_WEIGHTS"] = "none"
    print("| songs | seconds | peak MB | files | new to DVC, kB |\n| ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as name:
        folder, cached = Path(name), set[str]()
        for n in (400, 412, 20_000):
            hashes = [hashlib.sha256(str(i).encode()).hexdigest() for i in range(n)]
            fill_store(FeatureStore(FolderStore(folder / "store")), hashes)
            (folder / "songs.txt").write_text("\n".join(hashes))
            cost = watch([sys.executable, __file__, "--build", str(folder), "1", "0"], every_s=0.1)
            assert cost.exit_code == 0
            files = [path for path in (folder / "project" / "data" / "features").rglob("*") if path.is_file()]
            added = new_to_dvc(files, folder, cached)
            print(
                f"| {n} | {cost.seconds:.1f} | {cost.peak_mb:.0f} | {len(files)} | {added / 1000:.0f} |",
                flush=True,
            )


def tiny_params() -> Params:
    """The real settings, with an image small enough for 20,000 of them."""
    names = ("spotify", "summary", "image", "resnet18")
    representations = {name: PARAMS.representations[name] for name in names}
    representations["image"] = IMAGE.model_copy(update={"stack": ("rms",)})
    return PARAMS.model_copy(update={"representations": representations})


def fill_store(store: FeatureStore, hashes: list[str]) -> None:
    """Put numbers into the store for each part of these clips that it lacks."""
    params, rng = tiny_params(), np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as weights:
        network.write_network(params, Path(weights))
        readers = [
            ClipReader(params, name, Path(weights)) for name in params.representations if name != "spotify"
        ]
    for reader in readers:
        (part,) = reader.parts
        shape = (1, 1292) if part.name == "rms" else (len(reader.names),)
        for sha256 in store.lacking(hashes, [part.id]):
            store.keep(sha256, part, rng.random(shape, np.float32))


def new_to_dvc(files: list[Path], folder: Path, cached: set[str]) -> int:
    """Bytes of the contents that are not among `cached`, and of the folder's listing; all are cached then."""
    hashes = {path: hashlib.md5(path.read_bytes()).hexdigest() for path in files}
    listing = [{"md5": md5, "relpath": str(path.relative_to(folder))} for path, md5 in hashes.items()]
    new = {md5: path.stat().st_size for path, md5 in hashes.items() if md5 not in cached}
    cached.update(new)
    return len(json.dumps(listing)) + sum(new.values())


def librosas(y: np.ndarray) -> Blocks:
    """The paper's features by one call each."""
    stft: dict[str, Any] = {
        "y": y,
        "sr": SETTINGS.sr,
        "n_fft": SETTINGS.n_fft,
        "hop_length": SETTINGS.hop_length,
    }
    return {
        "mfcc": librosa.feature.mfcc(n_mfcc=SETTINGS.n_mfcc, n_mels=SETTINGS.n_mels, **stft),
        "centroid": librosa.feature.spectral_centroid(**stft),
        "cens": librosa.feature.chroma_cens(y=y, sr=SETTINGS.sr, hop_length=SETTINGS.hop_length),
        "mel": librosa.feature.melspectrogram(n_mels=SETTINGS.n_mels, **stft),
    }


def ours(y: np.ndarray) -> Blocks:
    """The same by us."""
    frames = Frames(y, SETTINGS)
    return {name: block_of(frames, name) for name in PAPER}


def fresh(y: np.ndarray) -> Blocks:
    """The same for a clip whose tuning is new, so that its filters have to be built."""
    constant_q._octaves.cache_clear()
    constant_q._filters.cache_clear()
    return ours(y)


def times_of(clip: Path, y: np.ndarray) -> dict[str, float]:
    """Seconds of both, and of our steps."""
    sound = decode(clip)
    blocks, frames = ours(y), Frames(y, SETTINGS)
    bins = tuning.estimate_tuning(frames.magnitude, SETTINGS.sr, SETTINGS.n_fft, BINS_PER_OCTAVE)
    octaves = (SETTINGS.sr, SETTINGS.hop_length, SETTINGS.n_chroma, bins)
    return {
        "load": usual(lambda: librosa.load(clip, sr=SETTINGS.sr)),
        "librosa": usual(lambda: librosas(y)),
        "ours": usual(lambda: fresh(y)),
        "decode": usual(lambda: decode(clip)),
        "resample": usual(lambda: mono(sound, SETTINGS.sr)),
        "FFT": usual(lambda: Frames(y, SETTINGS).magnitude),
        "mel, MFCC, centroid": usual(lambda: after_the_fft(y, frames.magnitude)),
        "tuning": usual(
            lambda: tuning.estimate_tuning(frames.magnitude, SETTINGS.sr, SETTINGS.n_fft, BINS_PER_OCTAVE)
        ),
        "CQT filters": usual(lambda: new_filters(bins)),
        "CQT": usual(lambda: constant_q.chroma(y, *octaves)),
        "CENS of it": usual(lambda: constant_q.cens(frames.constant_q_chroma)),
        "image": usual(lambda: song_image(blocks, IMAGE)),
        "summary": usual(lambda: song_summary(ClipFrames(y, SETTINGS).unpadded)) - usual(lambda: ours(y)),
    }


def after_the_fft(y: np.ndarray, magnitude: np.ndarray) -> None:
    """What follows from one transform."""
    frames = Frames(y, SETTINGS)
    vars(frames)["magnitude"] = magnitude
    for name in ("mfcc", "centroid", "mel"):
        block_of(frames, name)


def new_filters(bins: float) -> None:
    """The filters of a tuning, built anew."""
    constant_q._filters.cache_clear()
    constant_q._octaves.cache_clear()
    constant_q._octaves(SETTINGS.sr, SETTINGS.hop_length, bins)


def errors_of(expected: Blocks, y: np.ndarray) -> dict[str, float]:
    """How far ours are from librosa's, each relative to librosa's own value unless noted otherwise."""
    frames = Frames(y, SETTINGS)
    chroma = librosa.feature.chroma_cqt(
        y=y, sr=SETTINGS.sr, hop_length=SETTINGS.hop_length, bins_per_octave=36, norm=None, n_octaves=7
    )
    loudest = np.abs(expected["mfcc"]).max(axis=0)
    counts = np.abs(expected["mfcc"]) > loudest / 1000
    return {
        "mel": relative(frames.mel, expected["mel"]),
        "MFCC, relative to its frame's largest": float(
            (np.abs(frames.mfcc - expected["mfcc"]) / loudest).max()
        ),
        "MFCC, of those over a thousandth of that": relative(frames.mfcc[counts], expected["mfcc"][counts]),
        "centroid": relative(frames.centroid, expected["centroid"]),
        "chroma under CENS": relative(frames.constant_q_chroma, chroma),
        "CENS within 1e-3, share of entries": float((np.abs(frames.cens - expected["cens"]) < 1e-3).mean()),
    }


def relative(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference relative to the expected value; where that is 0, ours must be too."""
    difference, size = np.abs(found - expected), np.abs(expected)
    return float(np.divide(difference, size, out=np.where(difference > 0, np.inf, 0), where=size > 0).max())


def usual(work: Callable[[], object]) -> float:
    """The median of a few runs, in seconds."""
    return median(timed(work) for _ in range(REPEATS))


def timed(work: Callable[[], object]) -> float:
    """Seconds that something takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
