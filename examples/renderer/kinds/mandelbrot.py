"""The Mandelbrot set, point by point: pure functions over numpy arrays.

For each point c, z ← z² + c is iterated from 0 until |z| passes a large radius. Three things
are kept of a point that escapes: a smooth count of the iterations (the count itself, with a
fraction read off |z|), z, and the derivative dz/dc, which gives the distance to the set and
the slope of the field around it: see https://www.math.univ-toulouse.fr/~cheritat/wiki-draw/.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.complex128]
Numbers = NDArray[np.float64]

WIDTH_AT_ZOOM_1 = 3.5
ESCAPE_RADIUS = 1000.0
# Steps done between two looks at who has escaped. Those who did go back and step singly.
BLIND_STEPS = 16
TINY = 1e-300


@dataclass(frozen=True, kw_only=True)
class View:
    """A rectangle of the complex plane, and the pixels that it is drawn with."""

    center_x: float
    center_y: float
    zoom: float
    width: int
    height: int

    @property
    def pixel(self) -> float:
        """The side of a pixel in the plane."""
        return WIDTH_AT_ZOOM_1 / self.zoom / self.width


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels, right and bottom excluded."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top


@dataclass(frozen=True)
class Escape:
    """How the points left; each array has the shape of the points, inner points have NaN, 0, 1."""

    count: Numbers
    z: Points
    derivative: Points

    @property
    def is_inside(self) -> NDArray[np.bool_]:
        return np.isnan(self.count)


def sample_points(view: View, box: Box, samples: int) -> Points:
    """The points of the box, `samples` by `samples` for each pixel, top row first."""
    x = box.left + (np.arange(box.width * samples) + 0.5) / samples - view.width / 2
    y = box.top + (np.arange(box.height * samples) + 0.5) / samples - view.height / 2
    real = view.center_x + x * view.pixel
    imaginary = view.center_y - y * view.pixel
    return np.asarray(real[np.newaxis, :] + 1j * imaginary[:, np.newaxis], dtype=np.complex128)


def escape(points: Points, iterations: int) -> Escape:
    """Iterate each point at most so often; a point that stays counts as inside."""
    flat = points.ravel()
    found = Escape(np.full(flat.size, np.nan), np.zeros_like(flat), np.ones_like(flat))
    orbits = _Orbits.starting(flat, np.flatnonzero(~is_in_largest_parts(flat)))
    done = 0
    # What has escaped within the blind steps may overflow; it is stepped again from before.
    with np.errstate(over="ignore", invalid="ignore"):
        while orbits.where.size and done < iterations:
            steps = min(BLIND_STEPS, iterations - done)
            before = orbits.copy()
            for _ in range(steps):
                orbits.step()
            escaped = orbits.escaped()
            if escaped.any():
                _step_singly(before.select(escaped), done, found)
                orbits = orbits.select(~escaped)
            done += steps
    shape = points.shape
    return Escape(
        found.count.reshape(shape), found.z.reshape(shape), found.derivative.reshape(shape)
    )


def is_in_largest_parts(c: Points) -> NDArray[np.bool_]:
    """Whether the points lie in the main cardioid or the disc to its left, by their formulas."""
    x, y2 = c.real, c.imag**2
    q = (x - 0.25) ** 2 + y2
    in_cardioid = q * (q + x - 0.25) <= 0.25 * y2
    in_disc = (x + 1) ** 2 + y2 <= 0.0625
    return np.asarray(in_cardioid | in_disc)


def distance(escape: Escape) -> Numbers:
    """How far the set is at most, in the plane, and at least a quarter of it; inside 0."""
    modulus = np.maximum(np.abs(escape.z), 1.0)
    return np.asarray(2 * modulus * np.log(modulus) / np.maximum(np.abs(escape.derivative), TINY))


@dataclass
class _Orbits:
    """Points on their way: where each belongs, c, and the present z and dz/dc."""

    where: NDArray[np.intp]
    c: Points
    z: Points
    dz: Points

    @classmethod
    def starting(cls, points: Points, where: NDArray[np.intp]) -> Self:
        c = points[where]
        return cls(where, c, np.zeros_like(c), np.zeros_like(c))

    def copy(self) -> "_Orbits":
        return _Orbits(self.where, self.c, self.z.copy(), self.dz.copy())

    def select(self, chosen: NDArray[np.bool_]) -> "_Orbits":
        return _Orbits(self.where[chosen], self.c[chosen], self.z[chosen], self.dz[chosen])

    def step(self) -> None:
        self.dz *= self.z
        self.dz *= 2
        self.dz += 1
        np.square(self.z, out=self.z)
        self.z += self.c

    def escaped(self) -> NDArray[np.bool_]:
        # "Not below" rather than "above": an overflow to NaN has escaped too.
        return ~(self.z.real**2 + self.z.imag**2 < ESCAPE_RADIUS**2)


def _step_singly(orbits: _Orbits, done: int, found: Escape) -> None:
    """Step until all have escaped, and write down each at the step at which it did."""
    while orbits.where.size:
        orbits.step()
        done += 1
        escaped = orbits.escaped()
        if escaped.any():
            out = orbits.select(escaped)
            excess = np.log2(np.log(np.abs(out.z)) / np.log(ESCAPE_RADIUS))
            found.count[out.where] = done + 1 - excess
            found.z[out.where] = out.z
            found.derivative[out.where] = out.dz
            orbits = orbits.select(~escaped)
