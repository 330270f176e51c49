"""Forms for part in the care, choices, reasons and emergency openings."""

from django import forms
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from registry.emergency import HOURS, LEAST_REASON_CHARACTERS, REASON_CODES
from registry.identity import normalise_national


class RelationForm(forms.Form):
    """Why somebody takes part in a patient's care."""

    reason = forms.CharField(
        label=gettext_lazy("Why do you take part in the care?"),
        help_text=gettext_lazy("For example: acute consultation, second opinion."),
        min_length=5,
        max_length=400,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class ReasonForm(forms.Form):
    """Why the data of a patient are read who asks for a reason."""

    reason = forms.CharField(
        label=gettext_lazy("Why do you need to read the data?"),
        help_text=gettext_lazy("At least 10 characters. The access is reviewed."),
        min_length=10,
        max_length=400,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class ChoiceForm(forms.Form):
    """Which unit's data are read, and why if one wants to say it."""

    unit = forms.IntegerField(min_value=1, max_value=2**62, widget=forms.HiddenInput)
    reason = forms.CharField(label=gettext_lazy("Reason (optional)"), max_length=400, required=False)


class LocateForm(forms.Form):
    """Step one of an emergency opening: why."""

    reason_code = forms.ChoiceField(
        label=gettext_lazy("Why can the patient not be asked?"), widget=forms.RadioSelect
    )
    reason = forms.CharField(
        label=gettext_lazy("What is the situation?"),
        help_text=gettext_lazy("At least 10 characters. It is kept with the opening and reviewed."),
        min_length=LEAST_REASON_CHARACTERS,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        words = describe_reason_codes()
        self.fields["reason_code"].choices = [(code, words[code]) for code in REASON_CODES]  # type: ignore[attr-defined]


class NumberLocateForm(LocateForm):
    """The same for somebody who is known by a personal number only."""

    number = forms.CharField(label=gettext_lazy("Personal number"), max_length=20)
    field_order = ("number", "reason_code", "reason")

    def clean_number(self) -> str:
        """Read the number as 12 digits."""
        national = normalise_national(self.cleaned_data["number"])
        if national is None:
            raise forms.ValidationError(_("The date or the check digit is wrong."))
        return national.value


class OpenForm(forms.Form):
    """Step two of an emergency opening: for how long."""

    hours = forms.TypedChoiceField(label=gettext_lazy("For how long?"), coerce=int, widget=forms.RadioSelect)

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        choices = [(n, ngettext("%(count)s hour", "%(count)s hours", n) % {"count": n}) for n in HOURS]
        self.fields["hours"].choices = choices  # type: ignore[attr-defined]
        self.fields["hours"].initial = settings.EMERGENCY_HOURS


def describe_reason_codes() -> dict[str, str]:
    """Put the reasons of an emergency opening into words."""
    return {
        "danger_to_life": _("Danger to life"),
        "serious_risk": _("Serious risk to health"),
        "unconscious": _("The patient is unconscious"),
        "confused": _("The patient is confused or cannot make themselves understood"),
        "other": _("Another reason, stated below"),
    }
