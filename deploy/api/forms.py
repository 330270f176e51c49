"""Fields that several forms of the management API share: patients by reference, organisations and people by HSA-id."""

from typing import Any

from django.db.models import Model
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from access.models import CareProvider, CareUnit, Department, User
from deploy.api.patients import make_reference


class Form(serializers.Serializer[Any]):
    """A plain form: fields in, rows out, nothing saved by it."""


@extend_schema_field(OpenApiTypes.STR)
class PatientField(serializers.Field[Any, Any, Any, Any]):
    """The reference of a patient, made for who asks."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(read_only=True, **kwargs)

    def to_representation(self, value: Any) -> str:
        """Return the reference."""
        return make_reference(self.context["actor"], value.pk)


class HsaIdField(serializers.SlugRelatedField[Any]):
    """An organisation or a person by HSA-id."""

    def __init__(self, model: type[Model] | None = None, **kwargs: Any) -> None:
        if model is not None:
            kwargs.setdefault("queryset", model._default_manager.all())
        super().__init__(slug_field="hsa_id", **kwargs)

    def get_queryset(self) -> Any:
        """Leave out people without HSA-id: an empty one names nobody."""
        rows = super().get_queryset()
        return None if rows is None else rows.exclude(hsa_id="")


def provider_field(**kwargs: Any) -> HsaIdField:
    """Return a field for a care provider."""
    return HsaIdField(CareProvider, **kwargs)


def unit_field(**kwargs: Any) -> HsaIdField:
    """Return a field for a care unit."""
    return HsaIdField(CareUnit, **kwargs)


def department_field(**kwargs: Any) -> HsaIdField:
    """Return a field for a department."""
    return HsaIdField(Department, **kwargs)


def person_field(**kwargs: Any) -> HsaIdField:
    """Return a field for a person."""
    return HsaIdField(User, **kwargs)
