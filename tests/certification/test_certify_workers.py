"""Workers: side by side, in order, lazily; errors and threads come to an end."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

from heatproof.certification.sampling.forward import Forward
from heatproof.certification.sampling.workers import Workers
from heatproof.errors import HeatproofError

CPU = torch.device("cpu")


def _passes(count: int) -> list[Forward]:
    return [Forward(lambda x: x, rows=4, device=CPU) for _ in range(count)]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_results_come_in_order(count: int) -> None:
    with Workers(_passes(count)) as workers:
        assert list(workers.map(lambda _, piece: piece * piece, range(100))) == [k * k for k in range(100)]
        assert list(workers.map(lambda _, piece: piece, [])) == []


def test_two_work_at_the_same_time_each_with_its_own_pass() -> None:
    meeting = threading.Barrier(2, timeout=30)

    def work(forward: Forward, _: int) -> int:
        meeting.wait()
        return id(forward)

    with Workers(_passes(2)) as workers:
        assert len(set(workers.map(work, range(2)))) == 2


@pytest.mark.parametrize(("count", "ahead"), [(1, 1), (3, 6)])
def test_pieces_are_asked_for_lazily(count: int, ahead: int) -> None:
    asked: list[int] = []

    def pieces() -> Iterator[int]:
        for piece in range(50):
            asked.append(piece)
            yield piece

    with Workers(_passes(count)) as workers:
        results = workers.map(lambda _, piece: piece, pieces())
        assert asked == []
        for result in results:
            assert len(asked) <= result + ahead
        assert len(asked) == 50


def test_pieces_may_wait_for_a_result() -> None:
    seen: list[int] = []

    def pieces() -> Iterator[int | None]:
        for piece in range(10):
            yield piece
            while len(seen) <= piece:
                yield None

    with Workers(_passes(2)) as workers:
        for result in workers.map(lambda _, piece: piece, pieces()):
            seen.append(result)  # noqa: PERF402 - the pieces look at it
    assert seen == list(range(10))


def test_waiting_for_nothing_is_an_error() -> None:
    with Workers(_passes(2)) as workers, pytest.raises(HeatproofError, match="wait for a result"):
        list(workers.map(lambda _, piece: piece, [None]))


@pytest.mark.parametrize("count", [1, 3])
def test_the_first_error_comes_out_after_the_results_before_it(count: int) -> None:
    def work(_: Forward, piece: int) -> float:
        return 1 / (5 - piece)

    with Workers(_passes(count)) as workers:
        results = workers.map(work, range(100))
        assert [next(results) for _ in range(5)] == [1 / (5 - piece) for piece in range(5)]
        with pytest.raises(ZeroDivisionError):
            next(results)


def test_a_worker_has_one_thread_and_the_caller_keeps_its_own() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        with Workers(_passes(2)) as workers:
            assert set(workers.map(lambda *_: torch.get_num_threads(), range(8))) == {1}
            product = torch.ones(300, 300) @ torch.ones(300, 300)
            assert float(product[0, 0]) == 300.0
            assert torch.get_num_threads() == 3
        later: list[int] = []
        thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        assert later == [3]
    finally:
        torch.set_num_threads(before)


def test_threads_end_with_the_block() -> None:
    with Workers(_passes(4)) as workers:
        results = workers.map(lambda _, piece: piece, range(10**9))
        assert next(results) == 0
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("heatproof")]
