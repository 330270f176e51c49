"""What a destination looks like over the management API: secrets go in and never come out."""

from typing import Any

from rest_framework import serializers

from deploy.api.forms import Form, department_field
from registry.models import Destination
from repository.delivery.operating.keeping import VERIFICATIONS
from repository.delivery.operating.said import translate_error
from repository.delivery.receivers.kinds import SCHEMES, kind_of

KINDS = sorted({scheme.kind for scheme in SCHEMES.values()})


class DestinationFields(Form):
    """What may be stated of a destination; what is left out keeps its value, or gets the usual one."""

    name = serializers.CharField(max_length=100)
    url = serializers.CharField(max_length=400)
    called_ae_title = serializers.CharField(max_length=16, allow_blank=True, required=False)
    max_parallel = serializers.IntegerField(min_value=1, max_value=64, required=False)
    max_mbit = serializers.FloatField(allow_null=True, required=False)
    windows = serializers.ListField(child=serializers.DictField(), required=False)
    transfer_syntaxes = serializers.ListField(
        child=serializers.CharField(max_length=64), max_length=50, required=False
    )
    max_instance_bytes = serializers.IntegerField(allow_null=True, required=False)
    verify = serializers.ChoiceField(VERIFICATIONS, required=False)
    translates = serializers.BooleanField(required=False)
    patient_issuer = serializers.CharField(max_length=64, allow_blank=True, required=False)
    accession_issuer = serializers.CharField(max_length=64, allow_blank=True, required=False)
    procedure_codes = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField(allow_blank=True, max_length=200)),
        required=False,
    )
    receiving_application = serializers.CharField(max_length=180, allow_blank=True, required=False)
    receiving_facility = serializers.CharField(max_length=180, allow_blank=True, required=False)
    character_set = serializers.CharField(max_length=20, required=False)
    processes_rejection = serializers.BooleanField(required=False)
    corrected_through = serializers.CharField(
        max_length=100,
        allow_blank=True,
        required=False,
        help_text="Name of the department's HL7 v2 destination that tells this one of merged patients",
    )
    trusted_certificates = serializers.CharField(allow_blank=True, required=False)
    active = serializers.BooleanField(required=False)


class DestinationChange(DestinationFields):
    """A change: only what is named; an empty secret removes the one that is there."""

    name = serializers.CharField(max_length=100, required=False)
    url = serializers.CharField(max_length=400, required=False)
    token = serializers.CharField(allow_blank=True, write_only=True, required=False, max_length=8000)
    client_certificate = serializers.CharField(allow_blank=True, write_only=True, required=False)


class NewDestination(DestinationFields):
    """A destination to create."""

    department = department_field()
    token = serializers.CharField(allow_blank=True, write_only=True, required=False, max_length=8000)
    client_certificate = serializers.CharField(allow_blank=True, write_only=True, required=False)


class DestinationRow(DestinationFields):
    """A destination, and how it does."""

    id = serializers.IntegerField()
    department = department_field()
    kind = serializers.SerializerMethodField()
    has_token = serializers.SerializerMethodField()
    has_client_certificate = serializers.SerializerMethodField()
    held_reason = serializers.CharField()
    held_by = serializers.CharField()
    maintenance_until = serializers.DateTimeField(allow_null=True)
    breaker = serializers.ChoiceField([Destination.CLOSED, Destination.OPEN])
    open_until = serializers.DateTimeField(allow_null=True)
    last_error = serializers.SerializerMethodField()

    def get_last_error(self, row: Any) -> str:
        """Say what was wrong last, in the reader's language."""
        return translate_error(row.last_error)

    def get_kind(self, row: Any) -> str:
        """Return the kind that the address says; empty for none that there is."""
        return kind_of(row.url) or ""

    def get_has_token(self, row: Any) -> bool:
        """Tell whether a token is kept."""
        return bool(row.token_sealed)

    def get_has_client_certificate(self, row: Any) -> bool:
        """Tell whether a client certificate is kept."""
        return bool(row.client_certificate_sealed)


class HoldReason(Form):
    """Why something is done, for those who come after."""

    reason = serializers.CharField(max_length=200)


class Maintenance(Form):
    """Until when a receiver is in maintenance; without an end, the maintenance is over."""

    until = serializers.DateTimeField(allow_null=True)


class CertificateRow(Form):
    """What a receiver shows of itself under TLS."""

    subject = serializers.CharField()
    issuer = serializers.CharField()
    valid_to = serializers.DateTimeField()
    tls_version = serializers.CharField()


class ProbeRow(Form):
    """What a test found: nothing of a patient was sent; `error` is empty when the receiver answered as it should."""

    answers = serializers.BooleanField()
    error = serializers.SerializerMethodField()
    latency_ms = serializers.IntegerField()
    certificate = CertificateRow(allow_null=True)

    def get_error(self, row: Any) -> str:
        """Say what is wrong, in the reader's language."""
        return translate_error(row.error)
