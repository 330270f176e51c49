"""What became of a study, over the management API: for who may read it, who keeps it, and who receives it."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from access.reach import DESTINATIONS, REPLAY, SUBSCRIPTIONS, departments_kept_by
from deploy.api.base import DOOR, PERSON, answer_list
from deploy.api.delivery_forms import DeliveryRow
from deploy.api.description import list_of
from deploy.api.destinations import DistributionView
from deploy.api.forms import Form, department_field
from registry.models import Study
from registry.noted import UnknownEntry
from registry.reading import permit_reading, record_reading
from registry.visibility import UnknownStudy
from repository.delivery.operating.listing import deliveries_kept_by
from repository.delivery.operating.receipts import read_receipts

KEEPS = (DESTINATIONS, SUBSCRIPTIONS, REPLAY)
SENDS = "push"


class ReceiptRow(Form):
    """What became of a study at one department."""

    department = department_field()
    department_name = serializers.CharField(source="department")
    delivered_at = serializers.DateTimeField(allow_null=True)
    first_opened_at = serializers.DateTimeField(allow_null=True)
    deliveries = DeliveryRow(many=True)


class StudyView(DistributionView):
    """A view about the distribution of one study."""

    def find_study(self, study_instance_uid: str) -> tuple[Study, frozenset[int] | None]:
        """Return a study, and the departments about which the caller may know; None for all.

        All for who may read the study, and for who sends for the unit that keeps it; its own for who keeps the
        distribution of a department that the study is or was on its way to. To others it is unknown.
        """
        actor = self.actor
        rows = Study.objects.select_related("person", "custodian__unit").defer("fragment")
        study = rows.filter(study_instance_uid=study_instance_uid[:64]).first()
        if study is not None and actor.may(SENDS) and self._keeps(study):
            return study, None
        if study is not None and self._receives(study):
            return study, frozenset(departments_kept_by(self.keeper).values_list("pk", flat=True))
        if not actor.may(PERSON):
            raise UnknownEntry("no such study")
        try:
            visible = permit_reading(actor, study_instance_uid, door=DOOR)
        except UnknownStudy as error:
            raise UnknownEntry("no such study") from error
        record_reading(actor, visible, door=DOOR)
        return rows.get(pk=visible.pk), None

    def _receives(self, study: Study) -> bool:
        is_keeper = any(self.keeper.may(word) for word in KEEPS)
        return is_keeper and deliveries_kept_by(self.keeper).filter(study=study).exists()

    def _keeps(self, study: Study) -> bool:
        scope, custodian = self.actor.scope, study.custodian
        return scope.region_wide or (custodian is not None and custodian.unit_id == scope.unit_id)


class Receipts(StudyView):
    """What became of a study."""

    words = {"GET": (PERSON, SENDS, *KEEPS)}

    @extend_schema(operation_id="study_receipts_list", responses=list_of(ReceiptRow))
    def get(self, request: Request, study_instance_uid: str) -> Response:
        """List the departments where it is, is going, or was opened."""
        study, departments = self.find_study(study_instance_uid)
        return answer_list(ReceiptRow, read_receipts(study, departments), self.actor)
