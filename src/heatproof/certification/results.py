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
from heatproof.certification._holm import HolmTable, holm_table
from heatproof.certification._record import Certificate
from heatproof.certification._settings import CertificationSettings
from heatproof.certification._view import as_html, as_text, round_radii
from heatproof.errors import DependencyError, InputError

__all__ = ["Certificates"]

_NORMAL_QUANTILE = 1.959963984540054
_METHODS = {"fixed": "fixed n", "decision": "decisions", "radius": "full radii"}
_SIGNS = {"l1": "ℓ1", "l2": "ℓ2", "linf": "ℓ∞"}


@final
class Certificates(Sequence[Certificate]):
    """The certificates of one certification, in the order of the inputs; it cannot be changed.

    It behaves like a list (length, index, slice, iteration, ==) and knows what is said of the whole:
    certified accuracy at a radius, the average certified radius, abstentions. Intervals are 95 % over
    inputs, taken as a random sample of the data; each certificate's own failure probability (alpha) is not
    in them. With labels, an input counts at radius r > 0 if it is answered right and its radius is ≥ r
    (every perturbation *shorter* than r keeps the answer), at 0 if it is answered right. Without labels
    only `certified_fraction` is known, which counts every answer. Where no norm is named it is that of the
    settings. Radii of method "decision" are those that were asked for: shares between them are those of the
    next larger one.

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
    def mean_samples(self) -> float:
        """The draws that an input took on average, selection included."""
        return sum(one.samples for one in self._some()) / len(self)

    @property
    def abstained(self) -> Interval:
        """The share of inputs without an answer."""
        return proportion(sum(one.abstained for one in self._some()), len(self))

    def radii(self, norm: str | None = None) -> Float64[np.ndarray, " inputs"]:
        """Return the certified radius of each input in `norm`; 0 where it abstained."""
        named = self._norm(norm)
        values = [0.0 if one.abstained else one.radii[named] for one in self._certificates]
        return np.asarray(values, dtype=np.float64)

    def certified_accuracy(self, radius: float, norm: str | None = None) -> Interval:
        """Return the share answered right and certified at `radius` (see the class), with its interval."""
        self._need_labels("certified_accuracy", "Use certified_fraction, or give y to certify.")
        correct = [one.correct for one in self._certificates]
        return self._share(radius, norm, np.asarray(correct, dtype=bool))

    def certified_fraction(self, radius: float, norm: str | None = None) -> Interval:
        """Return the share answered, right or wrong, and certified at `radius`, with its interval."""
        answered = [not one.abstained for one in self._some()]
        return self._share(radius, norm, np.asarray(answered, dtype=bool))

    def average_certified_radius(self, norm: str | None = None) -> float:
        """Return the mean over all inputs of the radius, 0 where wrong or abstained (Zhai et al. 2020)."""
        self._need_labels("average_certified_radius", "Give y to certify, or take radii().mean().")
        return float(self._reach(norm).mean())

    def holm(self, radius: float) -> HolmTable:
        """Return who is certified at `radius` (in the norm of the settings) with alpha for the whole table.

        With probability at least 1 − alpha *all* that are certified here are right: the promise of
        alpha_scope "table", by Holm's procedure (1979), which certifies at least as many. The table is all
        inputs of this object, and the radius is chosen beforehand: another radius has an alpha of its own.
        Only for fixed n, hard votes, p_B = 1 − p_A and alpha per input. Cost: a sort.
        Errors: `InputError` for other settings, a radius below 0, or no certificates.
        """
        return holm_table(self._some(), radius)

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

    def plot(self, norm: str | None = None) -> Any:
        """Return an altair chart of certified accuracy (fraction, without labels) versus radius, with bands.

        A notebook shows it; `.save("chart.html")` or `.save("chart.png")` writes it.
        """
        kept = self._reach(norm)[self._counted()]
        who = "certified accuracy" if self.has_labels else "certified fraction"
        return certified_chart(kept, len(self), title=who, radius_title=f"{_sign(self._norm(norm))} radius")

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
        inputs = f"{len(self)} input{'s' if len(self) > 1 else ''}"
        scope = "per input" if self.settings.alpha_scope == "per input" else "for the table"
        return (
            f"{inputs}, {_METHODS[self.settings.method]}, {self.mean_samples:,.0f} draws an input, "
            f"alpha {self.settings.alpha:g} {scope}; 95 % intervals over inputs"
        )

    def _rows(self) -> list[tuple[str, str]]:
        """Return (what, how much) of the table that a notebook shows; of decisions only what was decided."""
        reach, sign, radii = self._reach(None), _sign(self.settings.norm), self.settings.radii
        share = self.certified_accuracy if self.has_labels else self.certified_fraction
        what = "answered right" if self.has_labels else "answered"
        mean = f"average {'certified ' if self.has_labels else ''}radius, {sign}"
        found = [(what, str(share(0.0))), ("abstained", str(self.abstained))]
        if not radii:
            found.append((mean, _mean(reach)))
        shown = [radius for radius in radii if radius > 0] if radii else round_radii(reach)
        return [*found, *((f"{what}, {sign} radius ≥ {radius:g}", str(share(radius))) for radius in shown)]

    def _some(self) -> tuple[Certificate, ...]:
        if not self._certificates:
            raise InputError(message("certificates", "none", "at least one"), name="certificates")
        return self._certificates

    def _norm(self, norm: str | None) -> str:
        """Return `norm`, checked; that of the settings by default."""
        return check_choice("norm", self.settings.norm if norm is None else norm, self.norms)

    def _need_labels(self, name: str, advice: str) -> None:
        unknown = sum(one.target is None for one in self._some())
        if unknown:
            got = f"{unknown} of {len(self)} inputs without their label"
            raise InputError(message(name, got, "labels for all of them", advice), name="y")

    def _counted(self) -> Any:
        """Return which inputs count at radius 0."""
        labels = self.has_labels
        return np.asarray([one.correct if labels else not one.abstained for one in self._some()], dtype=bool)

    def _reach(self, norm: str | None) -> Float64[np.ndarray, " inputs"]:
        return np.where(self._counted(), self.radii(norm), 0.0)

    def _share(self, radius: float, norm: str | None, counted: Any) -> Interval:
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
