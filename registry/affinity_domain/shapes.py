"""What an affinity domain holds: identifiers, patient id domains, code lists, tables and policies.

Standard: IHE ITI TF-1 10, ITI TF-3 4.2.3
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from registry.submission import Code


@dataclass(frozen=True, slots=True)
class PatientDomain:
    """Who issues a kind of patient number; `check` is `national`, `none`, a word of
    `registry.swedish_numbers.RESERVE_CHECKS`, or a pattern of it all.

    `is_xds` says that CX texts of documents may be in it; the first such domain of a patient is used. `merges` says
    whether a feed's merge of a number of it is carried out at once (`auto`) or waits for a person (`queue`).
    """

    oid: str
    name: str
    fhir_system: str = ""
    check: str = "none"
    is_xds: bool = False
    merges: str = "auto"


@dataclass(frozen=True, slots=True)
class CodeList:
    """The values of one coded attribute; a closed list takes no other. What a value is called is never checked."""

    name: str
    is_closed: bool
    codes: tuple[Code, ...]

    def takes(self, code: str, scheme: str) -> bool:
        """Tell whether a value may be used."""
        return not self.is_closed or any((c.code, c.scheme) == (code, scheme) for c in self.codes)

    def get(self, code: str, scheme: str) -> Code | None:
        """Return the listed value, with what the domain calls it."""
        return next((c for c in self.codes if (c.code, c.scheme) == (code, scheme)), None)


@dataclass(frozen=True, slots=True)
class TextList:
    """The values of an attribute that is no code: MIME types, languages."""

    name: str
    is_closed: bool
    values: tuple[str, ...]

    def takes(self, value: str) -> bool:
        """Tell whether a value may be used; case does not matter."""
        return not self.is_closed or value.lower() in {known.lower() for known in self.values}


@dataclass(frozen=True, slots=True)
class CodeLists:
    """The value set of every coded attribute of the metadata."""

    class_code: CodeList
    type_code: CodeList
    format_code: CodeList
    confidentiality_code: CodeList
    healthcare_facility_type_code: CodeList
    practice_setting_code: CodeList
    event_code: CodeList
    content_type_code: CodeList
    folder_code: CodeList
    mime_type: TextList
    language_code: TextList


@dataclass(frozen=True, slots=True)
class DocumentCodes:
    """What documents that are made here are coded as."""

    class_code: Code
    type_code: Code
    format_code: Code


@dataclass(frozen=True, slots=True)
class ManifestCodes:
    """The codes of manifests, reports and requests, and what they have in common."""

    kos: DocumentCodes
    mado_kos: DocumentCodes
    mado_fhir: DocumentCodes
    report: DocumentCodes
    request: DocumentCodes
    practice_setting_code: Code
    healthcare_facility_type_code: Code
    content_type_code: Code
    language_code: str


@dataclass(frozen=True, slots=True)
class Confidentiality:
    """The confidentiality of what is made here: of most documents, and of persons with protected identity."""

    normal: Code
    protected: Code
    very_protected: Code


@dataclass(frozen=True, slots=True)
class Location:
    """Where a retrieve location answers; an empty address is this server's own public address."""

    uid: str
    name: str
    wado_rs_url: str = ""
    soap_url: str = ""


@dataclass(frozen=True, slots=True)
class Issuer:
    """Whose accession, placer and filler numbers a care unit's are; unique only within each."""

    hsa_id: str
    accession_oid: str = ""
    placer_oid: str = ""
    filler_oid: str = ""


@dataclass(frozen=True, slots=True)
class Procedure:
    """A procedure of the region: its code, what it is called, and what it is of."""

    code: str
    display_sv: str
    display_en: str
    modality_family: str = ""
    body_regions: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WordMapping:
    """What a word of a source means; without `department` (an HSA-id), of every source."""

    kind: str
    value: str
    scheme: str = ""
    department: str = ""
    modality_family: str = ""
    body_regions: tuple[str, ...] = ()
    laterality: str = ""
    procedure_code: str = ""


@dataclass(frozen=True, slots=True)
class Affinity:
    """The affinity domain as configured; `path` is the file it was read from."""

    path: str
    name: str
    home_community_id: str
    repository_unique_id: str
    imaging_source_id: str
    source_id: str
    retrieve_ae_title: str
    merge_policy: str
    patient_domains: tuple[PatientDomain, ...]
    code_lists: CodeLists
    manifest_codes: ManifestCodes
    confidentiality: Confidentiality
    procedure_scheme: str
    locations: tuple[Location, ...] = ()
    issuers: tuple[Issuer, ...] = ()
    allowed_source_ids: tuple[str, ...] = ()
    procedures: tuple[Procedure, ...] = ()
    mappings: tuple[WordMapping, ...] = ()
    facility_codes: Mapping[str, Code] = field(default_factory=dict)

    @property
    def xds_domains(self) -> tuple[PatientDomain, ...]:
        """The domains in which documents name their patient, in the order of preference."""
        return tuple(domain for domain in self.patient_domains if domain.is_xds)

    def patient_domain(self, oid: str) -> PatientDomain | None:
        """Return the patient id domain with this OID."""
        return next((domain for domain in self.patient_domains if domain.oid == oid), None)

    def takes_source(self, source_id: str) -> bool:
        """Tell whether a source may submit; an empty list lets any."""
        return not self.allowed_source_ids or source_id in self.allowed_source_ids

    def issuer_of(self, *hsa_ids: str) -> Issuer | None:
        """Return the issuers of a department, else of its care unit, else of its provider."""
        by_id = {issuer.hsa_id: issuer for issuer in self.issuers}
        return next((by_id[hsa_id] for hsa_id in hsa_ids if hsa_id in by_id), None)

    def procedure(self, code: str) -> Procedure | None:
        """Return the regional procedure with this code."""
        return next((procedure for procedure in self.procedures if procedure.code == code), None)
