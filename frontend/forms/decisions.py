"""Forms for what patients decide: consents, blocks, lifts of blocks."""

from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from access.actor import Actor
from access.models import CareUnit
from registry.consent.consents import INCAPACITY_BASIS, Recipient

CONSENT_DAYS = 30
FREE_DATE = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


class ConsentForm(forms.Form):
    """Who gives a consent, to whom, until when; for a patient who cannot decide, by which assessment."""

    kind = forms.ChoiceField(
        label=gettext_lazy("Who gives it?"),
        initial="consent",
        choices=[
            ("consent", gettext_lazy("The patient")),
            ("guardian", gettext_lazy("The guardian of a child")),
            ("incapacity", gettext_lazy("Nobody: the patient lastingly cannot decide")),
        ],
        widget=forms.RadioSelect,
    )
    assessed_by = forms.CharField(
        label=gettext_lazy("Who assessed that the patient cannot decide?"), max_length=1000, required=False
    )
    attitude = forms.CharField(
        label=gettext_lazy("What is known of the patient's own attitude, and how?"),
        max_length=1000,
        required=False,
    )
    necessary_care = forms.CharField(
        label=gettext_lazy("Which necessary care needs the data?"), max_length=1000, required=False
    )
    recipient = forms.ChoiceField(
        label=gettext_lazy("Who may read?"), initial="unit", widget=forms.RadioSelect
    )
    valid_through = forms.DateField(label=gettext_lazy("Last day"), widget=FREE_DATE)

    def __init__(self, actor: Actor, places: dict[str, str], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.recipients = {
            "person": Recipient(user_id=actor.subject_id),
            "unit": Recipient(unit_id=actor.scope.unit_id),
            "provider": Recipient(provider_id=actor.scope.provider_id),
        }
        self.fields["recipient"].choices = [  # type: ignore[attr-defined]
            ("person", _("Only I")),
            ("unit", _("Everybody at %(unit)s") % {"unit": places["unit"]}),
            ("provider", _("Everybody at %(provider)s") % {"provider": places["provider"]}),
        ]
        self.fields["valid_through"].initial = timezone.localdate() + timedelta(days=CONSENT_DAYS)

    def clean_valid_through(self) -> date:
        """Hold the last day to be today or later."""
        return _not_past(self.cleaned_data["valid_through"])

    def clean(self) -> dict[str, Any]:
        """Hold an incapacity to its three texts."""
        values = super().clean() or {}
        if values.get("kind") == "incapacity":
            for name in INCAPACITY_BASIS:
                if len(values.get(name, "")) < 3:
                    self.add_error(name, _("Needed when the patient cannot decide."))
        return values

    @property
    def basis(self) -> dict[str, str]:
        """The texts of an incapacity; of the other kinds none."""
        if self.cleaned_data["kind"] != "incapacity":
            return {}
        return {name: self.cleaned_data[name] for name in INCAPACITY_BASIS}

    @property
    def valid_to(self) -> datetime:
        """The end of the last day."""
        return end_of_day(self.cleaned_data["valid_through"])


class BlockForm(forms.Form):
    """What a patient blocks: whose data, of which period, and how strictly."""

    holder = forms.ChoiceField(label=gettext_lazy("Whose data are blocked?"))
    data_from = forms.DateField(label=gettext_lazy("Studies from"), required=False, widget=FREE_DATE)
    data_to = forms.DateField(
        label=gettext_lazy("Studies until"),
        required=False,
        widget=FREE_DATE,
        help_text=gettext_lazy("Both days included; leave empty for no limit."),
    )
    asked_by = forms.ChoiceField(
        label=gettext_lazy("Who asks for it?"),
        initial="patient",
        choices=[
            ("patient", gettext_lazy("The patient")),
            ("representative", gettext_lazy("A representative with a power of attorney")),
        ],
        help_text=gettext_lazy("Nobody blocks for a child: a guardian's wish is not registered."),
        widget=forms.RadioSelect,
    )
    is_silent = forms.BooleanField(
        label=gettext_lazy("Silent: not even that it exists is shown"), required=False
    )
    is_absolute = forms.BooleanField(
        label=gettext_lazy("Absolute: neither a lift nor an emergency opens it"), required=False
    )

    def __init__(self, actor: Actor, places: dict[str, str], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        units = CareUnit.objects.filter(provider=actor.scope.provider_id).order_by("name")
        choices = [("provider", _("All of %(provider)s") % {"provider": places["provider"]})]
        self.fields["holder"].choices = choices + [(str(unit.pk), unit.name) for unit in units]  # type: ignore[attr-defined]


class CancelBlockForm(forms.Form):
    """Why a block ends for good."""

    reason = forms.CharField(
        label=gettext_lazy("Why does the block end?"),
        help_text=gettext_lazy("For example: the patient took it back, registered by mistake."),
        min_length=3,
        max_length=400,
    )


class LiftForm(forms.Form):
    """For whom, why and how long a block is opened."""

    basis = forms.ChoiceField(
        label=gettext_lazy("By which right?"),
        initial="consent",
        choices=[
            ("consent", gettext_lazy("The patient agrees")),
            ("emergency", gettext_lazy("Emergency: the patient cannot be asked")),
        ],
        widget=forms.RadioSelect,
    )
    unit = forms.ModelChoiceField(
        label=gettext_lazy("Which unit may read?"),
        queryset=CareUnit.objects.order_by("name"),
        empty_label=None,
    )
    reach = forms.ChoiceField(
        label=gettext_lazy("Who at the unit?"),
        initial="unit",
        choices=[("unit", gettext_lazy("Everybody there")), ("person", gettext_lazy("Only I"))],
        widget=forms.RadioSelect,
    )
    requested_by = forms.CharField(label=gettext_lazy("Who asked for it?"), max_length=200)
    reason = forms.CharField(
        label=gettext_lazy("Why is it needed?"),
        help_text=gettext_lazy("At least 10 characters."),
        min_length=10,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    days = forms.TypedChoiceField(
        label=gettext_lazy("For how long?"),
        coerce=int,
        initial=1,
        choices=[(1, gettext_lazy("1 day")), (3, gettext_lazy("3 days")), (7, gettext_lazy("7 days"))],
        widget=forms.RadioSelect,
    )


def end_of_day(day: date) -> datetime:
    """Return the moment at which a day is over, in the region's time."""
    return timezone.make_aware(datetime.combine(day + timedelta(days=1), time.min))


def _not_past(day: date) -> date:
    if day < timezone.localdate():
        raise forms.ValidationError(_("The day has passed."))
    if day.year > 9990:
        raise forms.ValidationError(_("The day is too far away."))
    return day
