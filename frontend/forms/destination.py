"""The form of a destination: its address says what kind it is; secrets are entered and never shown."""

from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from access.address import ForbiddenAddress
from access.models import Department
from frontend.forms.hours import add_hours, initial_hours, read_hours
from frontend.forms.receiving import add_syntaxes, initial_syntaxes, read_codes, read_syntaxes, write_codes
from registry.identity import is_oid
from registry.models import Destination
from repository.delivery.operating.keeping import DestinationDraft
from repository.delivery.receivers.kinds import check_address, kind_of

MIB = 1 << 20
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
    "corrected_through",
    "patient_issuer",
    "accession_issuer",
    "receiving_application",
    "receiving_facility",
    "trusted_certificates",
    "active",
)
"""The fields that are kept as they are filled in."""
GROUPS = (
    ("", ("name", "url", "called_ae_title", "active")),
    (
        "secrets",
        ("token", "forget_token", "client_certificate", "forget_certificate", "trusted_certificates"),
    ),
    ("limits", ("max_parallel", "max_mbit")),
    ("receiver", ("max_instance_mib", "verify", "processes_rejection", "corrected_through")),
    ("numbers", ("translates", "patient_issuer", "accession_issuer", "procedure_codes")),
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
    max_instance_mib = forms.FloatField(
        label=gettext_lazy("Largest image it takes, in MiB"),
        required=False,
        min_value=0.000001,
        help_text=gettext_lazy("What is larger is not sent, and the delivery says so. Empty: no limit."),
    )
    corrected_through = forms.ChoiceField(
        label=gettext_lazy("Told of merged patients through"),
        required=False,
        help_text=gettext_lazy("A destination of the department that speaks HL7 v2."),
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
    procedure_codes = forms.CharField(
        label=gettext_lazy("Its own procedure codes"),
        required=False,
        widget=forms.Textarea(attrs=CODE | {"rows": 4}),
        help_text=gettext_lazy("One a line: regional code; its code; scheme; meaning. Tabs part them too."),
    )
    receiving_application = forms.CharField(
        label=gettext_lazy("Receiving application"), max_length=180, required=False, help_text="MSH-5"
    )
    receiving_facility = forms.CharField(
        label=gettext_lazy("Receiving facility"), max_length=180, required=False, help_text="MSH-6"
    )

    def __init__(
        self, row: Destination | None, data: QueryDict | None = None, department: Department | None = None
    ) -> None:
        super().__init__(data, initial={} if row is None else _initial_values(row))
        self.row = row
        self.department_id = row.department_id if row else department.pk if department else None
        self.windows: list[dict[str, Any]] = []
        self.syntaxes: list[str] = []
        add_hours(self, row.windows if row is not None else (), with_limits=True)
        add_syntaxes(self, row.transfer_syntaxes if row is not None else ())
        self.fields["verify"].choices = list_verifications()  # type: ignore[attr-defined]
        if row is None:
            del self.fields["corrected_through"]  # which there are depends on the department
        else:
            self.fields["corrected_through"].choices = _list_tellers(row)  # type: ignore[attr-defined]
        for name, column in (
            ("forget_token", "token_sealed"),
            ("forget_certificate", "client_certificate_sealed"),
        ):
            if row is None or not getattr(row, column):
                del self.fields[name]

    def clean_name(self) -> str:
        """Hold the name to be the only one in the department."""
        name = str(self.cleaned_data["name"])
        others = Destination.objects.filter(department=self.department_id, name=name)
        if (others.exclude(pk=self.row.pk) if self.row else others).exists():
            raise forms.ValidationError(_("The department has a destination of this name already."))
        return name

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

    def clean_patient_issuer(self) -> str:
        """Hold the issuer to an OID."""
        return self._clean_oid("patient_issuer")

    def clean_accession_issuer(self) -> str:
        """Hold the issuer to an OID."""
        return self._clean_oid("accession_issuer")

    def clean_procedure_codes(self) -> dict[str, list[str]]:
        """Read the codes, line by line."""
        return read_codes(str(self.cleaned_data["procedure_codes"]))

    def clean(self) -> dict[str, Any]:
        """Read the hours and the transfer syntaxes, and hold the fields to each other."""
        values = super().clean() or {}
        self.windows = read_hours(self)
        self.syntaxes = read_syntaxes(self)
        if kind_of(values.get("url", "")) == "dimse" and not values.get("called_ae_title"):
            self.add_error("called_ae_title", _("A system that speaks DIMSE has an AE title."))
        if values.get("translates") and "patient_issuer" in values and not values["patient_issuer"]:
            self.add_error("patient_issuer", _("Say whose patient numbers it reads."))
        return values

    def make_draft(self) -> DestinationDraft:
        """Make the destination as it is filled in; a secret that is left empty stays what it is."""
        values = self.cleaned_data
        stated = {name: values[name] for name in PLAIN if name in values}
        secrets = {
            "token": "" if values.get("forget_token") else values["token"] or None,
            "client_certificate": (
                "" if values.get("forget_certificate") else values["client_certificate"] or None
            ),
        }
        read = {
            "windows": self.windows,
            "transfer_syntaxes": self.syntaxes,
            "max_instance_bytes": self._read_largest(),
            "procedure_codes": values["procedure_codes"],
        }
        kept = {"character_set": self.row.character_set} if self.row is not None else {}
        return DestinationDraft(**kept | stated | secrets | read)

    def _clean_oid(self, name: str) -> str:
        value = str(self.cleaned_data[name])
        if value and not is_oid(value):
            raise forms.ValidationError(_("This is no OID: numbers with dots between them."))
        return value

    def _read_largest(self) -> int | None:
        """Return the limit in bytes: to the byte what is kept, where the field shows that still."""
        if self.row is not None and "max_instance_mib" not in self.changed_data:
            return self.row.max_instance_bytes
        mib = self.cleaned_data["max_instance_mib"]
        return None if mib is None else max(1, round(mib * MIB))


def list_verifications() -> list[tuple[str, str]]:
    """Return what may be asked of a receiver after it has taken everything, in words."""
    return [
        ("none", _("Nothing: its answer names each image")),
        ("qido-count", _("How many images it has (QIDO-RS)")),
        ("storage-commitment", _("To commit to storing them (storage commitment)")),
    ]


def _list_tellers(row: Destination) -> list[tuple[str, str]]:
    """Return the destinations of the department that speak HL7 v2, by name."""
    others = Destination.objects.filter(department=row.department_id).exclude(pk=row.pk).order_by("name")
    names = [other.name for other in others if kind_of(other.url) == "hl7v2"]
    names += [row.corrected_through] if row.corrected_through not in ("", *names) else []
    return [("", _("Nobody: a person is asked")), *((name, name) for name in names)]


def _initial_values(row: Destination) -> dict[str, Any]:
    largest = row.max_instance_bytes
    return {
        **{name: getattr(row, name) for name in PLAIN},
        **initial_hours(row.windows),
        **initial_syntaxes(row.transfer_syntaxes),
        "max_instance_mib": None if largest is None else max(0.000001, round(largest / MIB, 6)),
        "procedure_codes": write_codes(row.procedure_codes),
    }
