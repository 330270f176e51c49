"""The form that says what a word of a source means."""

import hashlib
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from frontend.harmonised import is_swedish
from registry.affinity import affinity
from registry.affinity_domain.rules import FAMILIES
from registry.harmonise.decide import Meaning
from registry.harmonise.mapping import MappingDraft
from registry.harmonise.vocabulary import REGION_NAMES
from registry.models import UnmappedWord


class MappingForm(forms.Form):
    """What a word means: a procedure says most; a region, a side or a modality may do."""

    procedure_code = forms.ChoiceField(label=gettext_lazy("Procedure"), required=False)
    body_regions = forms.MultipleChoiceField(
        label=gettext_lazy("Body regions"), required=False, widget=forms.CheckboxSelectMultiple
    )
    laterality = forms.ChoiceField(label=gettext_lazy("Side"), required=False)
    modality_family = forms.ChoiceField(label=gettext_lazy("Kind of imaging"), required=False)
    everywhere = forms.BooleanField(label=gettext_lazy("The same for every source"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        swedish = is_swedish()
        procedures = [
            (item.code, f"{item.display_sv if swedish else item.display_en} ({item.code})")
            for item in affinity().procedures
        ]
        unsaid = ("", _("not said by this word"))
        sides = [("R", _("Right")), ("L", _("Left")), ("B", _("Both sides"))]
        choices = {
            "procedure_code": [unsaid, *procedures],
            "body_regions": [(code, names[0 if swedish else 1]) for code, names in REGION_NAMES.items()],
            "laterality": [unsaid, *sides],
            "modality_family": [unsaid, *((family, family) for family in FAMILIES if family)],
        }
        for name, values in choices.items():
            self.fields[name].choices = values  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Ask for at least one meaning."""
        values = super().clean() or {}
        names = ("procedure_code", "body_regions", "laterality", "modality_family")
        if not self.errors and not any(values.get(name) for name in names):
            raise forms.ValidationError(_("Choose what the word means: at least one of the four."))
        return values

    def make_draft(self, word: UnmappedWord) -> MappingDraft:
        """Make the mapping of a word as it is filled in."""
        values = self.cleaned_data
        meaning = Meaning(
            values["modality_family"],
            tuple(values["body_regions"]),
            values["laterality"],
            values["procedure_code"],
        )
        department = None if values["everywhere"] else word.department_id
        return MappingDraft(department, word.kind, word.value, word.scheme, meaning)


def name_kind(kind: str) -> str:
    """Name a kind of word."""
    names = {
        "procedure_code": _("Procedure code"),
        "description": _("Description"),
        "body_part": _("Body part"),
    }
    return names.get(kind, kind)


def name_draft(draft: MappingDraft) -> str:
    """Name what was looked at: only that is kept, and not what was chosen since."""
    return hashlib.sha256(repr(draft).encode()).hexdigest()[:32]
