"""The boundary for a threshold, alpha and horizon: calibrated once, then remembered."""

from __future__ import annotations

from functools import lru_cache

from heatproof._check import check_number, check_whole, message
from heatproof.errors import InputError
from heatproof.statistics import _cache
from heatproof.statistics._boundary import ROUNDING, Boundary, draws_needed
from heatproof.statistics._calibration import calibrate
from heatproof.statistics._looks import look_schedule

__all__ = ["boundary"]

_LEAST_ALPHA = 1e-15


def boundary(threshold: float, alpha: float = 0.001, horizon: int = 100_000) -> Boundary:
    """Return the test of p ≤ threshold that needs fewest draws of all with level alpha and this horizon.

    Guarantee: P_p(certify) ≤ alpha for every p ≤ threshold, computed exactly; nearly all of alpha is spent
    (≥ 98% wherever the counts are fine enough). Draws are fewest on average over a broad prior of p
    (`_prior`), with a certified fraction close to that of one look at the horizon (Clopper–Pearson).
    Cost: about a second at the first call for 100,000 draws, then nothing: it is kept in memory and in the
    user's cache folder, and what comes from there is used only after its exact level was computed again.
    Errors: `InputError` for values outside their range, and for a threshold that not even `horizon` votes
    in a row certify; it says how many would.
    """
    threshold = check_number("threshold", threshold, above=0, below=1)
    alpha = check_number("alpha", alpha, at_least=_LEAST_ALPHA, below=1)
    horizon = check_whole("horizon", horizon)
    needed = draws_needed(threshold, alpha)
    if needed > horizon:
        got = f"{horizon}, which certifies no p > {threshold:.10g} at alpha = {alpha:g}"
        advice = "Draw more, lower the radius or raise the noise_std."
        raise InputError(message("horizon", got, f"a whole number ≥ {needed}", advice), name="horizon")
    return _boundary(threshold, alpha, horizon)


@lru_cache(maxsize=1024)
def _boundary(threshold: float, alpha: float, horizon: int) -> Boundary:
    stored = _cache.load(threshold, alpha, horizon)
    if stored is not None and set(stored.looks.tolist()) <= set(look_schedule(horizon).tolist()):
        return stored
    looks, edges = calibrate(threshold, alpha * (1 - ROUNDING), horizon)
    made = Boundary(threshold, alpha, looks, edges.certify, edges.futile)
    made.check_level()
    _cache.save(made)
    return made
