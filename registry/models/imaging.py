"""Study > series > instance, the segment they are read in, and where a study is at home.

Columns are DICOM keywords in snake case and hold the attribute's text as DICOM writes it (dates
`YYYYMMDD`), so that comparison and order are those of the standard. A foreign key that begins another
index, or by which nobody looks, has none of its own: every index is a page to write for each store.
"""

from django.db import models
from django.db.models import F, Q

from access.models import CareUnit, Department
from registry.models.patient import Patient


class Study(models.Model):
    """One study as first received; its rows below, its timestamps beside."""

    study_instance_uid = models.CharField(max_length=64, unique=True)
    person = models.ForeignKey(Patient, models.PROTECT, related_name="studies", db_index=False)
    custodian = models.ForeignKey(Department, models.PROTECT, related_name="+", null=True, db_index=False)
    in_conflict = models.BooleanField(default=False, help_text="Visible to its custodian only")

    study_date = models.CharField(max_length=8, blank=True)
    study_time = models.CharField(max_length=16, blank=True)
    timezone_offset_from_utc = models.CharField(max_length=16, blank=True)
    accession_number = models.CharField(max_length=64, blank=True)
    accession_issuer = models.CharField(max_length=64, blank=True)
    study_id = models.CharField(max_length=64, blank=True)
    study_description = models.CharField(max_length=400, blank=True)
    referring_physician_name = models.CharField(max_length=324, blank=True)
    referring_physician_name_folded = models.CharField(max_length=324, blank=True)
    patient_name = models.CharField(max_length=324, blank=True)
    patient_name_folded = models.CharField(max_length=324, blank=True)
    patient_id = models.CharField(max_length=64, blank=True)
    patient_id_normal = models.CharField(
        max_length=64, blank=True, help_text="12 digits for national numbers"
    )
    issuer_of_patient_id = models.CharField(max_length=64, blank=True)
    patient_birth_date = models.CharField(max_length=16, blank=True)
    patient_sex = models.CharField(max_length=16, blank=True)
    institution_name = models.CharField(max_length=200, blank=True)
    procedure_code_sequence = models.JSONField(default=list, help_text="DICOM JSON items as received")
    modalities_in_study = models.JSONField(default=list)
    sop_classes_in_study = models.JSONField(default=list)
    number_of_study_related_series = models.PositiveIntegerField(default=0)
    number_of_study_related_instances = models.PositiveIntegerField(default=0)
    fragment = models.BinaryField(default=b"", help_text="QIDO answer, with a placeholder for the base URL")

    state = models.CharField(max_length=12, default="in_progress")
    ordered_at = models.DateTimeField(null=True)
    performed_at = models.DateTimeField(null=True)
    first_instance_at = models.DateTimeField()
    last_instance_at = models.DateTimeField()
    visible_at = models.DateTimeField()
    quiet_generation = models.PositiveIntegerField(default=0, help_text="How often it fell quiet")
    quiet_due_at = models.DateTimeField(null=True, db_index=True)
    preliminary_at = models.DateTimeField(null=True)
    final_at = models.DateTimeField(null=True)
    corrected_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(F("study_date").desc(), F("study_time").desc(), F("id").desc(), name="study_newest"),
            models.Index(
                fields=["accession_number"], name="study_accession", condition=~Q(accession_number="")
            ),
            models.Index(fields=["patient_id_normal"], name="study_patient_id"),
            models.Index(fields=["person", "custodian"], name="study_of_person"),
            models.Index(  # text in the order of its bytes: on PostgreSQL only that finds a beginning
                fields=["patient_name_folded"], name="study_patient_name", opclasses=["varchar_pattern_ops"]
            ),
        ]

    def __str__(self) -> str:
        return self.study_instance_uid


class Series(models.Model):
    """One series of a study."""

    series_instance_uid = models.CharField(max_length=64)
    study = models.ForeignKey(Study, models.CASCADE, related_name="series", db_index=False)
    modality = models.CharField(max_length=16, blank=True)
    series_number = models.BigIntegerField(null=True)
    series_description = models.CharField(max_length=400, blank=True)
    series_date = models.CharField(max_length=8, blank=True)
    series_time = models.CharField(max_length=16, blank=True)
    body_part_examined = models.CharField(max_length=64, blank=True)
    laterality = models.CharField(max_length=16, blank=True)
    anatomic_region_sequence = models.JSONField(default=list, help_text="DICOM JSON items, of codes alone")
    station_name = models.CharField(max_length=64, blank=True)
    manufacturer = models.CharField(max_length=200, blank=True)
    institution_name = models.CharField(max_length=200, blank=True)
    performed_procedure_step_start_date = models.CharField(max_length=8, blank=True)
    performed_procedure_step_start_time = models.CharField(max_length=16, blank=True)
    request_attributes_sequence = models.JSONField(default=list, help_text="DICOM JSON items")
    number_of_series_related_instances = models.PositiveIntegerField(default=0)
    fragment = models.BinaryField(default=b"")
    stored_by = models.CharField(
        max_length=200, blank=True, help_text="Client that brought its first instance"
    )
    stored_by_ae_title = models.CharField(
        max_length=16, blank=True, help_text="Its title, when it called by DIMSE"
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["study", "series_instance_uid"], name="series_once")]
        indexes = [
            models.Index(fields=["series_instance_uid"], name="series_uid"),
            models.Index(fields=["modality", "study"], name="series_modality"),
        ]

    def __str__(self) -> str:
        return self.series_instance_uid


class Segment(models.Model):
    """One series in one pack: the unit of reading, with its metadata document (never edited).

    `metadata` is zstd of the instances' DICOM JSON joined by `,\\n`.
    """

    series = models.ForeignKey(Series, models.CASCADE, related_name="segments", db_index=False)
    pack_key = models.CharField(max_length=80, db_index=True)
    metadata = models.BinaryField()
    metadata_instances = models.PositiveIntegerField(help_text="Instances in the document, seen or not")
    has_bulk_uris = models.BooleanField(default=False)
    emptied_at = models.DateTimeField(
        null=True, help_text="When its instances moved to another segment; kept for readers on their way"
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["series", "pack_key"], name="segment_once")]
        indexes = [
            models.Index(fields=["emptied_at"], name="segment_emptied", condition=Q(emptied_at__isnull=False))
        ]

    def __str__(self) -> str:
        return f"segment {self.pk} in {self.pack_key}"


class InstanceColumns(models.Model):
    """Where an instance lies and the few attributes that search needs: the same for one that is hidden.

    `offset` and `length` are bytes in the pack (the PS3.10 file, preamble included);
    `metadata_offset` and `metadata_length` are bytes in the segment's unpacked metadata document.
    """

    sop_class_uid = models.CharField(max_length=64)
    offset = models.BigIntegerField()
    length = models.BigIntegerField()
    metadata_offset = models.PositiveIntegerField()
    metadata_length = models.PositiveIntegerField()
    pixel_offset = models.BigIntegerField(null=True)
    transfer_syntax_uid = models.CharField(max_length=64)
    frame_table = models.BinaryField(null=True)
    bulk_table = models.BinaryField(null=True, help_text="JSON list of [path, offset, length, VR]")
    sha256 = models.BinaryField(max_length=32)
    instance_number = models.BigIntegerField(null=True)
    rows = models.PositiveIntegerField(null=True)
    columns = models.PositiveIntegerField(null=True)
    bits_allocated = models.PositiveIntegerField(null=True)
    number_of_frames = models.PositiveIntegerField(null=True)
    timezone_offset_from_utc = models.CharField(max_length=16, blank=True)

    class Meta:
        abstract = True


class Instance(InstanceColumns):
    """One instance that is there; what was removed is a `RemovedInstance` instead."""

    sop_instance_uid = models.CharField(max_length=64, unique=True)
    series = models.ForeignKey(Series, models.CASCADE, related_name="instances", db_index=False)
    segment = models.ForeignKey(Segment, models.PROTECT, related_name="instances")

    class Meta:
        indexes = [models.Index(fields=["series", "instance_number", "id"], name="instance_in_series")]

    def __str__(self) -> str:
        return self.sop_instance_uid


class Home(models.Model):
    """Where a study is at home or shared, one row per modality: what lists are driven by.

    At home, a row has the department and its unit. A study in conflict is at home with its department only,
    and a shared one is with the department it is shared with: the unit stays empty.
    """

    study = models.ForeignKey(Study, models.CASCADE, related_name="homes", db_index=False)
    department = models.ForeignKey(Department, models.PROTECT, related_name="+", db_index=False)
    unit = models.ForeignKey(CareUnit, models.PROTECT, related_name="+", null=True, db_index=False)
    modality = models.CharField(max_length=16)
    study_date = models.CharField(max_length=8, blank=True)
    study_time = models.CharField(max_length=16, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["study", "department", "modality"], name="home_once")]
        indexes = [
            models.Index(
                "unit",
                F("study_date").desc(),
                F("study_time").desc(),
                F("study").desc(),
                name="home_unit",
            ),
            models.Index(
                "unit",
                "modality",
                F("study_date").desc(),
                F("study_time").desc(),
                F("study").desc(),
                name="home_unit_modality",
            ),
            models.Index(
                "department",
                F("study_date").desc(),
                F("study_time").desc(),
                F("study").desc(),
                name="home_department",
            ),
            models.Index(  # what is with a department alone: shared, delivered or in conflict
                "department",
                F("study_date").desc(),
                F("study_time").desc(),
                F("study").desc(),
                name="home_alone",
                condition=Q(unit__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"study {self.study_id} at department {self.department_id}"


class DepartmentMilestone(models.Model):
    """When a study reached a department and when somebody there first opened it."""

    study = models.ForeignKey(Study, models.CASCADE, related_name="milestones")
    department = models.ForeignKey(Department, models.PROTECT, related_name="+")
    delivered_at = models.DateTimeField(null=True)
    first_opened_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["study", "department"], name="milestone_once")]

    def __str__(self) -> str:
        return f"study {self.study_id} at department {self.department_id}"
