"""Arrays as pictures inside the page: PNG in a data address, made by Pillow."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from heatproof._check import message
from heatproof.errors import InputError
from heatproof.report.cells import format_radius
from heatproof.report.contents import GalleryImage, ReportContents
from heatproof.report.summary import run_labels

__all__ = ["Card", "Verdict", "gallery", "png_address"]

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True)
class Verdict:
    """What the smoothed classifier of one run says of an image; `text` ends with the radius, rounded down.

    `remark` is "wrong" where it answers and the true label is another.
    """

    run: str
    number: int
    text: str
    remark: str


@dataclass(frozen=True)
class Card:
    """One image with its true label and the verdicts of all runs that certified it."""

    index: int
    target: str
    address: str
    verdicts: tuple[Verdict, ...]


def gallery(contents: ReportContents, *, size: int = 112) -> tuple[Card, ...]:
    """Return one card an image, in the order of the runs' galleries, with each run's certified verdict.

    Images of several runs share a card if index, true label and pixels agree. `size` is the least side in
    pixels to which small images are enlarged, by whole factors and nearest neighbours.
    """
    found: dict[tuple[int, str, bytes], list[tuple[Verdict, GalleryImage]]] = {}
    for verdict, image in _verdicts(contents):
        key = (image.index, image.target, image.pixels.tobytes())
        found.setdefault(key, []).append((verdict, image))
    return tuple(
        Card(index, target, png_address(pairs[0][1].pixels, size), tuple(verdict for verdict, _ in pairs))
        for (index, target, _), pairs in found.items()
    )


def png_address(pixels: UInt8[np.ndarray, "height width channels"], size: int = 0) -> str:
    """Return pixels as a `data:image/png;base64,…` address, enlarged to at least `size` on each side.

    Channels: 1 (grey), 3 (red, green, blue) or 4 (and opacity). Errors: `InputError` for any other shape.
    """
    from PIL import Image

    if pixels.ndim != 3 or pixels.shape[-1] not in _MODES or pixels.size == 0:
        allowed = "(height, width, channels) with 1, 3 or 4 channels and no empty side"
        raise InputError(message("pixels", tuple(pixels.shape), allowed), name="pixels")
    height, width, channels = pixels.shape
    plain = np.ascontiguousarray(pixels[..., 0] if channels == 1 else pixels)
    factor = max(1, math.ceil(size / min(height, width)))
    picture = Image.fromarray(plain).resize((width * factor, height * factor), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _verdicts(contents: ReportContents) -> Iterator[tuple[Verdict, GalleryImage]]:
    for number, (label, run) in enumerate(zip(run_labels(contents), contents.runs, strict=True)):
        for image in run.gallery:
            text = "abstained" if image.abstained else f"{image.label}, radius {format_radius(image.radius)}"
            remark = "wrong" if not image.abstained and image.label != image.target else ""
            yield Verdict(label, number, text, remark), image
