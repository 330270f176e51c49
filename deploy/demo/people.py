"""The people of the demo: who can log in, as what, and with which password."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from django.contrib.auth.models import Group
from django.utils import timezone

from access.database import run_write
from access.models import Assignment, Department, User
from deploy.region.facts import Region

LOGINS_FILE = "demo-logins.txt"


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """Somebody who can log in: where they work (hospital code, department) and as what."""

    username: str
    given_name: str
    family_name: str
    hospital: str
    department: str
    role: str
    is_administrator: bool = False


PEOPLE = (
    DemoPerson("radiolog", "Karin", "Sjögren", "ASU", "Röntgenavdelningen", "Radiolog"),
    DemoPerson("remittent", "Olof", "Nordström", "OML", "Medicinkliniken", "Läkare"),
    DemoPerson("ortopedi", "Malin", "Öberg", "ASU", "Ortopedkliniken", "Sjuksköterska"),
    DemoPerson("fyren", "Ebba", "Lööf", "PRV", "Röntgenavdelningen", "Radiolog"),
    DemoPerson("admin", "Sixten", "Väring", "ASU", "Röntgenavdelningen", "Systemförvaltare", True),
)


def create_people(region: Region) -> str | None:
    """Create the accounts and return the password they share; None when they are there already.

    The accounts count as printed ones: the server stays on loopback until every password was changed.
    """
    password = secrets.token_urlsafe(9)
    return password if run_write(lambda: _create_people(region, password)) else None


def write_logins(home: Path, region: Region, password: str, curl_line: str) -> Path:
    """Write who can log in into the home, readable by its owner only, for `up` to show at every start."""
    lines = ["  Log in as (all with the password " + password + "):"]
    names = {hospital.code: hospital.name for hospital in region.hospitals}
    for person in PEOPLE:
        if person.hospital in names:
            place = f"{person.role}, {person.department}, {names[person.hospital]}"
            lines.append(f"    {person.username:<11}{person.given_name} {person.family_name}: {place}")
    lines += ["", "  Try:", f"    {curl_line}", ""]
    path = home / LOGINS_FILE
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("\n".join(lines))
    return path


def _create_people(region: Region, password: str) -> int:
    hospitals = {hospital.code: hospital for hospital in region.hospitals}
    created = 0
    for person in PEOPLE:
        if person.hospital not in hospitals or User.objects.filter(username=person.username).exists():
            continue
        hsa_id = hospitals[person.hospital].get_department(person.department).hsa_id
        _create_person(person, Department.objects.get(hsa_id=hsa_id), password)
        created += 1
    return created


def _create_person(person: DemoPerson, department: Department, password: str) -> None:
    user = User(
        username=person.username,
        first_name=person.given_name,
        last_name=person.family_name,
        is_staff=person.is_administrator,
        is_superuser=person.is_administrator,
        hsa_id=f"{department.hsa_id}-{person.username.upper()}",
        password_is_initial=True,
    )
    user.set_password(password)
    user.save()
    group, _ = Group.objects.get_or_create(name=f"{person.role} {department.hsa_id}")
    user.groups.add(group)
    Assignment.objects.create(
        user=user, department=department, group=group, role=person.role, valid_from=timezone.now()
    )
