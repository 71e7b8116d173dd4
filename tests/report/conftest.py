"""Contents of pages with made-up numbers: three runs on images, in the plane, hostile names, and nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from heatproof._intervals import proportion
from heatproof.report.contents import (
    CertifiedInput,
    CurvePoint,
    DecisionField,
    GalleryImage,
    ReportContents,
    RobustPoint,
    RunContents,
)

RADII = (0.0, 0.5, 1.0, 1.5, 2.0)
HOSTILE_RUN = '"><img src=x onerror=alert(1)>'
HOSTILE_CLASS = "<script>alert(1)</script>"
_NAMES = ("natural", "gaussian augmentation", "convection–diffusion")
_YAML = """data: digits
network:
  name: residual_network
  depth: 20
objective:
  name: convection_diffusion
  noise_std: 0.75
  weight: 1.0  # of the residual, see the guide to choosing it: it multiplies τ⁻¹ times the mean squared step
training:
  epochs: 30
  seed: 0
"""
_GUARANTEE = (
    "For each input on its own, with probability at least 0.999 over the sampling, the answer is the same "
    "for every perturbation δ with ‖δ‖₂ < R (R = s·Φ⁻¹(p_A), Gaussian noise of standard deviation s = 0.75 "
    "kept on the grid of the pixels)."
)


def _certified(number: int, count: int = 300) -> tuple[CertifiedInput, ...]:
    chance = np.random.default_rng(number)
    radii = chance.gamma(2.0 + 1.5 * number, 0.35, count)
    answered, right = chance.random(count) > 0.06, chance.random(count) < 0.9
    return tuple(
        CertifiedInput(
            index=place,
            label=place % 10 if right[place] else (place + 1) % 10,
            target=place % 10,
            abstained=not answered[place],
            radius=float(radii[place]) if answered[place] else 0.0,
            agrees=bool(chance.random() < 0.95),
        )
        for place in range(count)
    )


def _robust(number: int) -> tuple[RobustPoint, ...]:
    return tuple(
        RobustPoint(
            norm,
            radius,
            proportion(int(500 * np.exp(-radius * sharpness / (1 + number))), 500),
            "pgd, 40 steps, 5 restarts",
        )
        for norm, radii, sharpness in (("l2", (0.5, 1.0, 1.5, 2.0), 0.9), ("linf", (0.1, 0.2, 0.3), 5.0))
        for radius in radii
    )


def _curves(number: int) -> tuple[CurvePoint, ...]:
    def values(epoch: int) -> dict[str, float]:
        natural, residual = 2.2 * 0.85**epoch + 0.02, 0.5 * 0.93**epoch
        accuracies = {
            "train_accuracy": 1 - 0.9 * 0.8**epoch,
            "validation_accuracy": 0.97 - 0.88 * 0.82**epoch,
        }
        parts = {"natural": natural, "residual": residual} if number == 2 else {}
        others = {"learning_rate": 0.1, "seconds": 0.7}
        return {"total": natural + (residual if number == 2 else 0.0), **parts, **accuracies, **others}

    return tuple(CurvePoint(epoch, values(epoch)) for epoch in range(1, 31))


def _gallery(number: int, names: tuple[str, ...]) -> tuple[GalleryImage, ...]:
    chance = np.random.default_rng(5)
    rows, columns = np.mgrid[0:8, 0:8]
    images = []
    for place in range(10):
        ring = np.abs(np.hypot(rows - 3.5, columns - 3.5) - 1 - place / 4) < 0.8
        pixels = (ring[..., None] * chance.integers(120, 255, (8, 8, 1))).astype(np.uint8)
        abstained = place == 3 + number
        label = names[(place + (place == 7)) % len(names)]
        radius = 0.0 if abstained else 0.31999 + 0.2 * number + 0.1 * place
        images.append(GalleryImage(place, pixels, names[place % len(names)], label, abstained, radius))
    return tuple(images)


def _field(number: int) -> DecisionField:
    horizontal = np.linspace(-2, 2.5, 90, dtype=np.float32)
    vertical = np.linspace(-1.5, 2.0, 70, dtype=np.float32)
    x, y = np.meshgrid(horizontal, vertical)
    first = 1 / (1 + np.exp(-(y - np.sin((1.5 + 0.3 * number) * x)) * 4 / (1 + number)))
    probabilities = np.stack([first, 1 - first], axis=-1).astype(np.float32)
    points = np.random.default_rng(1).normal([0.2, 0.2], [0.9, 0.7], (300, 2)).astype(np.float32)
    labels = (points[:, 1] < np.sin(1.5 * points[:, 0])).astype(np.int64)
    return DecisionField(horizontal, vertical, probabilities, points, labels)


def _run(number: int) -> RunContents:
    return RunContents(
        name=_NAMES[number],
        objective=_NAMES[number],
        config_yaml=_YAML,
        environment={
            "heatproof": "0.1.0",
            "python": "3.11.7",
            "torch": "2.13.0",
            "processor": "2 cores, x86_64",
            "device": "cpu",
            "seed": "0",
        },
        natural=proportion(488 - 9 * number, 500),
        robust=_robust(number),
        certified=_certified(number),
        noise_std=0.75,
        classifier="the network smoothed by Gaussian noise, hard vote",
        guarantee=_GUARANTEE,
        curves=_curves(number),
        seconds={"train": 21.4 + 9 * number, "attack": 12.25, "certify": 33.1},
        notes=("The space step is above its stability bound; see the guide.",) if number == 2 else (),
        folder=f"runs/{_NAMES[number]}",
    )


@pytest.fixture
def image_contents() -> ReportContents:
    """Three runs on small images, everything measured."""
    names = tuple(str(digit) for digit in range(10))
    runs = tuple(replace(_run(number), gallery=_gallery(number, names)) for number in range(3))
    data = "Handwritten digits: 1,797 grey images of 8 × 8 pixels, ten classes; 300 test inputs certified."
    return ReportContents("Handwritten digits, three objectives", data, names, RADII, runs, "heatproof 0.1.0")


@pytest.fixture
def planar_contents(image_contents: ReportContents) -> ReportContents:
    """Three runs in the plane, with decision fields."""
    runs = tuple(
        replace(run, gallery=(), decision_field=_field(number))
        for number, run in enumerate(image_contents.runs)
    )
    return replace(image_contents, title="Half-moons", class_names=("upper moon", "lower moon"), runs=runs)


@pytest.fixture
def empty_contents() -> ReportContents:
    """Two runs of which nothing was measured."""
    runs = tuple(
        RunContents(name, "natural", "data: digits\n", {}, folder=f"my runs/{name}") for name in ("a", "b")
    )
    return ReportContents("Nothing yet", "Handwritten digits.", ("0", "1"), RADII, runs)


@pytest.fixture
def hostile_contents(planar_contents: ReportContents, image_contents: ReportContents) -> ReportContents:
    """Names, labels, configuration and data that try to leave their place."""
    names = (HOSTILE_CLASS, "</script><script>alert(2)</script>")
    first = replace(
        planar_contents.runs[0],
        name=HOSTILE_RUN,
        objective="{{ 7 * 7 }}<b>",
        config_yaml="a: </pre><script>alert(3)</script>\n",
        environment={"<i>key</i>": "</dd><script>alert(4)</script>"},
        classifier="<svg onload=alert(5)>",
        guarantee="</script><img src=x onerror=alert(6)>",
        curves=(CurvePoint(1, {"</script><b>": 1.0, "total": float("nan")}), CurvePoint(2, {"total": 0.5})),
        robust=tuple(
            replace(point, norm="</script>'\"<b>", attack="<img src=x onerror=alert(7)>")
            for point in image_contents.runs[0].robust[:4]
        ),
        gallery=_gallery(0, names),
        notes=("<script>alert(8)</script>",),
        folder="a'; rm <b>",
    )
    second = replace(planar_contents.runs[1], name="javascript:alert(9)//datum['x']")
    runs = (first, second, replace(second, robust=()), replace(second, name="</title>-->]]>", certified=()))
    return replace(
        planar_contents,
        title="</title><script>alert(0)</script>",
        class_names=names,
        runs=runs,
        data="<b>&amp;",
    )
