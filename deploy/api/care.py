"""Patients by number, care relations, choices, marks and people close to a patient over the management API."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from access.actor import Actor
from access.models import CareUnit, User
from deploy.api.base import DOOR, PERSON, ApiView, answer, answer_list, find, read_body
from deploy.api.description import list_of
from deploy.api.forms import Form, PatientField, person_field, unit_field
from deploy.api.patients import find_by_number, find_by_reference, make_reference
from registry.flags import KINDS, add_relative, end_flag, end_relative, set_flag
from registry.models import CareRelation, PatientFlag, Relative
from registry.noted import InvalidEntry
from registry.relations import choose_unit, declare_relation, end_relation, give_reason, register_relation

ANYBODY = (PERSON, "grant_consent", "register_block", "lift_block", "review_access", "push", "consent")
FLAG_WORDS = ("review_access", "register_block")


class Number(Form):
    """A number of a patient; without an issuer it is a personnummer or samordningsnummer."""

    value = serializers.CharField(max_length=64)
    issuer = serializers.CharField(default="", allow_blank=True, max_length=64, help_text="OID")


class Reference(Form):
    """How this caller names a patient for a day."""

    patient = serializers.CharField()


class PatientSearch(ApiView):
    """Patients by number."""

    words = {"POST": ANYBODY}

    @extend_schema(request=Number, responses=Reference)
    def post(self, request: Request) -> Response:
        """Return the reference of the patient who has a number; 404 if nobody has it."""
        values = read_body(Number, request)
        patient = find_by_number(self.actor, values["value"], values["issuer"])
        return Response({"patient": make_reference(self.actor, patient.pk)})


class NewRelation(Form):
    """What makes a relation: of the person who declares it, or of the unit after a referral or at an admission."""

    source = serializers.ChoiceField(("self_declared", "referral", "admission"))  # type: ignore[assignment]
    reason = serializers.CharField(max_length=400)
    valid_to = serializers.DateTimeField(required=False, help_text="Not of a declaration")


class RelationRow(Form):
    """A care relation."""

    id = serializers.IntegerField()
    patient = PatientField()
    unit = unit_field()
    user = person_field()
    source = serializers.CharField()  # type: ignore[assignment]
    reason = serializers.CharField()
    valid_from = serializers.DateTimeField()
    valid_to = serializers.DateTimeField()
    registered_by = serializers.CharField()
    ended_at = serializers.DateTimeField()


class Relations(ApiView):
    """Relations of the caller's unit to a patient; where else the patient is in care is not told."""

    words = {"GET": (PERSON, "grant_consent"), "POST": (PERSON, "grant_consent")}

    @extend_schema(responses=list_of(RelationRow))
    def get(self, request: Request, reference: str) -> Response:
        """List them, newest first."""
        patient = find_by_reference(self.actor, reference)
        return answer_list(RelationRow, relations_of(self.actor).filter(patient=patient), self.actor)

    @extend_schema(request=NewRelation, responses={201: RelationRow})
    def post(self, request: Request, reference: str) -> Response:
        """Declare or register one."""
        patient = find_by_reference(self.actor, reference)
        values = read_body(NewRelation, request)
        valid_to = values.get("valid_to")
        if values["source"] == "self_declared":
            if valid_to is not None:
                raise InvalidEntry("a declaration has no valid_to: it ends by itself")
            row = declare_relation(self.actor, patient, reason=values["reason"], door=DOOR)
            return answer(RelationRow, row, self.actor, 201)
        if valid_to is None or self.actor.scope.unit_id is None:
            raise InvalidEntry("a referral or an admission needs valid_to and a caller in a care unit")
        unit = CareUnit.objects.get(pk=self.actor.scope.unit_id)
        row = register_relation(self.actor, patient, unit, door=DOOR, **values)
        return answer(RelationRow, row, self.actor, 201)


class RelationEnd(ApiView):
    """The end of a relation."""

    words = {"POST": (PERSON, "grant_consent")}

    @extend_schema(request=None, responses=RelationRow)
    def post(self, request: Request, reference: str, key: int) -> Response:
        """End it."""
        patient = find_by_reference(self.actor, reference)
        row = find(relations_of(self.actor).filter(patient=patient), key)
        return answer(RelationRow, end_relation(self.actor, row, door=DOOR), self.actor)


class NewChoice(Form):
    """What opens another unit's data of a patient, or data of a patient who asks for a reason."""

    unit = unit_field(required=False, help_text="Without it the reason is given")
    reason = serializers.CharField(default="", allow_blank=True, max_length=400)


class ChoiceRow(Form):
    """A choice."""

    id = serializers.IntegerField()
    patient = PatientField()
    unit = unit_field()
    reason = serializers.CharField()
    valid_from = serializers.DateTimeField()
    valid_to = serializers.DateTimeField()


class Choices(ApiView):
    """Choices of the caller."""

    words = {"POST": (PERSON,)}

    @extend_schema(request=NewChoice, responses={201: ChoiceRow})
    def post(self, request: Request, reference: str) -> Response:
        """Choose a unit's data, or give a reason."""
        patient = find_by_reference(self.actor, reference)
        values = read_body(NewChoice, request)
        unit, reason = values.get("unit"), values["reason"]
        if unit is None:
            row = give_reason(self.actor, patient, reason=reason, door=DOOR)
        else:
            row = choose_unit(self.actor, patient, unit, reason=reason, door=DOOR)
        return answer(ChoiceRow, row, self.actor, 201)


class NewFlag(Form):
    """What marks a patient."""

    kind = serializers.ChoiceField(KINDS)
    source = serializers.CharField(default="", allow_blank=True, max_length=100)  # type: ignore[assignment]


class FlagRow(Form):
    """A mark."""

    id = serializers.IntegerField()
    patient = PatientField()
    kind = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    registered_by = serializers.CharField()
    registered_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField()


class Flags(ApiView):
    """Marks on a patient, each for those who set that kind."""

    words = {"GET": FLAG_WORDS, "POST": FLAG_WORDS}

    @extend_schema(responses=list_of(FlagRow))
    def get(self, request: Request, reference: str) -> Response:
        """List them, newest first."""
        patient = find_by_reference(self.actor, reference)
        return answer_list(FlagRow, flags_of(self.actor).filter(patient=patient), self.actor)

    @extend_schema(request=NewFlag, responses={201: FlagRow})
    def post(self, request: Request, reference: str) -> Response:
        """Mark the patient."""
        patient = find_by_reference(self.actor, reference)
        values = read_body(NewFlag, request)
        row = set_flag(self.actor, patient, values["kind"], source=values["source"], door=DOOR)
        return answer(FlagRow, row, self.actor, 201)


class FlagEnd(ApiView):
    """The end of a mark."""

    words = {"POST": FLAG_WORDS}

    @extend_schema(request=None, responses=FlagRow)
    def post(self, request: Request, reference: str, key: int) -> Response:
        """Take it off."""
        rows = flags_of(self.actor).filter(patient=find_by_reference(self.actor, reference))
        return answer(FlagRow, end_flag(self.actor, find(rows, key), door=DOOR), self.actor)


class NewRelative(Form):
    """Who is close to a patient; without a person, the caller."""

    user = person_field(required=False)


class RelativeRow(Form):
    """That a person is close to a patient."""

    id = serializers.IntegerField()
    patient = PatientField()
    user = person_field()
    registered_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField()


class Relatives(ApiView):
    """People who work in the region and are close to a patient."""

    words = {"POST": (PERSON, "review_access")}

    @extend_schema(request=NewRelative, responses={201: RelativeRow})
    def post(self, request: Request, reference: str) -> Response:
        """Register one."""
        patient = find_by_reference(self.actor, reference)
        user = read_body(NewRelative, request).get("user")
        if user is None:
            user = find(User.objects.all(), self.actor.subject_id or 0 if self.actor.kind == "person" else 0)
        return answer(RelativeRow, add_relative(self.actor, patient, user, door=DOOR), self.actor, 201)


class RelativeEnd(ApiView):
    """The end of it."""

    words = {"POST": ("review_access",)}

    @extend_schema(request=None, responses=RelativeRow)
    def post(self, request: Request, reference: str, key: int) -> Response:
        """End it."""
        rows = Relative.objects.filter(patient=find_by_reference(self.actor, reference))
        found = find(rows.select_related("patient", "user"), key)
        return answer(RelativeRow, end_relative(self.actor, found, door=DOOR), self.actor)


def relations_of(actor: Actor) -> QuerySet[CareRelation]:
    """Return the relations of the actor's unit."""
    rows = CareRelation.objects.select_related("patient", "unit", "user").order_by("-pk")
    return rows if actor.scope.region_wide else rows.filter(unit=actor.scope.unit_id or 0)


def flags_of(actor: Actor) -> QuerySet[PatientFlag]:
    """Return the marks that the actor may set: `opted_out` with `register_block`, the others with `review_access`."""
    rows = PatientFlag.objects.select_related("patient").order_by("-pk")
    if not actor.may("review_access"):
        rows = rows.filter(kind="opted_out")
    return rows if actor.may("register_block") else rows.exclude(kind="opted_out")
