"""What diffusion along a drift is worth: the variance that the whole path carries, seen from the input.

For u_t = v·∇u + σ²Δu on [0, T] and Λ a bound of the one-sided Lipschitz constant of v, (v(x) − v(y))·(x − y)
≤ Λ‖x − y‖² (the largest eigenvalue of the symmetric part of ∇v; negative where v contracts), two paths that
start δ apart with the same noise are at most ‖δ‖·e^{Λr} apart after a time r, and the noise of [r, r + dr]
counts for 2σ²·e^{−2Λr} dr:

    S = ∫₀ᵀ 2σ²·e^{−2Λr} dr = σ²(1 − e^{−2ΛT})/Λ,    2σ²T at Λ = 0.

u(·, T) is then as stable as under Gaussian noise of standard deviation √S at the input: |∇u| ≤ φ(Φ⁻¹(u))/√S
(Bakry & Ledoux 1996), whence R = (√S/2)·(Φ⁻¹(p_A) − Φ⁻¹(p_B)). Exact for v = Λx and half-spaces. In discrete
form: `heatproof.noise.InteriorDiffusion`.
"""

from __future__ import annotations

import math

from heatproof._check import check_number

__all__ = ["interior_variance"]


def interior_variance(diffusivity: float, one_sided_lipschitz: float, time: float = 1.0) -> float:
    """Return S = σ²(1 − e^{−2ΛT})/Λ in squared input units; radii are (√S/2)·(Φ⁻¹(p_A) − Φ⁻¹(p_B)).

    Continuous at Λ = 0, where it is 2σ²T = noise_std². For Λ < 0 it grows like e^{2|Λ|T}: infinite where
    that is beyond a float. Errors: `InputError` unless diffusivity and time are > 0 and Λ is finite.
    """
    check_number("diffusivity", diffusivity, above=0)
    check_number("one_sided_lipschitz", one_sided_lipschitz)
    check_number("time", time, above=0)
    exponent = -2.0 * one_sided_lipschitz * time
    if abs(exponent) < 1e-300:
        return 2.0 * diffusivity * time
    try:
        return 2.0 * diffusivity * time * (math.expm1(exponent) / exponent)
    except OverflowError:
        return math.inf
