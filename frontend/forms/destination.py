"""The form of a destination: its address says what kind it is; secrets are entered and never shown."""

from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from access.address import ForbiddenAddress
from frontend.forms.hours import add_hours, initial_hours, read_hours
from registry.models import Destination
from repository.delivery.operating.keeping import DestinationDraft, draft_of
from repository.delivery.receivers.kinds import check_address

CODE = {"autocomplete": "off", "spellcheck": "false"}
PLAIN = (
    "name",
    "url",
    "called_ae_title",
    "max_parallel",
    "max_mbit",
    "verify",
    "processes_rejection",
    "translates",
    "patient_issuer",
    "accession_issuer",
    "receiving_application",
    "receiving_facility",
    "trusted_certificates",
    "active",
)
"""The fields that are kept as they are filled in; what the form does not show keeps its value."""
GROUPS = (
    ("", ("name", "url", "called_ae_title", "active")),
    (
        "secrets",
        ("token", "forget_token", "client_certificate", "forget_certificate", "trusted_certificates"),
    ),
    ("limits", ("max_parallel", "max_mbit")),
    ("receiver", ("verify", "processes_rejection")),
    ("numbers", ("translates", "patient_issuer", "accession_issuer")),
    ("hl7", ("receiving_application", "receiving_facility")),
)


class DestinationForm(forms.Form):
    """What is stated of a destination."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=100)
    url = forms.CharField(
        label=gettext_lazy("Address"),
        max_length=400,
        widget=forms.TextInput(attrs=CODE),
        help_text=gettext_lazy(
            "https://…/studies (STOW-RS), dicom://host:port or dicoms:// (C-STORE), mllp://host:port or mllps://"
            " (HL7 v2), fhir+https://… (FHIR notification), file:///folder, s3://bucket/prefix, or worklist: for the"
            " department's list here."
        ),
    )
    called_ae_title = forms.CharField(
        label=gettext_lazy("AE title"),
        max_length=16,
        required=False,
        widget=forms.TextInput(attrs=CODE),
        help_text=gettext_lazy("Of a system that speaks DIMSE."),
    )
    active = forms.BooleanField(label=gettext_lazy("Switched on"), required=False, initial=True)
    token = forms.CharField(
        label=gettext_lazy("New token"),
        max_length=8000,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    forget_token = forms.BooleanField(label=gettext_lazy("Forget the token"), required=False)
    client_certificate = forms.CharField(
        label=gettext_lazy("New client certificate"),
        required=False,
        widget=forms.Textarea(attrs=CODE | {"rows": 3}),
        help_text=gettext_lazy("Certificate and key in PEM, without password."),
    )
    forget_certificate = forms.BooleanField(
        label=gettext_lazy("Forget the client certificate"), required=False
    )
    trusted_certificates = forms.CharField(
        label=gettext_lazy("Authorities it is trusted by"),
        required=False,
        widget=forms.Textarea(attrs=CODE | {"rows": 3}),
        help_text=gettext_lazy("Certificates in PEM; empty for those of the system."),
    )
    max_parallel = forms.IntegerField(
        label=gettext_lazy("Requests at once"), min_value=1, max_value=64, initial=2
    )
    max_mbit = forms.FloatField(label=gettext_lazy("Megabit a second"), required=False, min_value=0.001)
    verify = forms.ChoiceField(label=gettext_lazy("What is asked afterwards"), required=False)
    processes_rejection = forms.BooleanField(
        label=gettext_lazy("Acts on rejection notes by itself; otherwise a person is asked to remove images"),
        required=False,
        initial=True,
    )
    translates = forms.BooleanField(
        label=gettext_lazy("Gets patient, accession and procedure in its own numbers"), required=False
    )
    patient_issuer = forms.CharField(
        label=gettext_lazy("Issuer of its patient numbers"),
        max_length=64,
        required=False,
        widget=forms.TextInput(attrs=CODE),
        help_text="OID",
    )
    accession_issuer = forms.CharField(
        label=gettext_lazy("Issuer of its accession numbers"),
        max_length=64,
        required=False,
        widget=forms.TextInput(attrs=CODE),
        help_text="OID",
    )
    receiving_application = forms.CharField(
        label=gettext_lazy("Receiving application"), max_length=180, required=False, help_text="MSH-5"
    )
    receiving_facility = forms.CharField(
        label=gettext_lazy("Receiving facility"), max_length=180, required=False, help_text="MSH-6"
    )

    def __init__(self, row: Destination | None, data: QueryDict | None = None) -> None:
        initial = {} if row is None else {name: getattr(row, name) for name in PLAIN}
        initial |= initial_hours(row.windows) if row is not None else {}
        super().__init__(data, initial=initial)
        self.row = row
        self.windows: list[dict[str, Any]] = []
        add_hours(self, row.windows if row is not None else (), with_limits=True)
        self.fields["verify"].choices = list_verifications()  # type: ignore[attr-defined]
        for name, column in (
            ("forget_token", "token_sealed"),
            ("forget_certificate", "client_certificate_sealed"),
        ):
            if row is None or not getattr(row, column):
                del self.fields[name]

    def clean_url(self) -> str:
        """Hold the address to its kind."""
        url = str(self.cleaned_data["url"])
        try:
            check_address(url)
        except ForbiddenAddress as error:
            raise forms.ValidationError(
                _("This is no address to send to: %(why)s.") % {"why": error}
            ) from error
        return url

    def clean(self) -> dict[str, Any]:
        """Read the hours."""
        values = super().clean() or {}
        self.windows = read_hours(self)
        return values

    def make_draft(self) -> DestinationDraft:
        """Make the destination as it is filled in; a secret that is left empty stays what it is."""
        values = self.cleaned_data
        kept = _kept_values(self.row)
        stated = {name: values[name] for name in PLAIN}
        secrets = {
            "token": "" if values.get("forget_token") else values["token"] or None,
            "client_certificate": (
                "" if values.get("forget_certificate") else values["client_certificate"] or None
            ),
        }
        return DestinationDraft(**kept | stated | secrets | {"windows": self.windows})


def list_verifications() -> list[tuple[str, str]]:
    """Return what may be asked of a receiver after it has taken everything, in words."""
    return [
        ("none", _("Nothing: its answer names each image")),
        ("qido-count", _("How many images it has (QIDO-RS)")),
        ("storage-commitment", _("To commit to storing them (storage commitment)")),
    ]


def _kept_values(row: Destination | None) -> dict[str, Any]:
    if row is None:
        return {}
    draft = draft_of(row)
    names = ("transfer_syntaxes", "max_instance_bytes", "procedure_codes", "character_set")
    return {name: getattr(draft, name) for name in names}
