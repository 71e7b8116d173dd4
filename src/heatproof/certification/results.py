"""What a certification gave: its certificates as one object, with numbers, tables and pictures of them."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, final, overload

import numpy as np
from jaxtyping import Float64

from heatproof._check import check_choice, check_number, message
from heatproof._intervals import Interval, proportion
from heatproof.certification._chart import certified_chart
from heatproof.certification._export import export_certificates, row
from heatproof.certification._guarantee import guarantee
from heatproof.certification._record import Certificate
from heatproof.certification._settings import CertificationSettings
from heatproof.certification._view import as_html, as_text, round_radii
from heatproof.errors import DependencyError, InputError

__all__ = ["Certificates"]

_NORMAL_QUANTILE = 1.959963984540054
_SIGNS = {"l1": "ℓ1", "l2": "ℓ2", "linf": "ℓ∞"}


@final
class Certificates(Sequence[Certificate]):
    """The certificates of one certification, in the order of the inputs; it cannot be changed.

    It behaves like a list (length, index, slice, iteration, ==) and knows what is said of the whole:
    certified accuracy at a radius, the average certified radius, abstentions. Intervals are 95 % over
    inputs, taken as a random sample of the data; each certificate's own failure probability (alpha) is not
    in them. With labels, an input counts at radius r > 0 if it is answered right and its radius is ≥ r
    (every perturbation *shorter* than r keeps the answer), at 0 if it is answered right. Without labels
    only `certified_fraction` is known, which counts every answer.

    All certificates are of the same settings; slices are `Certificates` again. In a notebook it shows a
    small table. Errors: `InputError` for certificates of different settings, for numbers of an empty one,
    for accuracies where not every input has its label; `UnknownNameError` for a norm that is not there.
    """

    __slots__ = ("_certificates",)

    def __init__(self, certificates: Iterable[Certificate] = ()) -> None:
        self._certificates = tuple(certificates)
        for one in self._certificates[1:]:
            first = self._certificates[0].settings
            if one.settings is not first and one.settings != first:
                advice = "They speak of different classifiers or levels: keep them apart."
                text = message("certificates", "several settings", "those of one certification", advice)
                raise InputError(text, name="certificates")

    def __len__(self) -> int:
        return len(self._certificates)

    @overload
    def __getitem__(self, place: int) -> Certificate: ...

    @overload
    def __getitem__(self, place: slice) -> Certificates: ...

    def __getitem__(self, place: int | slice) -> Certificate | Certificates:
        found = self._certificates[place]
        return Certificates(found) if isinstance(found, tuple) else found

    def __eq__(self, other: object) -> bool:
        """Compare with other `Certificates`, or with a list or tuple of certificates."""
        if isinstance(other, Certificates):
            return self._certificates == other._certificates
        return self._certificates == tuple(other) if isinstance(other, list | tuple) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    @property
    def settings(self) -> CertificationSettings:
        """What is the same for all of them."""
        return self._some()[0].settings

    @property
    def guarantee(self) -> str:
        """What each of them promises, in one sentence."""
        return guarantee(self.settings)

    @property
    def has_labels(self) -> bool:
        """Whether the right answer of every input is known."""
        return all(one.target is not None for one in self._certificates)

    @property
    def norms(self) -> tuple[str, ...]:
        """The norms in which radii are known."""
        return tuple(self._some()[0].radii)

    @property
    def abstained(self) -> Interval:
        """The share of inputs without an answer."""
        return proportion(sum(one.abstained for one in self._some()), len(self))

    def radii(self, norm: str = "l2") -> Float64[np.ndarray, " inputs"]:
        """Return the certified radius of each input in `norm`; 0 where it abstained."""
        check_choice("norm", norm, self.norms)
        values = [0.0 if one.abstained else one.radii[norm] for one in self._certificates]
        return np.asarray(values, dtype=np.float64)

    def certified_accuracy(self, radius: float, norm: str = "l2") -> Interval:
        """Return the share answered right and certified at `radius` (see the class), with its interval."""
        self._need_labels("certified_accuracy", "Use certified_fraction, or give y to certify.")
        correct = [one.correct for one in self._certificates]
        return self._share(radius, norm, np.asarray(correct, dtype=bool))

    def certified_fraction(self, radius: float, norm: str = "l2") -> Interval:
        """Return the share answered, right or wrong, and certified at `radius`, with its interval."""
        answered = [not one.abstained for one in self._some()]
        return self._share(radius, norm, np.asarray(answered, dtype=bool))

    def average_certified_radius(self, norm: str = "l2") -> float:
        """Return the mean over all inputs of the radius, 0 where wrong or abstained (Zhai et al. 2020)."""
        self._need_labels("average_certified_radius", "Give y to certify, or take radii().mean().")
        return float(self._reach(norm).mean())

    def to_pandas(self) -> Any:
        """Return a `pandas.DataFrame`, one row an input, in the columns of `export`.

        Errors: `DependencyError` without pandas (the extra `pandas`).
        """
        try:
            import pandas as pd
        except ImportError as error:
            advice = "Install it: pip install 'heatproof[pandas]'."
            text = message("to_pandas", "no pandas", "an environment that has it", advice)
            raise DependencyError(text, name="pandas") from error
        return pd.DataFrame([row(one) for one in self._certificates])

    def export(self, path: str | os.PathLike[str]) -> None:
        """Write a table to `path`, .csv or .parquet, whole or not at all (see `export_certificates`)."""
        export_certificates(self._certificates, Path(path))

    def plot(self, norm: str = "l2") -> Any:
        """Return an altair chart of certified accuracy (fraction, without labels) versus radius, with bands.

        A notebook shows it; `.save("chart.html")` or `.save("chart.png")` writes it.
        """
        kept = self._reach(norm)[self._counted()]
        who = "certified accuracy" if self.has_labels else "certified fraction"
        return certified_chart(kept, len(self), title=who, radius_title=f"{_sign(norm)} radius")

    def __repr__(self) -> str:
        return f"Certificates({len(self)} inputs)"

    def __str__(self) -> str:
        if not self._certificates:
            return "no certificates"
        return as_text(self._headline(), self._rows(), self.guarantee)

    def _repr_html_(self) -> str:
        if not self._certificates:
            return "<p>no certificates</p>"
        return as_html(self._headline(), self._rows(), self.guarantee)

    def _headline(self) -> str:
        return f"{len(self)} input{'s' if len(self) > 1 else ''}, 95 % intervals over inputs"

    def _rows(self) -> list[tuple[str, str]]:
        """Return (what, how much) of the table that a notebook shows."""
        norm = "l2" if "l2" in self.norms else self.norms[0]
        reach = self._reach(norm)
        sign = _sign(norm)
        share = self.certified_accuracy if self.has_labels else self.certified_fraction
        what = "answered right" if self.has_labels else "answered"
        mean = f"average {'certified ' if self.has_labels else ''}radius, {sign}"
        certified = [
            (f"{what}, {sign} radius ≥ {radius:g}", str(share(radius, norm))) for radius in round_radii(reach)
        ]
        return [
            (what, str(share(0.0, norm))),
            ("abstained", str(self.abstained)),
            (mean, _mean(reach)),
            *certified,
        ]

    def _some(self) -> tuple[Certificate, ...]:
        if not self._certificates:
            raise InputError(message("certificates", "none", "at least one"), name="certificates")
        return self._certificates

    def _need_labels(self, name: str, advice: str) -> None:
        unknown = sum(one.target is None for one in self._some())
        if unknown:
            got = f"{unknown} of {len(self)} inputs without their label"
            raise InputError(message(name, got, "labels for all of them", advice), name="y")

    def _counted(self) -> Any:
        """Return which inputs count at radius 0."""
        labels = self.has_labels
        return np.asarray([one.correct if labels else not one.abstained for one in self._some()], dtype=bool)

    def _reach(self, norm: str) -> Float64[np.ndarray, " inputs"]:
        return np.where(self._counted(), self.radii(norm), 0.0)

    def _share(self, radius: float, norm: str, counted: Any) -> Interval:
        check_number("radius", radius, at_least=0)
        certified = self.radii(norm) >= radius
        return proportion(int((counted & certified).sum()), len(self))


def _sign(norm: str) -> str:
    return _SIGNS.get(norm, norm)


def _mean(values: Float64[np.ndarray, " inputs"]) -> str:
    """Write a mean with its normal 95 % interval."""
    mean = float(values.mean())
    if len(values) < 2:
        return f"{mean:.3f}"
    half = _NORMAL_QUANTILE * float(values.std(ddof=1)) / math.sqrt(len(values))
    return f"{mean:.3f} [{max(0.0, mean - half):.3f}, {mean + half:.3f}]"
