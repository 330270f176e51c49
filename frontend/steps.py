"""The steps of a series: every frame of every instance with pixels, and the window presets that fit."""

from dataclasses import dataclass

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from registry.models import Instance, Series

PATH_OF_RENDERED = "/dicom-web/studies/{study}/series/{series}/instances/{instance}"
LARGEST_VIEWPORT_PX = 4096
"""The longest side that `/rendered` takes in a viewport."""


@dataclass(frozen=True, slots=True)
class Stack:
    """The instances of a series that have pixels, in order: UID, number of frames and viewport of each."""

    study_instance_uid: str
    series_instance_uid: str
    instances: tuple[tuple[str, int, str], ...]

    @property
    def step_count(self) -> int:
        """How many pictures there are to step through."""
        return sum(frames for _uid, frames, _viewport in self.instances)


@dataclass(frozen=True, slots=True)
class Step:
    """One picture: instance and frame by their place, both from 1, and its place among all, from 1."""

    instance_place: int
    frame_number: int
    place: int


@dataclass(frozen=True, slots=True)
class Window:
    """A window preset; `value` is what `/rendered` takes, empty for the picture's own window."""

    key: str
    name: str
    value: str


def read_stack(series: Series) -> Stack:
    """Read the pictures of a series that was permitted."""
    rows = list_pictures(series.instances.all())
    found = rows.values_list("sop_instance_uid", "number_of_frames", "rows", "columns")
    return Stack(
        series.study.study_instance_uid,
        series.series_instance_uid,
        tuple(
            (uid, max(count or 1, 1), find_viewport(height or 0, width or 0))
            for uid, count, height, width in found
        ),
    )


def find_viewport(rows: int, columns: int) -> str:
    """Return the viewport in which square pixels stay as they are and others become square; empty if none is so large.

    Without one a picture has the image's own matrix, and pixels that are not square lie about shapes.

    Standard: PS3.18 8.3.5.1.3
    """
    side = max(rows, columns)
    return f"{side},{side}" if side <= LARGEST_VIEWPORT_PX else ""


def find_step(stack: Stack, instance_place: int, frame_number: int) -> Step:
    """Find a step; places outside the stack give the nearest one that exists."""
    instance_place = min(max(instance_place, 1), len(stack.instances))
    frames = stack.instances[instance_place - 1][1]
    frame_number = min(max(frame_number, 1), frames)
    before = sum(count for _uid, count, _viewport in stack.instances[: instance_place - 1])
    return Step(instance_place, frame_number, before + frame_number)


def step_at(stack: Stack, place: int) -> Step:
    """Return the step at a place among all; places outside give the first or the last."""
    place = min(max(place, 1), stack.step_count)
    before = 0
    for index, (_uid, frames, _viewport) in enumerate(stack.instances, start=1):
        if place <= before + frames:
            return Step(index, place - before, place)
        before += frames
    raise AssertionError("unreachable: the place lies within the stack")


def rendered_url(stack: Stack, step: Step, window: Window | None = None) -> str:
    """Return the address of a step's picture.

    Standard: PS3.18 10.4.1.1.3, 8.3.5.1.4
    """
    uid, frames, viewport = stack.instances[step.instance_place - 1]
    path = _instance_path(stack, uid)
    if frames > 1:
        path += f"/frames/{step.frame_number}"
    asked = {"viewport": viewport, "window": window.value if window else ""}
    query = "&".join(f"{name}={value}" for name, value in asked.items() if value)
    return f"{path}/rendered{'?' if query else ''}{query}"


def find_thumbnail(series: Series, instance_count: int, size_px: int = 128) -> str:
    """Return the address of a small picture from the middle of a series with so many instances that have any."""
    rows = list_pictures(series.instances.all())
    uid = rows.values_list("sop_instance_uid", flat=True)[instance_count // 2]
    pictures = ((uid, 1, f"{size_px},{size_px}"),)
    stack = Stack(series.study.study_instance_uid, series.series_instance_uid, pictures)
    return rendered_url(stack, Step(1, 1, 1))


def list_pictures(instances: QuerySet[Instance]) -> QuerySet[Instance]:
    """Keep the instances that have pixels, in the order of the stack."""
    return instances.filter(rows__gt=0).order_by("instance_number", "pk")


def page_values(step: Step, window: Window, stack: Stack, prefix: str = "") -> dict[str, str]:
    """Return the parameters of the stepper page that show a step; `prefix` tells those of two stacks apart."""
    values = {f"{prefix}instance": str(step.instance_place)}
    if stack.instances[step.instance_place - 1][1] > 1:
        values[f"{prefix}frame"] = str(step.frame_number)
    if window.value:
        values[f"{prefix}window"] = window.key
    return values


def list_windows(modality: str) -> tuple[Window, ...]:
    """List the window presets of a modality; the first is the picture's own."""
    own = Window("own", _("As stored"), "")
    if modality != "CT":
        return (own,)
    return (
        own,
        Window("soft", _("Soft tissue"), "40,400,linear"),
        Window("lung", _("Lung"), "-600,1500,linear"),
        Window("bone", _("Bone"), "400,1800,linear"),
        Window("brain", _("Brain"), "40,80,linear"),
        Window("liver", _("Liver"), "80,150,linear"),
    )


def _instance_path(stack: Stack, sop_instance_uid: str) -> str:
    return PATH_OF_RENDERED.format(
        study=stack.study_instance_uid, series=stack.series_instance_uid, instance=sop_instance_uid
    )
