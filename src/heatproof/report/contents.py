"""What one page shows, as plain data: the page knows nothing of run folders, models or torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from heatproof._intervals import Interval

__all__ = [
    "CertifiedInput",
    "CurvePoint",
    "DecisionField",
    "GalleryImage",
    "ReportContents",
    "RobustPoint",
    "RunContents",
]


@dataclass(frozen=True)
class CurvePoint:
    """One epoch of the curves: `values` by name.

    Names that end in "accuracy" are proportions in [0, 1]; "learning_rate" and "seconds" are not drawn; every
    other name is a part of the loss, and "total" is the whole of it. Values that are not finite leave a gap.
    """

    epoch: int
    values: Mapping[str, float]


@dataclass(frozen=True)
class RobustPoint:
    """Robust accuracy of the network in one norm at one radius, under the attacks that `attack` names.

    An input counts if it is classified correctly and every attack in that norm, at that radius or a smaller
    one, fails on it. One point for each norm and radius, over the inputs of the run's `natural`.
    """

    norm: str
    radius: float
    accuracy: Interval
    attack: str


@dataclass(frozen=True)
class CertifiedInput:
    """One certified input: correct means not abstained and label = target; radius is the ℓ2 radius."""

    index: int
    label: int
    target: int
    abstained: bool
    radius: float
    agrees: bool

    @property
    def correct(self) -> bool:
        """Whether the smoothed classifier answers, and answers right."""
        return not self.abstained and self.label == self.target


@dataclass(frozen=True)
class DecisionField:
    """For two-dimensional data: class probabilities over a rectangle, and the training points."""

    horizontal: Float32[np.ndarray, " width"]
    vertical: Float32[np.ndarray, " height"]
    probabilities: Float32[np.ndarray, "height width classes"]
    points: Float32[np.ndarray, "n 2"]
    labels: Int64[np.ndarray, " n"]


@dataclass(frozen=True)
class GalleryImage:
    """One image of the gallery: `label` and `radius` are the smoothed classifier's, not the network's."""

    index: int
    pixels: UInt8[np.ndarray, "height width channels"]
    target: str
    label: str
    abstained: bool
    radius: float


@dataclass(frozen=True)
class RunContents:
    """Everything that the page says about one run. Empty parts are shown as «not measured».

    `natural` and `robust` speak of the network in one pass, `certified` of the smoothed classifier that
    `classifier` names and `guarantee` describes. `seconds` goes by stage (train, attack, certify).
    `folder` is the run folder, for the commands that the page suggests. `decided`: the only ℓ2 radii at
    which it is known whether an input is certified; empty where that is known of all.
    """

    name: str
    objective: str
    config_yaml: str
    environment: Mapping[str, str]
    natural: Interval | None = None
    robust: tuple[RobustPoint, ...] = ()
    certified: tuple[CertifiedInput, ...] = ()
    noise_std: float | None = None
    classifier: str = ""
    guarantee: str = ""
    curves: tuple[CurvePoint, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    decision_field: DecisionField | None = None
    gallery: tuple[GalleryImage, ...] = ()
    notes: tuple[str, ...] = ()
    folder: str = ""
    decided: tuple[float, ...] = ()


@dataclass(frozen=True)
class ReportContents:
    """One page: a title, the data set in a sentence, the class names, and one or more runs.

    `radii` are the ℓ2 radii at which the table gives certified accuracy.
    """

    title: str
    data: str
    class_names: tuple[str, ...]
    radii: tuple[float, ...]
    runs: tuple[RunContents, ...]
    made_by: str = ""
