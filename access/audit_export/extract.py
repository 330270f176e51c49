"""The patient's extract: who looked at what, when and why, in words that a patient understands.

Standard: PDL 8 kap. 5 §, HSLF-FS 2016:40 4 kap. 10 §
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from access.audit_export.reasons import explain_event
from access.audit_export.words import ACTIONS, OUTCOMES, choose, say
from access.audit_log import MOST_ON_A_PAGE, LogFilter, LogPosition, search_events
from access.models import AuditEvent, CareUnit, Department, User

MOST_LINES = 5_000

DescribeStudies = Callable[[Collection[str]], Mapping[str, str]]
"""Returns what a patient knows a study by (its date, what was examined), by Study Instance UID."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom the extract is about, as it is printed, and the period asked for."""

    name: str
    number: str
    recorded_from: datetime | None = None
    recorded_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class ExtractLine:
    """One access in words; `who` holds no name of a person who is protected."""

    recorded_at: datetime
    organisation: str
    who: str
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Extract:
    """All lines, newest first; `is_cut` if there were more than are shown."""

    subject: Subject
    language: str
    made_at: datetime
    lines: tuple[ExtractLine, ...]
    is_cut: bool = False


def make_extract(
    patient_ids: Collection[int],
    subject: Subject,
    *,
    language: str,
    describe_studies: DescribeStudies = lambda uids: {},
    most: int = MOST_LINES,
) -> Extract:
    """Read the log about a patient and put it into words; whoever calls records it as `audit_read`.

    Parameters
    ----------
    patient_ids
        The patient's key, and those that were merged into it.
    language
        `sv`, or English for every other.
    """
    wanted = LogFilter(
        patient_ids=tuple(patient_ids),
        recorded_from=subject.recorded_from,
        recorded_before=subject.recorded_before,
    )
    rows, is_cut = _read(wanted, most) if patient_ids else ([], False)
    words = _Words(rows, language, describe_studies)
    lines = tuple(words.describe(row) for row in rows)
    return Extract(subject, language, timezone.now(), lines, is_cut)


def _read(wanted: LogFilter, most: int) -> tuple[list[AuditEvent], bool]:
    rows: list[AuditEvent] = []
    after: LogPosition | None = None
    while True:
        page = search_events(wanted, after=after, limit=min(MOST_ON_A_PAGE, most - len(rows)))
        rows += page.events
        after = page.after
        if after is None or len(rows) >= most:
            return rows, after is not None


class _Words:
    """Names for the codes in some rows, read once."""

    def __init__(self, rows: Iterable[AuditEvent], language: str, describe_studies: DescribeStudies) -> None:
        rows = list(rows)
        self._language = language
        persons = {row.on_behalf_of or row.actor for row in rows}
        self._persons = {user.username: user for user in User.objects.filter(username__in=persons)}
        departments = {row.department_hsa_id for row in rows}
        units = {row.care_unit_hsa_id for row in rows}
        self._departments = {
            row.hsa_id: row
            for row in Department.objects.filter(hsa_id__in=departments).select_related("unit__provider")
        }
        self._units = {
            row.hsa_id: row for row in CareUnit.objects.filter(hsa_id__in=units).select_related("provider")
        }
        self._studies = describe_studies({row.study_instance_uid for row in rows} - {""})

    def describe(self, row: AuditEvent) -> ExtractLine:
        """Put one row into words."""
        return ExtractLine(
            row.recorded_at, self._organisation(row), self._who(row), self._what(row), self._why(row)
        )

    def _organisation(self, row: AuditEvent) -> str:
        department = self._departments.get(row.department_hsa_id)
        unit = self._units.get(row.care_unit_hsa_id) or (department.unit if department else None)
        names = [unit.provider.name, unit.name] if unit else [row.care_unit_hsa_id]
        names.append(department.name if department else row.department_hsa_id)
        return ", ".join(dict.fromkeys(filter(None, names)))

    def _who(self, row: AuditEvent) -> str:
        person = row.on_behalf_of or (row.actor if row.actor_kind == "person" else "")
        if not person:
            return f"{say('system', self._language)}: {row.actor}"
        user = self._persons.get(person)
        if user is not None and user.is_protected:
            name = f"({say('protected', self._language)})"
        else:
            name = (user.get_full_name() if user else "") or person
        told = f"{row.role}, {name}" if row.role else name
        return f"{row.actor} {say('for', self._language)} {told}" if row.on_behalf_of else told

    def _what(self, row: AuditEvent) -> str:
        action = ACTIONS.get(row.action)
        what = choose(action, self._language) if action else row.action
        study = self._studies.get(row.study_instance_uid, "")
        what = f"{what}: {study}" if study else what
        outcome = OUTCOMES.get(row.outcome)
        return f"{choose(outcome, self._language)}: {what[0].lower()}{what[1:]}" if outcome else what

    def _why(self, row: AuditEvent) -> str:
        why = explain_event(row, self._language)
        rule = f"{say('rule', self._language)} {row.rule}" if row.rule else ""
        if why and rule:
            return f"{why} ({rule})"
        return why or rule
