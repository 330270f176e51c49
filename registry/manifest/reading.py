"""What the registry knows of a study, read for its manifest in a bounded number of queries."""

import hashlib
import re
from collections import defaultdict
from datetime import datetime

from django.conf import settings
from django.utils.timezone import get_default_timezone

from registry.affinity import Affinity, affinity
from registry.fhir.identifiers import HSA_OID
from registry.harmonise.decide import HarmonisedValues
from registry.harmonise.read import read_values
from registry.manifest.codes import ENTIRE_BODY, REGIONS
from registry.manifest.json_values import code_of
from registry.manifest.model import (
    Code,
    Identifier,
    InstanceContent,
    Institution,
    OrderContent,
    PatientContent,
    SeriesContent,
    Source,
    StudyContent,
)
from registry.models import Instance, Order, PatientIdentifier, Series, Study
from registry.wire.base_url import DICOMWEB_PATH, STUDY_PAGE_PATH

_DATE = re.compile(r"[0-9]{8}")
_TIME = re.compile(r"([0-9]{2})([0-9]{2})?([0-9]{2})?(\.[0-9]{1,6})?")
_OFFSET = re.compile(r"[+-][0-9]{4}")
_NO_ADDRESS = "http://localhost"


def read_content(study_instance_uid: str) -> StudyContent | None:
    """Read what a manifest tells of a study; None if there is nothing left of it.

    A bounded number of queries (nine at most), however many instances there are; those are read as plain values.
    """
    rows = Study.objects.select_related("person", "custodian__unit__provider")
    study = rows.defer("fragment").filter(study_instance_uid=study_instance_uid).first()
    if study is None:
        return None
    domain = affinity()
    date, time, zone = _moment_of(study)
    series = _read_series(study, _source_of(domain))
    if not series:
        return None
    values = read_values([study.pk])[study.pk]
    regions = [REGIONS[code] for code in values.body_regions if code in REGIONS]
    return StudyContent(
        study_instance_uid=study.study_instance_uid,
        date=date,
        time=time,
        timezone=zone,
        patient=_read_patient(study),
        series=series,
        orders=_read_orders(study, domain),
        regions=tuple(regions) or (ENTIRE_BODY,),
        procedure_codes=_procedures_of(values),
        description=study.study_description[:64],
        study_id=study.study_id,
        referring_physician_name=study.referring_physician_name,
        institution=_institution_of(study),
        viewer_url=_viewer_url_of(study.study_instance_uid),
    )


def _source_of(domain: Affinity) -> Source:
    base = f"{settings.PUBLIC_BASE_URL or _NO_ADDRESS}{DICOMWEB_PATH}"
    return Source(domain.retrieve_ae_title, domain.imaging_source_id, base)


def _viewer_url_of(study_instance_uid: str) -> str:
    """Return the page of the study; none where nobody outside of this machine would find it."""
    base = settings.PUBLIC_BASE_URL
    return f"{base}{STUDY_PAGE_PATH.format(study_instance_uid=study_instance_uid)}" if base else ""


def _moment_of(study: Study) -> tuple[str, str, str]:
    """Return date, time and offset; what the images do not say is taken from when they came."""
    came = study.first_instance_at.astimezone(get_default_timezone())
    date = _clean_date(study.study_date) or came.strftime("%Y%m%d")
    time = _clean_time(study.study_time) or "000000"
    offset = study.timezone_offset_from_utc.strip()
    if _OFFSET.fullmatch(offset) and int(offset[1:3]) <= 14 and int(offset[3:]) < 60:
        return date, time, offset
    local = datetime.strptime(date + time[:6], "%Y%m%d%H%M%S").replace(tzinfo=get_default_timezone())
    return date, time, local.strftime("%z")[:5]


def _clean_date(text: str) -> str:
    if not _DATE.fullmatch(text):
        return ""
    try:
        datetime.strptime(text, "%Y%m%d")  # noqa: DTZ007 (a date has no zone)
    except ValueError:
        return ""
    return text


def _clean_time(text: str) -> str:
    """Return a time with its seconds; empty for what no clock shows."""
    found = _TIME.fullmatch(text.strip())
    if not found:
        return ""
    hour, minute, second, fraction = found[1], found[2] or "00", found[3] or "00", found[4] or ""
    if int(hour) > 23 or int(minute) > 59 or int(second) > 59:
        return ""
    return hour + minute + second + fraction


def _read_patient(study: Study) -> PatientContent:
    rows = PatientIdentifier.objects.filter(patient=study.person_id, subsumed_at__isnull=True)
    numbers = [(row.is_national, Identifier(row.value, row.issuer)) for row in rows.order_by("pk")]
    numbers.sort(key=lambda row: (row[1].value != study.patient_id_normal, not row[0]))
    person = study.person
    return PatientContent(
        tuple(number for _, number in numbers),
        name=study.patient_name or person.patient_name,
        birth_date=_clean_date(study.patient_birth_date) or _clean_date(person.patient_birth_date),
        sex=study.patient_sex if study.patient_sex in ("M", "F", "O") else "",
    )


def _read_orders(study: Study, domain: Affinity) -> tuple[OrderContent, ...]:
    orders = [_order_of(row) for row in Order.objects.filter(studies=study).order_by("pk")]
    if orders:
        return tuple(orders)
    if study.accession_number:
        return (OrderContent(Identifier(study.accession_number, study.accession_issuer)),)
    digest = hashlib.sha256(study.study_instance_uid.encode()).hexdigest()
    return (OrderContent(Identifier(f"S{digest[:15]}".upper(), domain.source_id)),)


def _order_of(row: Order) -> OrderContent:
    code = Code(row.procedure_code, row.procedure_code_scheme, row.procedure_text[:64])
    return OrderContent(
        accession=Identifier(row.accession_number, row.accession_issuer)
        if row.accession_number
        else Identifier(""),
        placer=Identifier(row.placer_order_number, row.placer_issuer)
        if row.placer_order_number
        else Identifier(""),
        filler=Identifier(row.filler_order_number),
        requested_procedure_id=row.requested_procedure_id,
        description=row.procedure_text[:64],
        procedure_codes=(code,) if code.value else (),
    )


def _procedures_of(values: HarmonisedValues) -> tuple[Code, ...]:
    if not values.procedure_code:
        return ()
    return (Code(values.procedure_code, values.procedure_code_scheme, values.display_sv[:64]),)


def _institution_of(study: Study) -> Institution:
    unit = study.custodian.unit if study.custodian else None
    if unit is None:
        return Institution(study.institution_name or "Samsyn")
    provider = unit.provider
    number = Identifier(provider.hsa_id, HSA_OID) if provider.hsa_id else Identifier("")
    return Institution(provider.name, number)


def _read_series(study: Study, source: Source) -> tuple[SeriesContent, ...]:
    columns = ("sop_class_uid", "sop_instance_uid", "instance_number", "number_of_frames")
    instances: defaultdict[int, list[InstanceContent]] = defaultdict(list)
    rows = Instance.objects.filter(series__study=study).order_by("series_id", "instance_number", "pk")
    for series_id, *values in rows.values_list("series_id", *columns).iterator(chunk_size=2000):
        instances[series_id].append(InstanceContent(*values))
    found = Series.objects.filter(study=study).order_by("series_number", "pk").defer("fragment")
    return tuple(_series_of(row, source, instances[row.pk]) for row in found if instances[row.pk])


def _series_of(row: Series, source: Source, instances: list[InstanceContent]) -> SeriesContent:
    date = _clean_date(row.series_date)
    return SeriesContent(
        series_instance_uid=row.series_instance_uid,
        modality=row.modality,
        source=source,
        instances=tuple(instances),
        series_number=row.series_number,
        description=row.series_description,
        date=date,
        time=_clean_time(row.series_time) if date else "",
        region=_region_of(row),
    )


def _region_of(row: Series) -> Code | None:
    """Return the anatomic region of a series as its images code it: finer than the ten of the study."""
    codes = (code_of(item) for item in row.anatomic_region_sequence)
    return next((code for code in codes if code.value and code.scheme), None)
