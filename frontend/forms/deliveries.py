"""The form by which deliveries are looked for."""

from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from access.actor import Actor
from frontend.route import name_kind_of_delivery
from repository.delivery.operating.keeping import destinations_kept_by
from repository.delivery.operating.listing import KINDS, STATES, DeliveryFilter
from repository.models import Delivery


class DeliveryFilterForm(forms.Form):
    """Which deliveries; what is not filled in correctly narrows nothing."""

    state = forms.ChoiceField(label=gettext_lazy("State"), required=False)
    destination = forms.ChoiceField(label=gettext_lazy("Destination"), required=False)
    kind = forms.ChoiceField(label=gettext_lazy("Kind"), required=False)
    study = forms.RegexField(
        r"^[0-9.]{1,64}$",
        label=gettext_lazy("Study Instance UID"),
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, keeper: Actor, data: QueryDict) -> None:
        super().__init__(data)
        self.stated = [word for word in data.getlist("state") if word in STATES]
        everything = [("", _("Everything"))]
        destinations = [
            (str(row.pk), f"{row.name}, {row.department}") for row in destinations_kept_by(keeper)
        ]
        choices = {
            "state": everything + list_states(),
            "destination": everything + destinations,
            "kind": everything + [(kind, name_kind_of_delivery(kind)) for kind in KINDS],
        }
        for name, values in choices.items():
            self.fields[name].choices = values  # type: ignore[attr-defined]

    def make_filter(self) -> DeliveryFilter:
        """Return what is asked for."""
        self.is_valid()
        values: dict[str, Any] = self.cleaned_data
        return DeliveryFilter(
            states=tuple(self.stated),  # a counter of the board names several
            destination_ids=(int(values["destination"]),) if values.get("destination") else (),
            kinds=(values["kind"],) if values.get("kind") else (),
            study_instance_uid=values.get("study") or "",
        )


def list_states() -> list[tuple[str, str]]:
    """Return the states of deliveries in words."""
    return [
        (Delivery.READY, _("Queued")),
        (Delivery.WAITING_WINDOW, _("Waits for its hours")),
        (Delivery.AWAITING_BASIS, _("Awaits a basis")),
        (Delivery.HELD, _("Held")),
        (Delivery.SENDING, _("Sending")),
        (Delivery.VERIFYING, _("Verifying")),
        (Delivery.DELIVERED, _("Delivered")),
        (Delivery.DEAD, _("Failed")),
        (Delivery.WITHDRAWN, _("Withdrawn")),
        (Delivery.SUPERSEDED, _("Replaced")),
    ]
