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


def say(reference_type, hsa_id):
    """Refer to a party by its HSA-id, as a client would."""
    return {"type": reference_type, "identifier": {"system": HSA, "value": hsa_id}}


def recipient(reference_type, hsa_id):
    """Name a recipient of a provision."""
    role = {
        "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]
    }
    return {"role": role, "reference": say(reference_type, hsa_id)}


def ask_for(provision, **elements):
    """Make the Consent a client sends; elements that are None are left out."""
    resource = {
        "resourceType": "Consent",
        "status": "active",
        "scope": {
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}
            ]
        },
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"identifier": {"system": SYSTEM, "value": NUMBER}},
        "dateTime": NOW().isoformat(timespec="seconds"),
        "provision": provision,
        **elements,
    }
    return {key: value for key, value in resource.items() if value is not None}


def ask_for_consent(hsa_id, reference_type="Organization", **elements):
    """Ask for a consent until the end of a day next week."""
    provision = {
        "type": "permit",
        "period": {"end": f"{NOW() + timedelta(days=7):%Y-%m-%d}"},
        "actor": [recipient(reference_type, hsa_id)],
    }
    elements.setdefault("sourceAttachment", {"title": "2026-1"})
    return ask_for(provision, **elements)


def ask_for_block(hsa_id, data_period=None, **elements):
    """Ask for a block of what a provider or unit holds."""
    provision = {
        "type": "deny",
        "data": [{"meaning": "authoredby", "reference": say("Organization", hsa_id)}],
    }
    return ask_for(provision | ({"dataPeriod": data_period} if data_period else {}), **elements)


def ask_for_lift(block_id, hsa_id, purpose="TREAT", days=3, reason="Second opinion asked for", **elements):
    """Ask to lift a block for a unit."""
    permit = {
        "type": "permit",
        "period": {"end": (NOW() + timedelta(days=days)).isoformat(timespec="seconds")},
        "actor": [recipient("Organization", hsa_id)],
        "purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": purpose}],
    }
    texts = {"urn:samsyn:reason": reason, "urn:samsyn:requested-by": "the patient"}
    elements.setdefault("extension", [{"url": url, "valueString": text} for url, text in texts.items()])
    elements.setdefault("sourceReference", {"reference": f"Consent/block-{block_id}"})
    return ask_for({"type": "deny", "provision": [permit]}, **elements)
