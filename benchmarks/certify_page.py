"""The figures of `benchmarks/certify.py` as text, each beside its target."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["page"]


def page(result: dict[str, Any]) -> str:
    """Return the whole page."""
    lines = [", ".join(f"{name}: {value}" for name, value in result["machine"].items())]
    for network in result["networks"].values():
        lines += ["", f"## {network['title']} (weights: {network['weights']})", ""]
        lines += [*_speed(network["speed"]), "", *_lattice(network["lattice"]), ""]
        lines += [*_flips(network["flips"]), "", *_memory(network["memory"])]
    if "mnist_protocol" in result:
        lines += ["", "MNIST protocol: " + ", ".join(f"{k} {v}" for k, v in result["mnist_protocol"].items())]
    return "\n".join(lines)


def _speed(rows: list[dict[str, Any]]) -> Iterator[str]:
    yield "| what | options | samples/s | least – most | × plain loop | target | of the floor | target |"
    yield "|---|---|---|---|---|---|---|---|"
    for row in rows:
        head = f"| {row['contestant']} | {row['options']} |"
        if "samples_per_second" not in row:
            yield f"{head} {row.get('skipped', 'no turn')} | | | | | |"
            continue
        spread = f"{row['least']:,.0f} – {row['most']:,.0f}"
        share = f"{row['share_of_floor']:.2f}" if "share_of_floor" in row else ""
        yield (
            f"{head} {row['samples_per_second']:,.0f} | {spread} | {row.get('times_plain', 0):.2f} | "
            f"{_target(row.get('target_times_plain'))} | {share} | {_target(row.get('target_share'))} |"
        )
    ways = [f"{row['options']}: {row['way']}" for row in rows if "way" in row]
    yield ""
    yield f"Fastest floor: {'; '.join(ways)}."


def _target(value: float | None) -> str:
    return "" if value is None else f"≥ {value:g}"


def _lattice(found: dict[str, Any]) -> Iterator[str]:
    if "skipped" in found:
        yield f"Lattice: {found['skipped']}"
        return
    more = 100 * found["overhead"]
    yield f"Lattice against plain float32 noise: {more:+.1f} % time a sample (target ≤ 3 %)."


def _flips(found: dict[str, Any]) -> Iterator[str]:
    yield "Votes unlike those of passes of 64 rows on one thread (deterministic: unlike one another):"
    yield ""
    yield "| options | votes | passes of | other votes | largest difference of logits |"
    yield "|---|---|---|---|---|"
    for title, one in found.items():
        if "skipped" in one:
            yield f"| {title} | {one['skipped']} | | | |"
            continue
        for way, other in one["ways"].items():
            head = f"| {title} | {one['rows']:,} | {way} |"
            yield f"{head} {other['flips']} | {other['largest_difference']:.1e} |"


def _memory(found: dict[str, Any]) -> Iterator[str]:
    plain = found["plain"].get("peak_mib")
    yield "| peak memory | MiB | × plain loop | target |"
    yield "|---|---|---|---|"
    yield f"| plain loop | {f'{plain:.0f}' if plain else found['plain'].get('skipped')} | | |"
    for draws, one in found["engine"].items():
        head = f"| engine, n = {int(draws):,} |"
        if "peak_mib" in one and plain:
            yield f"{head} {one['peak_mib']:.0f} | {one['peak_mib'] / plain:.2f} | ≤ 1.2 |"
        else:
            yield f"{head} {one.get('skipped', '')} | | |"
