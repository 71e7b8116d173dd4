"""In which norms a noise certifies, and how its native radius translates."""

from __future__ import annotations

import math

from heatproof._check import message, nearest
from heatproof.errors import UnknownNameError
from heatproof.noise import Noise

__all__ = ["norm_factor", "norm_names", "radii_of"]

_COMMON = ("l1", "l2", "linf")


def norm_names(noise: Noise, dimension: int) -> tuple[str, ...]:
    """Return the norms in which a certificate with this noise can be asked for, beside any "lp", p ≥ 1.

    The figures that a certificate lists may be more: "volume", a measure of the certified set, is no norm,
    and nothing is promised of the points closer than it.
    """
    listed = noise.radii(1.0, dimension)
    return tuple(name for name in listed if name == noise.norm or _power(name) is not None)


def norm_factor(noise: Noise, norm: str, dimension: int) -> float:
    """Return the radius in `norm` that a native radius 1 implies.

    Errors: `UnknownNameError` for what is no norm of this noise, such as the figure "volume".
    """
    listed = norm_names(noise, dimension)
    if norm in listed:
        return noise.radii(1.0, dimension)[norm]
    power = _power(norm)
    if power is None:
        close = nearest(str(norm), listed)
        advice = f"Did you mean {close!r}?" if close else ""
        allowed = f"{', '.join(listed)}, or lp with a number p ≥ 1 such as l3, for {noise.describe()}"
        raise UnknownNameError(message("norm", repr(norm), allowed, advice), name="norm", nearest=close)
    return noise.radius_in(power, 1.0, dimension)


def radii_of(noise: Noise, norm: str, native: float, dimension: int) -> dict[str, float]:
    """Return the radius in each norm of the noise, and in `norm`, from the native one."""
    found = noise.radii(native, dimension)
    if norm not in found:
        found[norm] = native * norm_factor(noise, norm, dimension)
    return found


def _power(norm: object) -> float | None:
    """Return p of "lp", infinity for "linf"; None where it is no such word."""
    text = norm[1:] if isinstance(norm, str) and norm.startswith("l") else ""
    try:
        power = math.inf if text == "inf" else float(text)
    except ValueError:
        return None
    return power if power >= 1 else None
