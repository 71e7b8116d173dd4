"""Set-up for all tests: shapes checked at run time, one thread a process, data where it is."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import beartype
from jaxtyping import install_import_hook

_CONFIGURATION = beartype.BeartypeConf(is_pep484_tower=True)  # an int stands for a float, as for mypy


def _check(function: Callable[..., Any]) -> Callable[..., Any]:
    """Check annotations at run time; `Self` is left out, which beartype knows in whole classes only."""
    hints = getattr(function, "__annotations__", {})
    if any("Self" in str(hint) for hint in hints.values()):
        return function
    return beartype.beartype(conf=_CONFIGURATION)(function)


_checker = ModuleType("heatproof_test_checker")
vars(_checker)["check"] = _check
sys.modules[_checker.__name__] = _checker
install_import_hook("heatproof", "heatproof_test_checker.check")

import hypothesis  # noqa: E402 - the hook must be in place first
import pytest  # noqa: E402
import torch  # noqa: E402

hypothesis.settings.register_profile("house", deadline=None, derandomize=True)
hypothesis.settings.load_profile("house")

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Return the folder that HEATPROOF_DATA names, or skip."""
    named = os.environ.get("HEATPROOF_DATA")
    if not named or not Path(named).is_dir():
        pytest.skip("HEATPROOF_DATA names no folder; see CONTRIBUTING.md")
    return Path(named)
