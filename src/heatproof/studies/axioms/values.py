"""The trained g(x, t): range, consistency in time, and the residual of the equation that it was taught."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from heatproof.equation import diffusivity_of
from heatproof.studies._study import Section, Summary
from heatproof.studies.axioms.judging import all_hold, axiom_table, plain
from heatproof.studies.axioms.networks import Trained
from heatproof.theory.axioms import (
    Arena,
    Effort,
    NetworkValues,
    ValuesArena,
    measure_axioms,
    measure_values,
    value_range,
)

if TYPE_CHECKING:
    from heatproof.studies.axioms.study import Axioms

__all__ = ["measured", "summarise"]

_EXACT = "exact heat flow (twin)"


def measured(study: Axioms, trained: Trained) -> dict[str, Any]:
    """Return what is found of the network's probabilities, of its logits, and of exact heat flow."""
    arena = Arena(
        trained.x,
        reach=0.1,
        functions=study.functions,
        effort=Effort(min(3, study.starts), min(12, study.ascents)),
        seed=study.seed,
    )
    diffusivity = diffusivity_of(trained.noise_std)
    asked = ValuesArena(arena, diffusivity, fresh_draws=study.fresh_draws)
    return {
        "network": plain(measure_values(trained.probabilities, asked, (0.0, 1.0))),
        "logits": plain([value_range(trained.model, asked, (0.0, 1.0))]),
        "exact": plain(measure_values(_heat(trained.x, diffusivity), asked, (0.0, 1.0))),
        "operator": plain(
            measure_axioms(NetworkValues(trained.probabilities), arena, ("linearity", "constants"))
        ),
    }


def summarise(found: Mapping[str, Any]) -> Summary:
    """Return verdicts: the range holds; that g is an exact evolution, or an operator, is refuted."""
    verdicts = []
    for recipe, one in found.items():
        asked = one["values"]
        g = {finding["axiom"]: finding for finding in asked["network"]}
        verdicts += [
            all_hold(f"{recipe}: class probabilities of g(x, t) stay in [0, 1]", [g["range"]]),
            all_hold(
                f"{recipe}: logits of g(x, t) stay in [0, 1]",
                asked["logits"],
                evidence="a control. ",
                expected="refuted",
            ),
            all_hold(
                f"{recipe}: g(·, t) is the heat flow of g(·, 0)",
                [g["consistency in time"]],
                evidence="learned, not computed: the network approximates the evolution. ",
                expected="refuted",
            ),
            all_hold(
                f"{recipe}: g is an operator on functions: linear, constants stay",
                asked["operator"],
                evidence="a control. ",
                expected="refuted",
            ),
            all_hold(
                f"Exact heat flow on the inputs of {recipe}: range, consistency and equation hold",
                asked["exact"],
            ),
        ]
    columns = {recipe: one["values"]["network"] for recipe, one in found.items()}
    columns[_EXACT] = next(iter(found.values()))["values"]["exact"]
    notes = "; ".join(f"{recipe}: {_typical(one)}" for recipe, one in found.items())
    table = axiom_table("g(x, t) of trained networks: worst cases", columns, f"Typical sizes. {notes}.")
    text = (
        "g(x, t) stands for u on the last unit of time, u_t = σ²Δu with σ² from the recipe's noise_std. Its "
        "heat flow is the mean over noise, judged by fresh draws at level 10⁻⁶. The residual is by "
        "differences in time and along all axes, at the scale of 0.1 units of time. The natural recipe does "
        "not train it."
    )
    return Summary(tuple(verdicts), (Section("The one-pass network over time", text, (table,)),))


def _typical(one: Mapping[str, Any]) -> str:
    found = {finding["axiom"]: finding for finding in one["values"]["network"]}
    gap, rest = found["consistency in time"]["numbers"], found["equation"]["numbers"]
    return (
        f"mean gap to the heat flow {gap['mean']:.3g}, residual (root mean square) {rest['rms']:.3g}, g_t "
        f"{rest['rms_of_slope']:.3g}"
    )


def _heat(x: Tensor, diffusivity: float) -> Any:
    """Return heat flow of a smooth half-space through the middle of the inputs, in closed form."""
    flat = x.flatten(1)
    centre, normal = flat.mean(dim=0), torch.ones_like(flat[0]) / flat.shape[1] ** 0.5

    def exact(y: Tensor, t: float) -> Tensor:
        scale = (2 * diffusivity * (1 + t)) ** 0.5
        p = torch.special.ndtr(((y.flatten(1) - centre) @ normal)[:, None] / scale)
        return torch.cat([p, 1 - p], dim=1)

    return exact
