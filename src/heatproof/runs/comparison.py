"""Two runs side by side on the inputs that both were attacked or certified on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from heatproof.certification import Certificate, CertificationSettings, fingerprint
from heatproof.runs.attack import read_attacks
from heatproof.runs.certify import main_certification
from heatproof.runs.folder import RunFolder
from heatproof.runs.training import load_model
from heatproof.statistics.paired import paired_difference
from heatproof.training.diagnosis import Comparison

__all__ = ["Certified", "certified_of", "compare_runs"]

_LEVEL = 0.05

_Place = tuple[str, str, float]
_Answers = Mapping[int, bool]


@dataclass(frozen=True)
class Certified:
    """The main certification of a run."""

    settings: CertificationSettings
    split: str
    certificates: tuple[Certificate, ...]

    def hold(self, radius: float) -> dict[int, bool]:
        """Return for each input whether it is certified right at an ℓ2 radius."""
        return {one.index: one.correct and one.radii["l2"] >= radius for one in self.certificates}


def certified_of(folder: RunFolder, *, trust: bool) -> Certified | None:
    """Return the certificates of the weights in the folder. Cost: with certificates, building the network."""
    if not folder.certificates.is_file():
        return None
    found = main_certification(folder, fingerprint(load_model(folder, trust=trust)))
    return None if found is None else Certified(found[0].settings, found[0].split, tuple(found[1]))


def compare_runs(
    first: RunFolder, second: RunFolder, *, trust: bool
) -> tuple[tuple[Comparison, ...], tuple[str, ...]]:
    """Return the first minus the second, wherever both were measured, and what could not be compared.

    Robust accuracy at each norm and radius, under the attacks that both stood; certified accuracy at the
    radii of the first one's configuration, where both were certified with as many draws at the same alpha.
    All intervals hold together with probability 95 %, each at its share of the rest.
    """
    answers = [("robust accuracy", place, *pair) for place, pair in _attacked(first, second)]
    mine, theirs = certified_of(first, trust=trust), certified_of(second, trust=trust)
    remarks = []
    if mine is not None and theirs is not None:
        remarks = _unlike(mine, theirs)
        radii = () if remarks else first.config.certify.radii
        for radius in (radius for radius in radii if radius > 0):
            place = (mine.split, "l2", radius)
            answers.append(("certified accuracy", place, mine.hold(radius), theirs.hold(radius)))
    shared = [one for one in answers if one[2].keys() & one[3].keys()]
    confidence = 1 - _LEVEL / max(1, len(shared))
    return tuple(_comparison(*one, confidence) for one in shared), tuple(remarks)


def _comparison(
    measure: str, place: _Place, first: _Answers, second: _Answers, confidence: float
) -> Comparison:
    inputs = first.keys() & second.keys()
    only_first = sum(first[one] and not second[one] for one in inputs)
    only_second = sum(second[one] and not first[one] for one in inputs)
    split, norm, radius = place
    difference = paired_difference(only_first, only_second, len(inputs), confidence)
    return Comparison(measure, norm, radius, split, difference)


def _attacked(first: RunFolder, second: RunFolder) -> list[tuple[_Place, tuple[_Answers, _Answers]]]:
    """Return where both were attacked, with the answers that stood the attacks which both saw."""
    mine, theirs = _grouped(read_attacks(first)), _grouped(read_attacks(second))
    pairs = []
    for place in sorted(mine.keys() & theirs.keys()):
        both = mine[place].keys() & theirs[place].keys()
        if both:
            pairs.append((place, (_stood(mine[place], both), _stood(theirs[place], both))))
    return pairs


def _grouped(rows: Iterable[Mapping[str, Any]]) -> dict[_Place, dict[tuple[str, int], dict[int, bool]]]:
    """Group by place and by attack: for each input whether the network is right there, attacked."""
    groups: dict[_Place, dict[tuple[str, int], dict[int, bool]]] = {}
    for row in rows:
        place = (row["split"], row["norm"], row["radius"])
        answers = groups.setdefault(place, {}).setdefault((row["attack"], row["seed"]), {})
        answers[row["input"]] = bool(row["natural_correct"] and not row["success"])
    return groups


def _stood(attacks: Mapping[tuple[str, int], _Answers], both: Iterable[tuple[str, int]]) -> _Answers:
    """Return for each input under all of these attacks whether it stood them all."""
    found = [attacks[one] for one in both]
    shared = set(found[0]).intersection(*found)
    return {one: all(answers[one] for answers in found) for one in shared}


def _unlike(first: Certified, second: Certified) -> list[str]:
    """Say why two certifications do not compare."""
    if first.split != second.split:
        return [f"Certificates are of the {first.split} and the {second.split} split: not compared."]
    names = ("method", "alpha", "alpha_scope", "estimation_samples")
    unlike = [name for name in names if getattr(first.settings, name) != getattr(second.settings, name)]
    if unlike:
        return [f"Certificates differ in {', '.join(unlike)}: not compared."]
    return []
