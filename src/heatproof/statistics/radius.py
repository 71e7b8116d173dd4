"""As large a radius as the whole budget would give, almost, with few draws: only bad news stops.

At look j, after n_j draws, an input stops if it has k_j votes or fewer; the numbers k_1, k_2, … are fixed
before the first draw, and at the horizon all stop. The bound is that of Clopper & Pearson (1934) from all
draws so far, at the *full* level α, as if their number had been fixed.

*Why it holds.* Fix p. Let c_j be the least number of votes whose bound after n_j draws is above p, so that
P(V_j ≥ c_j) ≤ α for the votes V_j. An input that stops at j with a bound above p has c_j ≤ V_j ≤ k_j. Let m
be the first look with c_m ≤ k_m. An error at m means V_m ≥ c_m. An error after m means that the input did
not stop at m: V_m > k_m ≥ c_m. So all errors, at whatever look, lie in the one event V_m ≥ c_m, and
P(p_lower > p) ≤ P(V_m ≥ c_m) ≤ α. ∎

This is the stagewise order of outcomes (Armitage 1958; Jennison & Turnbull 2000, §8.4) for designs that
stop on one side only, where the bound of the fixed sample turns out to need no correction. It costs little
to stop on one side: the larger p, the more draws its radius is worth. Stopping for *good* news would not be
valid.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float64, Int64
from scipy.special import ndtri

from heatproof._check import check_number, check_whole
from heatproof._intervals import lower_bounds
from heatproof.statistics._looks import look_schedule
from heatproof.statistics._rule import State, StoppingRule
from heatproof.statistics._worth import most_worthless
from heatproof.statistics.mixture import mixture_lower_bounds

__all__ = ["RadiusRule", "gaussian_radii"]

_FIRST_LOOK = 32
_RATIO = 1.25  # between numbers of draws at which we look: finer saves under 2 % of the draws


def gaussian_radii(p_lower: Float64[np.ndarray, " inputs"]) -> Float64[np.ndarray, " inputs"]:
    """Return max(Φ⁻¹(p), 0), the ℓ2 radius in units of noise_std (Cohen et al. 2019)."""
    return np.asarray(np.maximum(ndtri(p_lower), 0.0))


class RadiusRule(StoppingRule):
    """Draw until the radius is close to what the whole budget would give, or more draws are not worth it.

    An input stops where its expected radius at the horizon exceeds the present one by `tolerance` or less
    (inputs that will abstain are the extreme case: 0 then as now), or, with a `price`, where further draws
    bring less radius than price times their number. Both are in the units that `radius` returns: with the
    default in units of noise_std. `radius` takes bounds (inputs,) to radii (inputs,) and should not fall.

    For each input on its own P(p_lower > p) ≤ alpha once it is finished; p_lower is 0 before. With
    `any_time`, the bound is that of `mixture_lower_bounds` and holds at all times, so that drawing may be
    broken off whenever one likes; its running maximum is kept. This needs 1.6 to 1.8 times the draws.

    Cost: some 0.3 s to set up, then one inverse incomplete beta function an input and
    look. Errors: `InputError` for a horizon below 1, a level outside (0, 1), a negative tolerance or price.
    """

    def __init__(
        self,
        horizon: int = 100_000,
        alpha: float = 0.001,
        *,
        tolerance: float = 0.08,
        price: float = 0.0,
        radius: Callable[[Float64[np.ndarray, " inputs"]], Float64[np.ndarray, " inputs"]] = gaussian_radii,
        any_time: bool = False,
    ) -> None:
        self.alpha = check_number("alpha", alpha, above=0, below=1)
        self.tolerance = check_number("tolerance", tolerance, at_least=0)
        self.price = check_number("price", price, at_least=0)
        self.radius, self.any_time = radius, any_time
        looks = look_schedule(check_whole("horizon", horizon), _RATIO)
        self.looks = looks[(looks >= _FIRST_LOOK) | (looks == horizon)]
        self.stops = most_worthless(self.looks, self._reward, self.tolerance, self.price)

    def begin(self, inputs: int) -> State:
        """Return the state of inputs of which nothing has been drawn."""
        return State(np.zeros(inputs), np.zeros(inputs, dtype=np.bool_), np.zeros(inputs, dtype=np.int64))

    def look(
        self, state: State, rows: Int64[np.ndarray, " rows"], samples: int, votes: Int64[np.ndarray, " rows"]
    ) -> None:
        """Finish the inputs with few votes, and set their bounds."""
        stopped = votes <= self.stops[np.searchsorted(self.looks, samples)]
        state.finished[rows] = stopped
        state.samples[rows] = samples
        shown = np.ones_like(stopped) if self.any_time else stopped
        bounds = self._bounds(votes[shown], samples)
        state.p_lower[rows[shown]] = np.maximum(state.p_lower[rows[shown]], bounds)

    def _bounds(self, votes: Int64[np.ndarray, " rows"], samples: int) -> Float64[np.ndarray, " rows"]:
        if self.any_time:
            return mixture_lower_bounds(votes, samples, self.alpha)
        return lower_bounds(votes, samples, self.alpha)

    def _reward(self, votes: Float64[np.ndarray, " counts"], samples: int) -> Float64[np.ndarray, " counts"]:
        return self.radius(self._bounds(votes.astype(np.int64), samples))
