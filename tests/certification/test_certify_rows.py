"""The theorem needs a fixed function of one row: models that are none are refused before any sampling."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from heatproof.certification import Execution, SmoothedPredictor, certify
from heatproof.certification._model import check_rows
from heatproof.errors import ModelError

Model = Callable[[Tensor], Tensor]
IMAGES = torch.rand(2, 1, 6, 6, generator=torch.Generator().manual_seed(0))
COUPLED = r"^model: got a model whose answer for one input depends on .*; allowed: a function of each row"
RANDOM = r"^model: got a model that answers the same batch differently .*; allowed: a fixed function"


def _net(norm: nn.Module) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(1, 4, 3), norm, nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))


class _Stochastic(nn.Module):
    """Dropout that evaluation mode does not switch off."""

    def __init__(self) -> None:
        super().__init__()
        self.net = _net(nn.Identity())

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.net(nn.functional.dropout(x, 0.5, training=True))
        return logits


class _TimedRows(nn.Module):
    """Couples its rows at t = 0 only, or at the final time only."""

    time_conditioned = True
    noise_std = 0.25

    def __init__(self, coupled_at: float | None) -> None:
        super().__init__()
        self.net = _net(nn.Identity())
        self.coupled_at = coupled_at

    def forward(self, x: Tensor, t: Tensor | float | None = None) -> Tensor:
        logits: Tensor = self.net(x - x.mean(dim=0) if t == self.coupled_at else x)
        return logits


def _counting(model: Model) -> tuple[Model, list[int]]:
    rows: list[int] = []

    def counted(x: Tensor) -> Tensor:
        rows.append(len(x))
        return model(x)

    return counted, rows


def _function(net: nn.Module) -> Model:
    """Hide a module, so that nobody can put it in evaluation mode."""

    def model(x: Tensor) -> Tensor:
        logits: Tensor = net(x)
        return logits

    return model


def _coupled() -> dict[str, Model]:
    plain = _net(nn.Identity())
    hidden = _net(nn.BatchNorm2d(4)).train()
    return {
        "batch statistics": _net(nn.BatchNorm2d(4, track_running_stats=False)),
        "mean of the batch": lambda x: plain(x - x.mean(dim=0)),
        "training mode inside a function": _function(hidden),
        "place in the batch": lambda x: plain(x + torch.arange(len(x)).view(-1, 1, 1, 1)),
    }


@pytest.mark.parametrize("name", _coupled())
def test_models_that_couple_rows_are_refused_before_sampling(name: str) -> None:
    counted, rows = _counting(_coupled()[name])
    with pytest.raises(ModelError, match=COUPLED) as caught:
        certify(counted, IMAGES, noise_std=0.5)
    assert caught.value.name == "model"
    assert sum(rows) <= 40
    with pytest.raises(ModelError, match=COUPLED):
        SmoothedPredictor(_coupled()[name], noise_std=0.5).predict(IMAGES)
    with pytest.raises(ModelError, match=COUPLED):
        SmoothedPredictor(_coupled()[name], noise_std=0.5).certify(IMAGES)  # at the call


def test_statistics_of_a_batch_that_a_single_row_does_not_have() -> None:
    net = nn.Sequential(nn.BatchNorm1d(2, track_running_stats=False), nn.Linear(2, 2))
    with pytest.raises(ModelError, match=r"^model: got ValueError .*takes a single row"):
        certify(net, torch.zeros(3, 2), noise_std=0.5)


def test_a_model_that_writes_every_answer_in_one_place() -> None:
    plain, place = _net(nn.Identity()), torch.zeros(8, 3)

    def model(x: Tensor) -> Tensor:
        return place[: len(x)].copy_(plain(x - x.mean(dim=0)))

    with pytest.raises(ModelError, match=COUPLED):
        SmoothedPredictor(model, noise_std=0.5, execution=Execution(batch_size=8)).settings(IMAGES)


def test_models_that_draw_are_refused() -> None:
    hidden = nn.Sequential(_net(nn.Identity()), nn.Dropout(0.5)).train()
    for model in (_Stochastic(), _function(hidden)):
        with pytest.raises(ModelError, match=RANDOM):
            certify(model, IMAGES, noise_std=0.5)
    hidden.eval()
    assert len(certify(_function(hidden), IMAGES, noise_std=0.5, estimation_samples=50)) == 2


@pytest.mark.parametrize(
    "norm", [nn.BatchNorm2d(4), nn.GroupNorm(2, 4), nn.InstanceNorm2d(4), nn.Dropout(0.5)]
)
@pytest.mark.parametrize("seed", range(3))
def test_models_of_one_row_pass(norm: nn.Module, seed: int) -> None:
    net = _net(norm).train()
    assert len(certify(net, IMAGES, noise_std=0.5, estimation_samples=50, seed=seed)) == 2
    assert all(module.training for module in net.modules())
    assert not isinstance(norm, nn.BatchNorm2d) or norm.num_batches_tracked == 0


@pytest.mark.parametrize(("apart", "fine"), [(1e-4, True), (1e-2, False)])
@pytest.mark.parametrize("size", [1.0, 1000.0])
def test_what_rounding_may_do_and_what_is_more(apart: float, fine: bool, size: float) -> None:
    """Differences between kernels scale with the logits."""

    def model(x: Tensor) -> Tensor:
        return torch.stack([x[:, 0].sign() * size, x[:, 0] * 0], dim=1) * (1 + apart * (len(x) > 1))

    if fine:
        check_rows(model, torch.randn(8, 2), 2)
    else:
        with pytest.raises(ModelError, match=COUPLED):
            check_rows(model, torch.randn(8, 2), 2)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_logits_have_its_rounding(kind: torch.dtype) -> None:
    step = torch.finfo(kind).eps

    def model(x: Tensor) -> Tensor:
        return torch.stack([1 + 0 * x[:, 0], x[:, 0] * 0], dim=1).mul(1 + 2 * step * (len(x) > 1)).to(kind)

    check_rows(model, torch.randn(8, 2), 2)
    with pytest.raises(ModelError, match=COUPLED):
        check_rows(lambda x: model(x) + (len(x) > 1), torch.randn(8, 2), 2)


@pytest.mark.parametrize(("coupled_at", "refused"), [(0.0, "equation"), (None, "network")])
def test_the_classifier_that_is_sampled_is_the_one_that_is_tried(
    coupled_at: float | None, refused: str
) -> None:
    model = _TimedRows(coupled_at)
    other = "network" if refused == "equation" else "equation"
    with pytest.raises(ModelError, match=COUPLED):
        certify(model, IMAGES, classifier=refused)
    assert len(certify(model, IMAGES, classifier=other, estimation_samples=50)) == 2


@pytest.mark.parametrize("batch_size", [1, 3, 2048])
def test_the_trial_is_small_and_fits_the_batch(batch_size: int) -> None:
    counted, rows = _counting(_net(nn.Identity()))
    SmoothedPredictor(counted, noise_std=0.5, execution=Execution(batch_size=batch_size)).settings(IMAGES)
    assert max(rows) == min(8, batch_size)
    assert sum(rows) == 1 + 4 * min(8, batch_size)
