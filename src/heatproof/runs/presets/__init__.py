"""Configurations by name: each is a YAML file beside this one."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import as_file, files
from typing import Any

from heatproof._check import check_choice
from heatproof.runs.document import read_yaml

__all__ = ["describe", "preset", "preset_names"]


def preset_names() -> tuple[str, ...]:
    """Return the names that `preset` knows."""
    entries = (entry.name for entry in files(__package__).iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in entries if name.endswith(".yaml")))


def preset(name: str) -> dict[str, Any]:
    """Return one preset as a document. Errors: `UnknownNameError` that names the nearest."""
    check_choice("preset", name, preset_names())
    with as_file(files(__package__) / f"{name}.yaml") as path:
        return read_yaml(path)


def describe() -> Iterator[tuple[str, str]]:
    """Yield name and first comment of each preset."""
    for name in preset_names():
        text = (files(__package__) / f"{name}.yaml").read_text(encoding="utf-8")
        yield name, text.partition("\n")[0].lstrip("# ")
