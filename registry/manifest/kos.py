"""A study's manifest as a key object selection: the classic one of XDS-I.b, and MADO's with descriptions.

Both name Retrieve AE Title, Retrieve Location UID and Retrieve URL of every series, so that either world finds
the images.

Standard: IHE RAD TF-3 4.68.4.1.2, PS3.3 A.35.4, PS3.16 TID 2010; IHE RAD MADO 6.X.2
"""

from collections.abc import Iterator

from registry.manifest.codes import MANIFEST, PROCEDURE_CODE, Dialect
from registry.manifest.data_set import is_universal, write, write_code, write_issuer, write_sequence
from registry.manifest.image_library import write_library
from registry.manifest.items import write_code_item, write_reference, write_reference_item
from registry.manifest.model import (
    Code,
    Identifier,
    Institution,
    ManifestIdentity,
    OrderContent,
    PatientContent,
    SeriesContent,
    StudyContent,
)

KEY_OBJECT_SELECTION = "1.2.840.10008.5.1.4.1.1.88.59"
PRIVATE_CREATOR = "IHE_MADO_PRIVATE"
_LONGEST_LO = 64


def write_classic(content: StudyContent, identity: ManifestIdentity) -> bytes:
    """Return the data set of the manifest that every XDS-I.b consumer knows."""
    return _write(content, identity, MANIFEST, (), "")


def write_mado(content: StudyContent, identity: ManifestIdentity, dialect: Dialect) -> bytes:
    """Return the data set of the manifest with description."""
    items = [write_code_item("HAS CONCEPT MOD", PROCEDURE_CODE, code) for code in content.procedure_codes]
    items.append(write_library(content, dialect))
    return _write(content, identity, dialect.title, tuple(items), content.viewer_url)


def _write(
    content: StudyContent, identity: ManifestIdentity, title: Code, items: tuple[bytes, ...], viewer: str
) -> bytes:
    accession = content.accession
    accession_issuer = write_issuer(accession) if accession.value else ()
    parts = [
        write(0x00080005, "CS", "ISO_IR 192"),
        write(0x00080016, "UI", KEY_OBJECT_SELECTION),
        write(0x00080018, "UI", identity.sop_instance_uid),
        write(0x00080020, "DA", content.date),
        write(0x00080023, "DA", identity.made[:8]),
        write(0x00080030, "TM", content.time),
        write(0x00080033, "TM", identity.made[8:]),
        write(0x00080050, "SH", accession.value),
        write_sequence(0x00080051, accession_issuer) if accession_issuer else b"",
        write(0x00080060, "CS", "KO"),
        write(0x00080070, "LO", content.manufacturer),
        write(0x00080080, "LO", write_institution(content.institution)),
        write(0x00080090, "PN", content.referring_physician_name),
        write(0x00080201, "SH", content.timezone),
        write(0x00081030, "LO", content.description),
        write(0x0008103E, "LO", title.meaning),
        write_sequence(0x00081111, ()),
        _write_patient(content.patient),
        write(0x0020000D, "UI", content.study_instance_uid),
        write(0x0020000E, "UI", identity.series_instance_uid),
        write(0x00200010, "SH", content.study_id),
        write(0x00200011, "IS", "1"),
        write(0x00200013, "IS", "1"),
        write(0x0040A040, "CS", "CONTAINER"),
        write_sequence(0x0040A043, (write_code(title),)),
        write(0x0040A050, "CS", "SEPARATE"),
        write_sequence(0x0040A370, [_write_request(order, content) for order in content.orders]),
        write_sequence(0x0040A375, (_write_evidence(content, viewer),)),
        write_sequence(0x0040A504, (write(0x00080105, "CS", "DCMR") + write(0x0040DB00, "CS", "2010"),)),
        write_sequence(0x0040A730, (*items, *_write_flat_list(content))),
    ]
    return b"".join(parts)


def write_institution(institution: Institution) -> str:
    """Return an institution as XON where it has a number and there is room, else its name.

    Standard: IHE ITI TF-3 4.2.3.1.7
    """
    number, name = institution.number, institution.name.replace("^", " ")
    if number.value and is_universal(number.issuer):
        text = f"{name}^^^^^&{number.issuer}&ISO^^^^{number.value}"
        if len(text) <= _LONGEST_LO:
            return text
    return name[:_LONGEST_LO]


def _write_patient(patient: PatientContent) -> bytes:
    primary = patient.identifiers[0] if patient.identifiers else Identifier("")
    return b"".join(
        (
            write(0x00100010, "PN", patient.name),
            _write_number(primary),
            write(0x00100030, "DA", patient.birth_date),
            write(0x00100040, "CS", patient.sex),
            write_sequence(0x00101002, [_write_other(number) for number in patient.identifiers]),
        )
    )


def _write_number(number: Identifier) -> bytes:
    """Write Patient ID, its issuer in a word, and the issuer that is known everywhere."""
    return write(0x00100020, "LO", number.value) + _write_issuer_word(number) + _write_qualifiers(number)


def _write_other(number: Identifier) -> bytes:
    kind = write(0x00100022, "CS", "TEXT")
    return (
        write(0x00100020, "LO", number.value) + _write_issuer_word(number) + kind + _write_qualifiers(number)
    )


def _write_issuer_word(number: Identifier) -> bytes:
    word = number.namespace if is_universal(number.issuer) else number.issuer
    return write(0x00100021, "LO", word) if word else b""


def _write_qualifiers(number: Identifier) -> bytes:
    if not is_universal(number.issuer):
        return b""
    return write_sequence(0x00100024, write_issuer(Identifier("", number.issuer)))


def _write_request(order: OrderContent, content: StudyContent) -> bytes:
    accession, placer, filler = (
        write_issuer(number) if number.value else ()
        for number in (order.accession, order.placer, order.filler)
    )
    return b"".join(
        (
            write(0x00080050, "SH", order.accession.value),
            write_sequence(0x00080051, accession) if accession else b"",
            write_sequence(0x00081110, ()),
            write(0x0020000D, "UI", content.study_instance_uid),
            write(0x00321060, "LO", order.description),
            write_sequence(0x00321064, [write_code(code) for code in order.procedure_codes]),
            write_sequence(0x00400026, placer) if placer else b"",
            write_sequence(0x00400027, filler) if filler else b"",
            write(0x00401001, "SH", order.requested_procedure_id),
            write(0x00402016, "LO", order.placer.value),
            write(0x00402017, "LO", order.filler.value),
        )
    )


def _write_evidence(content: StudyContent, viewer: str) -> bytes:
    series = write_sequence(0x00081115, (_write_series(row) for row in content.series))
    private = write(0x000D0010, "LO", PRIVATE_CREATOR) + write(0x000D1001, "UR", viewer) if viewer else b""
    return series + private + write(0x0020000D, "UI", content.study_instance_uid)


def _write_series(series: SeriesContent) -> bytes:
    source = series.source
    return b"".join(
        (
            write(0x00080054, "AE", source.retrieve_ae_title) if source.retrieve_ae_title else b"",
            write(0x00081190, "UR", source.retrieve_url) if source.retrieve_url else b"",
            write_sequence(0x00081199, (write_reference(instance) for instance in series.instances)),
            write(0x0020000E, "UI", series.series_instance_uid),
            write(0x0040E011, "UI", source.retrieve_location_uid) if source.retrieve_location_uid else b"",
        )
    )


def _write_flat_list(content: StudyContent) -> Iterator[bytes]:
    for series in content.series:
        for instance in series.instances:
            yield write_reference_item(instance)
