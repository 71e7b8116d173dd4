"""Classifiers with known answers, and a store with one finished certification."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from heatproof.certification import (
    Certificate,
    CertificateStore,
    CertificationSettings,
    make_certificate,
)

MakeSettings: TypeAlias = Callable[..., CertificationSettings]


def _settings(**changes: object) -> CertificationSettings:
    """Return settings; `noise_std` stands for Gaussian noise."""
    if "noise_std" in changes:
        changes["noise"] = {"name": "gaussian", "noise_std": changes.pop("noise_std")}
    values: dict[str, object] = {
        "noise": {"name": "gaussian", "noise_std": 0.5},
        "alpha": 0.01,
        "estimation_samples": 100,
        "selection_samples": 10,
        "unit": 0.5 / 2**14,
        "dimension": 4,
        "classes": 3,
        "model_fingerprint": "abc",
    }
    return CertificationSettings.from_mapping({**values, **changes})


@pytest.fixture(scope="session")
def make_settings() -> MakeSettings:
    return _settings


@pytest.fixture(scope="session")
def threshold() -> Callable[[Tensor], Tensor]:
    """Return 1{x₁ > 0} as logits: no sum, so no order of additions; P(class 1) = Φ(x₁/s) exactly."""

    def model(x: Tensor) -> Tensor:
        top = (x.flatten(1)[:, 0] > 0).float()
        return torch.stack([1 - top, top], dim=1)

    return model


class Timed(nn.Module):
    """A time-conditioned spy: its decision moves with time, and it notes what it was asked."""

    def __init__(self, noise_std: float | None = 0.25) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.inner = nn.Sequential(nn.Identity(), nn.Dropout(0.5))
        self.time_conditioned = True
        if noise_std is not None:
            self.noise_std = noise_std
        self.times: list[object] = []
        self.modes: list[bool] = []

    def forward(self, x: Tensor, t: Tensor | float | None = None) -> Tensor:
        self.times.append(t)
        self.modes.append(any(module.training for module in self.modules()))
        score = self.scale * self.inner(x.flatten(1))[:, 0] * (1 if t is not None else -1)
        return torch.stack([-score, score], dim=1)


@pytest.fixture
def timed() -> Callable[..., Timed]:
    return Timed


def _counts(rng: np.random.Generator, samples: int) -> np.ndarray:
    return np.asarray(rng.multinomial(samples, [0.9, 0.07, 0.03]), dtype=np.int64)


@pytest.fixture
def some_certificates() -> list[Certificate]:
    rng = np.random.default_rng(0)
    settings = _settings()
    return [
        make_certificate(
            settings,
            index=10 * number,
            selection_counts=_counts(rng, 10),
            estimation_counts=np.array([40, 30, 30]) if number == 3 else _counts(rng, 100),
            rounding=settings.unit * (1 + 0.1 * number),
            target=number % 3,
            one_pass=0,
        )
        for number in range(6)
    ]


@pytest.fixture
def filled(tmp_path: Path, some_certificates: list[Certificate]) -> Path:
    """Return the path of a store that holds `some_certificates`, complete."""
    path = tmp_path / "certificates.sqlite"
    with CertificateStore(path) as store:
        index = tuple(one.index for one in some_certificates)
        certification = store.open(some_certificates[0].settings, "test", index)
        for certificate in some_certificates:
            store.add(certification, certificate, seconds=0.5)
    return path
