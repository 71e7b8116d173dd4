"""From settings to the stopping rule, and from its state to what a certificate remembers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from heatproof._check import message
from heatproof._intervals import lower_bound
from heatproof.certification._bounds import Look, threshold
from heatproof.certification._settings import CertificationSettings
from heatproof.errors import InputError
from heatproof.noise import Noise
from heatproof.statistics import (
    Boundary,
    DecisionRule,
    DecisionState,
    FixedRule,
    RadiusRule,
    State,
    StoppingRule,
    boundary,
    draws_needed,
)

__all__ = ["looks_of", "radius_function", "rule_of", "stopping_table"]

_FARTHEST_SCORE, _SCORES = 6.0, 2000


def rule_of(
    settings: CertificationSettings, table: Sequence[Mapping[str, Any]] | None = None
) -> StoppingRule:
    """Return the stopping rule of a certification; that of its stored `table`, where it is resumed.

    So what was begun is finished by the same rule, whatever computes another one a little differently. The
    level of stored boundaries is computed again. Errors: `InputError` for a radius out of reach, or a table
    that is none of these settings.
    """
    if settings.method == "fixed":
        return FixedRule(settings.estimation_samples, settings.level)
    if settings.method == "decision":
        edges = [_boundary(settings, radius) for radius in settings.radii] if table is None else None
        return DecisionRule(edges or [_stored_boundary(settings, one) for one in table or ()])
    rule = RadiusRule(
        settings.estimation_samples,
        settings.level,
        tolerance=settings.tolerance or 0.0,
        price=settings.price,
        radius=radius_function(settings.noise, settings.factor),
    )
    if table is not None:
        _restore(rule, table)
    return rule


def stopping_table(rule: StoppingRule) -> list[dict[str, Any]]:
    """Return what the checker needs of a rule: its looks and, at each, what certifies, gives up or stops."""
    if isinstance(rule, DecisionRule):
        return [one.to_mapping() for one in rule.boundaries]
    if isinstance(rule, RadiusRule):
        return [{"looks": rule.looks.tolist(), "stop_at_most": rule.stops.tolist()}]
    return []


def looks_of(settings: CertificationSettings, state: State, row: int) -> tuple[Look, ...]:
    """Return the looks at which the radii of one finished input were decided; none for other methods."""
    if not isinstance(state, DecisionState):
        return ()
    columns = zip(
        settings.radii, state.certified[row], state.decided_at[row], state.votes_at[row], strict=True
    )
    return tuple(Look(radius, bool(held), int(drawn), int(votes)) for radius, held, drawn, votes in columns)


def _stored_boundary(settings: CertificationSettings, stored: Mapping[str, Any]) -> Boundary:
    """Return a boundary from a store. Errors: `InputError` if its level is not that of the settings."""
    found = Boundary.from_mapping(stored)
    if (found.alpha, found.horizon) != (settings.level, settings.estimation_samples):
        got = f"alpha {found.alpha:g} and horizon {found.horizon}"
        allowed = f"alpha {settings.level:g} and horizon {settings.estimation_samples}"
        raise InputError(message("stored boundary", got, allowed, "Certify into another store."))
    return found


def _restore(rule: RadiusRule, table: Sequence[Mapping[str, Any]]) -> None:
    """Take looks and limits from a store: any that were fixed before the draws are valid."""
    looks, stops = (np.asarray(table[0][name], dtype=np.int64) for name in ("looks", "stop_at_most"))
    if len(looks) != len(stops) or looks[-1] != rule.horizon or stops[-1] < rule.horizon:
        got = f"{len(looks)} looks up to {looks[-1]} with {len(stops)} limits"
        allowed = f"looks up to {rule.horizon}, where all stop"
        raise InputError(message("stored limits", got, allowed, "Certify into another store."))
    rule.looks, rule.stops = looks, stops


def _boundary(settings: CertificationSettings, radius: float) -> Boundary:
    edge, most = threshold(settings, radius), settings.estimation_samples
    needed = draws_needed(edge, settings.level) if edge < 1 else None
    if needed is None or needed > most:
        raise _out_of_reach(settings, radius, needed)
    return boundary(edge, settings.level, most)


def _out_of_reach(settings: CertificationSettings, radius: float, needed: int | None) -> InputError:
    """Return the error for a radius that not even unanimous votes certify; it says what would."""
    most, level = settings.estimation_samples, settings.level
    reach = settings.noise.radius(lower_bound(most, most, level))
    rounding = 2.0 * settings.noise.half_cell(settings.dimension, settings.unit)
    largest = max(0.0, reach - rounding) * settings.factor
    allowed = (
        f"at most {largest:.4g}, the largest {settings.norm} radius that {most} draws can certify at alpha = "
        f"{level:g} with {settings.noise.describe()}"
    )
    advice = f"It takes {needed} draws at least." if needed else "No number of draws certifies it."
    return InputError(message("radii", f"{radius:g}", allowed, advice), name="radii")


def radius_function(noise: Noise, factor: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return `factor` times the native radius as a fast function of p_lower, interpolated in normal scores.

    It steers where radius mode stops, and no more: certificates take the noise's own formula.
    """
    scores = np.linspace(0.0, _FARTHEST_SCORE, _SCORES)
    values = np.array([noise.radius(float(ndtr(score))) for score in scores]) * factor

    def radius(p_lower: np.ndarray) -> np.ndarray:
        return np.asarray(np.interp(ndtri(np.clip(p_lower, 0.5, None)), scores, values), dtype=np.float64)

    return radius
