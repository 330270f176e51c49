"""What decides about access, put in place for tests of the pages by the functions that put it in place for people."""

import re
from collections.abc import Collection
from datetime import timedelta

from django.test import Client
from django.utils import timezone

from access.epochs import raise_access_epoch
from access.models import CareProvider, Department, SharingAgreement, User
from registry.consent.blocks import Holder, register_block
from registry.consent.consents import Recipient, register_consent
from registry.flags import set_flag
from registry.models import Block, CareRelation, Consent, Patient, PatientFlag, Study
from registry.relations import register_relation
from tests.frontend import factory
from tests.registry.care import make_officer

CLINICIAN = ("read_studies", "grant_consent", "break_glass")
HEAD = ("read_studies", "grant_consent", "register_block", "lift_block", "review_access")
OFFICER = ("register_block", "lift_block", "review_access")
TEXT = "2026-1"


def log_in(department: Department, username: str, permissions: Collection[str], role: str = "") -> Client:
    """Make a person with one assignment, and return that person's browser, in English and without scripts."""
    user = factory.make_person(None, username)
    factory.assign(user, department, role or f"Roll {username}", permissions)
    return open_browser(user)


def open_browser(user: User) -> Client:
    """Return the browser of somebody who is logged in."""
    client = Client(headers={"accept-language": "en"})
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def search(client: Client, text: str) -> str:
    """Search in the portal and return the page of results."""
    page: bytes = client.post("/search/", {"q": text}, follow=True).content
    return page.decode()


def agree(*providers: CareProvider) -> SharingAgreement:
    """Let care providers share their documentation."""
    row = SharingAgreement.objects.create(name="Sammanhållen", kind=SharingAgreement.COHESIVE)
    row.parties.set(providers)
    raise_access_epoch()
    return row


def relate(patient: Patient, department: Department) -> CareRelation:
    """Let a department's unit take part in a patient's care for a month."""
    until = timezone.now() + timedelta(days=30)
    return register_relation(
        make_officer(), patient, department.unit, reason="referral", valid_to=until, source="referral"
    )


def block_unit(patient: Patient, department: Department, *, is_silent=False, is_absolute=False) -> Block:
    """Block what a department's unit holds."""
    return register_block(
        make_officer(),
        patient,
        Holder(unit_id=department.unit_id),
        is_silent=is_silent,
        is_absolute=is_absolute,
    )


def block_provider(patient: Patient, department: Department, *, is_silent=False, is_absolute=False) -> Block:
    """Block what a department's care provider holds."""
    return register_block(
        make_officer(),
        patient,
        Holder(provider_id=department.unit.provider_id),
        is_silent=is_silent,
        is_absolute=is_absolute,
    )


def consent_to_unit(patient: Patient, department: Department) -> Consent:
    """Let a patient consent that a department's unit reads."""
    until = timezone.now() + timedelta(days=30)
    recipient = Recipient(unit_id=department.unit_id)
    return register_consent(make_officer(), patient, recipient, valid_to=until, text_version=TEXT)


def mark(patient: Patient, kind: str) -> PatientFlag:
    """Mark a patient."""
    return set_flag(make_officer(), patient, kind, source="test")


def make_hidden(patient: Patient, department: Department, count: int) -> list[Study]:
    """Make studies of every kind that a page could count."""
    return [
        factory.make_study(
            patient,
            department,
            ("MR", "US", "DX", "PT", "NM")[index % 5],
            study_date=f"202{index % 6}0312",
            study_description=f"Hemlig {index}",
            accession_number=f"H{index}",
        )
        for index in range(count)
    ]


def without_tokens(page: str) -> list[str]:
    """Drop the lines that differ between any two answers."""
    return [line for line in page.splitlines() if "csrfmiddlewaretoken" not in line]


def bare(page: str) -> str:
    """Return a page without its tokens and without the addresses of patients."""
    return re.sub(r'value="[A-Za-z0-9]{64}"', "", re.sub(r"/patients/\d+/", "", page))
