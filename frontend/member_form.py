"""The form by which the head of a department gives an assignment."""

from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from access.assignments import PURPOSES, Terms
from access.members import UnknownPerson, find_person
from access.models import Role, User
from frontend.member_rows import name_purpose


class MemberForm(forms.Form):
    """Who, as what, for what, and until which day."""

    person = forms.CharField(label=_("User name or HSA-id"), max_length=150)
    role = forms.ModelChoiceField(
        Role.objects.none(), label=_("Role"), to_field_name="code", empty_label=None
    )
    purpose = forms.ChoiceField(label=_("For"))
    last_day = forms.DateField(
        label=_("Last day"),
        required=False,
        input_formats=["%Y-%m-%d"],
        error_messages={"invalid": _("Write the day as 2026-01-31.")},
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )

    def __init__(self, roles: list[Role], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choice: Any = self.fields["role"]
        choice.queryset = Role.objects.filter(pk__in=[role.pk for role in roles])
        purpose: Any = self.fields["purpose"]
        purpose.choices = [(word, name_purpose(word)) for word in PURPOSES]

    def clean_person(self) -> User:
        """Find the person."""
        try:
            return find_person(self.cleaned_data["person"])
        except UnknownPerson as error:
            raise forms.ValidationError(_("Nobody with an account here is called so.")) from error

    def clean_last_day(self) -> date | None:
        """Refuse a day that is over."""
        day: date | None = self.cleaned_data["last_day"]
        if day is not None and not timezone.localdate() <= day < date.max:
            raise forms.ValidationError(_("That day is over, or too far away."))
        return day

    def read_terms(self) -> Terms:
        """Return the terms of the assignment: it ends when its last day is over."""
        day: date | None = self.cleaned_data["last_day"]
        ends = None
        if day is not None:
            ends = timezone.make_aware(datetime.combine(day + timedelta(days=1), time.min))
        return Terms(self.cleaned_data["purpose"], valid_to=ends)
