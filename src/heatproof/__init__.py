"""heatproof: classifiers as convection–diffusion equations, certified and attacked.

Everything public is listed here and loaded when first used, so `import heatproof` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC: dict[str, str] = {}

__all__ = ["__version__"]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'heatproof' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
