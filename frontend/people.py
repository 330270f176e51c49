"""A patient as the pages show one: name, number, age and sex, never without them."""

from dataclasses import dataclass
from datetime import date

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from registry.identity import find_number_fault
from registry.models import Patient, PatientIdentifier
from registry.swedish_numbers import WRONG_CHECK_DIGIT, WRONG_FORM


@dataclass(frozen=True, slots=True)
class Banner:
    """What stands above every clinical page."""

    patient_pk: int
    name: str
    number: str
    number_is_national: bool
    number_fault: str
    birth_date: str
    age: str
    sex: str


def read_banner(patient: Patient, today: date | None = None) -> Banner:
    """Make the banner of a patient; its identifiers are read (prefetch them for lists)."""
    identifiers = sorted(patient.identifiers.all(), key=lambda row: (not row.is_national, row.pk))
    first = identifiers[0] if identifiers else None
    return Banner(
        patient_pk=patient.pk,
        name=format_name(patient.patient_name) or _("Name missing"),
        number=format_number(first) if first else _("Number missing"),
        number_is_national=bool(first and first.is_national),
        number_fault=describe_fault(first) if first else "",
        birth_date=format_date(patient.patient_birth_date),
        age=describe_age(patient.patient_birth_date, today),
        sex=describe_sex(patient.patient_sex),
    )


def format_name(name: str) -> str:
    """Turn a DICOM person name into the order people read: `Åkesson^Märta` -> `Märta Åkesson`.

    Standard: PS3.5 6.2.1.1
    """
    parts = [part.strip() for part in name.split("=", 1)[0].split("^")] + [""] * 5
    family, given, middle, prefix, suffix = parts[:5]
    return " ".join(part for part in (prefix, given, middle, family, suffix) if part)


def format_number(identifier: PatientIdentifier) -> str:
    """Write a national number with its hyphen, any other number as it is."""
    value = identifier.value
    if identifier.is_national and len(value) == 12:
        return f"{value[:8]}-{value[8:]}"
    return value


def describe_fault(identifier: PatientIdentifier) -> str:
    """Say what its issuer's rule has against a number; empty if nothing. It is the person's number all the same."""
    fault = find_number_fault(identifier.value, identifier.issuer)
    if not fault:
        return ""
    words = {
        WRONG_FORM: _("Invalid number: wrong form"),
        WRONG_CHECK_DIGIT: _("Invalid number: wrong check digit"),
    }
    return words.get(fault, _("Invalid number: wrong date or check digit"))


def format_date(text: str) -> str:
    """Turn a DICOM date into ISO form; what is not a whole date stays as it was sent.

    Standard: PS3.5 6.2 (DA)
    """
    if len(text) == 8 and text.isdigit():
        return f"{text[:4]}-{text[4:6]}-{text[6:]}"
    return text


def format_time(text: str) -> str:
    """Turn a DICOM time into hours and minutes; what is shorter or odd stays as it was sent.

    Standard: PS3.5 6.2 (TM)
    """
    if len(text) >= 4 and text[:4].isdigit():
        return f"{text[:2]}:{text[2:4]}"
    return text


def describe_age(birth_date: str, today: date | None = None) -> str:
    """Say the age: years, below two years months, below two months days."""
    born = _read_date(birth_date)
    today = today or date.today()  # noqa: DTZ011 (a birth date has no time zone)
    if born is None or born > today:
        return _("age unknown")
    months = (today.year - born.year) * 12 + today.month - born.month - (today.day < born.day)
    if months >= 24:
        return _("%(count)s years") % {"count": months // 12}
    if months >= 2:
        return _("%(count)s months") % {"count": months}
    days = (today - born).days
    return ngettext("%(count)s day", "%(count)s days", days) % {"count": days}


def describe_sex(code: str) -> str:
    """Say the sex in words.

    Standard: PS3.3 C.7.1.1 (Patient's Sex)
    """
    return {"F": _("woman"), "M": _("man"), "O": _("other sex")}.get(code, _("sex unknown"))


def _read_date(text: str) -> date | None:
    try:
        return date.fromisoformat(format_date(text))
    except ValueError:
        return None
