"""The ways to train that are compared: what each may choose on validation data, and what it came to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from heatproof.studies._study import Results
from heatproof.studies.half_moons.attacked import Found
from heatproof.studies.half_moons.cells import cell_key
from heatproof.studies.half_moons.trainings import Training
from heatproof.studies.half_moons.words import number

if TYPE_CHECKING:
    from heatproof.studies.half_moons.study import HalfMoons

__all__ = ["CONTESTANTS", "Candidate", "Choice", "Contestant", "found_of", "outcomes"]


@dataclass(frozen=True)
class Candidate:
    """A training, and the diffusivity that its network is smoothed with; None: in one pass."""

    training: Training
    smoothed: float | None = None

    @property
    def words(self) -> str:
        """Its settings."""
        diffusivity = self.training.diffusivity or self.smoothed
        weight = [f"λ {number(self.training.weight)}"] if self.training.weight else []
        return ", ".join([*weight, *([f"σ² {number(diffusivity)}"] if diffusivity else [])])


@dataclass(frozen=True)
class Contestant:
    """A row of the comparison: what it is, and the candidates among which validation data choose."""

    key: str
    classifier: Literal["one pass", "smoothed"]
    words: str
    candidates: Callable[[HalfMoons], Sequence[Candidate]]

    @property
    def name(self) -> str:
        """Training and classifier."""
        return f"{self.words}, {self.classifier}"


@dataclass(frozen=True)
class Choice:
    """What one contestant chose in one repeat, and what is stored of it."""

    candidate: Candidate
    found: Found


def _equation(study: HalfMoons, *, smoothed: bool) -> list[Candidate]:
    return [
        Candidate(Training("equation", weight, each), each if smoothed else None)
        for each in study.diffusivities
        for weight in study.weights
    ]


def _gaussian(study: HalfMoons, *, smoothed: bool) -> list[Candidate]:
    return [
        Candidate(Training("gaussian", diffusivity=each), each if smoothed else None)
        for each in study.diffusivities
    ]


CONTESTANTS = (
    Contestant("natural", "one pass", "natural training", lambda _: [Candidate(Training("natural"))]),
    Contestant("zero", "one pass", "λ = 0", lambda _: [Candidate(Training("equation"))]),
    Contestant(
        "still",
        "one pass",
        "no diffusion (σ² = 0)",
        lambda study: [Candidate(Training("equation", weight, 0.0)) for weight in study.weights],
    ),
    Contestant(
        "gaussian", "one pass", "Gaussian augmentation", lambda study: _gaussian(study, smoothed=False)
    ),
    Contestant(
        "equation", "one pass", "convection–diffusion", lambda study: _equation(study, smoothed=False)
    ),
    Contestant(
        "longer",
        "one pass",
        "convection–diffusion, longer budget",
        lambda study: [
            Candidate(Training("equation", weight, study.middle, study.longer))
            for weight in study.longer_weights
        ],
    ),
    Contestant(
        "zero.smoothed",
        "smoothed",
        "λ = 0",
        lambda study: [Candidate(Training("equation"), each) for each in study.diffusivities],
    ),
    Contestant(
        "gaussian.smoothed",
        "smoothed",
        "Gaussian augmentation",
        lambda study: _gaussian(study, smoothed=True),
    ),
    Contestant(
        "equation.smoothed",
        "smoothed",
        "convection–diffusion",
        lambda study: _equation(study, smoothed=True),
    ),
)


def found_of(results: Results, candidate: Candidate, repeat: int) -> Found:
    """Return what is stored of a candidate in one repeat."""
    cell = results[cell_key(candidate.training, repeat)]
    found: Found = (
        cell["one_pass"] if candidate.smoothed is None else cell["smoothed"][number(candidate.smoothed)]
    )
    return found


def outcomes(study: HalfMoons, results: Results, contestant: Contestant) -> list[Choice]:
    """Return what a contestant came to in each repeat: the candidate most robust on validation data.

    Of equals the first is taken, that with the smallest σ², then the smallest λ. Test data have no part.
    """
    chosen = []
    for repeat in range(study.repeats):
        found = [Choice(one, found_of(results, one, repeat)) for one in contestant.candidates(study)]
        chosen.append(max(found, key=lambda one: float(one.found["validation"])))
    return chosen
