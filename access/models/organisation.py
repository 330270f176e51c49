"""Care provider > care unit > department, what binds units and providers together, and the roles people have there."""

from django.core.exceptions import ValidationError
from django.db import models
from guardian.models import GroupObjectPermissionBase

PERMISSIONS = {
    "read_studies": "Read the studies that a decision permits",
    "write_studies": "Store, delete and reject studies of the department",
    "report": "Write reports",
    "manage_members": "Give and end assignments",
    "grant_consent": "Register consents and care relations",
    "register_block": "Register and cancel blocks",
    "lift_block": "Lift a block for a time",
    "review_access": "Review the access log and emergency openings",
    "break_glass": "Open in an emergency",
    "push": "Send studies to departments",
    "replay": "Send deliveries again",
    "export": "Take studies out of the system",
    "map_codes": "Map the words of sources to the region's codes",
    "keep_subscriptions": "Keep what the department subscribes to",
    "keep_destinations": "Keep the department's destinations, and hold and release deliveries",
    "keep_identity": "See which patients were merged, and part them again",
}
"""Object permissions on a department, given to the group of an assignment: codename and what it lets one do."""


class CareProvider(models.Model):
    """The legal unit of secrecy (vårdgivare): a region or a private company."""

    hsa_id = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=200)
    received_by = models.ForeignKey(
        "access.Department",
        models.SET_NULL,
        related_name="+",
        null=True,
        blank=True,
        help_text="Its department that gets what is sent to the provider as such",
    )
    valid_from = models.DateTimeField(null=True, blank=True)
    valid_to = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse a department of another provider."""
        if self.received_by is not None and self.received_by.unit.provider_id != self.pk:
            raise ValidationError({"received_by": "the department is another provider's"})


class CareUnit(models.Model):
    """A hospital or clinic (vårdenhet): the unit that inner blocks speak of."""

    provider = models.ForeignKey(CareProvider, models.PROTECT, related_name="units")
    hsa_id = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=200)
    valid_from = models.DateTimeField(null=True, blank=True)
    valid_to = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Department(models.Model):
    """A department of a care unit: what owns studies, subscribes and employs."""

    unit = models.ForeignKey(CareUnit, models.PROTECT, related_name="departments")
    hsa_id = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=200)
    valid_from = models.DateTimeField(null=True, blank=True)
    valid_to = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]
        permissions = list(PERMISSIONS.items())

    def __str__(self) -> str:
        return f"{self.name}, {self.unit.name}"


class DepartmentGroupPermission(GroupObjectPermissionBase):
    """What a group (a role in a department) may do in a department: guardian's table, with a real key."""

    content_object = models.ForeignKey(Department, models.CASCADE)

    class Meta(GroupObjectPermissionBase.Meta):
        verbose_name = "department permission of a group"


class Role(models.Model):
    """A role of the region (radiologist, nurse ...) and what it may do in the department it is given for."""

    code = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=100)
    permissions = models.JSONField(
        default=list, help_text="Codenames of access.models.organisation.PERMISSIONS"
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class CareProcess(models.Model):
    """Units of one provider that work together for a patient: own units of each other where no inner block applies."""

    provider = models.ForeignKey(CareProvider, models.PROTECT, related_name="processes")
    hsa_id = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=200)
    units = models.ManyToManyField(CareUnit, related_name="processes")
    valid_from = models.DateTimeField(null=True, blank=True)
    valid_to = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "care processes"

    def __str__(self) -> str:
        return self.name


class SharingAgreement(models.Model):
    """What providers have agreed: cohesive documentation, reading on behalf of one of them, or disclosure.

    Under `processor_on_behalf` the other parties read for the `commissioner`: only the studies assigned to
    them and the priors of these, until `days_after_final` days after the report is final.
    """

    COHESIVE = "cohesive"
    PROCESSOR = "processor_on_behalf"
    DISCLOSURE = "disclosure"
    KINDS = [
        (COHESIVE, "Cohesive care documentation"),
        (PROCESSOR, "Processor on behalf"),
        (DISCLOSURE, "Disclosure"),
    ]

    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=20, choices=KINDS)
    parties = models.ManyToManyField(CareProvider, related_name="agreements")
    commissioner = models.ForeignKey(CareProvider, models.PROTECT, null=True, blank=True, related_name="+")
    days_after_final = models.PositiveSmallIntegerField(default=30)
    valid_from = models.DateTimeField(null=True, blank=True)
    valid_to = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(kind="processor_on_behalf") | models.Q(commissioner__isnull=False),
                name="processor_has_commissioner",
            ),
        ]

    def __str__(self) -> str:
        return self.name
