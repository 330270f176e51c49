"""People and the assignments under which they work."""

from django.contrib.auth.models import AbstractUser, Group
from django.db import models

from access.models.organisation import Department


class User(AbstractUser):
    """A person who logs in; rights come from the one active assignment of the session."""

    hsa_id = models.CharField(max_length=64, blank=True)
    language = models.CharField(max_length=5, blank=True)
    national_number = models.CharField(
        max_length=12, blank=True, help_text="12 digits: nobody opens their own record"
    )
    is_protected = models.BooleanField(
        default=False, help_text="Patients see this person's role in the log, not the name"
    )
    password_is_initial = models.BooleanField(
        default=False,
        help_text="Set by the system and printed: the server stays on loopback while one exists.",
    )


class Assignment(models.Model):
    """One role of one person in one department (medarbetaruppdrag), for a time."""

    user = models.ForeignKey(User, models.CASCADE, related_name="assignments")
    department = models.ForeignKey(Department, models.PROTECT, related_name="assignments")
    group = models.ForeignKey(Group, models.PROTECT, help_text="Carries the object permissions of the role.")
    role = models.CharField(max_length=100)
    commission_hsa_id = models.CharField(
        max_length=64,
        blank=True,
        help_text="The HSA-id of the commission, by which identity providers name it",
    )
    purpose = models.CharField(
        max_length=20, default="care", help_text="Purpose of the assignment's accesses"
    )
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "department", "group", "valid_from"], name="assignment_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.role}, {self.department}"
