"""What is said while a certification runs: how much is certified so far, and how fast it goes."""

from __future__ import annotations

import time
from collections.abc import Sequence

from heatproof._intervals import proportion
from heatproof._types import Progress
from heatproof.certification import Certificate, CertificationSettings

__all__ = ["Live"]


class Live:
    """Counts certificates as they come and tells the progress a line of them.

    The line, "name: value | name: value": the share of inputs so far that is answered right and certified at
    the first radius > 0 of the settings (without one: at any radius), with its 95 % interval; draws a second;
    draws an input. Inputs finish at different times, the easy ones first, so the share drifts until the end.
    """

    def __init__(
        self, settings: CertificationSettings, earlier: Sequence[Certificate], total: int, progress: Progress
    ) -> None:
        self._radius = next((radius for radius in settings.radii if radius > 0), 0.0)
        self._total, self._progress = total, progress
        self._done = self._certified = 0
        for one in earlier:
            self._count(one)
        self._began, self._samples, self._fresh = time.perf_counter(), 0, 0
        progress(self._done, total, "")

    def add(self, one: Certificate) -> None:
        """Count one more certificate and tell."""
        self._count(one)
        self._samples += one.samples
        self._fresh += 1
        self._progress(self._done, self._total, self._line())

    def _count(self, one: Certificate) -> None:
        self._done += 1
        self._certified += one.correct and one.radius >= self._radius

    def _line(self) -> str:
        share = proportion(self._certified, self._done)
        rate = self._samples / max(time.perf_counter() - self._began, 1e-9)
        at = f" at {self._radius:g}" if self._radius else ""
        return (
            f"certified so far{at}: {share.value:.1%} [{share.low:.1%}, {share.high:.1%}] | "
            f"draws a second: {rate:,.0f} | draws an input: {self._samples / self._fresh:,.0f}"
        )
