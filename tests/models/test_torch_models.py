"""The two torch models as scikit-learn classifiers, and the backbone."""

from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline

from mer_tasks.domain import MOODS, InputError
from mer_tasks.models import logistic_regression, neural_network, resnet18
from mer_tasks.models.torch_classifier import forget_watched, learning_curve, watch
from mer_tasks.models.torchvision_loader import torchvision_models
from mer_tasks.settings import Params, load_params

N_FEATURES = 12


@pytest.fixture
def params() -> Params:
    full = load_params()
    short = {"epochs": 12, "step_size": 5, "batch_size": 16}
    return full.model_copy(
        update={
            "neural_network": full.neural_network.model_copy(update=short),
            "resnet18": full.resnet18.model_copy(update=short),
        }
    )


def four_clouds(n: int, n_features: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Songs whose first four features tell their mood, with noise."""
    rng = np.random.default_rng(seed)
    y = rng.integers(len(MOODS), size=n)
    X = rng.normal(size=(n, n_features))
    X[:, :4] += 3 * np.eye(4)[y]
    return X.astype(np.float32), y


def built(name: str, params: Params) -> Pipeline:
    return {
        "logistic_regression": lambda: logistic_regression.build(params.logistic_regression, 0),
        "neural_network": lambda: neural_network.build(params.neural_network, N_FEATURES, "cpu"),
    }[name]()


@pytest.mark.parametrize("name", ["logistic_regression", "neural_network"])
def test_a_model_is_a_classifier_that_learns_saves_and_loads(
    name: str, params: Params, tmp_path: Path
) -> None:
    X, y = four_clouds(160, N_FEATURES)
    torch.manual_seed(0)
    model = built(name, params).fit(X[:120], y[:120])
    assert is_classifier(model)
    assert model.score(X[120:], y[120:]) > 0.8
    probabilities = model.predict_proba(X)
    assert probabilities.shape == (160, 4)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(160), abs=1e-5)
    joblib.dump(model, tmp_path / "model.joblib")
    assert np.array_equal(joblib.load(tmp_path / "model.joblib").predict_proba(X), probabilities)


def test_the_same_seed_gives_the_same_network(params: Params) -> None:
    X, y = four_clouds(80, N_FEATURES)
    answers = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        answers.append(built("neural_network", params).fit(X, y).predict_proba(X))
    assert np.array_equal(answers[0], answers[1])
    assert not np.allclose(answers[0], answers[2])


def test_a_class_that_is_absent_from_a_fold_still_has_a_column(params: Params) -> None:
    X, y = four_clouds(80, N_FEATURES)
    model = built("neural_network", params).fit(X[y != 3], y[y != 3])
    assert model.predict_proba(X).shape == (80, 4)


def test_watched_songs_draw_the_curve_and_teach_nothing(params: Params) -> None:
    X, y = four_clouds(120, N_FEATURES)
    models = []
    for watched_moods in (y[80:], (y[80:] + 1) % 4):
        torch.manual_seed(4)
        model = built("neural_network", params)
        watch(model, X[:80], y[:80], X[80:], watched_moods, keep_best_epoch=False)
        models.append(model.fit(X[:80], y[:80]))
    assert np.array_equal(models[0].predict_proba(X), models[1].predict_proba(X))
    curve = learning_curve(models[0])
    assert [row["epoch"] for row in curve] == list(range(1, 13))
    assert curve[-1]["train_loss"] < curve[0]["train_loss"]
    assert curve[-1]["valid_accuracy"] == pytest.approx(models[0].score(X[80:], y[80:]))


def test_the_papers_protocol_keeps_the_best_epoch(params: Params) -> None:
    X, y = four_clouds(80, N_FEATURES)
    noise = np.random.default_rng(5).integers(4, size=40)  # nothing to learn: the best epoch is luck
    torch.manual_seed(0)
    model = built("neural_network", params)
    watch(model, X[:40], y[:40], X[40:], noise, keep_best_epoch=True)
    model.fit(X[:40], y[:40])
    forget_watched(model)
    assert model.score(X[40:], noise) == pytest.approx(
        max(row["valid_accuracy"] for row in learning_curve(model))
    )


def test_the_schedule_is_the_papers(params: Params) -> None:
    X, y = four_clouds(40, N_FEATURES)
    net = built("neural_network", params).fit(X, y)[-1]
    rates = [row["event_lr"] for row in net.history]
    assert rates[0] == pytest.approx(0.006)
    assert rates[5] == pytest.approx(0.0006)
    assert isinstance(net.optimizer_, torch.optim.Adamax)


def test_only_the_last_layer_of_resnet_learns(params: Params) -> None:
    backbone = resnet18.build_backbone(params.resnet18, "none", seed=0)
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    X, y = four_clouds(40, resnet18.N_EMBEDDING)
    net = resnet18.build(params.resnet18, "cpu").fit(X, y)[-1]
    assert sum(p.numel() for p in net.module_.parameters()) == 512 * 4 + 4
    assert isinstance(net.optimizer_, torch.optim.SGD)
    assert net.optimizer_.param_groups[0]["momentum"] == 0.9


def test_the_backbone_turns_an_image_into_512_numbers_whatever_the_batch(params: Params) -> None:
    images = np.random.default_rng(0).random((5, 161, 96)).astype(np.float32)
    backbone = resnet18.build_backbone(params.resnet18, "none", seed=0)
    together = resnet18.embed(backbone, images, "cpu")
    alone = resnet18.embed(backbone, images[4:], "cpu")
    assert together.shape == (5, 512)
    assert together[4] == pytest.approx(alone[0], rel=1e-3, abs=1e-4)
    assert backbone.conv1.stride == (1, 1) and backbone.conv1.padding == (2, 2)  # type: ignore[union-attr]


def test_random_weights_follow_the_seed(params: Params) -> None:
    first, again, other = (
        resnet18.backbone_identity(resnet18.build_backbone(params.resnet18, "none", seed))
        for seed in (1, 1, 2)
    )
    assert first == again != other


def test_the_first_convolution_sums_the_pretrained_colours(params: Params, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = torchvision_models().resnet18(weights=None)
    torch.save({name: value.half() for name, value in net.state_dict().items()}, tmp_path / "weights.pth")
    backbone = resnet18.build_backbone(params.resnet18, str(tmp_path / "weights.pth"), seed=0)
    summed = net.conv1.weight.half().float().sum(dim=1, keepdim=True)
    assert torch.allclose(backbone.conv1.weight, summed)  # type: ignore[arg-type]
    random = params.resnet18.model_copy(update={"conv1": "random"})
    other = resnet18.build_backbone(random, str(tmp_path / "weights.pth"), seed=0)
    assert not torch.allclose(other.conv1.weight, summed)  # type: ignore[arg-type]
    assert torch.equal(other.layer1[0].conv1.weight, backbone.layer1[0].conv1.weight)  # type: ignore


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file; give imagenet, none or a path"),
        (b"not weights", "not a state dict that torch can load safely"),
        ({"fc.weight": torch.zeros(2)}, "does not hold torchvision's ResNet-18"),
    ],
)
def test_weights_that_do_not_fit_are_one_line(
    content: bytes | dict | None, message: str, params: Params, tmp_path: Path
) -> None:
    path = tmp_path / "weights.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(InputError, match=message) as caught:
        resnet18.build_backbone(params.resnet18, str(path), seed=0)
    assert "\n" not in str(caught.value)
