"""A run folder is written by one process: several that a launcher starts are refused before it is made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from heatproof.errors import InputError
from heatproof.runs import RunConfig
from heatproof.runs.training import resume_run, train_run


def test_several_processes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = RunConfig.from_mapping(
        {"name": "two", "data": {"name": "half_moons"}, "network": {"name": "mlp"}}
    )
    monkeypatch.setenv("WORLD_SIZE", "2")
    calls: list[Callable[[], object]] = [
        lambda: train_run(config, tmp_path / "run"),
        lambda: resume_run(tmp_path / "run"),
    ]
    for call in calls:
        with pytest.raises(InputError, match="processes: got 2; allowed: 1 for a run folder") as caught:
            call()
        assert "heatproof.train" in str(caught.value)
    assert list(tmp_path.iterdir()) == []
