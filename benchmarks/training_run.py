"""The command line that the benchmarks of training share: cells over worker processes, then the page.

A worker has one thread and its own copy of the data: two keep two cores busy. The allocator is that of
heatproof's command line, set before PyTorch is loaded, which is why nothing here loads it early.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from training_cells import Cell, CellFolder, Plan, Protocol

from heatproof.cli._allocator import keep_memory
from heatproof.errors import HeatproofError

__all__ = ["Judge", "carry_out", "main"]

Judge: TypeAlias = Callable[[Plan, dict[str, Any]], list[dict[str, Any]]]
"""Adds what it knows to the summary and returns the targets."""

_QUICK = "QUICK VERSION: it shows that the command runs. No figure or target below means anything."


def main(description: str, plans: Mapping[str, Callable[[bool], Plan]], judge: Judge) -> int:
    """Run a benchmark; return 0 if all cells are there, 1 if not yet, 2 for an error, 130 if broken off."""
    chosen = _options(description, list(plans))
    plan = plans[chosen.protocol](chosen.quick)
    if chosen.quick:
        plan = replace(plan, remarks=(_QUICK, *plan.remarks))
    cells = _chosen(plan, chosen.only, chosen.cells)
    if chosen.list:
        print("\n".join(cell.name for cell in cells))
        return 0
    words = [plan.protocol.title.replace(" ", "-"), *(["quick"] if chosen.quick else [])]
    out = chosen.out or Path("-".join(words))
    until = time.time() + 60 * chosen.minutes if chosen.minutes else math.inf
    try:
        with CellFolder.open(out, plan.protocol) as folder:
            troubles = carry_out(plan.protocol, cells, folder, workers=chosen.workers, until=until)
            results = [one for cell in plan.cells if (one := folder.load(cell)) is not None]
            summary = _summary(plan, results, judge)
    except HeatproofError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted. The same command goes on from here.", file=sys.stderr)
        return 130
    print(json.dumps(summary, indent=2, allow_nan=False) if chosen.json else summary["page"])
    return 2 if troubles else int(any(folder.load(cell) is None for cell in cells))


def carry_out(
    protocol: Protocol, cells: Sequence[Cell], folder: CellFolder, *, workers: int | None, until: float
) -> list[str]:
    """Do the cells that are not there yet, in their order; return what went wrong, a line each."""
    missing = [cell for cell in cells if folder.load(cell) is None]
    if not missing or time.time() >= until:
        return []
    count, threads = _workers(protocol, workers)
    os.environ |= {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}
    pool = ProcessPoolExecutor(
        min(count, len(missing)), mp_context=multiprocessing.get_context("spawn"), initializer=_ready
    )
    with pool:
        waiting = {pool.submit(_work, protocol, cell, folder.path, until): cell for cell in missing}
        return _followed(waiting, pool)


def _followed(waiting: dict[Future[str], Cell], pool: ProcessPoolExecutor) -> list[str]:
    """Say of each cell what became of it as soon as it is known; return the errors."""
    troubles = []
    try:
        for done, future in enumerate(as_completed(waiting), start=1):
            try:
                said = future.result()
            except BrokenProcessPool:
                said = "a worker was killed; the same command goes on from here"
                troubles.append(f"{waiting[future].name}: {said}")
            except (HeatproofError, ValueError, RuntimeError, TypeError, OSError) as error:
                said = f"{type(error).__name__}: {error}"
                troubles.append(f"{waiting[future].name}: {said}")
            print(f"[{done}/{len(waiting)}] {waiting[future].name}: {said}", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in multiprocessing.active_children():
            worker.terminate()
        raise
    return troubles


def _ready() -> None:
    """Set the allocator, and see to it that a worker ends with the process that started it."""
    keep_memory()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(protocol: Protocol, cell: Cell, path: Path, until: float) -> str:
    """Do a cell in a worker; PyTorch is loaded here and not before."""
    if time.time() >= until:
        return "not begun"
    from training_work import work

    return work(protocol, cell, path, until)


def _workers(protocol: Protocol, asked: int | None) -> tuple[int, int]:
    """Return how many workers there are, and the threads of each: one on a processor, all beside a GPU."""
    cores = os.cpu_count() or 1
    if protocol.training.get("device") == "cpu":
        return asked or min(2, cores), 1
    import torch

    if not torch.cuda.is_available():
        return asked or min(2, cores), 1
    count = asked or 1
    return count, max(1, cores // count)


def _summary(plan: Plan, results: Sequence[dict[str, Any]], judge: Judge) -> dict[str, Any]:
    from training_page import page
    from training_summary import summarise

    summary = summarise(plan, results)
    summary["targets"] = judge(plan, summary)
    return {**summary, "page": page(summary)}


def _options(description: str, protocols: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--protocol", choices=protocols, required=True)
    parser.add_argument("--quick", action="store_true", help="a tiny version: shows that it runs, no figure")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--out", type=Path, help="folder of the cells")
    parser.add_argument("--workers", type=int, help="processes (2 on a processor, 1 on a GPU)")
    parser.add_argument("--minutes", type=float, help="stop after so long; the same command goes on")
    parser.add_argument("--only", nargs="+", metavar="OBJECTIVE", help="cells of these objectives only")
    parser.add_argument("--cells", nargs="+", metavar="CELL", help="these cells only; see --list")
    parser.add_argument("--list", action="store_true", help="print the names of the cells")
    return parser.parse_args()


def _chosen(plan: Plan, only: list[str] | None, names: list[str] | None) -> list[Cell]:
    """Return the cells that were asked for; end with 2 if a word names none."""
    known = {cell.objective for cell in plan.cells}, {cell.name for cell in plan.cells}
    for words, allowed in zip((only, names), known, strict=True):
        wrong = sorted(set(words or ()) - allowed)
        if wrong:
            print(f"got {', '.join(wrong)}; allowed: {', '.join(sorted(allowed))}.", file=sys.stderr)
            raise SystemExit(2)
    return [
        cell
        for cell in plan.cells
        if (only is None or cell.objective in only) and (names is None or cell.name in names)
    ]
