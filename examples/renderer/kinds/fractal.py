"""A large picture of the Mandelbrot set, rendered tile by tile in worker processes.

A job has one tile in work at a time: jobs share the workers evenly, and a job takes as long on
a large machine as on a small one, which a progress bar to look at is glad of.
"""

import asyncio
from dataclasses import dataclass
from typing import Annotated

from examples.renderer.job import JsonObject
from examples.renderer.kinds.base import Run
from examples.renderer.kinds.colour import Palette
from examples.renderer.kinds.mandelbrot import View
from examples.renderer.kinds.tiles import (
    Drawing,
    assemble,
    cut,
    encode,
    is_rendered,
    render_tile,
    tile_path,
)
from examples.renderer.params import Choice, Number, Whole

MOST_PIXELS = 36_000_000
RAW_PICTURE = "picture.raw"
PICTURE = "picture.png"
# Shares of the whole, in percent, as measured with the default parameters.
WHEN_RENDERED = 94.0
WHEN_ASSEMBLED = 95.0


@dataclass(frozen=True, kw_only=True)
class FractalParams:
    """The defaults show a tail in the valley of the seahorses."""

    width: Annotated[int, Whole(16, 20_000)] = 2000
    height: Annotated[int, Whole(16, 20_000)] = 1400
    center_x: Annotated[float, Number(-3, 3)] = -0.7435669
    center_y: Annotated[float, Number(-3, 3)] = 0.1314023
    zoom: Annotated[float, Number(0.1, 1e10)] = 1500.0
    """At 1 the picture is 3.5 wide: it shows the whole set."""
    iterations: Annotated[int, Whole(10, 20_000)] = 1500
    palette: Annotated[Palette, Choice(Palette)] = Palette.DUSK
    pause_ms: Annotated[int, Whole(0, 5000)] = 0
    """Milliseconds to rest after each tile: makes a job slow without keeping a core busy."""


class Fractal:
    """The kind `fractal`; `public_url` gives the address that results are seen under."""

    name = "fractal"
    params = FractalParams
    steps = ("render tiles", "assemble", "encode")
    unit = "tiles"

    def __init__(self, workers: int, public_url: str) -> None:
        # Twice the workers, so that a resting job leaves none of them idle.
        self.running_limit = max(4, 2 * workers)
        self._public_url = public_url

    def check(self, params: FractalParams) -> list[str]:
        pixels = params.width * params.height
        if pixels <= MOST_PIXELS:
            return []
        return [f"width times height must be at most {MOST_PIXELS} pixels, not {pixels}"]

    async def run(self, params: FractalParams, run: Run) -> tuple[JsonObject, str]:
        view = View(
            center_x=params.center_x,
            center_y=params.center_y,
            zoom=params.zoom,
            width=params.width,
            height=params.height,
        )
        boxes = cut(params.width, params.height, params.iterations)
        drawing = Drawing(view, params.iterations, params.palette)
        tiles = [(tile_path(run.work_folder, number), box) for number, box in enumerate(boxes)]
        missing = [tile for tile in tiles if not is_rendered(*tile)]
        done = len(tiles) - len(missing)
        if done:
            run.log(f"{done} of {len(tiles)} tiles were rendered before")

        run.begin("render tiles", "rendering")
        for path, box in missing:
            self._report(run, done, len(tiles))
            await run.in_process(render_tile, drawing, box, path)
            done += 1
            self._report(run, done, len(tiles))
            run.log(f"tile {done} of {len(tiles)}: {box.width} x {box.height} pixels")
            await asyncio.sleep(params.pause_ms / 1000)

        run.begin("assemble", f"laying {len(tiles)} tiles together")
        raw = run.work_folder / RAW_PICTURE
        await run.in_process(assemble, run.work_folder, boxes, raw)

        run.begin("encode", "encoding the picture", progress=WHEN_ASSEMBLED)
        png = run.folder / PICTURE
        length = await run.in_process(encode, raw, params.width, params.height, png)
        result = {
            "url": f"{self._public_url}/{self.name}/jobs/{run.id}/{PICTURE}",
            "media_type": "image/png",
            "width": params.width,
            "height": params.height,
            "bytes": length,
        }
        return result, f"{params.width} x {params.height} pixels, {length:,} bytes"

    @staticmethod
    def _report(run: Run, done: int, total: int) -> None:
        run.report(
            f"rendering tile {min(done + 1, total)} of {total}",
            progress=WHEN_RENDERED * done / total,
            step=100 * done / total,
            current=done,
            total=total,
        )
