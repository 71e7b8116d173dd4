"""The pilot before a certification: what it counts, when it speaks, and what it says."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from heatproof.certification._under_noise import (
    UnderNoise,
    advice,
    noisy_copies,
    pilot_rows,
    under_noise,
    warn,
)
from heatproof.errors import NoiseWarning
from heatproof.noise import Gaussian, Lattice
from heatproof.noise.keyed import Stage, Stream, generator


def _read(x: Tensor) -> Tensor:
    """Answer what stands in the first column."""
    return torch.nn.functional.one_hot(x[:, 0].long(), 4).float()


def _found(kept: int, moved: int = 0, inputs: int = 64, **given_: float) -> UnderNoise:
    return UnderNoise(inputs, 8, kept / inputs, kept, moved, inputs - kept - moved, **given_)


def test_counts() -> None:
    x = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
    copies = [[0, 1, 0, 3], [0, 1, 0, 3], [0, 2, 0, 1], [1, 3, 0, 1]]
    noisy = [torch.tensor(copy).float()[:, None] for copy in copies]
    found = under_noise(_read, x, noisy, torch.tensor([0, 1, 0, 0]))
    assert found == UnderNoise(
        inputs=4,
        copies=4,
        agreement=7 / 16,
        kept=1,  # the first; the second and fourth have half of the copies, which is no majority
        moved=1,
        undecided=2,
        accuracy=(3 + 2 + 4 + 0) / 16,
        noise_free_accuracy=0.5,
    )


@given(st.integers(1, 6), st.integers(1, 9), st.integers(0, 2**31))
def test_every_input_is_one_of_three(inputs: int, copies: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    votes = random.integers(0, 4, (copies + 1, inputs, 1))
    x, *noisy = (torch.from_numpy(rows).float() for rows in votes)
    found = under_noise(_read, x, noisy)
    assert found.kept + found.moved + found.undecided == found.inputs == inputs
    assert found.copies == copies
    assert found.kept == sum(2 * (votes[1:, i] == votes[0, i]).sum() > copies for i in range(inputs))
    assert found.accuracy is None
    assert found.noise_free_accuracy is None


@given(st.integers(1, 10_000))
def test_rows_of_the_pilot_are_spread_and_different(count: int) -> None:
    rows = pilot_rows(count)
    assert len(rows) == len(rows.unique()) == min(count, 64)
    assert rows[0] == 0
    assert int(rows[-1]) == (count - 1 if count > 1 else 0)
    steps = rows.diff()
    assert len(steps) == 0 or int(steps.max() - steps.min()) <= 1


def test_the_largest_data_sets() -> None:
    rows = pilot_rows(50_000_000)
    assert len(rows.unique()) == 64
    assert int(rows.max()) < 50_000_000


def test_noisy_copies_are_on_the_lattice_and_keyed_by_input() -> None:
    x = torch.rand(3, 2, 2, generator=torch.Generator().manual_seed(0))
    lattice = Lattice.for_noise(Gaussian(noise_std=0.5))
    noisy = noisy_copies(x, [7, 8, 9], lattice, seed=1, copies=500)
    assert noisy.shape == (500, 3, 2, 2)
    assert torch.equal(noisy.double() / lattice.unit, (noisy.double() / lattice.unit).round())
    turned = noisy_copies(x.flip(0).requires_grad_(), [9, 8, 7], lattice, seed=1, copies=500)
    assert torch.equal(turned.flip(1), noisy)
    assert not torch.equal(noisy_copies(x, [7, 8, 9], lattice, seed=2, copies=500), noisy)
    deviations = (noisy - x).double()
    z = deviations.mean() / (0.5 / deviations.numel() ** 0.5)
    assert abs(float(z)) < 6  # false alarm below 1e-8
    assert float(deviations.std()) == pytest.approx(0.5, rel=0.06)


def test_no_sample_of_a_certificate_is_a_draw_of_the_pilot() -> None:
    """The pilot's stage is its own, and no two stages share a seed."""
    words = {Stream(3, 5, stage).word(chunk) for stage in Stage for chunk in range(1_000)}
    assert len(words) == 1_000 * len(Stage)
    noise = Gaussian(noise_std=0.5)
    copies = noisy_copies(torch.zeros(1, 4), [5], Lattice.for_noise(noise), 3)
    own = torch.empty(8, 4)
    noise.fill(own, generator(3, 5, Stage.PILOT))
    assert torch.equal(copies[:, 0], torch.round(own * 2**14) / 2**14 * 0.5)


def test_it_says_what_was_measured_what_to_expect_and_what_to_do() -> None:
    found = _found(12, 11, accuracy=0.231, noise_free_accuracy=0.97)
    assert advice(found, "Gaussian noise (noise_std 0.5)") == (
        "under Gaussian noise (noise_std 0.5) this model keeps its noise-free answer at 12 of 64 inputs "
        "(41 have no majority in 8 noisy copies, 11 go to another class; accuracy 97% without noise, 23% "
        "with it). Expect it to abstain, or to get a radius near 0, at most inputs. Adapt it with "
        "heatproof.finetune(model, data, noise_std=…), put a denoiser in front of it with "
        "heatproof.networks.Denoised, or use less noise."
    )


def test_a_model_that_answers_one_class_under_noise_does_not_abstain() -> None:
    text = advice(_found(6, 58), "noise")
    assert text is not None
    assert "58 go to another class)" in text
    assert "Expect certificates of other answers than its own" in text
    assert "abstain" not in text


@pytest.mark.parametrize(
    ("kept", "inputs", "speaks"),
    [(31, 64, True), (32, 64, False), (64, 64, False), (3, 8, True), (4, 8, False), (0, 7, False)],
)
def test_it_speaks_where_fewer_than_half_are_kept(kept: int, inputs: int, speaks: bool) -> None:
    assert (advice(_found(kept, inputs=inputs), "noise") is not None) == speaks


def test_warning() -> None:
    with pytest.warns(NoiseWarning, match="under noise this model keeps its noise-free answer at 0 of 64"):
        warn(_found(0), "noise")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn(_found(64), "noise")
