"""A receiver's own numbers in what is sent to it: patient, accession and procedure, what they were kept beside.

An outside study that came under its own provider's numbers would lie among a receiver's under numbers that mean nothing
there, or another patient. Which numbers a receiver has, the registry says: identifiers, orders, the
destination's codes.

Standard: PS3.3 C.12.1.1.9
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from registry.harmonise.read import read_values
from registry.identity import is_oid
from registry.models import Destination, Order, PatientIdentifier, Study
from repository.coercion import (
    ACCESSION_ISSUER,
    ACCESSION_NUMBER,
    ISSUER,
    ISSUER_QUALIFIERS,
    PATIENT_ID,
    PROCEDURE_CODES,
    UNTOUCHED,
    Change,
    Splice,
    Stamp,
    Uncoercible,
    apply_coercion,
    plan_changes,
)
from repository.header.errors import Part10Error
from repository.header.meta import find_meta, read_meta
from repository.header.model import Findings

EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
LONGEST_BEGINNING_BYTES = 64 << 20
Opener = Callable[..., Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Translation:
    """What is changed in every instance of a study for one receiver."""

    changes: tuple[Change, ...]
    stamp: Stamp


def read_translation(study: Study, destination: Destination) -> Translation | None:
    """Return what a receiver calls the patient, the order and the procedure of a study; None for nothing to change.

    A patient who has no number at the receiver's issuer keeps the one the study came with, and its issuer. An
    accession number of somebody else's is taken out where the receiver has none for the study: it could be that of
    another order there.
    """
    if not destination.translates:
        return None
    changes = (
        *_translate_patient(study, destination),
        *_translate_accession(study, destination),
        *_translate_procedure(study, destination),
    )
    if not changes:
        return None
    # The same for every attempt: an instance whose answer was lost is sent again byte for byte.
    moment = timezone.localtime(study.visible_at).strftime("%Y%m%d%H%M%S.%f%z")
    source = study.custodian.hsa_id if study.custodian else ""
    return Translation(changes, Stamp(moment, source[:64]))


def translate(open_file: Opener, stored_syntax: str, translation: Translation) -> Opener:
    """Return what opens a file as `open_file` does, with the receiver's numbers in it.

    Raises
    ------
    Uncoercible
        When the file is read: it cannot be changed safely.
    """

    def read(wanted: str = "*") -> Iterator[bytes]:
        if wanted in ("*", stored_syntax) and stored_syntax in UNTOUCHED:
            wanted = EXPLICIT_LITTLE_ENDIAN
        return _splice(open_file(wanted) if wanted != "*" else open_file(), translation)

    return read


def say_why_not(open_file: Opener) -> str:
    """Return why a file cannot be translated, or an empty string: asked before the request, which it would spoil."""
    blocks = open_file()
    try:
        next(blocks)
    except (Uncoercible, Part10Error) as error:
        return str(error)
    finally:
        close = getattr(blocks, "close", None)
        if close is not None:
            close()
    return ""


def _splice(blocks: Iterator[bytes], translation: Translation) -> Iterator[bytes]:
    beginning = b""
    for block in blocks:
        beginning += block
        try:
            splices = _plan(beginning, translation, is_whole=False)
        except (Uncoercible, Part10Error):
            if len(beginning) > LONGEST_BEGINNING_BYTES:
                raise
            continue
        yield from apply_coercion(beginning, splices)
        yield from blocks
        return
    yield from apply_coercion(beginning, _plan(beginning, translation, is_whole=True))


def _plan(beginning: bytes, translation: Translation, *, is_whole: bool) -> list[Splice]:
    syntax = read_meta(beginning, find_meta(beginning), Findings()).transfer_syntax_uid
    return plan_changes(beginning, syntax, translation.changes, translation.stamp, is_whole=is_whole)


def _translate_patient(study: Study, destination: Destination) -> list[Change]:
    issuer = destination.patient_issuer
    if not issuer:
        return []
    numbers = PatientIdentifier.objects.filter(patient=study.person_id, issuer=issuer, subsumed_at=None)
    values = sorted(numbers.values_list("value", flat=True))
    if not values or (study.patient_id in values and study.issuer_of_patient_id == issuer):
        return []
    return [
        Change(PATIENT_ID, study.patient_id if study.patient_id in values else values[0]),
        Change(ISSUER, issuer),
        Change(ISSUER_QUALIFIERS, issuer if is_oid(issuer) else ""),
    ]


def _translate_accession(study: Study, destination: Destination) -> list[Change]:
    issuer = destination.accession_issuer
    if not issuer or study.accession_issuer == issuer:
        return []
    orders = Order.objects.filter(studies=study.pk, accession_issuer=issuer).exclude(accession_number="")
    number = orders.order_by("-pk").values_list("accession_number", flat=True).first() or ""
    if not number and not study.accession_number:
        return []
    return [
        Change(ACCESSION_NUMBER, number if len(number) <= 16 else ""),
        Change(ACCESSION_ISSUER, issuer if number else ""),
    ]


def _translate_procedure(study: Study, destination: Destination) -> list[Change]:
    codes: dict[str, Any] = destination.procedure_codes or {}
    if not codes:
        return []
    values = read_values([study.pk]).get(study.pk)
    code = codes.get(values.procedure_code) if values else None
    if not isinstance(code, list) or len(code) != 3:
        return []
    value, scheme, meaning = (str(text) for text in code)
    return [Change(PROCEDURE_CODES, (value[:16], scheme[:16], meaning[:64]))]
