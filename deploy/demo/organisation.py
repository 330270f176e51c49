"""The region's organisation as rows: providers, hospitals, departments, agreements, issuer rules, systems."""

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from access.authentication import issue_token
from access.database import run_write
from access.epochs import raise_access_epoch
from access.models import ApiClient, CareProcess, CareProvider, CareUnit, Department, SharingAgreement
from access.secrets import seal
from deploy.demo.archive import make_archive_url
from deploy.region.facts import Region
from deploy.region.makers import StatedIssuer
from deploy.region.organisation import Hospital
from registry.models import Destination, IssuerRule, Subscription


@dataclass(frozen=True, slots=True)
class Reader:
    """A department of the demo that subscribes."""

    hospital: str
    department: str
    filter: dict[str, list[str]]
    priority: str


READERS = (
    Reader("ASU", "Ortopedkliniken", {"modality_family": ["XR"]}, "normal"),
    Reader("OML", "Hjärtkliniken", {"modality_family": ["US"]}, "urgent"),
    Reader("SDS", "Neurologkliniken", {"modality_family": ["MR"]}, "normal"),
)


PROCESS = "Strokeprocessen"
PROCESS_HOSPITALS = ("ASU", "SDS")
AGREEMENT = "Sammanhållen vårddokumentation i Mellansjö"


def create_organisation(region: Region) -> None:
    """Create what is missing of providers, care units, departments, what binds them, and rules for their numbers."""

    def create() -> None:
        _create_hospitals(region)
        _create_process(region)
        _create_agreement(region)
        raise_access_epoch()

    run_write(create)


def issue_system_tokens(region: Region) -> dict[str, str]:
    """Give each hospital's system a fresh token to store with; by hospital code. Older ones stay valid."""
    return run_write(lambda: dict(_issue_system_tokens(region)))


def create_subscriptions(region: Region) -> None:
    """Create the subscriptions of the demo; their destinations become active when `up` runs the demo's archive."""
    hospitals = {hospital.code: hospital for hospital in region.hospitals}

    def create() -> None:
        for reader in READERS:
            if reader.hospital in hospitals:
                _create_subscription(hospitals[reader.hospital], reader)

    run_write(create)


def _create_hospitals(region: Region) -> None:
    for hospital in region.hospitals:
        provider, _ = CareProvider.objects.get_or_create(
            hsa_id=hospital.provider.hsa_id, defaults={"name": hospital.provider.name}
        )
        unit, _ = CareUnit.objects.get_or_create(
            hsa_id=hospital.hsa_id, defaults={"provider": provider, "name": hospital.name}
        )
        for item in hospital.departments:
            Department.objects.get_or_create(hsa_id=item.hsa_id, defaults={"unit": unit, "name": item.name})
        _create_issuer_rules(hospital)


def _create_process(region: Region) -> None:
    """Let two hospitals of the region work together, so that each is an own unit of the other."""
    hsa_ids = [hospital.hsa_id for hospital in region.hospitals if hospital.code in PROCESS_HOSPITALS]
    units = list(CareUnit.objects.filter(hsa_id__in=hsa_ids).select_related("provider"))
    if len(units) < len(PROCESS_HOSPITALS):
        return
    provider = units[0].provider
    row, _ = CareProcess.objects.get_or_create(
        hsa_id=f"{provider.hsa_id}-PROC-01", defaults={"name": PROCESS, "provider": provider}
    )
    row.units.set(units)


def _create_agreement(region: Region) -> None:
    """Let all providers share their documentation with each other."""
    hsa_ids = {hospital.provider.hsa_id for hospital in region.hospitals}
    if len(hsa_ids) > 1:
        row, _ = SharingAgreement.objects.get_or_create(
            name=AGREEMENT, defaults={"kind": SharingAgreement.COHESIVE}
        )
        row.parties.set(CareProvider.objects.filter(hsa_id__in=hsa_ids))


def _create_issuer_rules(hospital: Hospital) -> None:
    """Say how to read the numbers of a hospital's system; the wrong issuer that one maker states is dropped."""
    department = Department.objects.get(hsa_id=hospital.departments[0].hsa_id)
    if IssuerRule.objects.filter(department=department).exists():
        return
    rules = [("national", "", ""), ("local", "", hospital.issuer_oid)]
    if hospital.maker.stated_issuer is StatedIssuer.WRONG:
        rules.insert(0, ("ignore", re.escape(hospital.issuer_oid), ""))
    IssuerRule.objects.bulk_create(
        IssuerRule(department=department, position=position, kind=kind, pattern=pattern, issuer=issuer)
        for position, (kind, pattern, issuer) in enumerate(rules, start=1)
    )


def _issue_system_tokens(region: Region) -> Iterator[tuple[str, str]]:
    for hospital in region.hospitals:
        department = Department.objects.get(hsa_id=hospital.departments[0].hsa_id)
        client, _ = ApiClient.objects.get_or_create(
            name=hospital.ae_title, defaults={"department": department}
        )
        yield hospital.code, issue_token(client, ("store", "read")).text


def _create_subscription(hospital: Hospital, reader: Reader) -> None:
    hsa_id = hospital.get_department(reader.department).hsa_id
    department = Department.objects.get(hsa_id=hsa_id)
    if Destination.objects.filter(department=department).exists():
        return
    destination = Destination.objects.create(
        department=department,
        name=f"{reader.department}s bildarkiv",
        url=make_archive_url(hsa_id),
        token_sealed=seal(secrets.token_urlsafe()),
        active=False,
    )
    Subscription.objects.create(
        department=department,
        destination=destination,
        filter=reader.filter,
        priority=reader.priority,
    )
