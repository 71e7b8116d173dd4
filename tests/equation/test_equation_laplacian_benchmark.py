"""The tools of benchmarks/laplacian.py: bytes of known allocations, and the reference written by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

from heatproof.equation.laplacian import Autodiff, estimate

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
MEBI = 2**20


@pytest.fixture(autouse=True)
def _on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def test_bytes_of_known_allocations() -> None:
    from laplacian_memory import peak_bytes

    weight = torch.empty(4, MEBI)

    def two_then_one() -> None:
        first = torch.empty(2 * MEBI)  # 8 MiB
        second = torch.empty(MEBI)  # 4 MiB beside it: the peak
        del first
        _ = torch.empty(MEBI // 2), second  # 2 MiB, after 8 MiB were freed

    assert peak_bytes(two_then_one) == 12 * MEBI
    assert peak_bytes(lambda: weight.T[:5] * 1) == 5 * 4 * 4  # views and what was there before are free
    assert peak_bytes(lambda: [torch.empty(MEBI) for _ in range(3)]) == 12 * MEBI

    def saved_for_backward() -> None:
        x = torch.ones(MEBI, requires_grad=True)  # 4 MiB
        total = x.exp().sum()  # exp keeps its result for backward
        _ = torch.empty(MEBI)
        total.backward()

    assert peak_bytes(saved_for_backward) >= 12 * MEBI


def test_autodiff_never_holds_a_matrix_of_the_dimension() -> None:
    """At d = 3000 one d×d matrix is 34 MiB; `rows` bounds what is held, whatever d."""
    from laplacian_memory import peak_bytes

    model = torch.nn.Sequential(torch.nn.Linear(3000, 16), torch.nn.Tanh(), torch.nn.Linear(16, 2))
    x = torch.randn(1, 3000)
    used = {}
    with torch.no_grad():
        for rows in (50, 400):
            used[rows] = peak_bytes(partial(estimate, Autodiff(rows=rows), model, x))
    assert used[50] < 3 * MEBI
    assert used[50] < used[400] < 3000**2 * 4


def test_by_hand_is_autodiff() -> None:
    from laplacian_contestants import by_hand, hessians, network

    model, x = network(5, 3).double(), torch.randn(2, 5, dtype=torch.float64)
    truth = hessians(model, x).diagonal(dim1=2, dim2=3).sum(dim=-1)
    assert torch.allclose(by_hand(model, x), truth, rtol=1e-10)
    assert torch.allclose(estimate(Autodiff(), model, x), truth, rtol=1e-10)


def test_the_command_prints_json() -> None:
    command = [sys.executable, str(BENCHMARKS / "laplacian.py")]
    done = subprocess.run(
        [*command, "--json", "--quick", "--repeat", "1", "--draws", "3"],
        capture_output=True,
        text=True,
        check=True,
    )
    result = json.loads(done.stdout)
    rows = {(row["dimension"], row["contestant"]): row for row in result["rows"]}
    assert rows[64, "autodiff"]["bias"] < 1e-9
    assert rows[64, "axes"]["bias"] < 1e-2
    assert rows[64, "autodiff"]["peak_bytes"] < rows[64, "torch.func.hessian"]["peak_bytes"]
    assert {one["dimension"] for one in result["targets"]} == {2, 64}
