"""COIN on citation graphs: accuracy with steps that keep probabilities in [0, 1], and certificates of nodes.

    python benchmarks/graph.py [--json] [--quick] [--dataset coin-graph/cora …] [--out FOLDER]

HEATPROOF_DATA must name the folder with `coin-graph/` and `planetoid/`. Each cell (a training, with its
certificates) is a line of FOLDER/cells.jsonl; the same command goes on where it was broken off.

* coin-graph/cora, the target: COIN's set-up (arXiv 2403.15726): largest component, 20 training and 30
  validation nodes a class, the rest for test; 10 splits × 3 initialisations, total time t = 7 in steps at the
  monotone bound. Beside it, on the same splits: the printed steps (κ = .35, K = 20), which leave [0, 1];
  implicit and exact flow; the network at the nodes alone; a GCN, and a GCN with diffusion.
* coin-graph/citeseer, 5 splits. planetoid/cora, citeseer and pubmed: the public split, 3 initialisations.
* Certified accuracy of the test nodes of one split of Cora under one joint ℓ2 budget for all features
  (binary words, 1,433 a node), noise_std .25: α = .001 for the table, n = 1,000.

Intervals are Student's at 95%: over splits, each the mean over its initialisations; over initialisations on a
public split. Settings are the published ones; nothing is chosen on test nodes. About 30 minutes on one idle
core, 12 of them for coin-graph/cora; `--quick` about three.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from heatproof.cli._allocator import keep_memory

keep_memory()

import numpy as np  # noqa: E402 - after the allocator is told
import torch  # noqa: E402
from graph_cells import NETWORKS, RADII, ROBUST, Cell, Store, run  # noqa: E402

import heatproof  # noqa: E402
from heatproof.statistics import student_half_width  # noqa: E402

TARGET = 0.82
_FEW = ("coin, implicit", "coin, exact", "gcn, diffused")
_COIN = ("coin-graph/cora", "coin-graph/citeseer")
_PUBLIC = ("planetoid/cora", "planetoid/citeseer", "planetoid/pubmed")
_MAIN = ("coin", "base alone", "gcn")


def main() -> None:
    """Run what is missing, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--dataset", nargs="+", choices=(*_COIN, *_PUBLIC), default=None)
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    torch.set_num_threads(1)
    chosen = options.dataset or (_COIN[:1] if options.quick else (*_COIN, *_PUBLIC))
    cells = list(_quick(chosen) if options.quick else _full(chosen))
    folder = options.out or Path("graph-quick" if options.quick else "graph-full")
    store = Store(folder / "cells.jsonl", {"format": 1, "heatproof": heatproof.__version__})
    for number, cell in enumerate(cells):
        if cell.key not in store.cells:
            print(
                f"{number + 1}/{len(cells)} {cell.data} {cell.network} {cell.split}",
                file=sys.stderr,
                flush=True,
            )
            store.add(cell, run(cell))
    found = [(cell, store.cells[cell.key]) for cell in cells]
    summary = {"rows": _rows(found), "differences": _differences(found), "certified": _certified(found)}
    print(json.dumps(summary) if options.json else _page(summary))


def _quick(chosen: Iterable[str]) -> Iterator[Cell]:
    for data in chosen:
        for split in (0, 1) if data in _COIN else (-1,):
            for network in NETWORKS if data == _COIN[0] else _MAIN:
                yield Cell(data, network, split, 0)
        if data == _COIN[0]:
            yield from (Cell(data, network, 0, 0, 0.25, 100) for network in ROBUST)


def _full(chosen: Iterable[str]) -> Iterator[Cell]:
    """Yield the target first, then by data set."""
    for data in chosen:
        if data == _COIN[0]:
            yield from _cora(data)
        elif data in _COIN:
            yield from (Cell(data, network, split, 0) for split in range(5) for network in _MAIN)
        else:
            yield from (Cell(data, network, -1, start) for start in range(3) for network in _MAIN)


def _cora(data: str) -> Iterator[Cell]:
    for start in range(3):
        for split in range(10):
            yield Cell(data, "coin", split, start)
    for split in range(10):
        for network in NETWORKS:
            if network != "coin" and (split < 5 or network not in _FEW):
                yield Cell(data, network, split, 0)
    for network in ROBUST:
        yield Cell(data, network, 0, 0, 0.25, 1000)


def _by_split(found: list[tuple[Cell, dict[str, Any]]], data: str, network: str) -> dict[int, float]:
    """Return the accuracy of each split, a mean over initialisations; on a public one of each of those."""
    values = defaultdict(list)
    for cell, one in found:
        if (cell.data, cell.network, cell.noise_std) == (data, network, 0.0):
            values[cell.initialisation if cell.split < 0 else cell.split].append(one["accuracy"])
    return {split: float(np.mean(some)) for split, some in values.items()}


def _interval(values: list[float]) -> dict[str, float]:
    width = student_half_width(np.array(values), 0.95) if len(values) > 1 else math.nan
    return {"mean": float(np.mean(values)), "half_width": width, "count": len(values)}


def _rows(found: list[tuple[Cell, dict[str, Any]]]) -> list[dict[str, Any]]:
    rows = []
    for data, network in dict.fromkeys((c.data, c.network) for c, _ in found if not c.noise_std):
        some = [one for c, one in found if (c.data, c.network, c.noise_std) == (data, network, 0.0)]
        row: dict[str, Any] = {"data": data, "network": network, "trainings": len(some)}
        row |= _interval(list(_by_split(found, data, network).values()))
        row |= {"least": min(one["least"] for one in some), "most": max(one["most"] for one in some)}
        names = ("epochs", "epoch_seconds", "epoch_cpu_seconds")
        row |= {name: float(np.median([one[name] for one in some])) for name in names}
        row |= {name: some[0].get(name) for name in ("kappa", "steps")}
        if network == "coin" and data == _COIN[0]:
            row |= {"target": TARGET, "reached": row["mean"] >= TARGET}
        rows.append(row)
    return rows


def _differences(found: list[tuple[Cell, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return COIN minus each other network, training by training with the same split and start."""
    rows = []
    at = {(c.data, c.network, c.split, c.initialisation): v["accuracy"] for c, v in found if not c.noise_std}
    for data, network in dict.fromkeys((c.data, c.network) for c, _ in found if not c.noise_std):
        pairs = [
            at[data, "coin", split, start] - value
            for (one, other, split, start), value in at.items()
            if (one, other) == (data, network) and network != "coin" and (data, "coin", split, start) in at
        ]
        if pairs:
            rows.append({"data": data, "network": network, **_interval(pairs)})
    return rows


def _certified(found: list[tuple[Cell, dict[str, Any]]]) -> list[dict[str, Any]]:
    names = ("accuracy", "certified", "average_radius", "abstentions", "p_lower", "rounding", "draw_seconds")
    return [
        {
            "network": cell.network,
            "noise_std": cell.noise_std,
            "draws": cell.draws,
            **{n: one[n] for n in names},
        }
        for cell, one in found
        if cell.noise_std
    ]


def _page(summary: dict[str, Any]) -> str:
    columns = (
        "data | network | accuracy | trainings | min u | max u − 1 | κ × steps | epochs | ms an epoch (CPU)"
    )
    lines = [f"| {columns} |", "|---" * 9 + "|", *map(_row, summary["rows"])]
    lines += ["", "| COIN minus | on | difference | pairs |", "|---|---|---|---|"]
    lines += [
        f"| {row['network']} | {row['data']} | {_percent(row)} | {row['count']} |"
        for row in summary["differences"]
    ]
    radii = " | ".join(f"{radius:g}" for radius in RADII)
    lines += ["", f"| certified accuracy at ‖Δ‖_F = | clean | {radii} | ACR | abstains | ms a draw |"]
    lines += ["|---" * (len(RADII) + 5) + "|", *map(_certified_row, summary["certified"])]
    for row in summary["rows"]:
        if "target" in row:
            word = "reached" if row["reached"] else "not reached"
            lines += [
                "",
                f"Target {100 * row['target']:.1f}% for COIN on {row['data']}: {word}, {_percent(row)}.",
            ]
    return "\n".join(lines)


def _row(row: dict[str, Any]) -> str:
    steps = f"{row['kappa']:.4g} × {row['steps']}" if row["steps"] else ""
    times = f"{1e3 * row['epoch_seconds']:.0f} ({1e3 * row['epoch_cpu_seconds']:.0f})"
    numbers = f"{row['least']:.2g} | {row['most'] - 1:+.1e} | {steps} | {row['epochs']:.0f} | {times}"
    return f"| {row['data']} | {row['network']} | {_percent(row)} | {row['trainings']} | {numbers} |"


def _certified_row(row: dict[str, Any]) -> str:
    shares = " | ".join(f"{value:.3f}" for value in (row["accuracy"], *row["certified"]))
    rest = f"{row['average_radius']:.3f} | {row['abstentions']:.3f} | {1e3 * row['draw_seconds']:.0f}"
    name = f"{row['network']}, noise_std {row['noise_std']:g}, n = {row['draws']:,}"
    return f"| {name} | {shares} | {rest} |"


def _percent(row: dict[str, Any]) -> str:
    width = "" if math.isnan(row["half_width"]) else f" ± {100 * row['half_width']:.1f}"
    return f"{100 * row['mean']:.1f}{width} %"


if __name__ == "__main__":
    main()
