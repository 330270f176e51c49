"""What finding documents costs in a registry of a million: loads the rows, then asks by SOAP's and FHIR's handlers.

    python bench/documents.py                                               # 100,000 on SQLite
    python scripts/with_postgres.py -- python bench/documents.py            # 1,000,000 on PostgreSQL

Prints for each question the CPU of this process, the median and the 95th percentile in milliseconds, then every plan
that reads a whole table of documents, and ends with 1 if there is one or a 95th percentile is above its budget.
"""

import argparse
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

ISSUER = "1.2.752.999.1"
DEPARTMENTS = 150
DOCUMENTS_OF_A_STUDY, STUDIES_OF_A_PATIENT, ENTRIES_OF_A_SET = 4, 5, 3
HEAVY_STUDIES = 150
"""Of patient 1, whom everybody else's load hides: 600 documents."""
BUDGET_MS = {"postgresql": 50.0, "sqlite": 20.0}
CODE_KINDS = ["class", "type", "format", "practice_setting", "facility_type", "event", "confidentiality"]
CODE = {
    "class": "CASE WHEN {entry} % 4 = 0 THEN 'REPORTS' ELSE 'IMAGES' END",
    "type": "CASE {entry} % 4 WHEN 0 THEN '68604-8' ELSE '18748-4' END",
    "format": "CASE {entry} % 4 WHEN 1 THEN '1.2.840.10008.5.1.4.1.1.88.59' ELSE 'urn:ihe:rad:TEXT' END",
    "practice_setting": "'394914008'",
    "facility_type": "'22232009'",
    "event": "CASE {entry} / 52 % 4 WHEN 0 THEN 'CT' WHEN 1 THEN 'MR' WHEN 2 THEN 'CR' ELSE 'US' END",
    "confidentiality": "'N'",
}
SCHEME = "1.2.752.999.2"
APPROVED = "('urn:oasis:names:tc:ebxml-regrep:StatusType:Approved')"


def main() -> None:
    """Load and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    on_postgres = bool(os.environ.get("SAMSYN_TEST_POSTGRES"))
    parser.add_argument("--entries", type=int, default=1_000_000 if on_postgres else 100_000)
    parser.add_argument("--repeat", type=int, default=200)
    asked = parser.parse_args()
    home = tempfile.mkdtemp(prefix="samsyn-documents-")
    os.environ["SAMSYN_HOME"] = home
    os.environ["DJANGO_SETTINGS_MODULE"] = f"deploy.settings.{'test' if on_postgres else 'embedded'}"
    import django

    django.setup()
    from django.core.management import call_command

    random.seed(7)
    try:
        call_command("migrate", verbosity=0)
        started = time.monotonic()
        load(asked.entries)
        print(f"{asked.entries} entries loaded in {time.monotonic() - started:.0f} s")
        sys.exit(0 if measure(asked.entries, asked.repeat) else 1)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def load(entries: int) -> None:
    """Make patients with studies with documents, each with its codes and references, in submission sets."""
    from access.models import CareProvider, CareUnit, Department
    from registry.models import (
        Association,
        DocumentCode,
        DocumentEntry,
        Patient,
        PatientIdentifier,
        ReferenceId,
        Study,
        SubmissionSet,
    )

    provider = CareProvider.objects.create(hsa_id="SE-P", name="P")
    unit = CareUnit.objects.create(provider=provider, hsa_id="SE-U", name="U")
    Department.objects.bulk_create(
        Department(pk=n + 1, unit=unit, hsa_id=f"SE-D{n}", name=f"D{n}") for n in range(DEPARTMENTS)
    )
    studies = entries // DOCUMENTS_OF_A_STUDY
    patients = studies // STUDIES_OF_A_PATIENT
    department = f"i % {DEPARTMENTS} + 1"
    person = f"CASE WHEN i <= {HEAVY_STUDIES} THEN 1 ELSE i % {patients} + 1 END"
    fill(Patient, patients)
    fill(PatientIdentifier, patients, patient_id="i", value=text("'P' || {}", "i"), issuer=f"'{ISSUER}'")
    fill(
        Study,
        studies,
        study_instance_uid=text("'2.25.' || {}", "i"),
        person_id=person,
        custodian_id=department,
        study_date=date("i"),
        number_of_study_related_instances="1",
    )
    study = f"(i - 1) / {DOCUMENTS_OF_A_STUDY} + 1"
    owner = f"(SELECT person_id FROM registry_study s WHERE s.id = {study})"
    fill(
        SubmissionSet,
        entries // ENTRIES_OF_A_SET + 1,
        entry_uuid=uuid("1", "i"),
        unique_id=text("'1.2.752.999.3.' || {}", "i"),
        source_id="'1.2.3.4.6'",
        patient_id=f"(SELECT person_id FROM registry_study s WHERE s.id = (i * 3 - 3) / 4 % {studies} + 1)",
        submission_time="'20260302101112'",
        submission_time_from="'20260302101112'",
        department_id=department,
    )
    fill(
        DocumentEntry,
        entries,
        entry_uuid=uuid("2", "i"),
        logical_uuid=uuid("2", "i"),
        version="1",
        object_type="'stable'",
        unique_id=text("'1.2.752.999.4.' || {}", "i"),
        status="CASE WHEN i % 10 = 0 THEN 'deprecated' ELSE 'approved' END",
        patient_id=owner,
        patient_id_as_sent=text(f"'P' || {{}} || '^^^&{ISSUER}&ISO'", "i"),
        mime_type="'application/dicom'",
        language_code="'sv-SE'",
        title="'Datortomografi'",
        creation_time=date("i"),
        creation_time_from=f"{date('i')} || '000000'",
        service_start_time=date("i"),
        service_start_time_from=f"{date('i')} || '000000'",
        service_stop_time=date("i"),
        service_stop_time_from=f"{date('i')} || '000000'",
        hash="'da39a3ee5e6b4b0d3255bfef95601890afd80709'",
        size="1000",
        repository_unique_id="'1.2.752.999.5000.2'",
        department_id=department,
        study_id=study,
        submission_set_id=f"(i - 1) / {ENTRIES_OF_A_SET} + 1",
    )
    kinds = len(CODE_KINDS)
    holder = f"((i - 1) / {kinds})"
    fill(
        DocumentCode,
        entries * kinds,
        entry_id=f"{holder} + 1",
        kind=choose(f"(i - 1) % {kinds}", [f"'{kind}'" for kind in CODE_KINDS]),
        code=choose(f"(i - 1) % {kinds}", [CODE[kind].format(entry=holder) for kind in CODE_KINDS]),
        scheme=f"'{SCHEME}'",
        display="'Name'",
    )
    entry = "(i - 1) / 2 + 1"
    number = f"(({entry} - 1) / {DOCUMENTS_OF_A_STUDY} + 1)"
    accession = text("'A' || {}", number)
    uid = text("'2.25.' || {}", number)
    fill(
        ReferenceId,
        entries * 2,
        entry_id=entry,
        position="i % 2",
        value=f"CASE WHEN i % 2 = 0 THEN {accession} ELSE {uid} END",
        type_code="CASE WHEN i % 2 = 0 THEN 'urn:ihe:iti:xds:2013:accession'"
        " ELSE 'urn:ihe:iti:xds:2016:studyInstanceUID' END",
        text=f"CASE WHEN i % 2 = 0 THEN {accession} || '^^^&1.2.3&ISO^urn:ihe:iti:xds:2013:accession'"
        f" ELSE {uid} || '^^^^urn:ihe:iti:xds:2016:studyInstanceUID' END",
    )
    fill(
        Association,
        entries,
        entry_uuid=uuid("3", "i"),
        kind="'HasMember'",
        source_uuid=uuid("1", f"((i - 1) / {ENTRIES_OF_A_SET} + 1)"),
        target_uuid=uuid("2", "i"),
        status="'approved'",
        submission_set_status="'Original'",
        submission_set_id=f"(i - 1) / {ENTRIES_OF_A_SET} + 1",
    )
    finish()


def text(pattern: str, number: str) -> str:
    """Write a text with a number in it, in SQL."""
    return pattern.format(f"CAST({number} AS text)")


def uuid(kind: str, number: str) -> str:
    """Write a UUID made of a number, in SQL."""
    digits = f"CAST({number} AS text)"
    return f"'urn:uuid:{kind}0000000-0000-4000-8000-' || substr('000000000000' || {digits}, length({digits}) + 1)"


def date(number: str) -> str:
    """Write a date of five years, in SQL."""
    return f"CAST(20220101 + ({number} % 5) * 10000 + ({number} % 12) * 100 + {number} % 28 AS text)"


def choose(number: str, values: list[str]) -> str:
    """Write a choice by a number from 0, in SQL."""
    listed = " ".join(f"WHEN {n} THEN {value}" for n, value in enumerate(values))
    return f"CASE {number} {listed} END"


def fill(model: Any, count: int, **columns: str) -> None:
    """Insert rows that the database makes itself, numbered by `i` from 1; other columns have the model's default."""
    from django.db import connection, transaction

    started = time.monotonic()
    values = {field.column: write_default(field) for field in model._meta.concrete_fields}
    chosen = values | {model._meta.pk.column: "i"} | columns
    names = ", ".join(f'"{name}"' for name in chosen)
    rows = f"generate_series(1, {count}) AS n(i)"
    if connection.vendor == "sqlite":
        rows = f"(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) SELECT i FROM n)"
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL statement_timeout = 0")
        table = model._meta.db_table
        cursor.execute(f"INSERT INTO {table} ({names}) SELECT {', '.join(chosen.values())} FROM {rows}")
    print(f"  {count} {model.__name__} in {time.monotonic() - started:.0f} s", flush=True)


def write_default(field: Any) -> str:
    """Write in SQL what a column has without being told."""
    from django.db import connection, models
    from psycopg import sql

    if field.null:
        return "NULL"
    if isinstance(field, models.DateTimeField):
        return "CURRENT_TIMESTAMP"
    value = field.get_default()
    if isinstance(field, models.JSONField):
        written = "'[]'" if isinstance(value, list) else "'{}'"
        return f"{written}::jsonb" if connection.vendor == "postgresql" else written
    if isinstance(field, models.BinaryField):
        return "'\\x7b7d'::bytea" if connection.vendor == "postgresql" else "x'7b7d'"
    if isinstance(value, bool) and connection.vendor == "sqlite":
        return str(int(value))
    return str(sql.Literal(value if value is not None else 0).as_string(None))


def finish() -> None:
    """Let the database know what it holds, and the sequences where they are."""
    from django.core.management.color import no_style
    from django.db import connection

    from registry import models

    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET statement_timeout = 0")
            tables = [models.DocumentEntry, models.SubmissionSet, models.Association, models.Patient]
            for statement in connection.ops.sequence_reset_sql(no_style(), tables):
                cursor.execute(statement)
            cursor.execute("VACUUM ANALYZE")
            cursor.execute("RESET statement_timeout")
        else:
            cursor.execute("ANALYZE")


class Asker:
    """A system of the whole region that asks by SOAP's handler and at FHIR's address; each method asks once.

    What they return is the size of the answer in bytes.
    """

    def __init__(self, entries: int) -> None:
        from django.test import Client

        from access.actor import Actor, Scope
        from access.authentication import issue_token
        from access.models import ApiClient
        from registry.ihe.queries import QUERIES

        self.entries = entries
        self.patients = entries // DOCUMENTS_OF_A_STUDY // STUDIES_OF_A_PATIENT
        self.actor = Actor("system", "bench", Scope(region_wide=True), frozenset({"read"}))
        self.ids = {answer.__name__: identity for identity, answer in QUERIES.items()}
        client = ApiClient.objects.create(name="bench", region_wide=True)
        token = issue_token(client, ("read",)).text
        self.http = Client(headers={"Authorization": f"Bearer {token}"}, SERVER_NAME="localhost")

    def ask(self, name: str, *slots: tuple[str, list[str]]) -> int:
        """Ask a stored query."""
        from registry.ihe.stored_query import handle
        from registry.ihe.xml import write_xml
        from tests.support.ebrim import write_query

        answer = handle(write_query(self.ids[name], slots), self.actor)
        if not answer.get("status").endswith(":Success"):
            raise SystemExit(f"{name}: {write_xml(answer)[:2000]!r}")
        return len(write_xml(answer))

    def of(self, number: int) -> list[tuple[str, list[str]]]:
        """Return what asks for the approved documents of a patient."""
        cx = f"'P{number}^^^&{ISSUER}&ISO'"
        return [("$XDSDocumentEntryPatientId", [cx]), ("$XDSDocumentEntryStatus", [APPROVED])]

    def anybody(self) -> int:
        """Return the number of any patient but the first."""
        return random.randrange(2, self.patients) + 1

    def of_a_patient(self) -> int:
        """FindDocuments as it is asked most."""
        return self.ask("find_documents", *self.of(self.anybody()))

    def of_the_heaviest(self) -> int:
        """FindDocuments of the one who has hundreds."""
        return self.ask("find_documents", *self.of(1))

    def narrowed(self) -> int:
        """FindDocuments by time and codes."""
        return self.ask(
            "find_documents",
            *self.of(self.anybody()),
            ("$XDSDocumentEntryEventCodeList", [f"('CT^^{SCHEME}')"]),
            ("$XDSDocumentEntryServiceStartTimeFrom", ["2023"]),
            ("$XDSDocumentEntryClassCode", [f"('IMAGES^^{SCHEME}')"]),
        )

    def by_reference(self) -> int:
        """FindDocumentsByReferenceId by an accession number."""
        study = random.randrange(HEAVY_STUDIES + 1, self.entries // DOCUMENTS_OF_A_STUDY)
        reference = f"('A{study}^^^&1.2.3&ISO^urn:ihe:iti:xds:2013:accession')"
        asked = [*self.of(study % self.patients + 1), ("$XDSDocumentEntryReferenceIdList", [reference])]
        return self.ask("find_documents_by_reference_id", *asked)

    def by_id(self) -> int:
        """GetDocuments by a unique id."""
        unique_id = f"('1.2.752.999.4.{random.randrange(self.entries) + 1}')"
        return self.ask("get_documents", ("$XDSDocumentEntryUniqueId", [unique_id]))

    def by_fhir(self, **more: str) -> int:
        """ITI-67."""
        patient = {"patient.identifier": f"urn:oid:{ISSUER}|P{self.anybody()}", "status": "current"}
        response = self.http.get("/fhir/DocumentReference", patient | more)
        if response.status_code != 200:
            raise SystemExit(f"ITI-67: {response.status_code} {response.content[:2000]!r}")
        return len(response.content)

    def by_fhir_narrowed(self) -> int:
        """ITI-67 by time and code."""
        return self.by_fhir(event=f"urn:oid:{SCHEME}|CT", period="ge2023-01-01")


def measure(entries: int, repeat: int) -> bool:
    """Ask, print what it costs and how it is planned; tell whether everything is within its budget."""
    from django.db import connection

    asker = Asker(entries)
    questions: list[tuple[str, Callable[[], int], bool]] = [
        ("FindDocuments", asker.of_a_patient, True),
        ("FindDocuments by time, class, event", asker.narrowed, True),
        ("FindDocumentsByReferenceId", asker.by_reference, True),
        ("GetDocuments", asker.by_id, True),
        ("ITI-67 of a patient", asker.by_fhir, True),
        ("ITI-67 by time and event", asker.by_fhir_narrowed, True),
        ("FindDocuments of 540 documents", asker.of_the_heaviest, False),
    ]
    within = True
    for name, question, has_budget in questions:
        p95 = run(name, question, repeat)
        within = within and not (has_budget and p95 > BUDGET_MS[connection.vendor])
    for name, question, _ in questions:
        within = explain(name, question) and within
    return within


def run(name: str, question: Callable[[], int], repeat: int) -> float:
    """Ask often, print what it cost and return the 95th percentile."""
    for _ in range(5):
        question()
    times, sizes = [], []
    cpu = time.process_time()
    for _ in range(repeat):
        started = time.perf_counter()
        sizes.append(question())
        times.append((time.perf_counter() - started) * 1000)
    cpu = (time.process_time() - cpu) * 1000 / repeat
    p95 = sorted(times)[int(len(times) * 0.95)]
    print(
        f"{name:<38} {cpu:7.2f} ms CPU  p50 {statistics.median(times):7.2f}  p95 {p95:7.2f}"
        f"  {statistics.median(sizes) / 1024:7.1f} KiB",
        flush=True,
    )
    return p95


def explain(name: str, question: Callable[[], int]) -> bool:
    """Print the plans of a question that read a whole table, or all with SAMSYN_BENCH_PLANS; tell whether none does."""
    from django.db import connection

    good = True
    with captured() as statements:
        question()
    for statement in statements:
        with connection.cursor() as cursor:
            explained = "EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN "
            cursor.execute(explained + statement.replace("%", "%%"), [])
            lines = [str(row[-1]) for row in cursor.fetchall()]
        reads_all = [line for line in lines if reads_a_table(line)]
        good = good and not reads_all
        if reads_all or os.environ.get("SAMSYN_BENCH_PLANS"):
            print(f"\n{name}: {statement[:400]}\n    " + "\n    ".join(lines))
    print(f"{name}: {len(statements)} reads, {'no' if good else 'A'} table is read whole")
    return good


def reads_a_table(line: str) -> bool:
    """Tell whether a line of a plan reads a whole table that grows with the documents."""
    tables = (
        "documententry",
        "documentcode",
        "referenceid",
        "association",
        "submissionset",
        "registry_study",
    )
    whole = "Seq Scan" in line or line.startswith("SCAN ")
    return whole and " USING " not in line and any(table in line.lower() for table in tables)


@contextmanager
def captured() -> Iterator[list[str]]:
    """Collect the reads of a block."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    statements: list[str] = []
    with CaptureQueriesContext(connection) as context:
        yield statements
    statements += [query["sql"] for query in context.captured_queries if query["sql"].startswith("SELECT")]


if __name__ == "__main__":
    main()
