"""Studies that were permitted, as FHIR ImagingStudy.

Standard: FHIR R4 ImagingStudy
"""

from collections import defaultdict
from collections.abc import Sequence

from registry.fhir.dates import date_time_of, instant
from registry.fhir.identifiers import DICOM_UID, system_of
from registry.fhir.patients import refer_to
from registry.fhir.structure import Resource
from registry.harmonise.vocabulary import REGION_NAMES
from registry.models import Harmonised, Patient, PatientIdentifier, Series, Study
from registry.wire.base_url import DICOMWEB_PATH

DCM = "http://dicom.nema.org/resources/ontology/DCM"
SNOMED = "http://snomed.info/sct"
UNKNOWN: Resource = {
    "extension": [
        {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
    ]
}
MAX_NUMBER = 2**31 - 1


def make_imaging_studies(base: str, studies: Sequence[Study]) -> list[Resource]:
    """Make the resources of studies that were permitted, with four queries however many they are."""
    keys = [study.pk for study in studies]
    values = Harmonised.objects.in_bulk(keys)
    patients = Patient.objects.in_bulk({study.person_id for study in studies})
    numbers: defaultdict[int, list[PatientIdentifier]] = defaultdict(list)
    for number in PatientIdentifier.objects.filter(patient__in=patients):
        numbers[number.patient_id].append(number)
    series: defaultdict[int, list[Series]] = defaultdict(list)
    rows = Series.objects.filter(study__in=keys, number_of_series_related_instances__gt=0)
    for row in rows.order_by("series_number", "pk").defer("fragment", "request_attributes_sequence"):
        series[row.study_id].append(row)
    return [
        _make(
            base,
            study,
            refer_to(patients[study.person_id], numbers[study.person_id]),
            series[study.pk],
            values.get(study.pk),
        )
        for study in studies
    ]


def _make(
    base: str, study: Study, subject: Resource, series: Sequence[Series], values: Harmonised | None
) -> Resource:
    optional: Resource = {
        "modality": [_coding(modality) for modality in study.modalities_in_study],
        "started": date_time_of(study.study_date, study.study_time, study.timezone_offset_from_utc),
        "referrer": {"display": name} if (name := _plain_name(study.referring_physician_name)) else None,
        "description": study.study_description.strip(),
        "procedureCode": _procedure(values),
    }
    body_site = _body_site(values)
    return {
        "resourceType": "ImagingStudy",
        "id": study.study_instance_uid,
        "meta": {"lastUpdated": instant(study.last_instance_at)},
        "contained": [_endpoint(base)],
        "identifier": _identifiers(study),
        "status": "available",
        "subject": subject,
        **{name: value for name, value in optional.items() if value},
        "endpoint": [{"reference": "#wado-rs"}],
        "numberOfSeries": len(series),
        "numberOfInstances": sum(row.number_of_series_related_instances for row in series),
        "series": [_make_series(row, study, body_site) for row in series],
    }


def _endpoint(base: str) -> Resource:
    return {
        "resourceType": "Endpoint",
        "id": "wado-rs",
        "status": "active",
        "connectionType": {
            "system": "http://terminology.hl7.org/CodeSystem/endpoint-connection-type",
            "code": "dicom-wado-rs",
        },
        "payloadType": [{"text": "DICOM"}],
        "payloadMimeType": ["application/dicom"],
        "address": base.rpartition("/")[0] + DICOMWEB_PATH,
    }


def _identifiers(study: Study) -> list[Resource]:
    found: list[Resource] = [{"system": DICOM_UID, "value": f"urn:oid:{study.study_instance_uid}"}]
    if study.accession_number:
        accession: Resource = {
            "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "ACSN"}]},
            "value": study.accession_number,
        }
        if study.accession_issuer:
            accession["system"] = system_of(study.accession_issuer)
        found.append(accession)
    return found


def _make_series(row: Series, study: Study, body_site: Resource) -> Resource:
    optional: Resource = {
        "number": row.series_number if 0 <= (row.series_number or 0) <= MAX_NUMBER else None,
        "description": row.series_description.strip(),
        "bodySite": body_site | ({"display": row.body_part_examined} if row.body_part_examined else {})
        or None,
        "started": date_time_of(row.series_date, row.series_time, study.timezone_offset_from_utc),
    }
    return {
        "uid": row.series_instance_uid,
        "modality": _coding(row.modality) if row.modality else UNKNOWN,
        "numberOfInstances": row.number_of_series_related_instances,
        **{name: value for name, value in optional.items() if value not in (None, "")},
    }


def _procedure(values: Harmonised | None) -> list[Resource]:
    if values is None or not values.procedure_code:
        return []
    coding = {
        "system": system_of(values.procedure_code_scheme),
        "code": values.procedure_code,
        "display": values.display_sv,
    }
    return [{"coding": [coding], "text": values.display_en}]


def _body_site(values: Harmonised | None) -> Resource:
    """Make the region of a study's series; of several, none says which series is of which."""
    if values is None or len(values.body_regions) != 1:
        return {}
    [region] = values.body_regions
    return {"system": SNOMED, "code": region, "display": REGION_NAMES.get(region, ("", ""))[1]}


def _coding(modality: str) -> Resource:
    return {"system": DCM, "code": modality}


def _plain_name(text: str) -> str:
    family, _, given = text.split("=", 1)[0].partition("^")
    return " ".join([*given.replace("^", " ").split(), *family.split()])
