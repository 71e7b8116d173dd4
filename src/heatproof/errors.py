"""Everything that heatproof raises: one small tree, each error carrying the data it speaks of.

Message form: what was got, what is allowed, what to do. `InputError` and its children mean that something
handed in is wrong (the command line ends with 2); the others mean that a sound request failed (it ends
with 1).
"""

from __future__ import annotations

__all__ = [
    "DataError",
    "DependencyError",
    "DivergenceError",
    "GradientMaskingWarning",
    "HeatproofError",
    "InputError",
    "LipschitzError",
    "ModelError",
    "NoiseWarning",
    "RunFolderError",
    "StabilityWarning",
    "StorageError",
    "TrainingWarning",
    "UnknownNameError",
    "VerificationError",
]


class HeatproofError(Exception):
    """Base of every error raised on purpose by this package."""


class InputError(HeatproofError, ValueError):
    """A value handed in is not allowed; `name` says which one."""

    def __init__(self, message: str, *, name: str = "") -> None:
        super().__init__(message)
        self.name = name


class UnknownNameError(InputError, LookupError):
    """A word that names nothing here; `nearest` is the closest word that does (or None)."""

    def __init__(self, message: str, *, name: str = "", nearest: str | None = None) -> None:
        super().__init__(message, name=name)
        self.nearest = nearest


class DataError(InputError):
    """A data set cannot be read, or is not what it says."""


class ModelError(InputError):
    """A model does not keep the contract (B, *event) -> (B, K) finite logits."""


class LipschitzError(ModelError):
    """No proved Lipschitz bound is known for a module; the message names it."""


class RunFolderError(InputError):
    """A run folder is missing, half-written, of another version, or in use."""


class DependencyError(InputError):
    """An optional package is not installed; the message names the extra that brings it."""


class DivergenceError(HeatproofError, ArithmeticError):
    """Training met a loss that is not finite; `epoch` and `step` say where."""

    def __init__(self, message: str, *, epoch: int, step: int) -> None:
        super().__init__(message)
        self.epoch = epoch
        self.step = step


class StorageError(HeatproofError, OSError):
    """A result could not be written; whatever was stored before is still there."""


class VerificationError(HeatproofError, RuntimeError):
    """Stored certificates do not follow from their counts; `mismatches` lists each in one line."""

    def __init__(self, message: str, *, mismatches: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.mismatches = mismatches


class StabilityWarning(UserWarning):
    """A step is outside the bound under which the scheme keeps the comparison principle."""


class GradientMaskingWarning(UserWarning):
    """Gradients vanish at most inputs, so an attack that follows them says nothing of robustness."""


class NoiseWarning(UserWarning):
    """The model's answers do not survive the noise, so few of them can be certified."""


class TrainingWarning(UserWarning):
    """A training shows the signs of one that fails; the text names the entry to change."""
