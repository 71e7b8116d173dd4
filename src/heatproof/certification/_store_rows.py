"""Tables of the store, and how certificates become rows of them and come back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from heatproof.certification._bounds import Look
from heatproof.certification._record import Certificate
from heatproof.certification._settings import CertificationSettings

__all__ = ["SCHEMA", "Certification", "certificate_of", "differences", "row_of"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS certifications (
    id INTEGER PRIMARY KEY,
    settings TEXT NOT NULL,
    plan TEXT NOT NULL,
    boundaries TEXT NOT NULL DEFAULT '[]',
    seconds REAL NOT NULL DEFAULT 0,
    UNIQUE (settings, plan)
);
CREATE TABLE IF NOT EXISTS certificates (
    certification INTEGER NOT NULL REFERENCES certifications (id),
    input INTEGER NOT NULL,
    target INTEGER,
    one_pass INTEGER,
    candidate INTEGER NOT NULL,
    abstained INTEGER NOT NULL,
    p_lower REAL NOT NULL,
    p_upper REAL NOT NULL,
    radius REAL NOT NULL,
    radii TEXT NOT NULL,
    rounding REAL NOT NULL,
    selection_counts TEXT NOT NULL,
    estimation_counts TEXT NOT NULL,
    looks TEXT NOT NULL,
    PRIMARY KEY (certification, input)
);
"""


@dataclass(frozen=True)
class Certification:
    """One set of settings applied to one list of inputs: `split` and the inputs' indices, in order.

    `boundaries` is the stopping table that it was begun with (empty for fixed n), `digest` a SHA-256 of the
    contents of the inputs.
    """

    id: int
    settings: CertificationSettings
    split: str
    index: tuple[int, ...]
    seconds: float
    boundaries: tuple[dict[str, Any], ...] = ()
    digest: str = ""


def differences(one: Certification, settings: CertificationSettings, index: tuple[int, ...]) -> Iterator[str]:
    """Yield what a certification has else than `settings` and `index`, each in a few words."""
    for name in type(settings).model_fields:
        new, old = getattr(settings, name), getattr(one.settings, name)
        if new != old:
            hashes = name == "model_fingerprint"
            yield "another model (weights or structure)" if hashes else f"{name} {new!r}, there {old!r}"
    if one.index != index:
        yield f"{len(index)} other inputs"


def row_of(certification: Certification, certificate: Certificate) -> tuple[object, ...]:
    return (
        certification.id,
        certificate.index,
        certificate.target,
        certificate.one_pass,
        certificate.candidate,
        int(certificate.abstained),
        certificate.p_lower,
        certificate.p_upper,
        certificate.radius,
        json.dumps(certificate.radii),
        certificate.rounding,
        json.dumps(certificate.selection_counts),
        json.dumps(certificate.estimation_counts),
        json.dumps([asdict(look) for look in certificate.looks]),
    )


def certificate_of(row: tuple[Any, ...], settings: CertificationSettings) -> Certificate:
    _, index, target, one_pass, candidate, abstained, p_lower, p_upper, _, radii, rounding, *texts = row
    selection, estimation, looks = (json.loads(str(text)) for text in texts)
    return Certificate(
        index=index,
        candidate=candidate,
        abstained=bool(abstained),
        p_lower=p_lower,
        p_upper=p_upper,
        radii=json.loads(radii),
        rounding=rounding,
        selection_counts=tuple(selection),
        estimation_counts=tuple(estimation),
        settings=settings,
        looks=tuple(Look(**look) for look in looks),
        target=target,
        one_pass=one_pass,
    )
