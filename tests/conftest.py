"""Set-up for all tests: shapes checked at run time, one thread a process, data where it is."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from playwright.sync_api import Browser

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


_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a headless Chromium, or skip."""
    found = next(filter(None, map(shutil.which, _CHROMIUM)), None)
    if found is None:
        pytest.skip("no Chromium on the PATH; on Debian: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with playwright.sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=found, headless=True, args=_ARGUMENTS)
        yield launched
        launched.close()
