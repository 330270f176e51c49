"""Care provider > care unit > department, each with its HSA-id."""

from django.db import models


class CareProvider(models.Model):
    """The legal unit of secrecy (vårdgivare): a region or a private company."""

    hsa_id = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=200)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class CareUnit(models.Model):
    """A hospital or clinic (vårdenhet): the unit that inner blocks speak of."""

    provider = models.ForeignKey(CareProvider, models.PROTECT, related_name="units")
    hsa_id = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=200)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Department(models.Model):
    """A department of a care unit: what owns studies, subscribes and employs."""

    unit = models.ForeignKey(CareUnit, models.PROTECT, related_name="departments")
    hsa_id = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=200)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.name}, {self.unit.name}"
