"""A cache folder of its own for tests that calibrate boundaries."""

from __future__ import annotations

from pathlib import Path

import pytest

from heatproof.statistics import _calibrated


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point the user's cache folder to an empty one."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def forgotten(empty_cache: Path) -> Path:
    """Forget what is in memory as well."""
    _calibrated._boundary.cache_clear()
    return empty_cache
