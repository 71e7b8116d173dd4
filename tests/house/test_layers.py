"""The floors of docs/design.md: a module imports only from floors below it, or from its own folder."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "heatproof"

FLOORS: dict[str, int] = {
    "errors": 0,
    "_types": 0,
    "_check": 0,
    "_specification": 0,
    "_intervals": 0,
    "noise": 1,
    "statistics": 1,
    "equation": 2,
    "data": 2,
    "lipschitz": 2,
    "networks": 3,
    "attacks": 3,
    "certification": 3,
    "objectives": 4,
    "solvers": 4,
    "training": 5,
    "theory": 5,
    "report": 6,
    "runs": 7,
    "studies": 8,
    "cli": 9,
}


def _place(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def _imports(text: str) -> Iterator[str]:
    """Yield the dotted names of heatproof that a module imports, at any depth of the code."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("heatproof"))
        elif isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("heatproof")):
            module = "." * node.level + (node.module or "")
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _faults(place: str, text: str) -> list[str]:
    faults = []
    for name in _imports(text):
        parts = name.split(".")
        if parts[0] != "heatproof":
            faults.append(f"relative import {name}")
            continue
        target = parts[1] if len(parts) > 1 else ""
        if target not in {*FLOORS, "", "__version__"}:
            faults.append(f"{place} imports {name} from the package's public face")
        if target in FLOORS and target != place and FLOORS[target] >= FLOORS[place] and FLOORS[place] > 0:
            faults.append(f"{place} (floor {FLOORS[place]}) imports {name} (floor {FLOORS[target]})")
        if FLOORS[place] == 0 and target in FLOORS and FLOORS[target] > 0:
            faults.append(f"{place} (floor 0) imports {name}")
    return faults


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(SOURCE.rglob("*.py")) if path != SOURCE / "__init__.py"],
    ids=lambda path: str(path.relative_to(SOURCE)),
)
def test_module_imports_only_from_floors_below(path: Path) -> None:
    assert _faults(_place(path), path.read_text(encoding="utf-8")) == []


def test_every_place_has_a_floor() -> None:
    places = {_place(path) for path in SOURCE.rglob("*.py")} - {"__init__"}
    assert places == set(FLOORS)


def test_an_upward_import_is_found() -> None:
    assert _faults("noise", "from heatproof.training import train") != []
    assert _faults("attacks", "def f():\n    import heatproof.certification") != []
    assert _faults("_check", "from heatproof.noise import Gaussian") != []
    assert _faults("data", "from .. import errors") != []
    assert _faults("noise", "from heatproof import train") != []
    assert _faults("noise", "from heatproof import errors") == []


def test_the_design_page_lists_every_place() -> None:
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    table = page.partition("## Floors")[2].partition("## The few contracts")[0]
    rows = re.findall(r"^\| (\d+) \| (.+?) \|", table, flags=re.MULTILINE)
    stated = {
        name.removesuffix(".py").removesuffix("/"): int(floor)
        for floor, cell in rows
        for name in re.findall(r"`([^`]+)`", cell)
    }
    assert stated == FLOORS
