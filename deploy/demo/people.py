"""The people of the demo: who can log in, as what, and with which password."""

import os
import secrets
from dataclasses import dataclass, replace
from pathlib import Path

from access.assignments import Terms, give_role
from access.database import run_write
from access.models import Department, Role, User
from deploy.demo.roles import BY_CODE, create_roles
from deploy.region.facts import Patient, Region

LOGINS_FILE = "demo-logins.txt"


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """Somebody who can log in: where they work (hospital code, department) and in which roles (codes).

    Several roles are several assignments, of which one is chosen after login. `is_patient` gives the person the name
    and number of a patient of the hospital: nobody opens their own record.
    """

    username: str
    given_name: str
    family_name: str
    hospital: str
    department: str
    roles: tuple[str, ...]
    is_administrator: bool = False
    is_patient: bool = False


PEOPLE = (
    DemoPerson("radiolog", "Karin", "Sjögren", "ASU", "Röntgenavdelningen", ("radiologist",)),
    DemoPerson("remittent", "Olof", "Nordström", "OML", "Medicinkliniken", ("physician",)),
    DemoPerson("ortopedi", "Malin", "Öberg", "ASU", "Ortopedkliniken", ("nurse",)),
    DemoPerson("fyren", "Ebba", "Lööf", "PRV", "Röntgenavdelningen", ("radiologist",)),
    DemoPerson(
        "chef", "Ylva", "Ståhl", "ASU", "Röntgenavdelningen", ("head-of-unit", "radiologist"), is_patient=True
    ),
    DemoPerson("dataskydd", "Pär", "Ekström", "ASU", "Röntgenavdelningen", ("privacy-officer",)),
    DemoPerson(
        "admin", "Sixten", "Väring", "ASU", "Röntgenavdelningen", ("administrator",), is_administrator=True
    ),
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
            roles = " or ".join(BY_CODE[code].name for code in person.roles)
            person = _complete(person, region)
            place = f"{roles}, {person.department}, {names[person.hospital]}"
            lines.append(f"    {person.username:<11}{person.given_name} {person.family_name}: {place}")
    lines += ["", "  Try:", f"    {curl_line}", ""]
    path = home / LOGINS_FILE
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("\n".join(lines))
    return path


def _create_people(region: Region, password: str) -> int:
    create_roles()
    hospitals = {hospital.code: hospital for hospital in region.hospitals}
    created = 0
    for person in PEOPLE:
        if person.hospital not in hospitals or User.objects.filter(username=person.username).exists():
            continue
        hsa_id = hospitals[person.hospital].get_department(person.department).hsa_id
        department = Department.objects.select_related("unit__provider").get(hsa_id=hsa_id)
        patient = _find_patient(region, person.hospital) if person.is_patient else None
        user = _create_user(_complete(person, region), department, password, patient)
        for code in person.roles:
            give_role(user, Role.objects.get(code=code), department, Terms(BY_CODE[code].purpose))
        created += 1
    return created


def _create_user(person: DemoPerson, department: Department, password: str, patient: Patient | None) -> User:
    user = User(
        username=person.username,
        first_name=person.given_name,
        last_name=person.family_name,
        is_staff=person.is_administrator,
        is_superuser=person.is_administrator,
        hsa_id=f"{department.hsa_id}-{person.username.upper()}",
        national_number=patient.personal_number if patient else "",
        password_is_initial=True,
    )
    user.set_password(password)
    user.save()
    return user


def _complete(person: DemoPerson, region: Region) -> DemoPerson:
    """Give somebody who is a patient that patient's name."""
    patient = _find_patient(region, person.hospital) if person.is_patient else None
    if patient is None:
        return person
    return replace(person, given_name=patient.name.given, family_name=patient.name.family)


def _find_patient(region: Region, hospital: str) -> Patient | None:
    """Return a patient whom the hospital examined and who has no protected identity."""
    return next(
        (
            study.patient
            for study in region.studies
            if study.hospital.code == hospital and not study.patient.is_protected
        ),
        None,
    )
