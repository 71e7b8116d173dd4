"""The guarantee of a certification in one sentence."""

from __future__ import annotations

from heatproof.certification._settings import CertificationSettings

__all__ = ["guarantee"]

_SYMBOLS = {"l1": "ℓ1", "l2": "ℓ2", "linf": "ℓ∞"}


def guarantee(settings: CertificationSettings) -> str:
    """Say in one sentence what a certificate with these settings promises."""
    return (
        f"{_level(settings)}, {_vote(settings)} of {_who(settings)} (exact draws assumed) gives the "
        f"certified label at every point closer than the certified {_symbol(settings.norm)} radius, or the "
        f"certifier abstained."
    )


def _level(settings: CertificationSettings) -> str:
    if settings.alpha_scope == "table":
        who = f"For all {settings.inputs} inputs at once"
    else:
        who = "For each input on its own"
    return f"{who}, with probability at least 1 − {settings.alpha:g} over the drawn noise"


def _vote(settings: CertificationSettings) -> str:
    return "the majority vote" if settings.vote == "hard" else "the mean of the class probabilities"


def _who(settings: CertificationSettings) -> str:
    network = "network" if settings.precision == "own" else f"network in {settings.precision}"
    noise = settings.noise.describe()
    if settings.classifier == "equation":
        return (
            f"the equation's own solution u(·, T) started from the {network}'s hard decisions at t = 0, that "
            f"is the {network} before diffusion with {noise}"
        )
    return f"the {network} with {noise}"


def _symbol(norm: str) -> str:
    return _SYMBOLS.get(norm, f"ℓ{norm[1:]}" if norm.startswith("l") else norm)
