"""Which issuer a number has, and which patient stands behind it.

The issuer is decided per number: an explicit one, else the department's ordered rules. A Swedish
national number is one number however it is written: 10 or 12 digits, hyphen, plus sign, spaces.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any

from django.db.models import F

from access.prepared import Prepared, PreparedModels, Slot, prepare, prepare_models
from access.rows import add, insert
from registry import changes
from registry.affinity import affinity
from registry.contacts import Contacts, keep_contacts
from registry.models import IssuerRule, Patient, PatientIdentifier
from registry.names import fold_accents, fold_name
from registry.swedish_numbers import RESERVE_CHECKS, WRONG_FORM, clean_reserve, find_fault, luhn_digit

PERSONNUMMER_OID = "1.2.752.129.2.1.3.1"
SAMORDNINGSNUMMER_OID = "1.2.752.129.2.1.3.3"
NATIONAL_OIDS = (PERSONNUMMER_OID, SAMORDNINGSNUMMER_OID)
COORDINATION_DAY_OFFSET = 60
_DIGITS = re.compile(r"(\d{2})?(\d{6})([-+]?)(\d{4})")
_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")


@dataclass(frozen=True, slots=True)
class PatientNumber:
    """A number with its issuer decided.

    `value` is 12 digits for national numbers, empty when there is none.
    """

    value: str
    issuer: str
    is_national: bool = False


@dataclass(frozen=True, slots=True)
class Demographics:
    """What a source says about a person, as DICOM text."""

    patient_name: str = ""
    patient_birth_date: str = ""
    patient_sex: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of a department's issuer rules; see `IssuerRule`."""

    kind: str
    pattern: str
    issuer: str


def normalise_national(text: str, birth_date: str = "", today: date | None = None) -> PatientNumber | None:
    """Read a personnummer or samordningsnummer; None when it is not a valid one.

    A ten-digit number takes the century of `birth_date` (`YYYYMMDD`) where the rest agrees, else the
    latest one that is not in the future, a hundred years earlier with a plus sign.
    """
    match = _DIGITS.fullmatch(re.sub(r"\s", "", text))
    if match is None:
        return None
    century, six, sign, four = match.groups()
    day = int(six[4:])
    is_coordination = day > COORDINATION_DAY_OFFSET
    month_day = six[2:4] + f"{day - COORDINATION_DAY_OFFSET if is_coordination else day:02d}"
    if luhn_digit([int(digit) for digit in six + four[:3]]) != int(four[3]):
        return None
    today = today or date.today()  # noqa: DTZ011 (a birth date has no time zone)
    year = int(century + six[:2]) if century else _guess_year(six, sign, month_day, birth_date, today)
    if not _is_date(year, month_day) or date(year, int(month_day[:2]), int(month_day[2:])) > today:
        return None
    issuer = SAMORDNINGSNUMMER_OID if is_coordination else PERSONNUMMER_OID
    return PatientNumber(f"{year:04d}{six[2:]}{four}", issuer, is_national=True)


def decide_issuer(
    number: str, explicit_issuer: str, rules: Sequence[Rule], birth_date: str = ""
) -> PatientNumber:
    """Decide the issuer of a number as received.

    Parameters
    ----------
    explicit_issuer : str
        OID or text the source named, or empty.
    rules : sequence of Rule
        In order. `ignore` drops an explicit issuer that matches its pattern, for sources known to send a
        wrong one; `national`, `pattern` and `local` give an issuer to a number that has none.
    """
    text = number.strip()
    if not text:
        return PatientNumber("", "")
    if explicit_issuer and not any(
        rule.kind == "ignore" and re.fullmatch(rule.pattern, explicit_issuer) for rule in rules
    ):
        national = normalise_national(text, birth_date) if explicit_issuer in NATIONAL_OIDS else None
        return national or PatientNumber(_as_registered(text, explicit_issuer), explicit_issuer)
    for rule in rules:
        if rule.kind == "national":
            national = normalise_national(text, birth_date)
            if national is not None:
                return national
        elif rule.kind == "local" or (rule.kind == "pattern" and re.fullmatch(rule.pattern, text)):
            return PatientNumber(text, rule.issuer)
    return normalise_national(text, birth_date) or PatientNumber(text, "")


def find_number_fault(value: str, issuer: str) -> str:
    """Say what is wrong with a number as it is kept; empty if nothing is, or its issuer has no rule.

    A number that fails is one all the same: who has it is known by it.
    """
    if issuer in NATIONAL_OIDS:
        known = normalise_national(value)
        return "" if known is not None and known.issuer == issuer else "no valid number"
    return find_fault(_check_of(issuer), value)


def _as_registered(text: str, issuer: str) -> str:
    """Return a reserve number as its register writes it, where it is one; everything else as it came."""
    check = _check_of(issuer)
    if check not in RESERVE_CHECKS:
        return text
    cleaned = clean_reserve(text)
    return text if find_fault(check, cleaned) == WRONG_FORM else cleaned


def _check_of(issuer: str) -> str:
    return next((domain.check for domain in affinity().patient_domains if domain.oid == issuer), "none")


def rules_of(department_id: int | None) -> tuple[Rule, ...]:
    """Read a department's issuer rules in order."""
    rows = _rules_of().fetch(department=department_id) if department_id else ()
    return tuple(Rule(*row) for row in rows)


@cache
def _rules_of() -> Prepared:
    rows = IssuerRule.objects.filter(department=Slot("department")).order_by("position")
    return prepare(rows.values_list("kind", "pattern", "issuer"))


def is_oid(text: str) -> bool:
    """Tell whether a text is an object identifier."""
    return bool(_OID.fullmatch(text))


def find_or_create_patient(number: PatientNumber, demographics: Demographics) -> Patient:
    """Return the patient behind a number, making the row on first sight; call it in a transaction.

    A patient without a number is always a new row: nothing says that two of them are one.
    """
    if not number.value:
        return _create_patient(demographics)
    known = find_patient(number)
    if known is not None:
        return known
    patient = _create_patient(demographics)
    key = add(
        PatientIdentifier,
        unless_known=True,
        patient_id=patient.pk,
        value=number.value,
        issuer=number.issuer,
        is_national=number.is_national,
    )
    if key is not None:
        return patient
    patient.delete()  # somebody else made both meanwhile
    return PatientIdentifier.objects.get(value=number.value, issuer=number.issuer).patient


def feed_patient(
    number: PatientNumber,
    demographics: Demographics,
    others: Iterable[PatientNumber] = (),
    *,
    postal_code: str | None = None,
    deceased_at: datetime | None = None,
    contacts: Contacts | None = None,
) -> Patient:
    """Make a patient known under a number, or bring what is known up to date; call it in a transaction.

    What the source leaves empty stays as it is, and so does everything where the number was subsumed by a merge.
    Of `others` those that nobody has become the patient's; one that somebody else has is left to a merge.

    Standard: IHE ITI TF-2 3.8 (A01, A04, A05, A08), PIXm ITI-104
    """
    patient = find_or_create_patient(number, demographics)
    rows = PatientIdentifier.objects.filter(value=number.value, issuer=number.issuer)
    if rows.filter(subsumed_at__isnull=False).exists():
        return patient
    told: dict[str, Any] = {key: value for key in _TOLD if (value := getattr(demographics, key))}
    if "patient_name" in told:
        told["patient_name_folded"] = fold_name(demographics.patient_name)
    if postal_code is not None:
        told["postal_code"] = postal_code[:16]
    if deceased_at is not None:
        told["deceased_at"] = deceased_at
    for column, value in told.items():
        setattr(patient, column, value)
    if told:
        patient.save(update_fields=list(told))
    if contacts is not None:
        keep_contacts(patient, contacts)
    _add_numbers(patient, number, others)
    Patient.objects.filter(pk=patient.pk).update(access_epoch=F("access_epoch") + 1)  # whose record it is
    return patient


def _add_numbers(patient: Patient, number: PatientNumber, others: Iterable[PatientNumber]) -> None:
    """Give a patient the numbers that nobody has; the feed says under which one they came."""
    new = []
    for other in others:
        columns = {"value": other.value, "issuer": other.issuer, "is_national": other.is_national}
        if other.value and add(PatientIdentifier, unless_known=True, patient_id=patient.pk, **columns):
            new.append(other)
    if new:
        told = [[one.value, one.issuer, one.is_national] for one in (number, *new)]
        changes.append("patient_numbers", detail={"numbers": told})


_TOLD = ("patient_name", "patient_birth_date", "patient_sex")


def write_cx(value: str, issuer: str) -> str:
    """Write a number as CX. Standard: IHE ITI TF-3 table 4.2.3.1.7-2"""
    return f"{value}^^^&{issuer}&ISO"


def find_patient(number: PatientNumber) -> Patient | None:
    """Return the patient who has this number under this issuer."""
    found = _patient_by_number().fetch(value=number.value, issuer=number.issuer)
    return found[0] if found else None


def read_patient(patient_id: int) -> Patient:
    """Return the patient with this key, who must exist."""
    [patient] = _patient_by_key().fetch(key=patient_id)
    return patient


@cache
def _patient_by_number() -> PreparedModels[Patient]:
    numbers = {"identifiers__value": Slot("value"), "identifiers__issuer": Slot("issuer")}
    return prepare_models(Patient.objects.filter(**numbers))


@cache
def _patient_by_key() -> PreparedModels[Patient]:
    return prepare_models(Patient.objects.filter(pk=Slot("key")))


def disagreements(known: Demographics, received: Demographics) -> tuple[str, ...]:
    """Name the attributes in which two descriptions of one person disagree; what is missing does not.

    Names compare by family and first given name, without case and accents: sources drop both.
    """
    found = []
    if known.patient_name and received.patient_name and _key(known) != _key(received):
        found.append("PatientName")
    for keyword in ("patient_birth_date", "patient_sex"):
        ours, theirs = getattr(known, keyword), getattr(received, keyword)
        if ours and theirs and ours != theirs:
            found.append("PatientBirthDate" if keyword == "patient_birth_date" else "PatientSex")
    return tuple(found)


def _key(person: Demographics) -> tuple[str, str]:
    family, _, rest = fold_accents(person.patient_name.split("=", 1)[0]).partition("^")
    given = rest.split("^", 1)[0].split()
    return family.strip(), given[0] if given else ""


def _create_patient(demographics: Demographics) -> Patient:
    patient = Patient(
        patient_name=demographics.patient_name,
        patient_name_folded=fold_name(demographics.patient_name),
        patient_birth_date=demographics.patient_birth_date[:8],
        patient_sex=demographics.patient_sex,
    )
    insert(patient)
    return patient


def _guess_year(six: str, sign: str, month_day: str, birth_date: str, today: date) -> int:
    yy = int(six[:2])
    if len(birth_date) == 8 and birth_date[2:] == six[:2] + month_day and birth_date.isdigit():
        return int(birth_date[:4])
    year = today.year - today.year % 100 + yy
    if (year, int(month_day[:2]), int(month_day[2:])) > (today.year, today.month, today.day):
        year -= 100
    return year - 100 if sign == "+" else year


def _is_date(year: int, month_day: str) -> bool:
    try:
        date(year, int(month_day[:2]), int(month_day[2:]))
    except ValueError:
        return False
    return True
