"""What the page says in words of a certification: which classifier, how many draws, what attacks found."""

from __future__ import annotations

from collections.abc import Sequence

from heatproof.certification import Certificate, CertificationSettings
from heatproof.certification._store_rows import Certification
from heatproof.runs.state import Challenge

__all__ = ["certification_notes", "classifier_words"]


def classifier_words(settings: CertificationSettings) -> str:
    """Say which classifier is certified."""
    network = "the network" if settings.precision == "own" else f"the network in {settings.precision}"
    if settings.classifier == "equation":
        return (
            f"the equation's own solution u(·, T): the heat flow over the diffusion stage of {network}'s "
            f"hard decisions at t = 0, sampled with {settings.noise.describe()}"
        )
    return f"{network} smoothed by {settings.noise.describe()}, {settings.vote} votes"


def certification_notes(
    challenge: Challenge | None, newest: tuple[Certification, list[Certificate]] | None, others: int = 0
) -> tuple[str, ...]:
    """Return sentences on the certification that is shown; what was said of another one is left out."""
    if newest is None:
        return ()
    certification, found = newest
    settings, notes = certification.settings, []
    if challenge and challenge.certification == certification.id:
        notes.append(
            f"Certificates attacked inside their radii: {challenge.attacked}; refuted: {challenge.refuted} "
            f"(a true one counts as refuted with probability ≤ {challenge.level:g})."
        )
    if others:
        notes.append(
            f"Shown is certification {certification.id}, the one of most inputs (the newest of equals); "
            f"{others} more of this run are listed by heatproof info."
        )
    if len(found) < len(certification.index):
        notes.append(
            f"Certification has not ended: {len(found)} of {len(certification.index)} inputs so far."
        )
    notes.append(
        f"Sampling: {_sampling(settings, found)}, alpha = {settings.alpha:g} {settings.alpha_scope}, "
        f"seed {settings.seed}, lattice unit {settings.unit:g}, {certification.split} split."
    )
    return tuple(notes)


def _sampling(settings: CertificationSettings, found: Sequence[Certificate]) -> str:
    """Say how many draws an input got, and by what rule."""
    most = f"n₀ = {settings.selection_samples}, n = {settings.estimation_samples}"
    if settings.method == "fixed":
        return most
    mean = sum(one.samples for one in found) / len(found)
    radii = ", ".join(f"{radius:g}" for radius in settings.radii)
    what = f"a decision on {settings.norm} radii {radii}" if radii else "the radius within its tolerance"
    return f"draws until {what}, at most {most}, {mean:,.0f} an input on average"
