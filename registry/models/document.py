"""Documents as the registry knows them: entries, submission sets, folders, and how they are related.

Attributes are those of IHE ITI TF-3 4.2 in snake case. A time is text as it was given (DTM, UTC, 4 to 14
digits); where it is compared, a column beside it (`..._from`) holds the first second it can mean. A code is a
JSON object `{"code", "scheme", "display"}`; codes that are searched for are rows of `DocumentCode`.
"""

from django.db import models
from django.db.models import Q

from access.models import Department
from registry.models.imaging import Study
from registry.models.patient import Patient
from registry.models.workflow import Order, ReportVersion

APPROVED = "approved"
DEPRECATED = "deprecated"


class SubmissionSet(models.Model):
    """What was submitted at once, by whom."""

    entry_uuid = models.CharField(max_length=45, unique=True)
    unique_id = models.CharField(max_length=128, unique=True)
    source_id = models.CharField(max_length=64)
    patient = models.ForeignKey(Patient, models.PROTECT, related_name="submission_sets")
    patient_id_as_sent = models.CharField(max_length=256, help_text="CX, as the source sent it")
    status = models.CharField(max_length=12, default=APPROVED)
    submission_time = models.CharField(max_length=14)
    submission_time_from = models.CharField(max_length=14)
    content_type_code = models.JSONField(default=dict)
    title = models.CharField(max_length=400, blank=True)
    comments = models.TextField(blank=True)
    authors = models.JSONField(default=list)
    intended_recipients = models.JSONField(default=list)
    home_community_id = models.CharField(max_length=72, blank=True)
    extra = models.JSONField(default=dict, help_text="Slots that no profile names")
    department = models.ForeignKey(Department, models.PROTECT, related_name="+", null=True)
    registered_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.unique_id


class DocumentEntry(models.Model):
    """One document: what it is, of whom, where its bytes are.

    One about a study (`study`) is decided as the study is; any other belongs to its `department`. `maker`
    says which of ours made it (`kos`, `mado`, `fhir`, `report`, `request`); empty, it was submitted.
    """

    entry_uuid = models.CharField(max_length=45, unique=True)
    logical_uuid = models.CharField(max_length=45, db_index=True)
    version = models.PositiveIntegerField(default=1)
    object_type = models.CharField(max_length=12, default="stable", help_text="stable or on_demand")
    unique_id = models.CharField(max_length=128, db_index=True)
    status = models.CharField(max_length=12, default=APPROVED)
    patient = models.ForeignKey(Patient, models.PROTECT, related_name="documents", db_index=False)
    patient_id_as_sent = models.CharField(max_length=256, help_text="CX, as the source sent it")
    source_patient_id = models.CharField(max_length=256, blank=True)
    source_patient_info = models.JSONField(default=list)
    class_code = models.JSONField(default=dict)
    type_code = models.JSONField(default=dict)
    format_code = models.JSONField(default=dict)
    practice_setting_code = models.JSONField(default=dict)
    healthcare_facility_type_code = models.JSONField(default=dict)
    mime_type = models.CharField(max_length=128)
    language_code = models.CharField(max_length=20, blank=True)
    title = models.CharField(max_length=400, blank=True)
    comments = models.TextField(blank=True)
    creation_time = models.CharField(max_length=14, blank=True)
    creation_time_from = models.CharField(max_length=14, blank=True)
    service_start_time = models.CharField(max_length=14, blank=True)
    service_start_time_from = models.CharField(max_length=14, blank=True)
    service_stop_time = models.CharField(max_length=14, blank=True)
    service_stop_time_from = models.CharField(max_length=14, blank=True)
    authors = models.JSONField(default=list)
    legal_authenticator = models.CharField(max_length=400, blank=True)
    hash = models.CharField(max_length=40, blank=True, help_text="SHA-1, lower-case hex")
    size = models.BigIntegerField(null=True)
    uri = models.CharField(max_length=400, blank=True)
    repository_unique_id = models.CharField(max_length=64, blank=True)
    home_community_id = models.CharField(max_length=72, blank=True)
    extra = models.JSONField(default=dict, help_text="Slots that no profile names")
    department = models.ForeignKey(
        Department, models.PROTECT, related_name="+", null=True, help_text="Whose it is; without, of nobody"
    )
    study = models.ForeignKey(Study, models.SET_NULL, related_name="documents", null=True)
    report_version = models.ForeignKey(ReportVersion, models.SET_NULL, related_name="documents", null=True)
    order = models.ForeignKey(Order, models.SET_NULL, related_name="documents", null=True)
    maker = models.CharField(max_length=8, blank=True)
    submission_set = models.ForeignKey(SubmissionSet, models.PROTECT, related_name="entries", null=True)
    registered_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(
                fields=["patient", "status", "service_start_time_from", "id"], name="document_of_patient"
            ),
            models.Index(fields=["updated_at", "id"], name="document_updated"),
        ]

    def __str__(self) -> str:
        return self.unique_id


class DocumentCode(models.Model):
    """A code of an entry that comes in numbers or is searched for.

    Kinds: `class`, `type`, `format`, `practice_setting`, `facility_type`, `event`, `confidentiality`.
    """

    entry = models.ForeignKey(DocumentEntry, models.CASCADE, related_name="codes", db_index=False)
    kind = models.CharField(max_length=16)
    position = models.PositiveSmallIntegerField(default=0)
    code = models.CharField(max_length=128)
    scheme = models.CharField(max_length=128)
    display = models.CharField(max_length=400, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["entry", "kind", "position"], name="document_code_once")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.code}^^{self.scheme}"


class ReferenceId(models.Model):
    """An identifier that an entry refers to (CXi): accession number, order, Study Instance UID."""

    entry = models.ForeignKey(DocumentEntry, models.CASCADE, related_name="references", db_index=False)
    position = models.PositiveSmallIntegerField(default=0)
    value = models.CharField(max_length=256)
    type_code = models.CharField(max_length=128, blank=True)
    text = models.CharField(max_length=400, help_text="The CXi as a whole")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["entry", "position"], name="reference_once")]
        indexes = [
            models.Index(fields=["text"], name="reference_text", opclasses=["varchar_pattern_ops"]),
            models.Index(fields=["value"], name="reference_value"),
        ]

    def __str__(self) -> str:
        return self.text


class Folder(models.Model):
    """Documents that belong together."""

    entry_uuid = models.CharField(max_length=45, unique=True)
    logical_uuid = models.CharField(max_length=45)
    unique_id = models.CharField(max_length=128, unique=True)
    patient = models.ForeignKey(Patient, models.PROTECT, related_name="folders")
    patient_id_as_sent = models.CharField(max_length=256)
    status = models.CharField(max_length=12, default=APPROVED)
    title = models.CharField(max_length=400, blank=True)
    comments = models.TextField(blank=True)
    codes = models.JSONField(default=list)
    last_update_time = models.CharField(max_length=14)
    home_community_id = models.CharField(max_length=72, blank=True)
    extra = models.JSONField(default=dict, help_text="Slots that no profile names")
    department = models.ForeignKey(Department, models.PROTECT, related_name="+", null=True)
    registered_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.unique_id


class Association(models.Model):
    """How two objects are related, by their UUIDs. `kind` is the last part of the type: HasMember, RPLC ..."""

    entry_uuid = models.CharField(max_length=45, unique=True)
    kind = models.CharField(max_length=40)
    source_uuid = models.CharField(max_length=45, db_index=True)
    target_uuid = models.CharField(max_length=45, db_index=True)
    status = models.CharField(max_length=12, default=APPROVED)
    submission_set_status = models.CharField(max_length=12, blank=True, help_text="Original or Reference")
    documentation = models.JSONField(default=dict, help_text="A code that says more")
    extra = models.JSONField(default=dict, help_text="Slots that no profile names")
    submission_set = models.ForeignKey(SubmissionSet, models.PROTECT, related_name="associations", null=True)

    class Meta:
        indexes = [
            models.Index(fields=["kind", "target_uuid"], name="member_of", condition=Q(kind="HasMember"))
        ]

    def __str__(self) -> str:
        return f"{self.source_uuid} {self.kind} {self.target_uuid}"
