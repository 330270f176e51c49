"""A decoded frame as levels of grey or as RGB, in its own size."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from repository.colour import render_colour
from repository.decode import decoded_photometric_interpretation
from repository.greyscale import render_grey
from repository.lookup_table import ReadBulk
from repository.pixels import Attributes, PixelDescription
from repository.rendering_parameters import Window


def render_levels(
    frame: npt.NDArray[Any],
    description: PixelDescription,
    attributes: Attributes,
    *,
    frame_index: int,
    window: Window | None,
    read_bulk: ReadBulk | None,
) -> npt.NDArray[np.uint8]:
    """Return a decoded frame as a grey (rows, columns) or RGB (rows, columns, 3) picture of its own size.

    Raises
    ------
    InvalidImageDescription
        Colours or lookup tables cannot be read.
    """
    colours = decoded_photometric_interpretation(description)
    if description.samples_per_pixel == 1 and colours != "PALETTE COLOR":
        return render_grey(
            frame, description, attributes, frame_index=frame_index, window=window, read_bulk=read_bulk
        )
    # A label that cannot be true of three samples is a slip of the sender: three channels are red, green and blue.
    if description.samples_per_pixel == 3 and (
        colours.startswith("MONOCHROME") or colours == "PALETTE COLOR"
    ):
        colours = "RGB"
    return render_colour(frame, colours, description, attributes, read_bulk=read_bulk)
