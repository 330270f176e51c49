"""What sends now: to whom, why, how urgently, with or without what came earlier."""

from collections.abc import Iterable

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy

from access.models import Department
from registry.models import Study
from registry.send_now import FOLLOW_DAYS, WANTS, Sending, receiving_departments

PRIORITIES = (
    ("urgent", gettext_lazy("Urgent: before everything else")),
    ("normal", gettext_lazy("In its turn")),
)


class SendForm(forms.Form):
    """A sending of one study, or of all that the unit keeps of a patient."""

    department = forms.ModelChoiceField(
        Department.objects.none(), label=gettext_lazy("To which care provider or department?")
    )
    reason = forms.CharField(
        label=gettext_lazy("Why is it sent?"),
        help_text=gettext_lazy("The receiver reads this. For example: transfer tonight, second opinion."),
        min_length=3,
        max_length=400,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    priority = forms.ChoiceField(
        label=gettext_lazy("How urgently?"), choices=PRIORITIES, initial="urgent", widget=forms.RadioSelect
    )
    with_priors = forms.BooleanField(
        label=gettext_lazy("With earlier examinations that bear on it"), initial=True, required=False
    )

    def __init__(self, data: object, custodians: Iterable[int]) -> None:
        super().__init__(data)  # type: ignore[arg-type]
        field = self.fields["department"]
        rows = Department.objects.exclude(pk__in=list(custodians)).select_related("unit__provider")
        field.queryset = rows.order_by("unit__name", "name")  # type: ignore[attr-defined]
        field.choices = _group(field.queryset, receiving_departments())  # type: ignore[attr-defined]

    def make_sending(self) -> Sending:
        """Return what a valid form asks for."""
        values = self.cleaned_data
        wants = tuple(want for want in WANTS if want != "priors" or values["with_priors"])
        return Sending(values["department"], values["reason"], values["priority"], wants, FOLLOW_DAYS)


def custodians_of(studies: Iterable[Study]) -> set[int]:
    """Return the departments that keep the studies, and need not be sent them."""
    return {study.custodian_id for study in studies if study.custodian_id is not None}


def _group(departments: QuerySet[Department], receiving: Iterable[Department]) -> list[tuple[object, object]]:
    """Return the choices: providers that say which of their departments receives, then departments by hospital."""
    groups: dict[str, list[tuple[int, str]]] = {}
    for row in departments:
        groups.setdefault(row.unit.name, []).append((row.pk, row.name))
    known = {row.pk for row in departments}
    providers = [(row.pk, row.unit.provider.name) for row in receiving if row.pk in known]
    first = [(gettext_lazy("Care providers"), providers)] if providers else []
    return [("", gettext_lazy("Choose")), *first, *groups.items()]
