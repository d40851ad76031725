"""Each part of a clip is computed once, and again exactly when its numbers could be others."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from mer_tasks import code_identity
from mer_tasks.features.parts import DEPENDS_ON, ClipParts, block_parts, summary_part
from mer_tasks.features.representations import ClipReader, image, musicnn, settings_of, takes_audio
from mer_tasks.features.representations import resnet18 as network
from mer_tasks.features.store import FeatureStore
from mer_tasks.objects.folder import FolderStore
from mer_tasks.settings import Block, FeatureSettings, Params

SHA256 = "ab" * 32
STACK: tuple[Block, ...] = ("mfcc", "centroid", "cens", "mel")
ALL = {*STACK, "summary"}
Ask = Callable[..., set[str]]


@pytest.fixture
def y() -> np.ndarray:
    return np.sin(np.arange(22050, dtype=np.float32) / 7) * np.linspace(0, 1, 22050, dtype=np.float32)


@pytest.fixture
def ask(tmp_path: Path, y: np.ndarray) -> Ask:
    """A function that asks for the image's parts and the summary, and gives the names of those computed now."""
    return partial(_ask, tmp_path / "store", y)


def _ask(
    folder: Path, y: np.ndarray, settings: FeatureSettings, stack: tuple[Block, ...] = STACK
) -> set[str]:
    clip = ClipParts(lambda: y, settings, stored=(FeatureStore(FolderStore(folder)), SHA256))
    for part in (*block_parts(stack, settings, "cpu"), summary_part(settings, "cpu")):
        assert clip[part].dtype == np.float32
    return clip.computed


def path_of(name: str, folder: Path) -> Path:
    (found,) = (folder / "store").glob(f"{name}-*/ab/{SHA256}.npz")
    return found


def test_what_is_kept_is_what_was_computed(tmp_path: Path, quick: Params, y: np.ndarray) -> None:
    parts = (*block_parts(STACK, quick.features, "cpu"), summary_part(quick.features, "cpu"))
    store = FeatureStore(FolderStore(tmp_path))
    fresh, kept = (ClipParts(lambda: y, quick.features, stored=(store, SHA256)) for _ in range(2))
    assert store.lacking([SHA256], [part.id for part in parts]) == {SHA256: {part.id for part in parts}}
    values = [fresh[part] for part in parts]
    assert store.lacking([SHA256], [part.id for part in parts]) == {}
    unasked = ClipParts(lambda: pytest.fail("decoded for nothing"), quick.features, stored=(store, SHA256))
    for part, expected in zip(parts, values, strict=True):
        np.testing.assert_array_equal(unasked[part], expected)
        np.testing.assert_array_equal(kept[part], expected)
    assert (fresh.computed, unasked.computed) == (ALL, set())


def test_a_part_is_computed_once_however_often_it_is_asked_for(quick: Params, y: np.ndarray) -> None:
    calls = []
    clip = ClipParts(lambda: (calls.append(1), y)[1], quick.features)
    (mel,) = block_parts(("mel",), quick.features, "cpu")
    assert clip[mel] is clip[mel]
    _ = clip[summary_part(quick.features, "cpu")]
    assert calls == [1]


@pytest.mark.parametrize("name", ["mel", "summary"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_half_a_file_is_computed_again(
    tmp_path: Path, quick: Params, ask: Ask, share: float, name: str
) -> None:
    ask(quick.features)
    path = path_of(name, tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert ask(quick.features) == {name}
    assert path.read_bytes() == content


def test_an_altered_file_counts_as_none(tmp_path: Path, quick: Params, ask: Ask) -> None:
    ask(quick.features)
    path, store = path_of("mel", tmp_path), FeatureStore(FolderStore(tmp_path / "store"))
    content = path.read_bytes()
    for place in np.random.default_rng(0).integers(0, len(content) - 300, 20):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        part_id = path.parents[1].name
        assert store.read(SHA256, part_id) is None, f"byte {place} of {len(content)}"


@pytest.mark.parametrize(
    ("change", "anew"),
    [
        ({"n_mfcc": 13}, {"mfcc", "summary"}),
        ({"n_mels": 64}, {"mfcc", "mel", "summary"}),
        ({"n_chroma": 6}, {"cens", "summary"}),
        ({"n_fft": 1024}, {"mfcc", "centroid", "mel", "summary"}),
        ({"hop_length": 4096}, ALL),
        ({"sr": 16000}, ALL),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else None,
)
def test_a_changed_setting_computes_what_depends_on_it(
    quick: Params, ask: Ask, change: dict[str, object], anew: set[str]
) -> None:
    ask(quick.features)
    assert ask(quick.features.model_copy(update=change)) == anew
    assert ask(quick.features) == set()


def test_a_longer_stack_computes_what_is_new(quick: Params, ask: Ask) -> None:
    ask(quick.features)
    assert ask(quick.features, ("mel",)) == set()
    assert ask(quick.features, ("mel", "rms", "flatness")) == {"rms", "flatness"}


def edit(monkeypatch: pytest.MonkeyPatch, module: str, old: str, new: str, copy: Path) -> None:
    """Let a module's source be another one, as if it had been edited."""
    source = code_identity._source(module)
    text = source.read_text(encoding="utf-8")
    assert old in text
    copy.write_text(text.replace(old, new), encoding="utf-8")
    real = code_identity._source
    monkeypatch.setattr(code_identity, "_source", lambda name: copy if name == module else real(name))
    code_identity._code_of.cache_clear()


@pytest.fixture(autouse=True)
def _forget_edited_code() -> Any:
    yield
    code_identity._code_of.cache_clear()


@pytest.mark.parametrize(
    ("module", "old", "new", "anew"),
    [
        ("mer_tasks.features.summary", "np.percentile(level, [10, 50, 95])", "np.percentile(level, [10, 50, 90])", {"summary"}),
        ("mer_tasks.features.beat", "SLOWEST_BPM, FASTEST_BPM = 40.0", "SLOWEST_BPM, FASTEST_BPM = 30.0", {"summary"}),
        ("mer_tasks.features.proxy", 'Cue("onset_rate_hz", 0.0, 8.0)', 'Cue("onset_rate_hz", 0.0, 9.0)', {"summary"}),
        ("mer_tasks.features.stft", "FRAMES_AT_ONCE = 64", "FRAMES_AT_ONCE = 65", ALL),
        ("mer_tasks.pitch", "BINS_PER_OCTAVE = 36", "BINS_PER_OCTAVE = 72", ALL),
        ("mer_tasks.features.clip", "IMAGE_S = 30.0", "IMAGE_S = 29.0", ALL),
        ("mer_tasks.audio.decode", 'quality="HQ"', 'quality="VHQ"', ALL),
    ],
)  # fmt: skip
def test_changed_code_computes_what_depends_on_it(
    module: str,
    old: str,
    new: str,
    anew: set[str],
    quick: Params,
    ask: Ask,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ask(quick.features)
    edit(monkeypatch, module, old, new, tmp_path / "edited.py")
    assert ask(quick.features) == anew


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("mer_tasks.features.summary", '"""Statistics over all frames by name;', '"""The statistics by name;'),
        ("mer_tasks.features.frames", "# in double precision:", "# in float64:"),
        ("mer_tasks.domain", 'SAMPLE_COLLECTION = "sample"', 'SAMPLE_COLLECTION = "samples"'),
        ("mer_tasks.features.store", '.npz"', '.npz2"'),
        ("mer_tasks.settings", "FRAMES_HZ = 100", "FRAMES_HZ = 50"),
    ],
)  # fmt: skip
def test_what_computes_nothing_may_change(
    module: str,
    old: str,
    new: str,
    quick: Params,
    ask: Ask,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ask(quick.features)
    edit(monkeypatch, module, old, new, tmp_path / "edited.py")
    assert ask(quick.features) == set()


@pytest.mark.parametrize(
    ("library", "anew"),
    [
        *((library, ALL) for library in ("librosa", "numpy", "scipy", "soundfile", "soxr")),
        ("pyloudnorm", {"summary"}),
        ("pandas", set()),
    ],
)
def test_another_version_of_a_library_computes_what_depends_on_it(
    library: str, anew: set[str], quick: Params, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(quick.features)
    upgrade(monkeypatch, library)
    assert ask(quick.features) == anew


def upgrade(monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    real = code_identity.version
    monkeypatch.setattr(code_identity, "version", lambda name: "next" if name == library else real(name))


@pytest.fixture
def weights(quick: Params, tmp_path: Path) -> Path:
    """A folder with the weights of both networks."""
    network.write_network(quick, tmp_path)
    musicnn.write_network(quick, tmp_path)
    return tmp_path


def output_id(params: Params, folder: Path, device: str = "cpu") -> str:
    (part,) = network.parts(params, folder, device)
    return part.id


def with_settings(params: Params, name: str, change: Mapping[str, object]) -> Params:
    changed = params.representations[name].model_copy(update=change)
    return params.model_copy(update={"representations": params.representations | {name: changed}})


@pytest.mark.parametrize("library", ["torch", "torchvision", "librosa", "soundfile"])
def test_another_version_of_a_library_computes_the_networks_output_anew(
    library: str, quick: Params, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = output_id(quick, weights)
    upgrade(monkeypatch, library)
    assert output_id(quick, weights) != before


@pytest.mark.parametrize(
    "change", [{"mel": "power"}, {"scale": "row"}, {"stack": ("mel",)}, {"stack": ("mel", "mfcc", "centroid", "cens")}], ids=str
)  # fmt: skip
def test_another_image_is_another_output(quick: Params, weights: Path, change: dict[str, object]) -> None:
    assert output_id(with_settings(quick, "image", change), weights) != output_id(quick, weights)


def test_other_weights_and_strides_are_another_output(quick: Params, weights: Path) -> None:
    before = output_id(quick, weights)
    assert output_id(quick, weights) == before
    assert output_id(with_settings(quick, "resnet18", {"stride": 2}), weights) != before
    smaller = with_settings(quick, "resnet18", {"kernel_size": 5})
    network.write_network(smaller, weights)
    assert output_id(smaller, weights) != before


def test_an_output_of_a_gpu_is_another_one(
    quick: Params, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mer_tasks.features.resnet18_output.network", lambda *_: None)
    here, there, beside = (output_id(quick, weights, device) for device in ("cpu", "cuda", "cuda:1"))
    assert here != there == beside


def test_the_image_that_was_kept_is_enough_for_the_network(
    quick: Params, weights: Path, tmp_path: Path, y: np.ndarray
) -> None:
    stored = (FeatureStore(FolderStore(tmp_path / "store")), SHA256)
    first = ClipParts(lambda: y, quick.features, stored=stored)
    for part in block_parts(settings_of(quick, "image", image.Settings).stack, quick.features, "cpu"):
        _ = first[part]
    later = ClipParts(lambda: pytest.fail("decoded for nothing"), quick.features, stored=stored)
    assert ClipReader(quick, "resnet18", weights).read(later).shape == (512,)
    assert later.computed == {"resnet18_columns"}


def test_every_setting_of_a_part_is_one() -> None:
    assert {name for names in DEPENDS_ON.values() for name in names} <= set(FeatureSettings.model_fields)
    assert set(DEPENDS_ON) <= {*get_args(Block), "summary"}


def test_the_code_of_the_function_that_computes_a_part_counts(quick: Params, weights: Path) -> None:
    """A change in it must not give the numbers that the store holds of before."""
    for name in quick.representations:
        if takes_audio(name):
            for part in ClipReader(quick, name, weights).parts:
                function = part.compute.func if isinstance(part.compute, partial) else part.compute
                assert function.__module__ in part.code
                assert "mer_tasks.features.parts" not in part.code  # which imports what all parts need


def test_numbers_of_a_gpu_are_kept_apart(quick: Params) -> None:
    on_cpu, on_gpu = (summary_part(quick.features, device).id for device in ("cpu", "cuda:1"))
    assert on_cpu != on_gpu
    assert on_gpu == summary_part(quick.features, "cuda:0").id
