"""Set-up for all tests: shapes checked at run time, one thread a process, data where it is."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from jaxtyping import install_import_hook

install_import_hook("heatproof", "beartype.beartype")

import pytest  # noqa: E402 - the hook must be in place first
import torch  # noqa: E402

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Return the folder that HEATPROOF_DATA names, or skip."""
    named = os.environ.get("HEATPROOF_DATA")
    if not named or not Path(named).is_dir():
        pytest.skip("HEATPROOF_DATA names no folder; see CONTRIBUTING.md")
    return Path(named)
