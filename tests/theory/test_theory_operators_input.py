"""What is no operator is refused, and draws are not mistaken for a limit."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from heatproof.equation import IsotropicDiffusion, LinearVelocity, Problem
from heatproof.errors import InputError, UnknownNameError
from heatproof.solvers import Evolution, FeynmanKac, RungeKuttaCharacteristics
from heatproof.theory.axioms import check_operator, measure_axioms
from heatproof.theory.axioms._arena import Arena
from heatproof.theory.axioms._search import Effort
from heatproof.theory.recovery import recover, recover_sampled

X = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
ROTATION = LinearVelocity([[0.0, -1.0], [1.0, 0.0]])
SAMPLED = Evolution(
    FeynmanKac(time_step=0.1, paths=400), Problem(lambda x: x, ROTATION, IsotropicDiffusion(0.1))
)


def test_an_operator_with_draws_has_no_error_of_a_limit() -> None:
    """Its spread over seeds, about 0.06 here, is many times what halving the step would show."""
    with pytest.raises(InputError, match="Use recover_sampled"):
        recover(SAMPLED, X)
    assert recover(SAMPLED, X, levels=1).velocity_error is None
    found = recover_sampled(SAMPLED, X, seeds=range(16))
    assert found.velocity_error is not None
    truth = torch.tensor([[0.0, 1.0]], dtype=torch.float64)
    assert bool(((found.velocity - truth).abs() <= 6 * found.velocity_error + 0.02).all())
    assert float(found.velocity_error.max()) > 0.005


def _five(f: Any, x: Any, t: float, r: float, more: int) -> Any:
    del t, r, more
    return f(x)


@pytest.mark.parametrize(
    ("operator", "said"),
    [
        (None, "operator: got a NoneType"),
        (lambda f, x: f(x), "operator: got one that says: too many positional arguments"),
        (_five, "missing a required argument: 'more'"),
    ],
)
def test_what_is_no_operator_is_refused(operator: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        check_operator(operator)


def test_operators_with_the_right_arguments_pass() -> None:
    check_operator(SAMPLED)
    check_operator(max)  # a builtin does not say what it takes


def test_one_axiom_may_be_named_without_a_list() -> None:
    operator = Evolution(RungeKuttaCharacteristics(time_step=0.25), Problem(lambda x: x, ROTATION))
    arena = Arena(torch.cat([X, -X, X.flip(1)]), functions=3, effort=Effort(starts=2, ascents=1))
    (found,) = measure_axioms(operator, arena, "constants")
    assert found.axiom == "constants"
    with pytest.raises(UnknownNameError, match="'linearity'"):
        measure_axioms(operator, arena, "lineality")
