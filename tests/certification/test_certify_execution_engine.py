"""What must not change a certificate, whatever the procedure: batches, order, workers, interruptions."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from heatproof.certification import Certificates, certify, verify_store
from heatproof.noise import Laplace

Model = Callable[[Tensor], Tensor]

METHODS: dict[str, dict[str, Any]] = {
    "decision": {"radii": [0.1, 0.3], "estimation_samples": 400},
    "radius": {"method": "radius", "estimation_samples": 400, "tolerance": 0.05},
    "laplace": {"radii": [0.1, 0.3], "estimation_samples": 400, "noise": Laplace(noise_scale=0.4)},
    "table": {"radii": [0.2], "estimation_samples": 400, "alpha_scope": "table"},
}
X = 0.4 * torch.randn(12, 3, generator=torch.Generator().manual_seed(4))
INDEX = torch.arange(12) * 7 + 3


def run(model: Model, x: Tensor = X, index: Tensor | None = INDEX, **options: Any) -> Certificates:
    values: dict[str, Any] = {"alpha": 0.01, "selection_samples": 16, "pilot": False, "index": index}
    if "noise" not in options:
        values["noise_std"] = 0.5
    return certify(model, x, **{**values, **options})


class Half(nn.Module):
    """1{x₁ > 0} as a module: it has a fingerprint, and can have several workers."""

    def forward(self, x: Tensor) -> Tensor:
        top = (x[:, 0] > 0).float()
        return torch.stack([1 - top, top], dim=1)


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_batch_size_and_workers_change_nothing(threshold: Model, method: dict[str, Any]) -> None:
    for classifier in (threshold, Half()):
        whole = run(classifier, **method)
        assert len({one.samples for one in whole}) > 2  # inputs finish at different times
        for batch_size in (1, 37, 5000):
            assert run(classifier, batch_size=batch_size, **method) == whole
        for workers in (2, 3):
            assert run(classifier, workers=workers, batch_size=64, **method) == whole
        with threads(2):
            assert run(classifier, batch_size=64, **method) == whole


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_order_and_subset_change_nothing(threshold: Model, method: dict[str, Any]) -> None:
    if method.get("alpha_scope") == "table":
        method = {**method, "alpha_scope": "per input"}  # another number of inputs is another table
    whole = run(threshold, **method)
    for order in ([11, 0, 5], list(reversed(range(12))), [4]):
        rows = torch.tensor(order)
        assert run(threshold, X[rows], INDEX[rows], **method) == [whole[row] for row in order]
    keyed = run(threshold, index=None, **method)
    rows = torch.tensor([3, 8])
    assert run(threshold, X[rows], None, **method) == [keyed[3], keyed[8]]


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
@pytest.mark.parametrize("after", [1, 7])
def test_an_interrupted_certification_goes_on_to_the_same_end(
    tmp_path: Path, method: dict[str, Any], after: int
) -> None:
    store = tmp_path / "store.sqlite"

    def interrupt(done: int, total: int, note: str = "") -> None:
        assert total == 12
        assert isinstance(note, str)
        if done == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(Half(), store=store, progress=interrupt, batch_size=100, **method)
    half = verify_store(store)
    assert (half.checked, half.missing, half.mismatches) == (after, 12 - after, ())
    seen: list[int] = []
    found = run(
        Half(), store=store, batch_size=900, progress=lambda done, *_, **__: seen.append(done), **method
    )
    assert seen == list(range(after, 13))  # what was stored is not done again
    assert found == run(Half(), **method)
    assert run(Half(), store=store, **method) == found  # and nothing is left to do
    assert verify_store(store).missing == 0
    assert verify_store(store).mismatches == ()


def test_nothing_is_asked_of_the_model_once_all_is_stored(tmp_path: Path) -> None:
    rows: list[int] = []
    spy = Half()
    spy.register_forward_hook(lambda _, given, __: rows.append(len(given[0])))
    options = {**METHODS["decision"], "store": tmp_path / "store.sqlite"}
    run(spy, **options)
    rows.clear()
    run(spy, **options)
    assert (
        sum(rows) <= 1 + 4 * 8
    )  # the trial whether rows are independent, whose settings name the store's entry


# Rounding that depends on the shape of a batch, exaggerated: a vote near the boundary follows it


def _uneven(seen: list[int] | None = None) -> Model:
    """Return logits that depend, by 10⁻⁴, on how many rows there are and on the place of each in them."""

    def model(x: Tensor) -> Tensor:
        if seen is not None:
            seen.append(len(x))
        place = torch.arange(len(x), dtype=torch.float32)
        score = 1e-4 * (torch.sin(40 * x[:, 0]) + torch.sin(7 * place + len(x)))
        return torch.stack([-score, score], dim=1)

    return model


DETERMINISTIC: dict[str, dict[str, Any]] = {
    "fixed": {"estimation_samples": 300},
    "decision": {"radii": [0.0, 0.05], "estimation_samples": 300},
    "soft": {"vote": "soft", "estimation_samples": 300},
}


@pytest.mark.parametrize("method", DETERMINISTIC.values(), ids=DETERMINISTIC)
def test_deterministic_votes_do_not_depend_on_the_batch(method: dict[str, Any]) -> None:
    whole = run(_uneven(), deterministic=True, **method)
    for batch_size in (1, 50, 3000):
        assert run(_uneven(), deterministic=True, batch_size=batch_size, **method) == whole
    for workers in (2, 3):
        assert run(_uneven(), deterministic=True, workers=workers, **method) == whole
    rows = torch.tensor([9, 2, 4])
    part = run(_uneven(), X[rows], INDEX[rows], deterministic=True, **method)
    assert part == [whole[int(row)] for row in rows]


def test_without_it_they_may() -> None:
    """The control: the same model in other batches gives other counts."""
    method = DETERMINISTIC["fixed"]
    counts = [
        [one.estimation_counts for one in run(_uneven(), batch_size=batch_size, **method)]
        for batch_size in (50, 3000)
    ]
    assert counts[0] != counts[1]


def test_all_deterministic_passes_have_one_shape() -> None:
    seen: list[int] = []
    run(_uneven(seen), deterministic=True, batch_size=50, estimation_samples=300)
    tried = {1, 8}  # the trial, and the noise-free answers, one by one
    assert set(seen) - tried == {1024}
    assert all(a == b for a, b in itertools.pairwise(n for n in seen if n not in tried))
