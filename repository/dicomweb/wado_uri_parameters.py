"""The query parameters of WADO-URI.

Standard: PS3.18 9.1.2, 9.4.1.2, 9.5.1.2
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from registry.wire.media_types import MediaRange, parse_accept
from repository.rendering_parameters import (
    DEFAULT_QUALITY,
    MAX_VIEWPORT_SIDE,
    InvalidRenderingParameter,
    Region,
    Rendering,
    Viewport,
    parse_annotation,
    parse_quality,
    parse_window,
    read_single,
)

DICOM = "application/dicom"
Query = Mapping[str, Sequence[str]]

_UID = re.compile(r"(?=.{1,64}\Z)(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))*")
_DECIMAL = re.compile(r"\d{1,9}(\.\d{0,12})?|\.\d{1,12}")
_WHOLE_NUMBER = re.compile(r"\d{1,9}")
_WINDOW = ("windowCenter", "windowWidth")


class InvalidUriRequest(ValueError):
    """A parameter of a WADO-URI request is missing, not written as the standard says, or does not go with another."""


@dataclass(frozen=True, slots=True)
class UriRequest:
    """What a WADO-URI request asks for.

    `transfer_syntax_uid` is empty for the default. `frame_number` is None where none was asked for, `presentation`
    the Series and SOP Instance UID of a presentation state.
    """

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    content_type: str
    transfer_syntax_uid: str
    frame_number: int | None
    presentation: tuple[str, str] | None
    rendering: Rendering


def read_uri_request(query: Query) -> UriRequest:
    """Read the parameters of a WADO-URI request; those that the standard does not know are not looked at.

    Raises
    ------
    InvalidUriRequest, InvalidRenderingParameter, MalformedAccept
        The request cannot be answered as it is written.
    """
    kind = read_single(query, "requestType")
    if kind != "WADO":
        raise InvalidUriRequest("requestType must be WADO: it is " + (repr(kind[:40]) if kind else "missing"))
    study, series, sop = (_read_uid(query, name) for name in ("studyUID", "seriesUID", "objectUID"))
    if "anonymize" in query:
        _refuse_anonymization(read_single(query, "anonymize"))
    request = UriRequest(
        study,
        series,
        sop,
        _read_content_type(query),
        _read_transfer_syntax(query),
        _read_frame_number(query),
        _read_presentation(query),
        _read_rendering(query),
    )
    _check_together(query, request)
    return request


def _read_uid(query: Query, name: str) -> str:
    value = read_single(query, name)
    if not value:
        raise InvalidUriRequest(
            f"{name} is missing: studyUID, seriesUID and objectUID say together what is asked for"
        )
    if not _UID.fullmatch(value):
        raise InvalidUriRequest(f"{name} is not a UID: {value[:70]!r}")
    return value


def _refuse_anonymization(value: str | None) -> None:
    if value != "yes":
        raise InvalidUriRequest(f"anonymize is yes or left out, not {(value or '')[:40]!r}")
    raise InvalidUriRequest("instances are not anonymized here: nothing was sent")


def _read_content_type(query: Query) -> str:
    text = read_single(query, "contentType") or ""
    ranges = parse_accept(text)
    for media_range in ranges:
        _check_media_range(media_range)
    names = {media_range.name for media_range in ranges}
    if DICOM in names and len(names) > 1:
        raise InvalidUriRequest(f"contentType is {DICOM}, or rendered media types, but not both")
    return text


def _check_media_range(media_range: MediaRange) -> None:
    for parameter in ("transfer-syntax", "charset"):
        if media_range.values_of(parameter):
            raise InvalidUriRequest(
                f"contentType has no {parameter} here: it is a query parameter of its own"
            )


def _read_transfer_syntax(query: Query) -> str:
    value = read_single(query, "transferSyntax")
    if value is None or value == "*":
        return value or ""
    if not _UID.fullmatch(value):
        raise InvalidUriRequest(f"transferSyntax is not a UID: {value[:70]!r}")
    return value


def _read_frame_number(query: Query) -> int | None:
    value = read_single(query, "frameNumber")
    if value is None:
        return None
    if not value.isascii() or not _WHOLE_NUMBER.fullmatch(value) or int(value) < 1:
        raise InvalidUriRequest(f"frameNumber is a whole number from 1, not {value[:40]!r}")
    return int(value)


def _read_presentation(query: Query) -> tuple[str, str] | None:
    names = ("presentationSeriesUID", "presentationUID")
    if not any(name in query for name in names):
        return None
    if not all(name in query for name in names):
        raise InvalidUriRequest(
            "presentationUID and presentationSeriesUID go together: one of them is missing"
        )
    series, sop = (_read_uid(query, name) for name in names)
    return series, sop


def _read_rendering(query: Query) -> Rendering:
    quality = read_single(query, "imageQuality")
    name = "imageAnnotation" if "imageAnnotation" in query else "annotation"  # the tables call it both
    annotation = read_single(query, name)
    known, unknown = parse_annotation(annotation) if annotation is not None else ((), ())
    center, width = (read_single(query, name) for name in _WINDOW)
    if (center is None) != (width is None):
        raise InvalidUriRequest("windowCenter and windowWidth go together: one of them is missing")
    return Rendering(
        window=parse_window(f"{center},{width},linear") if center is not None else None,
        viewport=_read_viewport(query),
        quality=parse_quality(quality) if quality is not None else DEFAULT_QUALITY,
        annotations=known,
        unknown_annotations=unknown,
        region=_read_region(query),
    )


def _read_viewport(query: Query) -> Viewport | None:
    """Read rows and columns: each is the most that the picture may have of them."""
    sides = [_read_side(query, name) for name in ("columns", "rows")]
    if sides == [None, None]:
        return None
    return Viewport(sides[0] or MAX_VIEWPORT_SIDE, sides[1] or MAX_VIEWPORT_SIDE)


def _read_side(query: Query, name: str) -> int | None:
    value = read_single(query, name)
    if value is None:
        return None
    if not value.isascii() or not _WHOLE_NUMBER.fullmatch(value) or not 1 <= int(value) <= MAX_VIEWPORT_SIDE:
        raise InvalidRenderingParameter(
            f"{name} is a whole number from 1 to {MAX_VIEWPORT_SIDE}, not {value[:40]!r}"
        )
    return int(value)


def _read_region(query: Query) -> Region | None:
    value = read_single(query, "region")
    if value is None:
        return None
    parts = [part.strip() for part in value.split(",")]
    if len(parts) != 4 or not all(part.isascii() and _DECIMAL.fullmatch(part) for part in parts):
        raise InvalidRenderingParameter(f"region is xmin,ymin,xmax,ymax as decimals, not {value[:80]!r}")
    left, top, right, bottom = (float(part) for part in parts)
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise InvalidRenderingParameter(
            f"a region is 0 <= xmin < xmax <= 1 and 0 <= ymin < ymax <= 1, not {value[:80]!r}"
        )
    return Region(left, top, right, bottom)


def _check_together(query: Query, request: UriRequest) -> None:
    """Refuse parameters that exclude each other.

    Standard: PS3.18 9.5.1.2.6, 9.5.1.2.7
    """
    has_window = any(name in query for name in _WINDOW)
    if request.presentation is not None and (has_window or request.frame_number is not None):
        raise InvalidUriRequest(
            "a presentation state has its own window and frames: leave those parameters out"
        )
    if has_window and DICOM in {media_range.name for media_range in parse_accept(request.content_type)}:
        raise InvalidUriRequest(f"windowCenter and windowWidth do not go with {DICOM}")
