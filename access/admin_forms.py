"""Forms of the administration: what a row must be, said beside the field."""

from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.utils import timezone

from access.assignments import PURPOSES, InvalidAssignment, Terms, check_assignment
from access.models import Assignment, CareProcess, Role, SharingAgreement
from access.models.organisation import PERMISSIONS

ROLE_CODE = RegexValidator(r"^[a-z0-9åäö-]+$", "Small letters, digits and hyphens.")


class RoleForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """A role with a box for every permission."""

    permissions = forms.MultipleChoiceField(
        choices=[(codename, f"{codename}: {text}") for codename, text in PERMISSIONS.items()],
        widget=forms.CheckboxSelectMultiple,
    )

    class Meta:
        model = Role
        fields = ("code", "name", "permissions")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "code" in self.fields:
            self.fields["code"].validators.append(ROLE_CODE)


class ProcessForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """A care process with units of its provider only."""

    class Meta:
        model = CareProcess
        fields = ("provider", "hsa_id", "name", "units", "valid_from", "valid_to")

    def clean(self) -> dict[str, Any]:
        """Refuse units of other providers."""
        values = super().clean() or {}
        provider_id = self.instance.provider_id or getattr(values.get("provider"), "pk", None)
        others = [unit.name for unit in values.get("units", ()) if unit.provider_id != provider_id]
        if others:
            self.add_error("units", f"Not units of this provider: {', '.join(others)}.")
        return values


class AgreementForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """An agreement between at least two providers, the commissioner among them."""

    class Meta:
        model = SharingAgreement
        fields = (
            "name",
            "kind",
            "parties",
            "commissioner",
            "days_after_final",
            "valid_from",
            "valid_to",
        )

    def clean(self) -> dict[str, Any]:
        """Refuse an agreement of one, and a processor without somebody to act for."""
        values = super().clean() or {}
        parties, commissioner = list(values.get("parties", ())), values.get("commissioner")
        kind = values.get("kind") or self.instance.kind
        if len(parties) < 2:
            self.add_error("parties", "An agreement has at least two parties.")
        if kind == SharingAgreement.PROCESSOR and commissioner not in parties:
            self.add_error("commissioner", "Name for whom the others read: one of the parties.")
        if kind != SharingAgreement.PROCESSOR and commissioner is not None:
            self.add_error("commissioner", "Only a processor acts for somebody.")
        return values


class AssignmentForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """An assignment by its role; what `give_role` would refuse is refused here."""

    given_role = forms.ModelChoiceField(Role.objects.all(), label="Role")
    purpose = forms.ChoiceField(choices=list(PURPOSES.items()))

    class Meta:
        model = Assignment
        fields = ("user", "department", "purpose", "commission_hsa_id", "valid_from", "valid_to")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            for name in ("given_role", "purpose"):
                self.fields.pop(name, None)
        else:
            self.fields["valid_from"].initial = timezone.now

    def clean(self) -> dict[str, Any]:
        """Ask the same question as `give_role`; of one that is there, only whether it ends after its beginning."""
        values = super().clean() or {}
        if self.instance.pk is not None:
            ends = values.get("valid_to")
            if ends is not None and ends <= self.instance.valid_from:
                self.add_error("valid_to", "It would end before it begins.")
            return values
        if all(values.get(name) for name in ("user", "given_role", "department")):
            terms = Terms(values.get("purpose", ""), values.get("valid_from"), values.get("valid_to"))
            try:
                check_assignment(values["user"], values["given_role"], values["department"], terms)
            except InvalidAssignment as error:
                raise forms.ValidationError(f"This assignment cannot be given: {error}.") from error
        return values
