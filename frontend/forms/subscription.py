"""The form of a subscription: what of which studies, to which system, how urgently and when."""

from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from access.models import CareUnit, Department
from frontend.forms.hours import add_hours, initial_hours, read_hours
from frontend.forms.log import DAY
from frontend.forms.wish import FLAGS, LISTS, TEXTS, Fields, read_fields, write_filter
from frontend.harmonised import is_swedish
from registry.affinity import affinity
from registry.affinity_domain.rules import FAMILIES
from registry.harmonise.vocabulary import REGION_NAMES
from registry.models import Destination, Subscription
from registry.subscribing import SubscriptionDraft, draft_of
from registry.wishes.filter import MOST_LENGTH

BOXES = forms.CheckboxSelectMultiple
USUAL_WANTS = ("images", "sr", "key_images")
FILTER_FIELDS = (*LISTS, *FLAGS, "takes_own")


class SubscriptionForm(forms.Form):
    """What a department subscribes to."""

    modality_family = forms.MultipleChoiceField(
        label=gettext_lazy("Kind of imaging"), required=False, widget=BOXES
    )
    body_region = forms.MultipleChoiceField(label=gettext_lazy("Body regions"), required=False, widget=BOXES)
    procedure = forms.MultipleChoiceField(label=gettext_lazy("Procedures"), required=False)
    performing_unit = forms.MultipleChoiceField(label=gettext_lazy("Examined at"), required=False)
    ordering_unit = forms.MultipleChoiceField(label=gettext_lazy("Ordered by"), required=False)
    emergency = forms.ChoiceField(label=gettext_lazy("Emergency"), required=False)
    report_final = forms.ChoiceField(label=gettext_lazy("Final report"), required=False)
    patient_class = forms.MultipleChoiceField(label=gettext_lazy("Patients"), required=False, widget=BOXES)
    care_relation = forms.MultipleChoiceField(
        label=gettext_lazy("Only patients in care at"), required=False, widget=BOXES
    )
    residence = forms.CharField(
        label=gettext_lazy("Postal codes that begin with"),
        required=False,
        max_length=200,
        help_text=gettext_lazy("Several with blanks between: 223 224 245"),
    )
    residence_area = forms.CharField(
        label=gettext_lazy("Towns, municipalities or counties"),
        required=False,
        max_length=400,
        help_text=gettext_lazy("Names or codes with commas between: Lund, Kävlinge, 1281"),
    )
    source_system = forms.CharField(
        label=gettext_lazy("Sent by the systems"),
        required=False,
        max_length=400,
        help_text=gettext_lazy("AE titles or names of clients with commas between: CT1_LUND, MR2"),
    )
    takes_own = forms.BooleanField(
        label=gettext_lazy("Also what the department stored itself"), required=False
    )
    wants = forms.MultipleChoiceField(label=gettext_lazy("What is sent"), widget=BOXES)
    destination = forms.TypedChoiceField(label=gettext_lazy("To"), coerce=int)
    from_state = forms.ChoiceField(label=gettext_lazy("When the study is"), widget=forms.RadioSelect)
    priority = forms.ChoiceField(label=gettext_lazy("Priority"))
    max_priors = forms.IntegerField(label=gettext_lazy("Earlier studies at most"), min_value=0, max_value=20)
    max_prior_years = forms.IntegerField(
        label=gettext_lazy("Earlier studies of the last … years"), min_value=0, max_value=50
    )
    name = forms.CharField(label=gettext_lazy("Name"), max_length=100, required=False)
    active = forms.BooleanField(label=gettext_lazy("Switched on"), required=False)

    def __init__(
        self, department: Department, row: Subscription | None, data: QueryDict | None = None
    ) -> None:
        self.department, self.row = department, row
        self.destinations = list(Destination.objects.filter(department=department).order_by("name", "pk"))
        self.is_structured = row is None or read_fields(row.filter) is not None
        self.windows: list[dict[str, Any]] = []
        super().__init__(data, initial=_initial(row))
        add_hours(self, row.window if row is not None else (), with_limits=False)
        for name, choices in list_choices(self.destinations).items():
            self.fields[name].choices = choices  # type: ignore[attr-defined]
        if not self.is_structured:
            for name in FILTER_FIELDS:
                del self.fields[name]

    def clean_residence(self) -> list[str]:
        """Read the beginnings of postal codes."""
        codes = str(self.cleaned_data["residence"]).replace(",", " ").split()
        if any(not (code.isascii() and code.isdigit() and len(code) <= 5) for code in codes):
            raise forms.ValidationError(_("A postal code is 1 to 5 digits."))
        return codes

    def clean_residence_area(self) -> list[str]:
        """Read names of places, and codes."""
        return self._read_names("residence_area")

    def clean_source_system(self) -> list[str]:
        """Read AE titles and names of clients."""
        return self._read_names("source_system")

    def _read_names(self, name: str) -> list[str]:
        names = [item.strip() for item in str(self.cleaned_data[name]).split(",") if item.strip()]
        if any(len(item) > MOST_LENGTH for item in names):
            raise forms.ValidationError(_("A name has %(most)d characters at most.") % {"most": MOST_LENGTH})
        return names

    def clean(self) -> dict[str, Any]:
        """Read the hours."""
        values = super().clean() or {}
        self.windows = read_hours(self)
        return values

    def make_draft(self) -> SubscriptionDraft:
        """Make the subscription as it is filled in."""
        values = self.cleaned_data
        by_key = {row.pk: row for row in self.destinations}
        wants = list(values["wants"])
        return SubscriptionDraft(
            destination=by_key[values["destination"]],
            name=values["name"],
            filter=self._make_filter(),
            wants=[] if sorted(wants) == sorted(USUAL_WANTS) else wants,
            from_state=values["from_state"],
            priority=values["priority"],
            weight=self.row.weight if self.row is not None else 1,
            window=self.windows,
            max_priors=values["max_priors"],
            max_prior_years=values["max_prior_years"],
            active=values["active"],
        )

    def _make_filter(self) -> dict[str, Any]:
        if self.row is not None and not self.is_structured:
            return dict(draft_of(self.row).filter)
        values = self.cleaned_data
        return write_filter(
            Fields(
                {name: list(values[name]) for name in LISTS},
                {name: values[name] for name in FLAGS},
                values["takes_own"],
            )
        )


class ReplayForm(forms.Form):
    """From which day of examination to which the past is sent, and why."""

    since = forms.DateField(label=gettext_lazy("From"), widget=DAY)
    until = forms.DateField(label=gettext_lazy("Until"), widget=DAY)
    reason = forms.CharField(label=gettext_lazy("Reason"), min_length=3, max_length=400)


def list_choices(destinations: list[Destination]) -> dict[str, list[tuple[Any, Any]]]:
    """Return what each field offers, in the language of the page."""
    swedish = is_swedish()
    units = [(row.hsa_id, row.name) for row in CareUnit.objects.order_by("name", "pk")]
    either = [("", _("does not matter")), ("yes", _("only"))]
    return {
        "modality_family": [(family, name_family(family)) for family in FAMILIES if family],
        "body_region": [(code, names[0 if swedish else 1]) for code, names in REGION_NAMES.items()],
        "procedure": [
            (item.code, item.display_sv if swedish else item.display_en) for item in affinity().procedures
        ],
        "performing_unit": units,
        "ordering_unit": units,
        "emergency": [*either, ("no", _("no emergencies"))],
        "report_final": [*either, ("no", _("not yet"))],
        "patient_class": [("I", _("Inpatients")), ("O", _("Outpatients")), ("E", _("Emergency patients"))],
        "care_relation": [("department", _("the department")), ("unit", _("the care unit"))],
        "wants": list_wants(),
        "destination": [(row.pk, row.name) for row in destinations],
        "from_state": list_states(),
        "priority": list_priorities(),
    }


def list_wants() -> list[tuple[str, str]]:
    """Return what of a study may be sent, in words."""
    return [
        ("images", _("Images")),
        ("sr", _("Structured reports")),
        ("key_images", _("Key images and presentation")),
        ("priors", _("Relevant earlier studies")),
        ("request", _("The request")),
        ("report", _("The report, in every version")),
    ]


def list_states() -> list[tuple[str, str]]:
    """Return from which state on a study is sent, in words."""
    return [
        ("in_progress", _("begun: images go as they come, not yet checked")),
        ("complete", _("complete")),
        ("verified", _("verified by a final report")),
    ]


def list_priorities() -> list[tuple[str, str]]:
    """Return the priorities in words."""
    return [
        ("urgent", _("Urgent: within the hour, before everything else")),
        ("normal", _("Normal: within a day")),
        ("bulk", _("In bulk: within a week, when nothing else goes")),
    ]


def name_family(family: str) -> str:
    """Name a family of modalities."""
    names = {
        "CT": _("Computed tomography"),
        "MR": _("Magnetic resonance"),
        "XR": _("Radiography"),
        "US": _("Ultrasound"),
        "NM": _("Nuclear medicine"),
        "PT": _("Positron emission tomography"),
        "MG": _("Mammography"),
        "FL": _("Fluoroscopy and angiography"),
        "OT": _("Other imaging"),
    }
    return names.get(family, family)


def _initial(row: Subscription | None) -> dict[str, Any]:
    if row is None:
        return {
            "wants": list(USUAL_WANTS),
            "from_state": "complete",
            "priority": "normal",
            "max_priors": 3,
            "max_prior_years": 10,
            "active": True,
        }
    plain = ("from_state", "priority", "max_priors", "max_prior_years", "name", "active")
    initial = {name: getattr(row, name) for name in plain}
    initial |= {"wants": row.wants or list(USUAL_WANTS), "destination": row.destination_id}
    found = read_fields(row.filter)
    if found is not None:
        initial |= dict(found.values) | dict(found.flags)
        texts = {name: between.join(found.values.get(name, ())) for name, between in TEXTS.items()}
        initial |= texts | {"takes_own": found.takes_own}
    return initial | initial_hours(row.window)
