"""The three manifests of a study as documents: their bytes and their entries.

Standard: IHE RAD TF-3 4.68; IHE RAD MADO 6.X.6; IHE ITI TF-3 4.2.3
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from uuid import NAMESPACE_OID, uuid4, uuid5

import orjson

from registry.affinity import Affinity
from registry.affinity_domain.shapes import DocumentCodes
from registry.dtm import write_dtm
from registry.identity import is_oid
from registry.manifest.codes import DIALECTS
from registry.manifest.fhir import title_of, write_bundle
from registry.manifest.kos import KEY_OBJECT_SELECTION, write_classic, write_mado
from registry.manifest.kos_reading import UnreadableManifest, read_kos
from registry.manifest.model import ManifestIdentity, StudyContent
from registry.submission import Author, Code, EntryDraft
from repository.file_meta import FileMeta, encode_file_meta
from repository.part10 import Part10Error, read_header

EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
MAX_MANIFEST_ELEMENTS = 500_000
"""Some 14,000 instances of a MADO key object: it is all header, and no image."""
DICOM, FHIR = "application/dicom", "application/fhir+json"
_DCM_OID, _SNOMED_OID = "1.2.840.10008.2.16.4", "2.16.840.1.113883.6.96"
_STUDY, _ACCESSION, _ORDER = (
    "urn:ihe:iti:xds:2016:studyInstanceUID",
    "urn:ihe:iti:xds:2013:accession",
    "urn:ihe:iti:xds:2013:order",
)


@dataclass(frozen=True, slots=True)
class MadeManifest:
    """One manifest: which of the three, its unique id and its bytes."""

    maker: str
    unique_id: str
    mime_type: str
    body: bytes


def make_manifests(content: StudyContent, now: datetime, dialect: str) -> tuple[MadeManifest, ...]:
    """Make the classic and the MADO key object and the MADO document of a study, each with a UID of its own."""
    made = now.astimezone(_zone_of(content)).strftime("%Y%m%d%H%M%S")
    classic, mado = (
        ManifestIdentity(_new_uid(), _series_uid(content, kind), made) for kind in ("kos", "mado")
    )
    return (
        MadeManifest(
            "kos",
            classic.sop_instance_uid,
            DICOM,
            complete_key_object(write_classic(content, classic), classic),
        ),
        MadeManifest(
            "mado",
            mado.sop_instance_uid,
            DICOM,
            complete_key_object(write_mado(content, mado, DIALECTS[dialect]), mado),
        ),
        MadeManifest("fhir", _new_uid(), FHIR, orjson.dumps(write_bundle(content, mado))),
    )


def complete_key_object(data_set: bytes, identity: ManifestIdentity) -> bytes:
    """Return the PS3.10 file of a manifest's data set."""
    named = (
        (0x00020002, "UI", KEY_OBJECT_SELECTION.encode()),
        (0x00020003, "UI", identity.sop_instance_uid.encode()),
    )
    return encode_file_meta(FileMeta(named, 0), EXPLICIT_LITTLE) + data_set


def read_key_object(body: bytes) -> tuple[StudyContent, ManifestIdentity]:
    """Read a manifest's PS3.10 file.

    Raises
    ------
    UnreadableManifest
        It is no PS3.10 file, or no manifest, or has more than `MAX_MANIFEST_ELEMENTS` elements.
    """
    try:
        return read_kos(read_header(body, free_elements=MAX_MANIFEST_ELEMENTS).attributes)
    except Part10Error as error:
        raise UnreadableManifest(str(error)) from error


def draft_entry(
    made: MadeManifest, content: StudyContent, domain: Affinity, patient_id: str, confidentiality: Code
) -> EntryDraft:
    """Describe a manifest to the registry."""
    codes = _codes_of(made.maker, domain)
    start, stop = _service_times(content)
    defaults = domain.manifest_codes
    return EntryDraft(
        entry_uuid=made.maker,
        unique_id=made.unique_id,
        patient_id=patient_id,
        mime_type=made.mime_type,
        class_code=codes.class_code,
        type_code=codes.type_code,
        format_code=codes.format_code,
        practice_setting_code=defaults.practice_setting_code,
        healthcare_facility_type_code=domain.facility_codes.get(
            content.institution.number.value, defaults.healthcare_facility_type_code
        ),
        event_codes=_event_codes(content),
        confidentiality_codes=(confidentiality,),
        source_patient_id=_source_patient_id(content) or patient_id,
        source_patient_info=_source_patient_info(content),
        language_code=defaults.language_code,
        title=title_of(content)[:128],
        creation_time=write_dtm(datetime.now(UTC)),
        service_start_time=start,
        service_stop_time=stop,
        authors=(Author(institutions=(_author_institution(content),)),),
        repository_unique_id=domain.repository_unique_id,
        home_community_id=domain.home_community_id,
        references=_references(content),
        study_instance_uid=content.study_instance_uid,
        maker=made.maker,
    )


def _codes_of(maker: str, domain: Affinity) -> DocumentCodes:
    codes = domain.manifest_codes
    return {"kos": codes.kos, "mado": codes.mado_kos, "fhir": codes.mado_fhir}[maker]


def _event_codes(content: StudyContent) -> tuple[Code, ...]:
    modalities = [Code(modality, _DCM_OID, modality) for modality in content.modalities]
    regions = [Code(region.value, _SNOMED_OID, region.meaning) for region in content.regions]
    procedures = [Code(c.value, c.scheme, c.meaning) for c in content.procedure_codes if c.scheme]
    return tuple(dict.fromkeys((*modalities, *regions, *procedures)))


def _source_patient_id(content: StudyContent) -> str:
    numbers = [number for number in content.patient.identifiers if is_oid(number.issuer)]
    return f"{numbers[0].value}^^^&{numbers[0].issuer}&ISO" if numbers else ""


def _source_patient_info(content: StudyContent) -> tuple[str, ...]:
    patient = content.patient
    name = patient.name.split("=", 1)[0]
    fields = (("PID-5", name), ("PID-7", patient.birth_date), ("PID-8", patient.sex))
    return tuple(f"{key}|{value}" for key, value in fields if value)


def _author_institution(content: StudyContent) -> str:
    institution = content.institution
    name, number = institution.name.replace("^", " ") or "Samsyn", institution.number
    return f"{name}^^^^^&{number.issuer}&ISO^^^^{number.value}" if number.value else name


def _references(content: StudyContent) -> tuple[str, ...]:
    references = [f"{content.study_instance_uid}^^^^{_STUDY}"]
    for order in content.orders:
        for number, kind in ((order.accession, _ACCESSION), (order.placer, _ORDER)):
            if number.value:
                issuer = f"&{number.issuer}&ISO" if is_oid(number.issuer) else ""
                references.append(f"{number.value}^^^{issuer}^{kind}")
    return tuple(dict.fromkeys(references))


def _service_times(content: StudyContent) -> tuple[str, str]:
    start = _utc(content.date, content.time, content)
    ends = [_utc(row.date, row.time, content) for row in content.series if row.date and row.time]
    return start, max([start, *ends])


def _utc(date: str, time: str, content: StudyContent) -> str:
    try:
        local = datetime.strptime(date + time[:6], "%Y%m%d%H%M%S").replace(tzinfo=_zone_of(content))
        return write_dtm(local)
    except (ValueError, OverflowError):
        return date


def _zone_of(content: StudyContent) -> timezone:
    offset = content.timezone
    minutes = timedelta(hours=int(offset[1:3]), minutes=int(offset[3:5]))
    return timezone(-minutes if offset[0] == "-" else minutes)


def _series_uid(content: StudyContent, kind: str) -> str:
    """Return the series that the manifests of one kind and study belong to."""
    return f"2.25.{uuid5(NAMESPACE_OID, f'{content.study_instance_uid}/{kind}').int}"


def _new_uid() -> str:
    return f"2.25.{uuid4().int}"
