"""The picture of a clip for a person."""

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from mer_tasks.errors import InputError
from mer_tasks.features.picture import draw_clip
from mer_tasks.settings import Block, Params


def test_every_block_has_its_labelled_axes(
    tmp_path: Path, params: Params, write_tone: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: (figures.append(self), save(self, *a, **k)))
    image = params.representations["image"].model_copy(update={"stack": get_args(Block)})
    every = params.model_copy(
        update={
            "features": params.features.model_copy(update={"hop_length": 2048}),
            "representations": params.representations | {"image": image},
        }
    )
    draw_clip(write_tone(tmp_path / "tone.wav"), tmp_path / "tone.png", every)
    axes = [ax for ax in figures[0].axes if ax.get_label() != "<colorbar>"]
    assert len(axes) == len(get_args(Block))
    assert all(ax.get_ylabel() for ax in axes)
    assert (axes[0].get_title(), axes[-1].get_xlabel()) == ("tone.wav", "time, s")
    assert imread(tmp_path / "tone.png").std() > 0.05


def test_what_is_no_sound_is_refused(tmp_path: Path, params: Params) -> None:
    (tmp_path / "a.mp3").write_text("no sound")
    with pytest.raises(InputError, match=r"^a\.mp3: "):
        draw_clip(tmp_path / "a.mp3", tmp_path / "a.png", params)
    assert not (tmp_path / "a.png").exists()


def test_without_a_stack_there_is_nothing_to_draw(
    tmp_path: Path, params: Params, write_tone: Callable[..., Path]
) -> None:
    summary = {"summary": params.representations["summary"]}
    with pytest.raises(InputError, match=r"^representations: none has a stack to draw; add image or frames"):
        draw_clip(
            write_tone(tmp_path / "a.wav"),
            tmp_path / "a.png",
            params.model_copy(update={"representations": summary}),
        )
