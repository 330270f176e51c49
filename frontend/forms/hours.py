"""Hours in a week as fields: a few lines, each with days, from and to, and for a destination its limits there."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

LINES = 3
TIME = forms.TextInput(attrs={"placeholder": "18:00", "autocomplete": "off", "size": 5})


@dataclass(frozen=True, slots=True)
class HoursLine:
    """The fields of one line as a page shows them."""

    days: forms.BoundField
    begins: forms.BoundField
    ends: forms.BoundField
    max_parallel: forms.BoundField | None
    max_mbit: forms.BoundField | None


def add_hours(form: forms.Form, windows: Sequence[Any] = (), *, with_limits: bool) -> None:
    """Add the fields of a week to a form: a line for each window that is kept, and some that are empty."""
    for number in range(max(LINES, len(windows))):
        form.fields[f"days_{number}"] = forms.MultipleChoiceField(
            label=gettext_lazy("Days"),
            choices=list_days(),
            required=False,
            widget=forms.CheckboxSelectMultiple,
        )
        for side, label in (("from", gettext_lazy("From")), ("to", gettext_lazy("To"))):
            form.fields[f"{side}_{number}"] = forms.RegexField(
                r"^([01]\d|2[0-3]):[0-5]\d$|^24:00$", label=label, required=False, widget=TIME
            )
        if with_limits:
            form.fields[f"parallel_{number}"] = forms.IntegerField(
                label=gettext_lazy("At once"), required=False, min_value=0, max_value=64
            )
            form.fields[f"mbit_{number}"] = forms.FloatField(
                label=gettext_lazy("Mbit/s"), required=False, min_value=0.001
            )


def list_days() -> list[tuple[str, str]]:
    """Return the days of a week, Monday first, as they are written in short."""
    names = (_("Mon"), _("Tue"), _("Wed"), _("Thu"), _("Fri"), _("Sat"), _("Sun"))
    return [(str(number), name) for number, name in enumerate(names)]


def list_lines(form: forms.Form) -> list[HoursLine]:
    """Return the lines of a form."""
    return [
        HoursLine(
            form[f"days_{number}"],
            form[f"from_{number}"],
            form[f"to_{number}"],
            form[f"parallel_{number}"] if f"parallel_{number}" in form.fields else None,
            form[f"mbit_{number}"] if f"mbit_{number}" in form.fields else None,
        )
        for number in _numbers(form)
    ]


def initial_hours(windows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what the fields say for windows as they are kept."""
    initial: dict[str, Any] = {}
    for number, window in enumerate(windows):
        initial[f"days_{number}"] = [str(day) for day in window["days"]]
        initial[f"from_{number}"], initial[f"to_{number}"] = window["from"], window["to"]
        initial[f"parallel_{number}"] = window.get("max_parallel")
        initial[f"mbit_{number}"] = window.get("max_mbit")
    return initial


def read_hours(form: forms.Form) -> list[dict[str, Any]]:
    """Return the windows that the fields say; a line that is filled in by half becomes an error of the form."""
    windows = []
    for number in _numbers(form):
        values = form.cleaned_data
        days, begins, ends = (values.get(f"{name}_{number}") for name in ("days", "from", "to"))
        if not days and not begins and not ends:
            continue
        if not (days and begins and ends):
            form.add_error(f"from_{number}", _("Hours need days, a beginning and an end."))
            continue
        window: dict[str, Any] = {"days": sorted(int(day) for day in days), "from": begins, "to": ends}
        limits = {"max_parallel": values.get(f"parallel_{number}"), "max_mbit": values.get(f"mbit_{number}")}
        windows.append(window | {name: value for name, value in limits.items() if value is not None})
    return windows


def _numbers(form: forms.Form) -> Iterator[int]:
    number = 0
    while f"days_{number}" in form.fields:
        yield number
        number += 1
