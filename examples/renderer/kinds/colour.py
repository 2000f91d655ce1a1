"""From escaped points to colours: a cyclic palette, a light from one side, and dark edges.

Colours are mixed as light (linear RGB, 0 to 1) and turned to sRGB at the very end, so that
averaging the samples of a pixel gives the brightness that the eye expects.
"""

import cmath
import math
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from examples.renderer.kinds.mandelbrot import TINY, Escape, Numbers, distance

ENTRIES = 4096
GAMMA = 2.2
# Turns of the palette each time the count of iterations grows by a factor of e.
TURNS_PER_E_FOLD = 0.55
LIGHT_FROM = cmath.rect(1, math.radians(135))
LIGHT_HEIGHT = 1.5


class Palette(StrEnum):
    """The palettes to choose from."""

    DUSK = "dusk"
    LAGOON = "lagoon"
    EMBER = "ember"
    INK = "ink"


# Position in the turn and colour; the first colour closes the circle.
STOPS: dict[Palette, tuple[tuple[float, str], ...]] = {
    Palette.DUSK: (
        (0.00, "04051a"), (0.16, "1b2a6b"), (0.36, "3f7fb5"),
        (0.50, "f6efdc"), (0.64, "f2a541"), (0.82, "8a2f3c"),
    ),
    Palette.LAGOON: (
        (0.00, "021019"), (0.20, "053b50"), (0.45, "1c8c8c"),
        (0.62, "d7f2d9"), (0.75, "f7c978"), (0.90, "7a2f48"),
    ),
    Palette.EMBER: (
        (0.00, "0a0405"), (0.22, "5a1018"), (0.42, "d8481c"),
        (0.56, "ffe2a0"), (0.72, "6f7f8f"), (0.88, "1c2733"),
    ),
    Palette.INK: ((0.00, "14161c"), (0.30, "6b7280"), (0.50, "f4f1ea"), (0.75, "9aa0a8")),
}  # fmt: skip

# Where in its turn each palette starts, so that the outer field gets its quiet colours.
STARTS = {Palette.DUSK: 0.1, Palette.LAGOON: 0.3, Palette.EMBER: 0.1, Palette.INK: 0.2}


def colours(escape: Escape, pixel: float, palette: Palette) -> Numbers:
    """Linear RGB for each point, in an array with one more axis of length 3."""
    table = _table(palette)
    inside = escape.is_inside
    turns = np.log(np.where(inside, 1.0, escape.count) + 1) * TURNS_PER_E_FOLD + STARTS[palette]
    light: Numbers = table[(turns % 1.0 * ENTRIES).astype(np.intp) % ENTRIES]
    brightness = _relief(escape) * _edges(escape, pixel)
    light *= brightness[..., np.newaxis]
    light[inside] = table[0] * 0.3
    return light


def to_srgb(light: Numbers) -> NDArray[np.uint8]:
    """Linear RGB as bytes."""
    return np.asarray(np.clip(light, 0, 1) ** (1 / GAMMA) * 255 + 0.5, dtype=np.uint8)


def average_samples(light: Numbers, samples: int) -> Numbers:
    """The mean colour of each block of `samples` by `samples` points."""
    rows, columns, _ = light.shape
    blocks = light.reshape(rows // samples, samples, columns // samples, samples, 3)
    return np.asarray(blocks.mean(axis=(1, 3)))


def _relief(escape: Escape) -> Numbers:
    """Brightness by slope, as if the field of counts were a landscape lit from the top left."""
    slope = escape.z / escape.derivative
    slope /= np.maximum(np.abs(slope), TINY)
    lit = (slope.real * LIGHT_FROM.real + slope.imag * LIGHT_FROM.imag + LIGHT_HEIGHT) / (
        1 + LIGHT_HEIGHT
    )
    return np.asarray(0.35 + 0.85 * np.clip(lit, 0, 1))


def _edges(escape: Escape, pixel: float) -> Numbers:
    """Dark where the set is closer than a pixel: draws its threads instead of noise."""
    return np.asarray(0.15 + 0.85 * np.clip(distance(escape) / pixel, 0, 1) ** 0.35)


def _table(palette: Palette) -> Numbers:
    stops = (*STOPS[palette], (1.0, STOPS[palette][0][1]))
    positions = [position for position, _ in stops]
    stored = np.array([list(bytes.fromhex(colour)) for _, colour in stops]) / 255
    at = np.arange(ENTRIES) / ENTRIES
    return np.stack([np.interp(at, positions, channel) for channel in (stored**GAMMA).T], axis=1)
