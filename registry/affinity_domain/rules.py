"""The rules an affinity domain has to keep, each broken one as a sentence with its place and what to do."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from registry.affinity_domain.shapes import Affinity, CodeList
from registry.swedish_numbers import RESERVE_CHECKS

MERGE_POLICIES = ("empty", "XDSUnknownPatientId")
MERGES = ("auto", "queue")
CHECKS = ("national", "none", *RESERVE_CHECKS)
FAMILIES = ("", "CT", "MR", "XR", "US", "NM", "PT", "MG", "FL", "OT")
REGIONS = (
    "63337009", "38266002", "53120007", "61685007", "67734004", "774007", "113257007", "80891009", "76752008",
    "1141981001",
)  # fmt: skip
KINDS = ("procedure_code", "body_part", "description")
_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")


def broken_rules(domain: Affinity) -> tuple[str, ...]:
    """Name every rule that a domain breaks."""
    checks = (_identifiers, _patient_domains, _codes, _locations, _issuers, _vocabulary)
    return tuple(error for check in checks for error in check(domain))


def _identifiers(domain: Affinity) -> Iterator[str]:
    home = domain.home_community_id
    if not home.startswith("urn:oid:") or not _is_oid(home.removeprefix("urn:oid:")):
        yield f"home_community_id: {home!r} is no OID as a URN; write urn:oid:1.2.3"
    for name in ("repository_unique_id", "imaging_source_id", "source_id"):
        if not _is_oid(getattr(domain, name)):
            yield f"{name}: {getattr(domain, name)!r} is no OID of at most 64 characters; write it as 1.2.3"
    for number, source_id in enumerate(domain.allowed_source_ids, 1):
        if not _is_oid(source_id):
            yield f"allowed_source_ids[{number}]: {source_id!r} is no OID; write it as 1.2.3"
    title = domain.retrieve_ae_title
    if not 0 < len(title) <= 16 or not title.isascii() or "\\" in title:
        yield f"retrieve_ae_title: {title!r} is no application entity title; 1 to 16 ASCII characters"
    if domain.merge_policy not in MERGE_POLICIES:
        yield f"merge_policy: {domain.merge_policy!r} is not known; choose one of {', '.join(MERGE_POLICIES)}"


def _patient_domains(domain: Affinity) -> Iterator[str]:
    if not domain.xds_domains:
        yield "patient_domains: none has is_xds: true, so no document could name its patient; mark one"
    seen: set[str] = set()
    for number, item in enumerate(domain.patient_domains, 1):
        place = f"patient_domains[{number}]"
        if not _is_oid(item.oid):
            yield f"{place}.oid: {item.oid!r} is no OID; write it as 1.2.3"
        if item.oid in seen:
            yield f"{place}.oid: {item.oid} is there twice; keep one of them"
        seen.add(item.oid)
        if item.merges not in MERGES:
            yield f"{place}.merges: {item.merges!r} is not known; choose one of {', '.join(MERGES)}"
        if item.check not in CHECKS:
            try:
                re.compile(item.check)
            except re.error as error:
                yield f"{place}.check: {item.check!r} is no regular expression ({error}); or {', '.join(CHECKS)}"


def _codes(domain: Affinity) -> Iterator[str]:
    lists = domain.code_lists
    for name in lists.__dataclass_fields__:
        values = getattr(lists, name)
        if values.is_closed and not (values.codes if isinstance(values, CodeList) else values.values):
            yield f"code_lists.{name}: is closed and empty, so nothing could be registered; add values"
    made = domain.manifest_codes
    for name in ("kos", "mado_kos", "mado_fhir", "report", "request"):
        for attribute in ("class_code", "type_code", "format_code"):
            yield from _listed(domain, f"manifest_codes.{name}.{attribute}", attribute, getattr(made, name))
    for attribute in ("practice_setting_code", "healthcare_facility_type_code", "content_type_code"):
        yield from _listed(domain, f"manifest_codes.{attribute}", attribute, made)
    if not lists.language_code.takes(made.language_code):
        yield f"manifest_codes.language_code: {made.language_code} is not in the closed list; add it there"
    for level in ("normal", "protected", "very_protected"):
        code = getattr(domain.confidentiality, level)
        if not lists.confidentiality_code.takes(code.code, code.scheme):
            yield f"confidentiality.{level}: {code.code} is not in the closed list; add it there"


def _listed(domain: Affinity, place: str, attribute: str, holder: object) -> Iterator[str]:
    code = getattr(holder, attribute)
    if not getattr(domain.code_lists, attribute).takes(code.code, code.scheme):
        yield f"{place}: {code.code} of {code.scheme} is not in code_lists.{attribute}, which is closed; add it"


def _locations(domain: Affinity) -> Iterator[str]:
    if domain.imaging_source_id not in {location.uid for location in domain.locations}:
        yield f"locations: {domain.imaging_source_id} (imaging_source_id) is not among them; add it"
    for number, location in enumerate(domain.locations, 1):
        if not _is_oid(location.uid):
            yield f"locations[{number}].uid: {location.uid!r} is no OID; write it as 1.2.3"
        for name in ("wado_rs_url", "soap_url"):
            url = getattr(location, name)
            if url and urlsplit(url).scheme not in ("http", "https"):
                yield f"locations[{number}].{name}: {url!r} is no http address; write https://host/path"


def _issuers(domain: Affinity) -> Iterator[str]:
    for number, issuer in enumerate(domain.issuers, 1):
        for name in ("accession_oid", "placer_oid", "filler_oid"):
            oid = getattr(issuer, name)
            if oid and not _is_oid(oid):
                yield f"issuers[{number}].{name}: {oid!r} is no OID; write it as 1.2.3"


def _vocabulary(domain: Affinity) -> Iterator[str]:
    known = {procedure.code for procedure in domain.procedures}
    if len(known) < len(domain.procedures):
        yield "procedures: a code is there twice; keep one of them"
    for number, procedure in enumerate(domain.procedures, 1):
        yield from _meaning(f"procedures[{number}]", procedure.modality_family, procedure.body_regions)
    for number, mapping in enumerate(domain.mappings, 1):
        place = f"mappings[{number}]"
        yield from _meaning(place, mapping.modality_family, mapping.body_regions)
        if mapping.kind not in KINDS:
            yield f"{place}.kind: {mapping.kind!r} is not known; choose one of {', '.join(KINDS)}"
        if mapping.procedure_code and mapping.procedure_code not in known:
            yield f"{place}.procedure_code: {mapping.procedure_code} is not among procedures; add it there"
        if mapping.laterality not in ("", "R", "L", "B", "U"):
            yield f"{place}.laterality: {mapping.laterality!r} is not known; choose one of R, L, B, U"


def _meaning(place: str, family: str, regions: tuple[str, ...]) -> Iterator[str]:
    if family not in FAMILIES:
        yield f"{place}.modality_family: {family!r} is not known; choose one of {', '.join(FAMILIES[1:])}"
    for region in regions:
        if region not in REGIONS:
            yield f"{place}.body_regions: {region} is none of the ten regions; choose of {', '.join(REGIONS)}"


def _is_oid(text: str) -> bool:
    return len(text) <= 64 and bool(_OID.fullmatch(text))
