"""A finished model with everything it needs to hear a song: the road from audio to mood in one object."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
import torch
from sklearn.pipeline import Pipeline

from mer_tasks.audio.cut import load_clip
from mer_tasks.domain import MOODS
from mer_tasks.features.table import clip_features
from mer_tasks.models import resnet18
from mer_tasks.settings import ClipSettings, FeatureSettings, Resnet18, load_machine


@dataclass(frozen=True)
class MoodModel:
    """A fitted classifier with the settings it was trained by, so that serving cannot drift from training."""

    clips: ClipSettings
    features: FeatureSettings
    classifier: Pipeline
    backbone: torch.nn.Module | None

    @classmethod
    def load(cls, files: Mapping[str, str]) -> "MoodModel":
        """Load from the files `card` (JSON), `classifier` (joblib) and, for a ResNet, `backbone` (state dict)."""
        card = json.loads(Path(files["card"]).read_text(encoding="utf-8"))
        backbone = None
        if "backbone" in files:
            backbone = resnet18.build_backbone(
                Resnet18.model_validate(card["params"]["resnet18"]), "none", seed=0
            )
            backbone.load_state_dict(torch.load(files["backbone"], map_location="cpu", weights_only=True))
        return cls(
            ClipSettings.model_validate(card["params"]["clips"]),
            FeatureSettings.model_validate(card["params"]["features"]),
            joblib.load(files["classifier"]),
            backbone,
        )

    def probabilities(self, audio: Path | bytes) -> dict[str, float]:
        """The probability of each mood for a song, whole or already a clip, in any container.

        Raises:
            AudioError: the audio cannot be decoded or is too short.
        """
        y = load_clip(audio, self.clips, self.features.sr)
        image, summary = clip_features(y, self.features)
        row = self._embedded(image) if self.backbone is not None else summary[None]
        answer = self.classifier.predict_proba(row)[0]
        return {mood: float(p) for mood, p in zip(MOODS, answer, strict=True)}

    def _embedded(self, image: np.ndarray) -> np.ndarray:
        assert self.backbone is not None
        return resnet18.embed(self.backbone, image[None], load_machine().device)
