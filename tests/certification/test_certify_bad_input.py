"""Bad input as users give it, without run-time checks of types: one line that says what is wrong.

The calls run in a process of their own, as annotations are checked in this one before the package is asked.
"""

from __future__ import annotations

import pytest

from cases.raw_calls import outcomes

CALLS = {
    "norm": "hp.certify(net, x, noise_std=.25, norm=2, radii=[.1])",
    "estimation_samples": "hp.certify(net, x, noise_std=.25, method='radius', estimation_samples=10**12)",
    "selection_samples": "hp.certify(net, x, noise_std=.25, selection_samples=10**12)",
    "input_range: got 3": "split(input_range=3)",
    "input_range: got nan": "split(input_range=(0, float('nan')))",
    "input_range: got 0": "split(input_range=(1, 0))",
    "batch_size: got 0": "hp.certify_margin(net, x, batch_size=0)",
    "batch_size: got 'a'": "hp.certify_margin(net, x, batch_size='a')",
    "first: got NoneType": "hp.best_of(None, None)",
    "1 numbers > 0": "chain([nn.Linear(2, 2)], 3., nn.Linear(2, 2))",
    "chain: got a NoneType": "chain(None, [1.], nn.Linear(2, 2))",
    "chain: got a int": "chain([nn.Linear(2, 2), 3], [1., 1.], nn.Linear(2, 2))",
    "chain: got a str": "chain([nn.Linear(2, 2)], [1.], 'head')",
    "a DiffusionChain": "hp.networks.InteriorClassifier(nn.Linear(2, 2), (2,))",
    "each other's outputs": "interior(nn.Linear(5, 2))",
    "event_shape: got 'abc'": "bound(nn.Linear(3, 3), 'abc')",
    "returns indices": "bound(nn.AdaptiveMaxPool2d(2, return_indices=True), (1, 4, 4))",
    "Flatten on inputs": "bound(nn.Flatten(1, 9), (3,))",
    "Unflatten on inputs": "bound(nn.Unflatten(1, (2, 2)), (5,))",
    "LeakyReLU with slope nan": "bound(nn.LeakyReLU(float('nan')), (3,))",
    "PReLU with slope nan": "bound(nn.PReLU(init=float('nan')), (3,))",
    "inputs of features=3": "bound(hp.networks.PotentialFlow(3), (4,))",
    "ZeroDivisionError": "certify(hp.BlackBox(lambda rows: 1 / 0, classes=2))",
    "KeyError": "certify(hp.BlackBox(lambda rows: {}['a'], classes=2))",
    "ZeroDivisionError (division by zero) for float32": "certify(lambda rows: 1 / 0)",
    "NameError": "certify(lambda rows: unheard_of(rows))",
}
"""Part of the line, and the call that must end in it."""

_START = """
import torch, heatproof as hp
from torch import nn
from heatproof.lipschitz import lipschitz_bound as bound
net, x, chain = nn.Linear(2, 3).eval(), torch.randn(4, 2), hp.networks.DiffusionChain
def split(**more): hp.certify_splitting(net, torch.zeros(1, 2), half_width=.5, grid_step=.1, **more)
def interior(head): hp.networks.InteriorClassifier(chain([nn.Linear(2, 2)], [1.], head), (2,))
def certify(model): hp.certify(model, x, noise_std=.25, pilot=False, estimation_samples=50)
"""


@pytest.fixture(scope="module")
def told() -> dict[str, str]:
    """Return what each call ended in; a call that hangs is a failure of all."""
    return outcomes(_START, CALLS.values())


@pytest.mark.parametrize(("words", "call"), CALLS.items())
def test_one_line_that_names_it(words: str, call: str, told: dict[str, str]) -> None:
    line = told[call]
    assert words in line
    assert "\n" not in line
    assert not line.startswith("a raw ")
