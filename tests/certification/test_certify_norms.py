"""In which norms one may ask: those of the noise, and no other figure that it lists."""

from __future__ import annotations

import pytest
import torch

from heatproof.certification import certify
from heatproof.certification._norms import norm_factor, norm_names, radii_of
from heatproof.errors import UnknownNameError
from heatproof.noise import AnisotropicGaussian, Gaussian, Laplace, Uniform

STRETCHED = AnisotropicGaussian(noise_stds=(0.1, 10.0))


def _sign(rows: torch.Tensor) -> torch.Tensor:
    return torch.stack([rows[:, 0], -rows[:, 0]], dim=1)


@pytest.mark.parametrize("options", [{}, {"radii": (0.5,)}])
def test_a_volume_is_no_norm(options: dict[str, tuple[float, ...]]) -> None:
    """The half space is 0.1 away from the input; its "volume radius" would be 0.97."""
    x = torch.tensor([[0.1, 0.0]])
    with pytest.raises(UnknownNameError, match="'volume'; allowed: l1, l2, linf, mahalanobis, or lp"):
        certify(_sign, x, noise=STRETCHED, norm="volume", pilot=False, estimation_samples=1_000, **options)  # type: ignore[arg-type]
    made = certify(_sign, x, noise=STRETCHED, pilot=False, estimation_samples=1_000)[0]
    assert "volume" in made.radii
    assert made.radius <= 0.1


def test_the_norms_that_can_be_asked_for() -> None:
    for noise in (Gaussian(noise_std=0.25), Laplace(noise_scale=0.1), Uniform(half_width=0.5), STRETCHED):
        names = norm_names(noise, 2)
        assert noise.norm in names
        assert "volume" not in names
        for name in names:
            assert norm_factor(noise, name, 2) == noise.radii(1.0, 2)[name]
            assert radii_of(noise, name, 2.0, 2)[name] == noise.radii(2.0, 2)[name]
    assert norm_names(Gaussian(noise_std=0.25), 2) == ("l1", "l2", "linf")
    with pytest.raises(UnknownNameError, match="mahalanobis"):
        norm_factor(Gaussian(noise_std=0.25), "mahalanobis", 2)
