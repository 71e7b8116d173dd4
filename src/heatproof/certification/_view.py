"""A small table of results, as text and for a notebook."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np
from jaxtyping import Float64

__all__ = ["as_html", "as_text", "round_radii"]

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_ROWS = 4


def round_radii(reach: Float64[np.ndarray, " inputs"]) -> tuple[float, ...]:
    """Return a few round radii > 0 that cover the finite ones of `reach`; none where all are 0."""
    finite = reach[np.isfinite(reach)]
    most = float(finite.max()) if finite.size else 0.0
    if most <= 0:
        return ()
    rough = most / _ROWS
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(step * size for step in _STEPS if step * size >= rough * (1 - 1e-9))
    return tuple(float(f"{step * number:.6g}") for number in range(1, _ROWS + 1) if step * number <= most)


def as_text(headline: str, rows: Sequence[tuple[str, str]], note: str) -> str:
    """Return the table as lines of text."""
    width = max(len(what) for what, _ in rows)
    return "\n".join([headline, *(f"  {what:<{width}}  {value}" for what, value in rows), note])


def as_html(headline: str, rows: Sequence[tuple[str, str]], note: str) -> str:
    """Return the table as HTML without styles or scripts of its own; everything in it is escaped."""
    body = "".join(
        f'<tr><th scope="row" style="text-align:left">{escape(what)}</th><td>{escape(value)}</td></tr>'
        for what, value in rows
    )
    return (
        f'<table><caption style="text-align:left">{escape(headline)}</caption><tbody>{body}</tbody></table>'
        f"<p><small>{escape(note)}</small></p>"
    )
