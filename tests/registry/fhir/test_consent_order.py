"""What a sent Consent asks to register, and that whatever cannot be held is named and refused."""

from copy import deepcopy
from datetime import datetime, timedelta

import pytest

from registry.fhir.consents.order import BlockOrder, ConsentOrder, LiftOrder, read_order
from registry.fhir.errors import UnheldContent
from registry.fhir.structure import check_structure
from tests.registry.factories import make_department
from tests.registry.fhir.consent_rows import (
    NOW,
    ask_for_block,
    ask_for_consent,
    ask_for_lift,
    make_user,
    recipient,
    say,
)

pytestmark = pytest.mark.django_db


def kinds(*codes):
    return [{"coding": [{"system": "urn:samsyn:consent-kind", "code": code}]} for code in codes]


def test_a_consent():
    unit = make_department().unit
    order = read_order(ask_for_consent(unit.hsa_id, sourceAttachment={"title": "2026-1"}))
    assert isinstance(order, ConsentOrder)
    assert (order.recipient, order.kind, order.text_version) == (unit, "consent", "2026-1")
    last = order.valid_to - timedelta(microseconds=1)
    assert f"{last:%Y-%m-%d}" == f"{NOW() + timedelta(days=7):%Y-%m-%d}"


@pytest.mark.parametrize("kind", ["provider", "unit", "user", "user without type"])
def test_every_kind_of_recipient(kind):
    unit, user = make_department().unit, make_user("SE-77")
    parties = {
        "provider": (unit.provider, "Organization"),
        "unit": (unit, "Organization"),
        "user": (user, "Practitioner"),
        "user without type": (user, None),
    }
    party, reference_type = parties[kind]
    resource = ask_for_consent(party.hsa_id, reference_type)
    if reference_type is None:
        del resource["provision"]["actor"][0]["reference"]["type"]
    check_structure(resource)
    order = read_order(resource)
    assert isinstance(order, ConsentOrder)
    assert order.recipient == party


def test_incapacity_says_what_it_rests_on():
    parts = [{"url": "assessed_by", "valueString": "Dr Ek"}, {"url": "attitude", "valueString": "unknown"}]
    order = read_order(
        ask_for_consent(
            make_department().unit.hsa_id,
            sourceAttachment=None,
            category=kinds("incapacity"),
            extension=[{"url": "urn:samsyn:consent-basis", "extension": parts}],
        )
    )
    assert isinstance(order, ConsentOrder)
    assert (order.kind, order.basis) == ("incapacity", {"assessed_by": "Dr Ek", "attitude": "unknown"})


def test_who_decides_may_be_named():
    unit = make_department().unit
    patient = ask_for_consent(unit.hsa_id)["patient"]
    guardian = {"type": "RelatedPerson", "display": "holder of custody"}
    ours = [say("Organization", unit.provider.hsa_id)]
    plain = read_order(ask_for_consent(unit.hsa_id, performer=[patient], organization=ours))
    child = read_order(ask_for_consent(unit.hsa_id, category=kinds("guardian"), performer=[guardian]))
    assert isinstance(plain, ConsentOrder)
    assert isinstance(child, ConsentOrder)
    assert (plain.kind, child.kind) == ("consent", "guardian")
    askers = []
    for performer in (patient, guardian, {"reference": "RelatedPerson/1"}):
        order = read_order(ask_for_block(unit.hsa_id, performer=[performer]))
        assert isinstance(order, BlockOrder)
        askers.append(order.asked_by)
    assert askers == ["patient", "guardian", "representative"]


def test_a_block():
    provider = make_department().unit.provider
    period = {"start": "2020-01-01", "end": "2020-12-31"}
    order = read_order(ask_for_block(provider.hsa_id, period, category=kinds("block", "silent")))
    assert order == BlockOrder(provider, "patient", "20200101", "20201231", is_silent=True)


def test_a_lift():
    unit, user = make_department().unit, make_user("SE-78")
    resource = ask_for_lift(7, unit.hsa_id, purpose="BTG", days=3)
    resource["provision"]["provision"][0]["actor"].append(recipient("Practitioner", "SE-78"))
    order = read_order(resource)
    assert isinstance(order, LiftOrder)
    assert (order.block_id, order.unit, order.user, order.basis) == (7, unit, user, "emergency")
    assert (order.reason, order.requested_by, order.holder) == (
        "Second opinion asked for",
        "the patient",
        None,
    )
    assert order.valid_to == datetime.fromisoformat(resource["provision"]["provision"][0]["period"]["end"])


CONSENT = [
    (lambda r: r.update(status="draft"), "Consent.status"),
    (lambda r: r.pop("scope"), "Consent.scope"),
    (lambda r: r.update(scope={"coding": [{"code": "research"}]}), "Consent.scope"),
    (lambda r: r.update(policy=[{"uri": "urn:other"}]), "Consent.policy[0]"),
    (lambda r: r.update(policyRule={"text": "x"}), "Consent.policyRule"),
    (lambda r: r.update(identifier=[{"value": "x"}]), "Consent.identifier"),
    (lambda r: r.update(modifierExtension=[{"url": "urn:x", "valueCode": "y"}]), "Consent.modifierExtension"),
    (lambda r: r.update(contained=[{"resourceType": "Patient", "id": "x"}]), "Consent.contained"),
    (lambda r: r.update(verification=[{"verified": True}]), "Consent.verification"),
    (lambda r: r.update(extension=[{"url": "urn:x", "valueString": "y"}]), "Consent.extension[0]"),
    (lambda r: r.update(sourceReference={"reference": "DocumentReference/1"}), "Consent.sourceReference"),
    (lambda r: r.update(sourceAttachment={"url": "https://x"}), "Consent.sourceAttachment.url"),
    (lambda r: r.update(sourceAttachment={"title": "x" * 21}), "Consent.sourceAttachment.title"),
    (lambda r: r.update(category=kinds("guardian", "consent")), "Consent.category"),
    (lambda r: r.update(category=kinds("block")), "Consent.category"),
    (lambda r: r.pop("provision"), "Consent.provision"),
    (lambda r: r["provision"].pop("type"), "Consent.provision.type"),
    (lambda r: r["provision"].update(action=[{"text": "x"}]), "Consent.provision.action"),
    (lambda r: r["provision"].update(securityLabel=[{"code": "R"}]), "Consent.provision.securityLabel"),
    (lambda r: r["provision"].update(dataPeriod={"start": "2020-01-01"}), "Consent.provision.dataPeriod"),
    (lambda r: r["provision"].update(data=[{"meaning": "instance"}]), "Consent.provision.data"),
    (lambda r: r["provision"].update(provision=[{"type": "deny"}]), "Consent.provision.provision"),
    (lambda r: r["provision"].update(purpose=[{"code": "HRESCH"}]), "Consent.provision.purpose"),
    (lambda r: r["provision"].pop("actor"), "Consent.provision.actor"),
    (lambda r: r["provision"]["actor"].append(r["provision"]["actor"][0]), "Consent.provision.actor"),
    (lambda r: r["provision"]["actor"][0].pop("role"), "Consent.provision.actor[0].role"),
    (
        lambda r: r["provision"]["actor"][0].update(reference={"reference": "Organization/1"}),
        "Consent.provision.actor[0].reference",
    ),
    (
        lambda r: r["provision"]["actor"][0]["reference"]["identifier"].update(value="SE-UNKNOWN"),
        "Consent.provision.actor[0].reference",
    ),
    (
        lambda r: r["provision"]["actor"][0]["reference"].update(type="Practitioner"),
        "Consent.provision.actor[0].reference",
    ),
    (lambda r: r["provision"].update(period={"start": "soon"}), "Consent.provision.period.start"),
    (lambda r: r["provision"].update(period={"start": "ge2026"}), "Consent.provision.period.start"),
]
BLOCK = [
    (lambda r: r.update(category=kinds("block", "consent")), "Consent.category"),
    (lambda r: r.update(sourceAttachment={"title": "2026-1"}), "Consent.sourceAttachment"),
    (lambda r: r["provision"].pop("data"), "Consent.provision.data"),
    (lambda r: r["provision"]["data"][0].update(meaning="related"), "Consent.provision.data"),
    (lambda r: r["provision"]["data"].append(r["provision"]["data"][0]), "Consent.provision.data"),
    (lambda r: r["provision"].update(actor=[]), "Consent.provision.actor"),
    (lambda r: r["provision"].update(period={"end": "2030"}), "Consent.provision.period.end"),
    (lambda r: r["provision"].update(dataPeriod={"start": "2020"}), "Consent.provision.dataPeriod.start"),
    (
        lambda r: r["provision"].update(dataPeriod={"start": "2020-01-02", "end": "2020-01-01"}),
        "Consent.provision.dataPeriod.end",
    ),
]
NESTED = "Consent.provision.provision[0]"
LIFT = [
    (lambda r: r.pop("sourceReference"), "Consent.sourceReference"),
    (lambda r: r.update(sourceReference={"reference": "Consent/consent-1"}), "Consent.sourceReference"),
    (lambda r: r.update(category=kinds("block")), "Consent.category"),
    (lambda r: r["provision"]["provision"].append({"type": "permit"}), "Consent.provision.provision"),
    (lambda r: r["provision"]["provision"][0].update(type="deny"), f"{NESTED}.type"),
    (lambda r: r["provision"]["provision"][0].pop("period"), f"{NESTED}.period.end"),
    (lambda r: r["provision"]["provision"][0].pop("actor"), f"{NESTED}.actor"),
    (lambda r: r["provision"]["provision"][0].update(provision=[{}]), f"{NESTED}.provision"),
    (lambda r: r["provision"]["provision"][0].update(dataPeriod={}), f"{NESTED}.dataPeriod"),
]


@pytest.mark.parametrize(
    ("kind", "change", "expression"),
    [
        (kind, change, expression)
        for kind, changes in (("consent", CONSENT), ("block", BLOCK), ("lift", LIFT))
        for change, expression in changes
    ],
)
def test_what_cannot_be_held_is_named(kind, change, expression):
    hsa_id = make_department().unit.hsa_id
    asked = {
        "consent": lambda: ask_for_consent(hsa_id),
        "block": lambda: ask_for_block(hsa_id),
        "lift": lambda: ask_for_lift(7, hsa_id),
    }[kind]()
    read_order(deepcopy(asked))
    change(asked)
    with pytest.raises(UnheldContent) as refused:
        read_order(asked)
    assert refused.value.expression == expression
    assert expression in str(refused.value)
