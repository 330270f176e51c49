"""Consents, blocks and lifts over the management API."""

from typing import Any

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from access.actor import Actor
from deploy.api.base import DOOR, ApiView, answer, answer_list, find, read_body
from deploy.api.description import list_of
from deploy.api.forms import Form, PatientField, person_field, provider_field, unit_field
from deploy.api.patients import find_by_reference
from registry.consent.blocks import Holder, cancel_block, register_block
from registry.consent.consents import INCAPACITY_BASIS, KINDS, Recipient, register_consent, withdraw_consent
from registry.consent.lifts import BASES, cancel_lift, lift_block
from registry.models import Block, BlockLift, Consent

CONSENT_WORDS = ("grant_consent", "consent")
BLOCK_WORDS = ("register_block", "lift_block", "consent")


class Recipients(Form):
    """To whom a consent is given: one of the three."""

    provider = provider_field(required=False)
    unit = unit_field(required=False)
    user = person_field(required=False)


class NewConsent(Form):
    """What registers a consent."""

    recipient = Recipients()
    kind = serializers.ChoiceField(KINDS, default="consent")
    basis = serializers.DictField(
        child=serializers.CharField(), default=dict, help_text=f"Of incapacity: {', '.join(INCAPACITY_BASIS)}"
    )
    text_version = serializers.CharField(default="", allow_blank=True, max_length=20)
    valid_to = serializers.DateTimeField()


class ConsentRow(Form):
    """A consent."""

    id = serializers.IntegerField()
    patient = PatientField()
    recipient_provider = provider_field()
    recipient_unit = unit_field()
    recipient_user = person_field()
    kind = serializers.CharField()
    basis = serializers.JSONField()
    text_version = serializers.CharField()
    valid_from = serializers.DateTimeField()
    valid_to = serializers.DateTimeField()
    registered_by = serializers.CharField()
    registered_at = serializers.DateTimeField()
    withdrawn_at = serializers.DateTimeField()


class NewBlock(Form):
    """What registers a block: of a provider's data or of a unit's."""

    provider = provider_field(required=False)
    unit = unit_field(required=False)
    data_from = serializers.CharField(default="", allow_blank=True, help_text="YYYYMMDD, empty for no limit")
    data_to = serializers.CharField(default="", allow_blank=True, help_text="YYYYMMDD, empty for no limit")
    is_silent = serializers.BooleanField(default=False)
    is_absolute = serializers.BooleanField(default=False)
    asked_by = serializers.ChoiceField(("patient", "representative", "guardian"), default="patient")


class BlockRow(Form):
    """A block."""

    id = serializers.IntegerField()
    patient = PatientField()
    provider = provider_field()
    unit = unit_field()
    data_from = serializers.CharField()
    data_to = serializers.CharField()
    is_silent = serializers.BooleanField()
    is_absolute = serializers.BooleanField()
    valid_from = serializers.DateTimeField()
    registered_by = serializers.CharField()
    registered_at = serializers.DateTimeField()
    cancelled_at = serializers.DateTimeField()
    cancel_reason = serializers.CharField()


class Reason(Form):
    """A stated reason."""

    reason = serializers.CharField(max_length=400)


class NewLift(Form):
    """What lifts a block for a unit, or one person there."""

    unit = unit_field()
    user = person_field(required=False, allow_null=True)
    basis = serializers.ChoiceField(BASES)
    requested_by = serializers.CharField(max_length=200)
    reason = serializers.CharField(max_length=1000)
    valid_to = serializers.DateTimeField(help_text="At most seven days away")


class LiftRow(Form):
    """A lift."""

    id = serializers.IntegerField()
    block = serializers.IntegerField(source="block_id")
    unit = unit_field()
    user = person_field()
    basis = serializers.CharField()
    requested_by = serializers.CharField()
    reason = serializers.CharField()
    valid_from = serializers.DateTimeField()
    valid_to = serializers.DateTimeField()
    registered_by = serializers.CharField()
    cancelled_at = serializers.DateTimeField()


class Consents(ApiView):
    """Consents of a patient to the caller's provider, its units and its people."""

    words = {"GET": CONSENT_WORDS, "POST": CONSENT_WORDS}

    @extend_schema(responses=list_of(ConsentRow))
    def get(self, request: Request, reference: str) -> Response:
        """List them, newest first."""
        patient = find_by_reference(self.actor, reference)
        return answer_list(ConsentRow, consents_of(self.actor).filter(patient=patient), self.actor)

    @extend_schema(request=NewConsent, responses={201: ConsentRow})
    def post(self, request: Request, reference: str) -> Response:
        """Register one."""
        patient = find_by_reference(self.actor, reference)
        values = read_body(NewConsent, request)
        given: dict[str, Any] = values.pop("recipient")
        recipient = Recipient(**{f"{name}_id": row.pk for name, row in given.items()})
        row = register_consent(self.actor, patient, recipient, door=DOOR, **values)
        return answer(ConsentRow, row, self.actor, 201)


class ConsentWithdrawal(ApiView):
    """The end of a consent."""

    words = {"POST": CONSENT_WORDS}

    @extend_schema(request=None, responses=ConsentRow)
    def post(self, request: Request, reference: str, key: int) -> Response:
        """Withdraw it."""
        row = find(consents_of(self.actor).filter(patient=find_by_reference(self.actor, reference)), key)
        return answer(ConsentRow, withdraw_consent(self.actor, row, door=DOOR), self.actor)


class Blocks(ApiView):
    """Blocks of what the caller's provider holds of a patient."""

    words = {"GET": BLOCK_WORDS, "POST": ("register_block", "consent")}

    @extend_schema(responses=list_of(BlockRow))
    def get(self, request: Request, reference: str) -> Response:
        """List them, newest first."""
        patient = find_by_reference(self.actor, reference)
        return answer_list(BlockRow, blocks_of(self.actor).filter(patient=patient), self.actor)

    @extend_schema(request=NewBlock, responses={201: BlockRow})
    def post(self, request: Request, reference: str) -> Response:
        """Register one."""
        patient = find_by_reference(self.actor, reference)
        values = read_body(NewBlock, request)
        provider, unit = values.pop("provider", None), values.pop("unit", None)
        holder = Holder(provider.pk if provider else None, unit.pk if unit else None)
        row = register_block(self.actor, patient, holder, door=DOOR, **values)
        return answer(BlockRow, row, self.actor, 201)


class BlockCancellation(ApiView):
    """The end of a block."""

    words = {"POST": ("register_block", "consent")}

    @extend_schema(request=Reason, responses=BlockRow)
    def post(self, request: Request, reference: str, key: int) -> Response:
        """Cancel it; a block is never edited."""
        row = _find_block(self.actor, reference, key)
        reason: str = read_body(Reason, request)["reason"]
        return answer(BlockRow, cancel_block(self.actor, row, reason=reason, door=DOOR), self.actor)


class Lifts(ApiView):
    """Lifts of a block."""

    words = {"GET": BLOCK_WORDS, "POST": ("lift_block", "consent")}

    @extend_schema(responses=list_of(LiftRow))
    def get(self, request: Request, reference: str, key: int) -> Response:
        """List them, newest first."""
        block = _find_block(self.actor, reference, key)
        return answer_list(LiftRow, lifts_of(self.actor).filter(block=block), self.actor)

    @extend_schema(request=NewLift, responses={201: LiftRow})
    def post(self, request: Request, reference: str, key: int) -> Response:
        """Lift the block for a time; a person shows a second factor first."""
        block = _find_block(self.actor, reference, key)
        values = read_body(NewLift, request)
        self.check_second_factor()
        row = lift_block(self.actor, block, values.pop("unit"), door=DOOR, **values)
        return answer(LiftRow, row, self.actor, 201)


class LiftCancellation(ApiView):
    """The early end of a lift."""

    words = {"POST": ("lift_block", "consent")}

    @extend_schema(request=None, responses=LiftRow)
    def post(self, request: Request, reference: str, key: int) -> Response:
        """Close the block again."""
        return answer(
            LiftRow, cancel_lift(self.actor, find(lifts_of(self.actor), key), door=DOOR), self.actor
        )


def _find_block(actor: Actor, reference: str, key: int) -> Block:
    return find(blocks_of(actor).filter(patient=find_by_reference(actor, reference)), key)


def consents_of(actor: Actor) -> QuerySet[Consent]:
    """Return the consents to the actor's provider, its units and its people."""
    rows = Consent.objects.select_related(
        "patient", "recipient_provider", "recipient_unit", "recipient_user"
    ).order_by("-pk")
    if actor.scope.region_wide:
        return rows
    provider = actor.scope.provider_id or 0
    own = Q(recipient_provider=provider) | Q(recipient_unit__provider=provider)
    works = Q(recipient_user__assignments__department__unit__provider=provider)
    return rows.filter(own | works).distinct()


def blocks_of(actor: Actor) -> QuerySet[Block]:
    """Return the blocks of what the actor's provider holds."""
    rows = Block.objects.select_related("patient", "provider", "unit").order_by("-pk")
    if actor.scope.region_wide:
        return rows
    provider = actor.scope.provider_id or 0
    return rows.filter(Q(provider=provider) | Q(unit__provider=provider))


def lifts_of(actor: Actor) -> QuerySet[BlockLift]:
    """Return the lifts of blocks of the actor's provider, and those for its unit."""
    rows = BlockLift.objects.select_related("block", "unit", "user").order_by("-pk")
    if actor.scope.region_wide:
        return rows
    return rows.filter(Q(block__in=blocks_of(actor)) | Q(unit=actor.scope.unit_id or 0))
