"""What solvers of all kinds of problems share: promises, settings, refinement."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Self

from heatproof._specification import Specification
from heatproof.solvers._properties import Properties

__all__ = ["Method"]


class Method(Specification):
    """A way to compute the evolution; its fields are its settings, its `properties` what it promises."""

    properties: ClassVar[Properties]

    name: str

    @abstractmethod
    def refined(self, factor: int) -> Self:
        """Return the solver with every step divided by `factor`: errors fall by factor^order."""

    def describe(self) -> str:
        """Return the name with the settings that were chosen, in one line."""
        chosen: dict[str, Any] = {k: v for k, v in self.to_mapping().items() if k != "name"}
        inside = ", ".join(f"{key}={value}" for key, value in chosen.items())
        return f"{self.name} ({inside})" if inside else self.name
