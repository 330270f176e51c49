"""What is submitted to the registry: a submission set with its entries, folders and associations, as sent.

Every way in (ITI-42, ITI-41, MHD, our own manifests and reports) makes a `Submission` of what it got, and
`registry.documents.register` takes it whole or not at all.

Standard: IHE ITI TF-3 4.2
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

Slots = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Code:
    """A coded value: the code, the OID or address of its scheme, and what it is called."""

    code: str
    scheme: str
    display: str = ""


@dataclass(frozen=True, slots=True)
class Author:
    """Who made it: XCN, XON and XTN texts as in the metadata."""

    person: str = ""
    institutions: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    specialties: tuple[str, ...] = ()
    telecommunications: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EntryDraft:
    """A document entry as submitted. `entry_uuid` may be symbolic; `patient_id` is CX; times are DTM in UTC.

    `references` are CXi texts. The last four fields are for our own makers: what the document is about.
    """

    entry_uuid: str
    unique_id: str
    patient_id: str
    mime_type: str
    class_code: Code | None = None
    type_code: Code | None = None
    format_code: Code | None = None
    practice_setting_code: Code | None = None
    healthcare_facility_type_code: Code | None = None
    event_codes: tuple[Code, ...] = ()
    confidentiality_codes: tuple[Code, ...] = ()
    source_patient_id: str = ""
    source_patient_info: tuple[str, ...] = ()
    language_code: str = ""
    title: str = ""
    comments: str = ""
    creation_time: str = ""
    service_start_time: str = ""
    service_stop_time: str = ""
    authors: tuple[Author, ...] = ()
    legal_authenticator: str = ""
    hash: str = ""
    size: int | None = None
    uri: str = ""
    repository_unique_id: str = ""
    home_community_id: str = ""
    logical_uuid: str = ""
    object_type: str = "stable"
    references: tuple[str, ...] = ()
    extra: Slots = field(default_factory=dict)
    study_instance_uid: str = ""
    report_version_id: int | None = None
    order_id: int | None = None
    maker: str = ""


@dataclass(frozen=True, slots=True)
class SubmissionSetDraft:
    """A submission set as submitted."""

    entry_uuid: str
    unique_id: str
    source_id: str
    patient_id: str
    submission_time: str
    content_type_code: Code | None = None
    title: str = ""
    comments: str = ""
    authors: tuple[Author, ...] = ()
    intended_recipients: tuple[str, ...] = ()
    home_community_id: str = ""
    extra: Slots = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FolderDraft:
    """A folder as submitted."""

    entry_uuid: str
    unique_id: str
    patient_id: str
    codes: tuple[Code, ...] = ()
    title: str = ""
    comments: str = ""
    home_community_id: str = ""
    logical_uuid: str = ""
    extra: Slots = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AssociationDraft:
    """An association as submitted; `kind` is the last part of its type (`HasMember`, `RPLC`, `APND` ...)."""

    entry_uuid: str
    kind: str
    source: str
    target: str
    submission_set_status: str = ""
    documentation: Code | None = None
    extra: Slots = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Submission:
    """Everything of one request; that there is exactly one submission set is checked, not assumed."""

    submission_sets: tuple[SubmissionSetDraft, ...]
    entries: tuple[EntryDraft, ...] = ()
    folders: tuple[FolderDraft, ...] = ()
    associations: tuple[AssociationDraft, ...] = ()


@dataclass(frozen=True, slots=True)
class Origin:
    """Who submits: the department that the documents belong to, and the name for the log."""

    department_id: int | None
    name: str


@dataclass(frozen=True, slots=True)
class RegistryError:
    """One thing that is wrong, as every door tells it (`XDSRegistryMetadataError` ...).

    Standard: IHE ITI TF-3 4.2.4
    """

    code: str
    context: str
    location: str = ""
    is_warning: bool = False


class SubmissionRefused(ValueError):
    """Nothing of the submission was taken; `errors` says all that is wrong with it."""

    def __init__(self, errors: tuple[RegistryError, ...]) -> None:
        super().__init__("; ".join(f"{error.code}: {error.context}" for error in errors))
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Registered:
    """What was taken: which UUID each submitted id became, and what the submitter should know."""

    uuids: Mapping[str, str]
    warnings: tuple[RegistryError, ...] = ()
