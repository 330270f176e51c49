"""Rows of what patients decided, made straight through the models, and the resources that ask for them."""

from datetime import timedelta
from itertools import count

from django.utils import timezone

from access.models import User
from registry.identity import PERSONNUMMER_OID
from registry.models import Block, BlockLift, CareRelation, Consent, Patient, PatientIdentifier

_numbers = count(1)
NUMBER = "191212121212"
SYSTEM = "http://electronichealth.se/identifier/personnummer"
HSA = "urn:oid:1.2.752.129.2.1.4.1"
NOW = timezone.now


def make_patient(number=NUMBER):
    patient = Patient.objects.create(patient_name="Åkerström^Lars")
    PatientIdentifier.objects.create(patient=patient, value=number, issuer=PERSONNUMMER_OID, is_national=True)
    return patient


def make_user(hsa_id=None):
    number = next(_numbers)
    return User.objects.create(username=f"person{number}", hsa_id=hsa_id or f"SE-USER-{number}")


def make_consent(patient, *, days=(-1, 30), **values):
    now = NOW()
    values.setdefault("registered_at", now - timedelta(hours=2))
    return Consent.objects.create(
        patient=patient,
        valid_from=now + timedelta(days=days[0]),
        valid_to=now + timedelta(days=days[1]),
        registered_by="nurse",
        **values,
    )


def make_block(patient, **values):
    values.setdefault("registered_at", NOW() - timedelta(hours=2))
    return Block.objects.create(
        patient=patient, valid_from=values["registered_at"], registered_by="nurse", **values
    )


def make_lift(block, unit, *, days=(-1, 3), **values):
    now = NOW()
    values.setdefault("basis", "consent")
    values.setdefault("registered_at", now - timedelta(hours=1))
    return BlockLift.objects.create(
        block=block,
        unit=unit,
        reason="Referred for a second opinion",
        valid_from=now + timedelta(days=days[0]),
        valid_to=now + timedelta(days=days[1]),
        registered_by="nurse",
        **values,
    )


def make_relation(patient, unit):
    now = NOW()
    return CareRelation.objects.create(
        patient=patient,
        unit=unit,
        source="referral",
        valid_from=now - timedelta(days=1),
        valid_to=now + timedelta(days=1),
    )
