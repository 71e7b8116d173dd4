"""Diffusion inside a chain through the whole engine: linear chains, for which the radius is exact."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import binom
from torch import Tensor, nn

from heatproof.certification import Certificates, best_of, certify, predict
from heatproof.errors import InputError
from heatproof.networks import DiffusionChain, InteriorClassifier, interior_diffusion
from heatproof.noise import Gaussian

FALSE_ALARM = 1e-6
ALPHA = 0.1
REPLICATES = 400


def allowed(replicates: int, alpha: float = ALPHA) -> int:
    return int(binom.isf(FALSE_ALARM, replicates, alpha))


def _linear(matrix: Tensor) -> nn.Linear:
    layer = nn.Linear(matrix.shape[1], matrix.shape[0], bias=False)
    layer.weight.data.copy_(matrix)
    return layer


def _turn(angle: float) -> Tensor:
    return torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


def chain(stretches: tuple[float, ...], noise_stds: tuple[float, ...]) -> InteriorClassifier:
    """Return blocks Λ_k·rotation and a half-space, such that the decision at x is the sign of x₁."""
    blocks, product = [], torch.eye(2)
    for number, stretch in enumerate(stretches):
        block = stretch * _turn(0.4 + number)
        blocks.append(_linear(block))
        product = block @ product
    normal = product[:, 0] / product[:, 0].norm()
    head = _linear(torch.stack([-normal, normal]))
    return InteriorClassifier(DiffusionChain(blocks, noise_stds, head), (2,)).eval()


CHAINS = {
    "expanding": chain((2.0, 1.5), (0.4, 0.6)),
    "contracting": chain((0.5, 0.8, 1.0), (0.2, 0.1, 0.1)),
    "mixed": chain((1.0, 3.0, 0.25), (0.2, 0.5, 0.1)),
}


def _run(model: InteriorClassifier, exact: float, **options: Any) -> Certificates:
    x = torch.tensor([[exact, 0.3]]).repeat(REPLICATES, 1)
    values: dict[str, Any] = {
        "alpha": ALPHA,
        "selection_samples": 32,
        "estimation_samples": 96,
        "pilot": False,
    }
    return certify(model, x, index=torch.arange(REPLICATES), **{**values, **options})


@pytest.mark.parametrize("name", CHAINS)
def test_radii_are_inside_the_exact_one_and_stretched_they_are_not(name: str) -> None:
    model = CHAINS[name]
    exact = 0.8 * model.noise.scale
    found = _run(model, exact)
    radii = np.array([one.radius for one in found])
    false = int((radii > exact).sum())
    assert found.settings.classifier == "interior"
    assert 0.2 * ALPHA * REPLICATES <= false <= allowed(REPLICATES)
    assert int((1.25 * radii > exact).sum()) > allowed(REPLICATES)


@pytest.mark.parametrize("name", CHAINS)
def test_decisions_just_beyond_the_exact_radius(name: str) -> None:
    model = CHAINS[name]
    exact = 0.8 * model.noise.scale
    found = _run(model, exact, radii=[1.001 * exact])
    false = sum(not one.abstained for one in found)
    assert 0.1 * ALPHA * REPLICATES <= false <= allowed(REPLICATES)


def test_noise_of_the_first_layer_alone_is_less_than_that_of_all() -> None:
    """Randomized smoothing is one block; leaving later noise out would give smaller radii, never larger."""
    first = InteriorClassifier(DiffusionChain([nn.Identity()], [0.5], nn.Linear(2, 2)), (2,))
    assert first.noise.scale == pytest.approx(0.5, rel=1e-9)
    both = InteriorClassifier(DiffusionChain([nn.Identity()] * 2, [0.5, 0.5], nn.Linear(2, 2)), (2,))
    assert both.noise.scale == pytest.approx(0.5 * math.sqrt(2), rel=1e-9)


def test_what_a_chain_is_not_certified_with() -> None:
    model, x = CHAINS["expanding"], torch.zeros(1, 2)
    short = model.noise.model_copy(
        update={"lipschitz_bounds": tuple(0.9 * one for one in model.noise.lipschitz_bounds)}
    )
    with pytest.raises(InputError, match=r"^noise: got interior diffusion"):
        certify(model, x, noise=short, pilot=False)
    with pytest.raises(InputError, match=r"different classifiers|noise: got Gaussian"):
        certify(model, x, noise=Gaussian(noise_std=0.5), pilot=False)
    with pytest.raises(InputError, match=r"^noise_std: got 0.5; allowed: none for a chain"):
        certify(model, x, noise_std=0.5, pilot=False)
    with pytest.raises(InputError, match=r"^classifier: got classifier 'network'"):
        certify(model, x, classifier="network", pilot=False)
    with pytest.raises(InputError, match=r"^classifier: got classifier 'interior'"):
        certify(nn.Linear(2, 2), x, noise_std=0.5, classifier="interior", pilot=False)
    with pytest.raises(InputError, match=r"^classifier: .*noise InteriorDiffusion with a Linear"):
        certify(nn.Linear(2, 2), x, noise=model.noise, pilot=False)


def test_weights_that_changed_since_need_new_bounds() -> None:
    model = chain((1.0, 1.0), (0.5, 0.5))
    assert certify(model, torch.zeros(1, 2), pilot=False, estimation_samples=8)
    model.chain.blocks[0].weight.data.mul_(1.5)  # type: ignore[operator]
    with pytest.raises(InputError, match="computed after the last change of weights"):
        certify(model, torch.zeros(1, 2), pilot=False, estimation_samples=8)
    anew = interior_diffusion(model.chain, (2,))
    assert certify(model, torch.zeros(1, 2), noise=anew, pilot=False, estimation_samples=8)


def test_it_is_another_classifier_than_smoothing_at_the_input() -> None:
    model = CHAINS["mixed"]
    x = torch.tensor([[0.5, 0.0]])
    options: dict[str, Any] = {"pilot": False, "estimation_samples": 50, "selection_samples": 8}
    inside = certify(model, x, **options)
    plain = nn.Sequential(*model.chain.blocks, model.chain.head)
    outside = certify(plain, x, noise_std=model.noise.scale, seed=1, **options)
    with pytest.raises(InputError, match="two classifiers"):
        best_of(inside, outside)
    assert best_of(inside, certify(model, x, seed=1, **options))[0].label == 1
    assert int(predict(model, x, pilot=False)[0]) == 1


def test_the_sentence_says_real_arithmetic() -> None:
    found = certify(CHAINS["mixed"], torch.zeros(1, 2), pilot=False, estimation_samples=8)
    assert "in real arithmetic" in found.guarantee
