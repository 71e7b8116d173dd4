"""Certificates as a table for other tools: CSV or Parquet, one row an input."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from heatproof._check import message
from heatproof.certification._record import Certificate
from heatproof.certification._settings import CertificationSettings
from heatproof.errors import InputError, StorageError

__all__ = ["export_certificates", "row"]


def export_certificates(certificates: Sequence[Certificate], path: Path) -> None:
    """Write certificates to `path`, whose ending chooses the format: .csv or .parquet.

    Columns: input, target, label (−1: abstained), correct, radius per norm, p_lower, p_upper, draws,
    counts and looks (JSON), and the settings that are the same for all (noise, alpha, classifier…). Written
    whole or not at all. Errors: `InputError` for another ending or no certificates, `StorageError` if it
    cannot be written.
    """
    if path.suffix not in {".csv", ".parquet"}:
        raise InputError(
            message("export", repr(path.name), "a name ending in .csv or .parquet"), name="export"
        )
    if not certificates:
        raise InputError(message("export", "no certificates", "at least one"), name="export")
    rows = [row(certificate) for certificate in certificates]
    temporary = path.with_name(f".{path.name}.partial")
    try:
        _write(rows, temporary, path.suffix)
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise StorageError(
            f"{path.name}: could not be written ({error}). Nothing was overwritten."
        ) from error


def row(certificate: Certificate) -> dict[str, Any]:
    """Return the columns of one certificate; see `export_certificates`."""
    return {
        "input": certificate.index,
        "target": certificate.target,
        "one_pass": certificate.one_pass,
        "label": certificate.label,
        "correct": certificate.correct if certificate.target is not None else None,
        **{f"radius_{norm}": radius for norm, radius in certificate.radii.items()},
        "p_lower": certificate.p_lower,
        "p_upper": certificate.p_upper,
        "samples": certificate.samples,
        "rounding": certificate.rounding,
        "selection_counts": json.dumps(certificate.selection_counts),
        "estimation_counts": json.dumps(certificate.estimation_counts),
        "looks": json.dumps([asdict(look) for look in certificate.looks]),
        **_settings(certificate.settings),
    }


def _settings(settings: CertificationSettings) -> dict[str, Any]:
    """Return the settings as columns: nested ones as JSON, Gaussian noise_std as a column of its own."""
    plain = settings.to_mapping()
    own = {"noise_std": plain["noise"]["noise_std"]} if plain["noise"]["name"] == "gaussian" else {}
    nested = {name: json.dumps(value) for name, value in plain.items() if isinstance(value, dict | list)}
    return {**plain, **nested, **own}


def _write(rows: list[dict[str, Any]], path: Path, suffix: str) -> None:
    import pyarrow as pa
    from pyarrow import csv, parquet

    table = pa.Table.from_pylist(rows)
    if suffix == ".csv":
        csv.write_csv(table, path)
    else:
        parquet.write_table(table, path)
