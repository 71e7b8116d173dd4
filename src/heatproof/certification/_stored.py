"""Certify into a store: what is stored already is not sampled again."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator

import torch
from torch import Tensor

from heatproof.certification._record import Certificate
from heatproof.certification._rules import rule_of, stopping_table
from heatproof.certification._settings import CertificationSettings
from heatproof.certification._smoothed import SmoothedPredictor
from heatproof.certification._store import CertificateStore
from heatproof.certification._store_rows import Certification

__all__ = ["certify_stored", "inputs_digest", "open_certification"]


def open_certification(
    store: CertificateStore,
    settings: CertificationSettings,
    split: str,
    *,
    x: Tensor,
    index: Tensor,
    beside: bool = False,
) -> Certification:
    """Return the certification of these settings and inputs, begun or found again. Errors: the store's."""
    table = stopping_table(rule_of(settings))
    return store.open(
        settings, split, tuple(index.tolist()), digest=inputs_digest(x), boundaries=table, beside=beside
    )


def inputs_digest(x: Tensor) -> str:
    """Return a SHA-256 of shape and values of the inputs, as float64."""
    digest = hashlib.sha256(f"{tuple(x.shape)}".encode())
    for row in x.detach().cpu():
        digest.update(row.double().contiguous().numpy().tobytes())
    return digest.hexdigest()


def certify_stored(
    store: CertificateStore,
    certification: Certification,
    predictor: SmoothedPredictor,
    *,
    x: Tensor,
    y: Tensor | None,
    index: Tensor,
) -> Iterator[Certificate]:
    """Certify the inputs that are not stored yet and yield each once it is stored, with its time."""
    missing = store.missing(certification)
    left = torch.tensor([key in missing for key in index.tolist()], dtype=torch.bool)
    if not bool(left.any()):
        return
    began = time.perf_counter()
    labels = None if y is None else y[left]
    table = certification.boundaries
    for one in predictor.certify(x[left], certification.settings, y=labels, index=index[left], table=table):
        now = time.perf_counter()
        store.add(certification, one, now - began)
        began = now
        yield one
