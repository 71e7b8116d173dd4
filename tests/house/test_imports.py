"""What an import costs and brings, each in a fresh process."""

from __future__ import annotations

import statistics
import subprocess
import sys

import pytest

HEAVY = (
    "sklearn",
    "datasets",
    "kornia",
    "altair",
    "vl_convert",
    "tensorboard",
    "playwright",
    "pyarrow",
    "torchdiffeq",
    "pde",
)


def _python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_adds_little_to_torch() -> None:
    code = "import time, torch; t = time.perf_counter(); import heatproof; print(time.perf_counter() - t)"
    assert statistics.median(float(_python(code)) for _ in range(3)) < 0.3


def test_import_loads_nothing_heavy() -> None:
    code = (
        "import sys, heatproof; print([name for name in ('torch', 'numpy', 'scipy') if name in sys.modules])"
    )
    assert _python(code).strip() == "[]"


@pytest.mark.parametrize(
    "place",
    [
        *("certification", "attacks", "training", "networks", "objectives", "data", "runs"),
        *("equation", "solvers", "theory"),
    ],
)
def test_wings_leave_optional_and_heavy_packages_alone(place: str) -> None:
    code = f"import sys, heatproof.{place}; print([name for name in {HEAVY!r} if name in sys.modules])"
    assert _python(code).strip() == "[]"


def test_command_line_helps_without_torch() -> None:
    code = (
        "import sys, heatproof.cli.main as main\n"
        "for words in (['--help'], ['train', '--help'], ['certify', '--help']):\n"
        "    main._guarded(words)\n"
        "assert 'torch' not in sys.modules, 'torch was imported'"
    )
    assert "Usage" in _python(code)


def test_public_names_all_load_and_stay_themselves() -> None:
    code = (
        "import heatproof as hp\n"
        "first = {name: getattr(hp, name) for name in hp.__all__}\n"
        "import heatproof.certification, heatproof.attacks, heatproof.training\n"
        "assert all(getattr(hp, name) is value for name, value in first.items())\n"
        "assert callable(hp.certify) and callable(hp.attack) and callable(hp.train)\n"
        "print(len(first))"
    )
    assert int(_python(code)) >= 10


def test_unknown_public_name_is_an_attribute_error() -> None:
    code = "import heatproof\ntry:\n    heatproof.certfy\nexcept AttributeError as error:\n    print(error)"
    assert "certfy" in _python(code)
