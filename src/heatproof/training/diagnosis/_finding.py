"""One thing that is wrong with a training, what to change, and what to expect from that."""

from __future__ import annotations

from typing import Literal, TypeAlias, final

from pydantic import Field

from heatproof._specification import Specification

__all__ = ["Finding", "Signature", "one_digit", "turn"]

Signature: TypeAlias = Literal[
    "divergence",
    "under-fitting",
    "no effect",
    "learning rate",
    "over-fitting",
    "budget",
    "batch statistics",
    "noise",
]
"""What can be found; the first three are those of the convection–diffusion objective."""


@final
class Finding(Specification):
    """What was found, in sentences: `evidence`, what to `change`, and the `expectation` from that.

    `importance`: 3, the network is of no use as it is; 2, it costs accuracy or robustness; 1, worth knowing.
    `overrides`: the change in the words of `--set`; empty where no option can make it.
    """

    signature: Signature
    evidence: str
    change: str
    expectation: str
    importance: int = Field(ge=1, le=3)
    overrides: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.signature}: {self.evidence} {self.change} {self.expectation}"


def turn(path: str, value: float | None) -> tuple[str, tuple[str, ...]]:
    """Return how one entry of a configuration is changed, in words and for `--set`.

    An entry in a list, "terms[0]", is out of reach of `--set`: then there are words alone.
    """
    text = "null" if value is None else f"{value:g}"
    if "[" in path:
        return f"{path}: {text} in the configuration", ()
    return f"--set {path}={text}", (f"{path}={text}",)


def one_digit(value: float) -> float:
    """Return the number that begins alike and has one digit: advice should not look measured."""
    return float(f"{value:.0e}")
