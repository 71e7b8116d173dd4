"""Arguments of another kind, as users give them: one line, in a process without checks of types."""

from __future__ import annotations

import pytest

from cases.raw_calls import outcomes

CALLS = {
    "blocks: got a NoneType;": "equation.NetworkVelocity(None)",
    "blocks: got a Linear;": "equation.NetworkVelocity(nn.Linear(2, 2))",
    "laplacian: got a NoneType;": "estimate(None, tanh, x, .1)",
    "laplacian: got the class Axes;": "estimate(equation.Axes, tanh, x, .1)",
    "u: got a NoneType;": "estimate(equation.Autodiff(), None, x)",
    "x: got a NoneType;": "estimate(equation.Axes(), tanh, None, .1)",
    "generator: got a int;": "estimate(equation.Directions(), tanh, x, .1, 3)",
}
"""How the line begins, and the call that must end in it."""

ACCEPTED = [
    "estimate(equation.Axes(), tanh, x, .1)",
    "equation.NetworkVelocity(nn.Sequential(nn.Linear(2, 2)))",
    "equation.problems.find_problem('heat_cosine')",
]

_START = """
import torch, heatproof
from torch import nn
equation, estimate = heatproof.equation, heatproof.equation.estimate
tanh, x = nn.Tanh(), torch.randn(4, 2)
"""


@pytest.fixture(scope="module")
def told() -> dict[str, str]:
    """Return what each call ended in."""
    return outcomes(_START, [*CALLS.values(), *ACCEPTED])


@pytest.mark.parametrize(("words", "call"), CALLS.items())
def test_one_line_that_names_it(words: str, call: str, told: dict[str, str]) -> None:
    line = told[call]
    assert line.startswith(words)
    assert "\n" not in line


@pytest.mark.parametrize("call", ACCEPTED)
def test_what_is_right_is_accepted(call: str, told: dict[str, str]) -> None:
    assert told[call] == "accepted"
