"""The mathematics of the picture, and that tiles together make the same picture as one."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.renderer.kinds.colour import Palette, to_srgb
from examples.renderer.kinds.mandelbrot import (
    Box,
    View,
    distance,
    escape,
    is_in_largest_parts,
    sample_points,
)
from examples.renderer.kinds.tiles import (
    FEWEST_TILES,
    Drawing,
    assemble,
    cut,
    encode,
    is_rendered,
    render_tile,
    tile_path,
)

VIEW = View(center_x=-0.74, center_y=0.13, zoom=20, width=60, height=40)


def count_of(c: complex, iterations: int = 500) -> float:
    return float(escape(np.array([c]), iterations).count[0])


@pytest.mark.parametrize("c", [0, -1, 1j, -2, 0.25, -0.1 + 0.75j, -1.3])
def test_points_of_the_set_never_escape(c: complex) -> None:
    assert np.isnan(count_of(c))


@pytest.mark.parametrize("c", [1, 2, 0.26, 1.01j, -2.01, 0.5 + 0.5j])
def test_points_outside_escape(c: complex) -> None:
    assert count_of(c) > 0


def test_the_count_agrees_with_plain_iteration() -> None:
    for c in (0.3 + 0.6j, 0.27, -0.75 + 0.1j, 0.5, 3.0):
        z, steps = 0j, 0
        while abs(z) < 1000:
            z, steps = z * z + c, steps + 1
        assert steps < count_of(c) <= steps + 1


def test_the_count_is_smooth_where_the_number_of_steps_jumps() -> None:
    counts = escape(np.linspace(0.3, 2.0, 20_000).astype(complex), 500).count
    assert np.abs(np.diff(counts)).max() < 0.02


def test_too_few_iterations_leave_a_point_inside() -> None:
    assert np.isnan(count_of(0.26, iterations=10))


def test_the_set_is_its_own_mirror_image() -> None:
    points = sample_points(VIEW, Box(0, 0, 60, 40), 1)
    above, below = escape(points, 200), escape(points.conj(), 200)
    np.testing.assert_allclose(above.count, below.count)


def test_the_largest_parts_by_formula_hold_only_points_that_never_escape() -> None:
    x, y = np.meshgrid(np.linspace(-2, 0.5, 150), np.linspace(-1.2, 1.2, 150))
    points = x + 1j * y
    inner = points[is_in_largest_parts(points)]
    z = np.zeros_like(inner)
    for _ in range(300):
        z = z * z + inner
    assert np.abs(z).max() <= 2


def test_the_set_is_at_most_as_far_as_the_distance_says_and_at_least_a_quarter() -> None:
    # On the real axis the set ends at 1/4 and at -2.
    right, left = distance(escape(np.array([1.25 + 0j, -3.0 + 0j]), 100))
    assert 1 <= right <= 4
    assert 1 <= left <= 4


def test_samples_lie_around_the_centre_with_the_top_row_first() -> None:
    view = View(center_x=1, center_y=2, zoom=3.5, width=4, height=2)
    points = sample_points(view, Box(0, 0, 4, 2), 2)
    assert points.shape == (4, 8)
    assert points.mean() == pytest.approx(1 + 2j)
    assert points[0, 0] == pytest.approx(1 - 0.4375 + (2 + 0.1875) * 1j)


def test_black_and_white_stay_what_they_are() -> None:
    assert to_srgb(np.array([[0.0, 1.0, 7.0]])).tolist() == [[0, 255, 255]]


sides = st.integers(16, 20_000)


@given(sides, sides, st.integers(10, 20_000))
def test_tiles_cover_the_picture_once_and_show_progress(
    width: int, height: int, iterations: int
) -> None:
    boxes = cut(width, min(height, 36_000_000 // width), iterations)
    assert len(boxes) >= FEWEST_TILES
    assert sum(box.width * box.height for box in boxes) == boxes[-1].right * boxes[-1].bottom
    assert (boxes[0].left, boxes[0].top, boxes[-1].right) == (0, 0, width)
    assert all(box.width > 0 and box.height > 0 for box in boxes)


def test_the_default_picture_has_many_tiles_and_a_small_one_enough() -> None:
    assert len(cut(2000, 1400, 1500)) == 70
    assert len(cut(200, 150, 50)) == 12


def test_tiles_together_are_the_picture_rendered_whole(tmp_path: Path) -> None:
    drawing = Drawing(VIEW, 200, Palette.DUSK)
    boxes = cut(60, 40, 200)
    for number, box in enumerate(boxes):
        path = tile_path(tmp_path, number)
        assert not is_rendered(path, box)
        render_tile(drawing, box, path)
        assert is_rendered(path, box)
    assemble(tmp_path, boxes, tmp_path / "picture.raw")
    render_tile(drawing, Box(0, 0, 60, 40), tmp_path / "whole.rgb")
    assert (tmp_path / "picture.raw").read_bytes() == (tmp_path / "whole.rgb").read_bytes()
    assert encode(tmp_path / "picture.raw", 60, 40, tmp_path / "picture.png") > 0


@pytest.mark.parametrize("palette", Palette)
def test_every_palette_gives_colours_that_differ(palette: Palette, tmp_path: Path) -> None:
    render_tile(Drawing(VIEW, 100, palette), Box(0, 0, 60, 40), tmp_path / "tile.rgb")
    pixels = np.fromfile(tmp_path / "tile.rgb", dtype=np.uint8).reshape(-1, 3)
    assert len(np.unique(pixels, axis=0)) > 100


def test_half_a_tile_is_not_taken_for_a_whole_one(tmp_path: Path) -> None:
    (tmp_path / "tile.rgb").write_bytes(b"\0" * 10)
    assert not is_rendered(tmp_path / "tile.rgb", Box(0, 0, 2, 2))
