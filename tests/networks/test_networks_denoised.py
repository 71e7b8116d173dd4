"""A denoiser in front: what goes through, what is refused, and that it makes a model certifiable."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from heatproof import data as hd
from heatproof.certification import Certificates, certify
from heatproof.errors import InputError, ModelError
from heatproof.networks import MLP, Denoised
from heatproof.training import TrainingSettings, train

X = torch.randn(5, 1, 2, 2, generator=torch.Generator().manual_seed(0))


class Twice(nn.Module):
    """x ↦ 2x."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


def test_the_model_sees_what_the_denoiser_gives() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    assert torch.equal(Denoised(Twice(), model)(X), model(2 * X))
    clipped = Denoised(Twice(), model, input_range=(-0.5, 1.0))
    assert torch.equal(clipped(X), model((2 * X).clamp(-0.5, 1.0)))
    assert "input_range=(-0.5, 1.0)" in repr(clipped)


def test_it_is_a_module_of_both() -> None:
    pair = Denoised(nn.Conv2d(1, 1, 1), nn.Sequential(nn.Flatten(), nn.Linear(4, 3)))
    assert len(list(pair.parameters())) == 4
    assert not any(part.training for part in pair.eval().modules())
    pair(X).sum().backward()
    assert all(weight.grad is not None for weight in pair.parameters())
    pair.double()
    assert pair(X.double()).dtype == torch.float64


def test_functions_will_do() -> None:
    pair = Denoised(lambda x: x - 1, lambda x: x.flatten(1))
    assert torch.equal(pair(X), X.flatten(1) - 1)


class TestTime:
    def test_a_model_with_time_keeps_it(self) -> None:
        model = MLP(widths=(4,), time_conditioned=True).build((1, 2, 2), 3)
        model.noise_std = 0.25  # type: ignore[assignment]
        pair = Denoised(Twice(), model)
        assert pair.time_conditioned
        assert not hasattr(pair, "noise_std")
        for t in (None, 0.0, 0.5):
            assert torch.equal(pair(X, t), model(2 * X, t))

    def test_a_model_without_has_none(self) -> None:
        pair = Denoised(Twice(), nn.Flatten())
        assert not pair.time_conditioned
        with pytest.raises(InputError, match=r"^t: got 0\.5; allowed: None, as the model takes no time"):
            pair(X, 0.5)


class TestRefusals:
    @pytest.mark.parametrize(
        ("denoiser", "text"),
        [
            (
                nn.Flatten(),
                r"torch.float32 of shape \(5, 4\); allowed: torch.float32 of shape \(5, 1, 2, 2\)",
            ),
            (lambda x: x[:1], r"torch.float32 of shape \(1, 1, 2, 2\)"),
            (lambda x: x.double(), r"torch.float64 of shape"),
            (lambda x: (x, x), r"tuple"),
            (lambda _: None, r"NoneType"),
        ],
    )
    def test_denoisers_that_change_more_than_values(self, denoiser: nn.Module, text: str) -> None:
        with pytest.raises(ModelError, match=rf"^denoiser output: got {text}") as caught:
            Denoised(denoiser, nn.Flatten())(X)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("box", [(1.0, 0.0), (0.0, float("nan")), (0.0, float("inf"))])
    def test_ranges(self, box: tuple[float, float]) -> None:
        with pytest.raises(InputError, match=r"^input_range high: got"):
            Denoised(Twice(), nn.Flatten(), input_range=box)

    @pytest.mark.parametrize("x", [X.long(), X.bool(), X[0, 0, 0]])
    def test_inputs(self, x: Tensor) -> None:
        with pytest.raises(InputError, match=r"^x: got"):
            Denoised(Twice(), nn.Flatten())(x)


def test_a_good_denoiser_makes_a_natural_network_certifiable() -> None:
    """The classifier is never trained on noise; the denoiser, the mean of what is near, knows the data."""
    data = hd.load("digits")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = MLP(widths=(128,)).build(data.event_shape, data.classes, [0.3], [0.4])
    train(model, data, settings=TrainingSettings(epochs=20, device="cpu"))
    clean = data.train.x.flatten(1)

    def posterior_mean(x: Tensor) -> Tensor:
        """Return E[clean | noisy] for the training inputs as prior."""
        weights = torch.cdist(x.flatten(1), clean).square().div(-2 * 0.5**2).softmax(dim=1)
        return (weights @ clean).view_as(x)

    x, y = data.test.x[:100], data.test.y[:100]
    pair = Denoised(posterior_mean, model, input_range=data.input_range)
    alone, behind = (
        Certificates(certify(one, x, y, noise_std=0.5, estimation_samples=1_000)) for one in (model, pair)
    )
    assert behind.certified_accuracy(0.25).value > alone.certified_accuracy(0.25).value + 0.15
    assert behind.average_certified_radius() > 1.3 * alone.average_certified_radius()
