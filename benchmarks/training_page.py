"""The summary of a benchmark of training as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["page"]

_WORDS = {True: "met", False: "missed", None: "open (cells missing)"}


def page(summary: Mapping[str, Any]) -> str:
    """Return the whole page."""
    cells, protocol = summary["cells"], summary["protocol"]
    lines = [
        f"# {protocol['title']}: {cells['done']} of {cells['wanted']} cells",
        "",
        ", ".join(f"{name}: {value}" for name, value in summary["environment"].items()),
        f"Training: {_settings(protocol['training'])}.",
        f"Certification: {_settings(protocol['certification'])}.",
        f"Seconds of all cells together: {summary['seconds']:,.0f}.",
        *summary["remarks"],
        *(f"Diverged: {name}: {text}" for name, text in cells["diverged"].items()),
    ]
    for level in summary["levels"]:
        lines += ["", f"## noise_std {level['noise_std']:g}", "", *_level(level)]
    if summary["all_images"]:
        lines += ["", "## All test images, seed 0", "", *_all_images(summary["all_images"])]
    if summary.get("published"):
        lines += ["", "## Published ACR at noise_std .25, .5, 1", ""]
        lines += [f"* {name}: {', '.join(map(str, each))}" for name, each in summary["published"].items()]
    if summary.get("targets"):
        lines += ["", "## Targets", "", *_targets(summary["targets"])]
    return "\n".join(lines)


def _level(level: Mapping[str, Any]) -> Iterator[str]:
    rows = level["rows"]
    known = any(row.get("published") for row in rows)
    more = (" published |", "---|") if known else ("", "")
    yield f"| objective | seeds | ACR | over images | over seeds |{more[0]} natural accuracy | abstained |"
    yield f"|---|---|---|---|---|{more[1]}---|---|"
    for row in rows:
        acr, published = row["acr"], row.get("published")
        said = f" {'' if published is None else f'{published:.3f}'} |" if known else ""
        yield (
            f"| {row['objective']} | {row['seeds']} | {acr['mean']:.3f} | {_interval(acr['images'])} | "
            f"{_interval(acr['over_seeds'])} |{said} {row['natural_accuracy']:.3f} | {row['abstained']:.3f} |"
        )
    yield from ("", *_certified(rows), "", *_votes(rows), "", *_cost(rows), "", *_differences(level))


def _certified(rows: list[dict[str, Any]]) -> Iterator[str]:
    radii = list(rows[0]["certified"])
    yield f"| certified accuracy at radius | {' | '.join(radii)} |"
    yield f"|---|{'---|' * len(radii)}"
    for row in rows:
        shares = (f"{row['certified'][radius]['share']:.3f}" for radius in radii)
        yield f"| {row['objective']} | {' | '.join(shares)} |"


def _votes(rows: list[dict[str, Any]]) -> Iterator[str]:
    places = list(rows[0]["votes"])
    yield f"| share of votes for the right class: quantile | {' | '.join(places)} | unanimous |"
    yield f"|---|{'---|' * (len(places) + 1)}"
    for row in rows:
        shares = (f"{row['votes'][place]:.4f}" for place in places)
        yield f"| {row['objective']} | {' | '.join(shares)} | {row['unanimous']:.3f} |"


def _cost(rows: list[dict[str, Any]]) -> Iterator[str]:
    yield "| objective | passes a step (forward + backward) | steps | epochs | training, s | certifying, s |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        passes = row["passes"]
        yield (
            f"| {row['objective']} | {passes['forward']:g} + {passes['backward']:g} | {row['steps']:,} | "
            f"{row['epochs']:.2f} | {row['training_seconds']:.0f} | {row['certification_seconds']:.0f} |"
        )


def _differences(level: Mapping[str, Any]) -> Iterator[str]:
    found = {name: one for name, one in level["differences"].items() if one is not None}
    if not found:
        return
    yield "| ACR of ours minus that of (same images, same seeds) | seeds | difference | images | over seeds |"
    yield "|---|---|---|---|---|"
    for name, one in found.items():
        head = f"| {name} | {one['seeds']} | {one['mean']:+.4f} |"
        yield f"{head} {_interval(one['images'])} | {_interval(one['over_seeds'])} |"


def _all_images(rows: list[dict[str, Any]]) -> Iterator[str]:
    yield "| objective | noise_std | images | ACR | over images | unanimous |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        head = f"| {row['objective']} | {row['noise_std']:g} | {row['images']:,} | {row['acr']['mean']:.3f} |"
        yield f"{head} {_interval(row['acr']['images'])} | {row['unanimous']:.3f} |"


def _targets(judged: list[dict[str, Any]]) -> Iterator[str]:
    yield "| claim | found | |"
    yield "|---|---|---|"
    for one in judged:
        word = _WORDS[one["met"]]
        if one["met"] and "clear" in one:
            word += ", all intervals above 0" if one["clear"] else ", not all intervals above 0"
        yield f"| {one['claim']} | {_found(one)} | {word} |"


def _found(one: Mapping[str, Any]) -> str:
    if one.get("difference") is not None:
        return f"{one['difference']['mean']:+.4f} {_interval(one['difference']['images'])} ({one['nearest']})"
    value = one.get("value")
    return "" if value is None else f"{value:.3f}"


def _settings(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _interval(ends: list[float] | None) -> str:
    return "" if ends is None else f"[{ends[0]:.3f}, {ends[1]:.3f}]"
