"""The pilot against what it foretells: certificates of networks with and without training on noise."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from heatproof import data as hd
from heatproof.certification import Certificates, certify
from heatproof.certification._under_noise import UnderNoise, advice, noisy_copies, pilot_rows, under_noise
from heatproof.data import DataSet
from heatproof.networks import MLP
from heatproof.noise import Gaussian, Lattice
from heatproof.objectives import GaussianAugmentation, Natural, Objective
from heatproof.training import TrainingSettings, train


@pytest.fixture(scope="module")
def digits() -> DataSet:
    return hd.load("digits")


def _trained(digits: DataSet, objective: Objective) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = MLP(widths=(128,)).build(digits.event_shape, digits.classes, [0.3], [0.4])
    train(model, digits, objective, TrainingSettings(epochs=15, device="cpu"))
    return model


def _pilot(model: nn.Module, digits: DataSet, noise_std: float) -> UnderNoise:
    rows = pilot_rows(len(digits.test))
    lattice = Lattice.for_noise(Gaussian(noise_std=noise_std), digits.grid_step)
    noisy = noisy_copies(digits.test.x[rows], digits.test.index[rows].tolist(), lattice, seed=0)
    with torch.no_grad():
        return under_noise(model, digits.test.x[rows], noisy, digits.test.y[rows])


def _certified(model: nn.Module, digits: DataSet, noise_std: float) -> Certificates:
    rows = pilot_rows(len(digits.test))
    x, y = digits.test.x[rows], digits.test.y[rows]
    return Certificates(certify(model, x, y, noise_std=noise_std, estimation_samples=1_000))


@pytest.mark.parametrize(
    ("objective", "noise_std", "speaks"),
    [
        (Natural(), 0.12, False),
        (Natural(), 1.0, True),
        (GaussianAugmentation(noise_std=0.5), 0.5, False),
    ],
    ids=["little noise", "much noise", "trained on it"],
)
@pytest.mark.filterwarnings("ignore::heatproof.errors.NoiseWarning")
def test_it_speaks_where_most_certificates_will_be_worth_nothing(
    digits: DataSet, objective: Objective, noise_std: float, speaks: bool
) -> None:
    model = _trained(digits, objective)
    found, certificates = _pilot(model, digits, noise_std), _certified(model, digits, noise_std)
    own = sum(one.label == one.one_pass for one in certificates)
    text = advice(found, "noise")
    assert (text is not None) == speaks == (own < len(certificates) / 2)
    assert found.accuracy is not None
    assert text is None or "Expect it to abstain" in text


def test_a_model_that_says_one_thing_under_noise_is_certified_for_that(digits: DataSet) -> None:
    """It does not abstain: it answers, with large radii, what it does not answer without noise."""

    def model(x: torch.Tensor) -> torch.Tensor:
        rough = x.flatten(1).std(dim=1) > 0.7  # inputs are below, noisy ones above
        labels = torch.where(rough, 0, 1 + (x.flatten(1).sum(dim=1).long() % 9))
        return nn.functional.one_hot(labels, 10).float()

    x = digits.test.x[:64]
    lattice = Lattice.for_noise(Gaussian(noise_std=2.0))
    found = under_noise(model, x, noisy_copies(x, range(64), lattice, seed=0))
    assert found.moved == 64
    text = advice(found, "noise")
    assert text is not None
    assert "64 go to another class" in text
    assert "Expect certificates of other answers" in text
