"""One vocabulary for what every source calls by its own words."""

from django.db import models

from access.models import Department
from registry.models.imaging import Study


class Harmonised(models.Model):
    """A study in the region's words; what it came with stays on the study, untouched.

    `basis` says what decided: `table`, `codes`, `body_part`, `words`, or `none`. `version` is that of the
    mapping, so that a later one can plan the study anew.
    """

    study = models.OneToOneField(Study, models.CASCADE, related_name="harmonised", primary_key=True)
    version = models.PositiveIntegerField()
    modality_family = models.CharField(max_length=16, blank=True)
    body_regions = models.JSONField(default=list, help_text="SNOMED CT codes of the ten regions")
    laterality = models.CharField(max_length=1, blank=True, help_text="R, L, B or U")
    procedure_code = models.CharField(max_length=64, blank=True)
    procedure_code_scheme = models.CharField(max_length=64, blank=True)
    display_sv = models.CharField(max_length=200, blank=True)
    display_en = models.CharField(max_length=200, blank=True)
    basis = models.CharField(max_length=10, default="none")
    made_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["procedure_code", "study"], name="harmonised_procedure")]

    def __str__(self) -> str:
        return f"{self.modality_family} {self.procedure_code} of study {self.study_id}"


class CodeMapping(models.Model):
    """What a source's word means: a row of its table. Without department, of every source.

    Kinds of words: `procedure_code` (with its scheme), `body_part`, `description`.
    """

    department = models.ForeignKey(Department, models.CASCADE, related_name="+", null=True)
    kind = models.CharField(max_length=16)
    scheme = models.CharField(max_length=64, blank=True)
    value = models.CharField(max_length=400, help_text="Folded: lower case, without accents, single spaces")
    modality_family = models.CharField(max_length=16, blank=True)
    body_regions = models.JSONField(default=list)
    laterality = models.CharField(max_length=1, blank=True)
    procedure_code = models.CharField(max_length=64, blank=True)
    made_at = models.DateTimeField()
    made_by = models.CharField(max_length=200, blank=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["kind", "value", "scheme"], name="mapping_of_word")]

    def __str__(self) -> str:
        return f"{self.kind} {self.value} -> {self.procedure_code}"


class UnmappedWord(models.Model):
    """A word of a source that no table knows: how often it came, and what we would guess."""

    department = models.ForeignKey(Department, models.CASCADE, related_name="+")
    kind = models.CharField(max_length=16)
    scheme = models.CharField(max_length=64, blank=True)
    value = models.CharField(max_length=400)
    original = models.CharField(max_length=400, help_text="As the source writes it")
    studies = models.PositiveIntegerField(default=0)
    proposal = models.JSONField(default=dict)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["department", "kind", "value", "scheme"], name="unmapped_word_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.value} of department {self.department_id}"
