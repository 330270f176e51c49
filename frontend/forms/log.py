"""Forms of the log and its review."""

from datetime import timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from frontend.forms.decisions import end_of_day
from frontend.log_words import CARE_ACTIONS, name_action, name_outcome

DAY = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


class LogFilterForm(forms.Form):
    """Which events of a log are shown."""

    since = forms.DateField(label=gettext_lazy("From"), required=False, widget=DAY)
    until = forms.DateField(label=gettext_lazy("Until"), required=False, widget=DAY)
    actor = forms.CharField(label=gettext_lazy("User name"), required=False, max_length=200)
    action = forms.ChoiceField(label=gettext_lazy("What"), required=False)
    outcome = forms.ChoiceField(label=gettext_lazy("Outcome"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        everything = [("", _("Everything"))]
        actions = [(word, name_action(word)) for word in CARE_ACTIONS]
        outcomes = [(word, name_outcome(word)[0]) for word in ("success", "refused", "failed")]
        self.fields["action"].choices = everything + actions  # type: ignore[attr-defined]
        self.fields["outcome"].choices = everything + outcomes  # type: ignore[attr-defined]

    def as_filter(self) -> dict[str, Any]:
        """Return what `LogFilter` takes; what is not filled in correctly narrows nothing."""
        self.is_valid()
        values = self.cleaned_data
        since, until = values.get("since"), values.get("until")
        wanted: dict[str, Any] = {}
        if since:
            wanted["recorded_from"] = end_of_day(since - timedelta(days=1))
        if until:
            wanted["recorded_before"] = end_of_day(until)
        if values.get("actor"):
            wanted["actor"] = values["actor"]
        if values.get("action"):
            wanted["actions"] = (values["action"],)
        if values.get("outcome"):
            wanted["outcomes"] = (values["outcome"],)
        return wanted


class NumberForm(forms.Form):
    """A patient's number."""

    number = forms.CharField(
        label=gettext_lazy("Personal or patient number"),
        max_length=64,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class FindingForm(forms.Form):
    """What was found about an access or an opening."""

    finding = forms.ChoiceField(
        label=gettext_lazy("Finding"),
        choices=[
            ("justified", gettext_lazy("Justified")),
            ("question", gettext_lazy("Question to the person")),
            ("misuse", gettext_lazy("Misuse")),
        ],
        widget=forms.RadioSelect,
    )
    text = forms.CharField(
        label=gettext_lazy("What was found"),
        help_text=gettext_lazy("Needed with a question or misuse, at least 10 characters."),
        required=False,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def clean(self) -> dict[str, Any]:
        """Hold a question and misuse to a text."""
        values = super().clean() or {}
        if values.get("finding") in ("question", "misuse") and len(values.get("text", "").strip()) < 10:
            self.add_error("text", _("Say in at least 10 characters what was found."))
        return values


class SignForm(forms.Form):
    """The signature under a review."""

    summary = forms.CharField(
        label=gettext_lazy("Summary"),
        min_length=5,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
