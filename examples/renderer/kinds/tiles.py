"""A picture in tiles: how it is cut, and what the worker processes do with each piece.

A finished tile is a file of raw RGB bytes in the job's work folder, put there whole, so that a
job which is stopped finds its finished tiles again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from examples.renderer.kinds.colour import Palette, average_samples, colours, to_srgb
from examples.renderer.kinds.mandelbrot import Box, View, escape, sample_points

FEWEST_TILES = 10
LARGEST_SIDE = 200
SAMPLES = 2
"""Each pixel is the mean of SAMPLES x SAMPLES points."""
MOST_STEPS_PER_TILE = 300_000_000
POINTS_AT_ONCE = 32_768


@dataclass(frozen=True)
class Drawing:
    """All that decides what a tile looks like."""

    view: View
    iterations: int
    palette: Palette


def cut(width: int, height: int, iterations: int) -> list[Box]:
    """The picture in tiles of nearly equal size, row by row from the top left.

    There are at least ten where the picture has the pixels, so that a small one shows progress
    too, and none is so much work that a cancel would have to wait for it.
    """
    side = LARGEST_SIDE
    while side > 1 and (
        side * side * SAMPLES**2 * iterations > MOST_STEPS_PER_TILE
        or _pieces(width, side) * _pieces(height, side) < FEWEST_TILES
    ):
        side -= 1
    xs, ys = _edges(width, side), _edges(height, side)
    return [
        Box(left, top, right, bottom)
        for top, bottom in pairwise(ys)
        for left, right in pairwise(xs)
    ]


def tile_path(folder: Path, number: int) -> Path:
    """Where the tile is kept, counted from 0."""
    return folder / f"{number:05}.rgb"


def is_rendered(path: Path, box: Box) -> bool:
    """Whether the tile is there, whole."""
    return path.is_file() and path.stat().st_size == box.width * box.height * 3


def render_tile(drawing: Drawing, box: Box, path: Path) -> None:
    """Compute the tile and put it in its file."""
    pixels = np.empty((box.height, box.width, 3), dtype=np.uint8)
    rows_at_once = max(1, POINTS_AT_ONCE // (box.width * SAMPLES**2))
    for first in range(0, box.height, rows_at_once):
        last = min(first + rows_at_once, box.height)
        band = Box(box.left, box.top + first, box.right, box.top + last)
        points = sample_points(drawing.view, band, SAMPLES)
        light = colours(escape(points, drawing.iterations), drawing.view.pixel, drawing.palette)
        pixels[first:last] = to_srgb(average_samples(light, SAMPLES))
    beside = path.with_suffix(".new")
    beside.write_bytes(pixels.tobytes())
    beside.replace(path)


def assemble(folder: Path, boxes: Sequence[Box], picture: Path) -> None:
    """Lay the tiles side by side into one file of raw RGB bytes."""
    width, height = boxes[-1].right, boxes[-1].bottom
    pixels = np.memmap(picture, dtype=np.uint8, mode="w+", shape=(height, width, 3))
    for number, box in enumerate(boxes):
        tile = np.fromfile(tile_path(folder, number), dtype=np.uint8)
        pixels[box.top : box.bottom, box.left : box.right] = tile.reshape(box.height, box.width, 3)
    pixels.flush()


def encode(picture: Path, width: int, height: int, png: Path) -> int:
    """Write the raw picture as PNG; gives its length in bytes."""
    pixels = np.memmap(picture, dtype=np.uint8, mode="r", shape=(height, width, 3))
    beside = png.with_suffix(".new")
    Image.fromarray(pixels).save(beside, format="PNG")
    beside.replace(png)
    return png.stat().st_size


def _pieces(length: int, side: int) -> int:
    return -(-length // side)


def _edges(length: int, side: int) -> list[int]:
    count = _pieces(length, side)
    return [length * index // count for index in range(count + 1)]
