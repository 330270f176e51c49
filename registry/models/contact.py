"""Where a person lives and how to reach them, as the feed says; shown of nobody whose identity is protected."""

from django.db import models

from registry.models.patient import Patient


class PatientAddress(models.Model):
    """One address. A merge leaves it with the description that it belongs to, as it leaves the name.

    `search_text` is written by Python (`registry.contacts`), the same on both databases.
    """

    patient = models.ForeignKey(Patient, models.CASCADE, related_name="addresses")
    use = models.CharField(max_length=8, blank=True, help_text="Code of FHIR's AddressUse")
    line = models.CharField(max_length=200, blank=True, help_text="Lines, one below the other")
    district = models.CharField(
        max_length=80, blank=True, help_text="County or municipality within, by name or code"
    )
    city = models.CharField(max_length=80, blank=True)
    state = models.CharField(max_length=80, blank=True)
    postal_code = models.CharField(max_length=16, blank=True)
    country = models.CharField(max_length=40, blank=True)
    search_text = models.TextField(blank=True)

    def __str__(self) -> str:
        return f"address {self.pk} of patient {self.patient_id}"


class PatientTelecom(models.Model):
    """One telephone number, mail address or the like; `value_key` is what search compares."""

    patient = models.ForeignKey(Patient, models.CASCADE, related_name="telecoms")
    system = models.CharField(max_length=8, help_text="Code of FHIR's ContactPointSystem")
    use = models.CharField(max_length=8, blank=True, help_text="Code of FHIR's ContactPointUse")
    value = models.CharField(max_length=120)
    value_key = models.CharField(max_length=120, db_index=True)

    def __str__(self) -> str:
        return f"telecom {self.pk} of patient {self.patient_id}"
