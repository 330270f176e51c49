"""What a manifest says about a study, whichever way it is written."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """A coded concept; the scheme is DICOM's designator (`DCM`, `SCT`, `LN`) or an OID."""

    value: str
    scheme: str
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Identifier:
    """A number and who gave it: an OID, an address, or a name that only its place knows.

    `namespace` is the name beside an OID or address.
    """

    value: str
    issuer: str = ""
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class PatientContent:
    """The patient; `identifiers` begins with the one to ask for. Names and dates are DICOM text."""

    identifiers: tuple[Identifier, ...]
    name: str = ""
    birth_date: str = ""
    sex: str = ""


@dataclass(frozen=True, slots=True)
class OrderContent:
    """A requested procedure that the study answers."""

    accession: Identifier
    placer: Identifier = Identifier("")
    filler: Identifier = Identifier("")
    requested_procedure_id: str = ""
    description: str = ""
    procedure_codes: tuple[Code, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """Where a series is retrieved: by AE title, by location UID, by the base address of DICOMweb."""

    retrieve_ae_title: str = ""
    retrieve_location_uid: str = ""
    retrieve_url: str = ""


@dataclass(frozen=True, slots=True)
class InstanceContent:
    """One instance. `title` and `description` are those of a key object selection."""

    sop_class_uid: str
    sop_instance_uid: str
    instance_number: int | None = None
    number_of_frames: int | None = None
    title: Code | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class SeriesContent:
    """One series with its instances in order; date `YYYYMMDD`, time `HHMMSS[.F]` or empty."""

    series_instance_uid: str
    modality: str
    source: Source
    instances: tuple[InstanceContent, ...]
    series_number: int | None = None
    description: str = ""
    date: str = ""
    time: str = ""
    region: Code | None = None


@dataclass(frozen=True, slots=True)
class Institution:
    """Whose study it is; `number` is its HSA id, where it has one."""

    name: str = ""
    number: Identifier = Identifier("")


@dataclass(frozen=True, slots=True)
class StudyContent:
    """A study as a manifest tells it. Date and time are local at `timezone` (`+0100`) and never empty."""

    study_instance_uid: str
    date: str
    time: str
    timezone: str
    patient: PatientContent
    series: tuple[SeriesContent, ...]
    orders: tuple[OrderContent, ...] = ()
    regions: tuple[Code, ...] = ()
    procedure_codes: tuple[Code, ...] = ()
    description: str = ""
    study_id: str = ""
    referring_physician_name: str = ""
    institution: Institution = Institution()
    manufacturer: str = "Samsyn"
    viewer_url: str = ""

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities of the series, each once, in their order."""
        return tuple(dict.fromkeys(series.modality for series in self.series if series.modality))

    @property
    def number_of_instances(self) -> int:
        """How many instances the series hold together."""
        return sum(len(series.instances) for series in self.series)

    @property
    def accession(self) -> Identifier:
        """The accession number of the study: that of its orders if it is one, else none."""
        numbers = list(dict.fromkeys(order.accession for order in self.orders if order.accession.value))
        return numbers[0] if len(numbers) == 1 else Identifier("")


@dataclass(frozen=True, slots=True)
class ManifestIdentity:
    """What makes a manifest a document of its own: its UIDs and when it was made (`YYYYMMDDHHMMSS`, local)."""

    sop_instance_uid: str
    series_instance_uid: str
    made: str
