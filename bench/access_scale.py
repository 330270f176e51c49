"""What a decision and a list cost in a region of a million studies: loads the rows, then asks.

    python bench/access_scale.py --home /tmp/scale                          # SQLite
    python scripts/with_postgres.py -- python bench/access_scale.py         # PostgreSQL, as the tests do

Prints for each question the CPU of this process, the median and the 95th percentile in milliseconds, and whether a
plan reads a whole table.
"""

import argparse
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

UNITS, DEPARTMENTS, PROVIDERS = 40, 150, 12
BLOCKS, CONSENTS = 3_000, 1_000
NEWEST = datetime(2026, 11, 1, tzinfo=UTC)
DAYS = 5 * 365


def main() -> None:
    """Load and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--home", default="/tmp/samsyn-scale")
    parser.add_argument("--studies", type=int, default=1_000_000)
    parser.add_argument("--patients", type=int, default=300_000)
    parser.add_argument("--relations", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=200)
    asked = parser.parse_args()
    os.environ["SAMSYN_HOME"] = asked.home
    settings = (
        "deploy.settings.test" if os.environ.get("SAMSYN_TEST_POSTGRES") else "deploy.settings.embedded"
    )
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", settings)
    Path(asked.home).mkdir(parents=True, exist_ok=True)
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    from registry.models import Study

    random.seed(7)
    if not Study.objects.exists():
        started = time.monotonic()
        load_region(asked.studies, asked.patients, asked.relations)
        print(f"loaded in {time.monotonic() - started:.0f} s")
    measure(asked.repeat)


def load_region(studies: int, patients: int, relations: int) -> None:
    """Load providers, units, departments, patients, studies with homes, relations, blocks and consents."""
    from django.db import connection

    from access.models import CareProvider, CareUnit, Department, SharingAgreement
    from registry.models import Block, CareRelation, Consent, Home, Patient, Study

    now = datetime.now(UTC)
    providers = [CareProvider(pk=n + 1, hsa_id=f"SE-P{n}", name=f"Provider {n}") for n in range(PROVIDERS)]
    CareProvider.objects.bulk_create(providers)
    CareUnit.objects.bulk_create(
        CareUnit(
            pk=n + 1, provider_id=max(n - 28, 0) + 1 if n > 28 else 1, hsa_id=f"SE-U{n}", name=f"Unit {n}"
        )
        for n in range(UNITS)
    )
    Department.objects.bulk_create(
        Department(pk=n + 1, unit_id=n % UNITS + 1, hsa_id=f"SE-D{n}", name=f"Department {n}")
        for n in range(DEPARTMENTS)
    )
    shared = SharingAgreement.objects.create(name="Shared records", kind=SharingAgreement.COHESIVE)
    shared.parties.set(providers)
    load(Patient, ({"id": n + 1, "created_at": now} for n in range(patients)))
    weights = [5.6] + [1 / (n + 1) for n in range(1, DEPARTMENTS)]
    homes: list[tuple[int, int, str]] = []
    related: dict[tuple[int, int], None] = {}
    chosen = random.choices(range(DEPARTMENTS), weights, k=studies)

    def make_studies() -> Iterator[dict[str, Any]]:
        for n in range(studies):
            day = NEWEST - timedelta(days=n * DAYS / studies)
            department, person = chosen[n] + 1, random.randrange(patients) + 1
            unit = chosen[n] % UNITS + 1
            if len(related) < relations:
                related[person, unit] = None
            date = f"{day:%Y%m%d}"
            homes.append((department, unit, date))
            yield {
                "id": n + 1,
                "study_instance_uid": f"2.25.{n}",
                "person_id": person,
                "custodian_id": department,
                "study_date": date,
                "study_time": "101500",
                "patient_id_normal": f"{person:012}",
                "patient_name_folded": f"patient{person}",
                "number_of_study_related_instances": 1,
                "first_instance_at": day,
                "last_instance_at": day,
                "visible_at": day,
                "fragment": b"{}",
            }

    load(Study, make_studies())
    load(
        Home,
        (
            {
                "id": n + 1,
                "study_id": n + 1,
                "department_id": department,
                "unit_id": unit,
                "modality": ("CT", "MR", "CR", "US")[n % 4],
                "study_date": date,
                "study_time": "101500",
            }
            for n, (department, unit, date) in enumerate(homes)
        ),
    )
    year = {"valid_from": now - timedelta(days=30), "valid_to": now + timedelta(days=300)}
    load(
        CareRelation,
        (
            {"id": n + 1, "patient_id": person, "unit_id": unit, "source": "examination", **year}
            for n, (person, unit) in enumerate(related)
        ),
    )
    people = list(related)
    load(
        Block,
        (
            {
                "id": n + 1,
                "patient_id": random.choice(people)[0],
                "unit_id": random.randrange(UNITS) + 1,
                "valid_from": now - timedelta(days=1),
                "registered_at": now,
            }
            for n in range(BLOCKS)
        ),
    )
    load(
        Consent,
        (
            {
                "id": n + 1,
                "patient_id": person,
                "recipient_unit_id": unit,
                "kind": "consent",
                "registered_at": now,
                **year,
            }
            for n, (person, unit) in enumerate(random.sample(people, min(CONSENTS, len(people))))
        ),
    )
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET statement_timeout = 0")
        cursor.execute("ANALYZE")


def load(model: Any, rows: Iterable[dict[str, Any]]) -> None:
    """Load rows the fast way of each database; columns that are not given have the model's default."""
    from django.db import connection, transaction

    fields = list(model._meta.concrete_fields)
    defaults = {field.column: field.get_db_prep_save(field.get_default(), connection) for field in fields}
    names = [field.column for field in fields]
    adapt = connection.ops.adapt_datetimefield_value

    def values() -> Iterator[list[Any]]:
        for row in rows:
            whole = defaults | row
            yield [adapt(v) if isinstance(v, datetime) else v for v in (whole[name] for name in names)]

    table = model._meta.db_table
    columns = ", ".join(f'"{name}"' for name in names)
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            marks = ", ".join("?" * len(names))
            cursor.connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", values())
            return
        cursor.execute("SET LOCAL statement_timeout = 0")
        with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
            for row in values():
                copy.write_row(row)


def measure(repeat: int) -> None:
    """Ask as a person of the largest and of a small unit, and as a system."""
    from dataclasses import replace

    from django.db.models import Count

    from access.actor import Actor, Scope
    from access.models import Department
    from registry import visibility
    from registry.explained import explain_patient
    from registry.matching import make_match
    from registry.models import Home, Study
    from registry.search import Paging, search

    sizes = list(Home.objects.values("unit").annotate(n=Count("pk")).order_by("-n"))
    for label, size in (("largest", sizes[0]), ("middle", sizes[len(sizes) // 2]), ("smallest", sizes[-1])):
        department = Department.objects.select_related("unit").filter(unit=size["unit"]).first()
        scope = Scope(department.pk, department.unit_id, department.unit.provider_id)
        person = Actor("person", "doctor", scope, frozenset({"read"}), subject_id=1, assignment_id=1)
        system = replace(person, kind="system", subject="pacs")
        print(f"\n{label} unit: {size['n']} studies")
        own = list(
            Study.objects.filter(homes__unit=size["unit"])
            .order_by("-study_date")
            .values_list("study_instance_uid", "person_id")[: max(repeat, 200)]
        )
        numbers = [f"{person_id:012}" for _uid, person_id in own]

        def by_uid(n: int, own: list[Any] = own, person: Actor = person) -> None:
            visibility._kept.clear()
            try:
                visibility.permitted_study(person, own[n % len(own)][0])
            except visibility.UnknownStudy:
                pass

        def kept(n: int, own: list[Any] = own, person: Actor = person) -> None:
            try:
                visibility.permitted_study(person, own[0][0])
            except visibility.UnknownStudy:
                pass

        def history(n: int, own: list[Any] = own, person: Actor = person) -> None:
            explain_patient(person, own[n % len(own)][1])

        def ask(actor: Actor, *keys: tuple[str, str]) -> Callable[[int], None]:
            matches = [make_match("study", key, value) for key, value in keys]
            return lambda _n: search("study", matches, Paging(50), actor, ("fragment",))

        def by_number(n: int, numbers: list[str] = numbers, person: Actor = person) -> None:
            search(
                "study",
                [make_match("study", "PatientID", numbers[n % len(numbers)])],
                Paging(50),
                person,
                ("fragment",),
            )

        run("decide by UID, not kept", by_uid, repeat)
        run("decide by UID, kept", kept, repeat)
        run("patient's history explained", history, repeat)
        run("list by PatientID", by_number, repeat)
        run("newest 50, person", ask(person), repeat)
        run("newest 50 of CT, person", ask(person, ("ModalitiesInStudy", "CT")), repeat)
        run("newest 50 of a month, person", ask(person, ("StudyDate", "20260901-20260930")), repeat)
        run(
            "newest 50 of an old month, person", ask(person, ("StudyDate", "20230901-20230930")), repeat // 10
        )
        run("newest 50, system", ask(system), repeat)


def run(name: str, question: Callable[[int], Any], repeat: int) -> None:
    """Ask often and print what it cost."""
    for n in range(3):
        question(n)
    times = []
    cpu = time.process_time()
    for n in range(repeat):
        started = time.perf_counter()
        question(n)
        times.append((time.perf_counter() - started) * 1000)
    cpu = (time.process_time() - cpu) * 1000 / repeat
    p95 = sorted(times)[int(len(times) * 0.95)]
    print(f"  {name:<36} {cpu:7.2f} ms CPU  p50 {statistics.median(times):7.2f}  p95 {p95:7.2f}")


if __name__ == "__main__":
    main()
