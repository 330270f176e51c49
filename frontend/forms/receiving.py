"""What a receiver takes, as fields: transfer syntaxes in their order, and its own procedure codes, one a line."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from repository.delivery.operating.keeping import CODE_LENGTHS

LINES = 4
SYNTAXES = (
    ("1.2.840.10008.1.2.1", "Explicit VR Little Endian"),
    ("1.2.840.10008.1.2.1.99", "Deflated Explicit VR Little Endian"),
    ("1.2.840.10008.1.2.4.50", "JPEG Baseline, 8 bit"),
    ("1.2.840.10008.1.2.4.51", "JPEG Extended, 12 bit"),
    ("1.2.840.10008.1.2.4.57", "JPEG Lossless (Process 14)"),
    ("1.2.840.10008.1.2.4.70", "JPEG Lossless (Selection Value 1)"),
    ("1.2.840.10008.1.2.4.80", "JPEG-LS Lossless"),
    ("1.2.840.10008.1.2.4.81", "JPEG-LS Near-Lossless"),
    ("1.2.840.10008.1.2.4.90", "JPEG 2000 Lossless"),
    ("1.2.840.10008.1.2.4.91", "JPEG 2000"),
    ("1.2.840.10008.1.2.4.201", "HTJ2K Lossless"),
    ("1.2.840.10008.1.2.4.202", "HTJ2K Lossless RPCL"),
    ("1.2.840.10008.1.2.4.203", "HTJ2K"),
    ("1.2.840.10008.1.2.5", "RLE Lossless"),
    ("1.2.840.10008.1.2.4.100", "MPEG2 Main Level"),
    ("1.2.840.10008.1.2.4.101", "MPEG2 High Level"),
    ("1.2.840.10008.1.2.4.102", "MPEG-4 AVC/H.264 Level 4.1"),
    ("1.2.840.10008.1.2.4.103", "MPEG-4 AVC/H.264 BD"),
    ("1.2.840.10008.1.2.4.107", "HEVC/H.265 Main"),
)
"""What receivers are known to take; one that is kept beside these stays a choice under its UID."""


def add_syntaxes(form: forms.Form, kept: Sequence[str] = ()) -> None:
    """Add a choice for each transfer syntax that is kept, and some that are empty; the first is the most wanted."""
    known = {uid for uid, _name in SYNTAXES}
    others = [(uid, uid) for uid in kept if uid not in known]
    choices = [("", "–"), *SYNTAXES, *others]
    for number in range(max(LINES, len(kept) + 1)):
        form.fields[f"syntax_{number}"] = forms.ChoiceField(
            label=gettext_lazy("Transfer syntax"), choices=choices, required=False
        )


def initial_syntaxes(kept: Iterable[str]) -> dict[str, str]:
    """Return what the fields say for transfer syntaxes as they are kept."""
    return {f"syntax_{number}": uid for number, uid in enumerate(kept)}


def list_syntaxes(form: forms.Form) -> list[forms.BoundField]:
    """Return the choices of a form in their order."""
    return [form[name] for name in _names(form)]


def read_syntaxes(form: forms.Form) -> list[str]:
    """Return the transfer syntaxes in their order; one that is there twice becomes an error of its field."""
    chosen: list[str] = []
    for name in _names(form):
        uid = form.cleaned_data.get(name) or ""
        if uid in chosen:
            form.add_error(name, _("This transfer syntax is chosen already, further up."))
        elif uid:
            chosen.append(uid)
    return chosen


def write_codes(codes: Mapping[str, Sequence[str]]) -> str:
    """Write procedure codes as the field shows them."""
    return "\n".join("; ".join((code, *parts)) for code, parts in codes.items())


def read_codes(text: str) -> dict[str, list[str]]:
    """Read procedure codes; fields are parted by semicolons, or by tabs as in a table. A meaning may have semicolons.

    Raises
    ------
    ValidationError
        With a message for each line that cannot be read.
    """
    codes: dict[str, list[str]] = {}
    faults = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        code, *parts = (part.strip() for part in line.split("\t" if "\t" in line else ";", len(CODE_LENGTHS)))
        fault = _find_fault(code, parts, codes)
        if fault:
            faults.append(_("Line %(number)s: %(why)s") % {"number": number, "why": fault})
        else:
            codes[code] = parts
    if faults:
        raise forms.ValidationError(faults)
    return codes


def _find_fault(code: str, parts: list[str], known: Mapping[str, Any]) -> str:
    if len(parts) != len(CODE_LENGTHS):
        return _("four fields are needed: regional code; its code; scheme; meaning.")
    if not code or not parts[0]:
        return _("a code is empty.")
    if code in known:
        return _("the regional code %(code)s is there already.") % {"code": code}
    if any(len(part) > most for part, most in zip(parts, CODE_LENGTHS, strict=True)):
        return _("code and scheme have at most 16 characters, the meaning 64.")
    return ""


def _names(form: forms.Form) -> Iterator[str]:
    number = 0
    while f"syntax_{number}" in form.fields:
        yield f"syntax_{number}"
        number += 1
