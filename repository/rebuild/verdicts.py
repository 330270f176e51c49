"""What the journal says about the packs: what is dead in them, how the organisation was, and what patients decided."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson

from access.models import CareProvider, CareUnit, Department
from registry.models import IssuerRule
from repository.journal.documents import DOCUMENT_KINDS
from repository.journal.files import Entry, JournalFile
from repository.journal.identity import IDENTITY_KINDS
from repository.journal.recalls import RECALL_KINDS
from repository.journal.rows import ROW_KINDS
from repository.journal.workflow import WORKFLOW_KINDS

Dead = tuple[str, str]
"""SOP Instance UID and SHA-256 (hexadecimal): other bytes that came later under the UID are another matter."""


@dataclass(slots=True)
class Verdicts:
    """How it stands at the end of the journal: removals, what each hides, packs and parts that do not count."""

    organisation: Entry | None = None
    removals: dict[int, dict[str, Any]] = field(default_factory=dict)
    dead: dict[Dead, int] = field(default_factory=dict)
    condemned: set[str] = field(default_factory=set)
    left_out: dict[str, set[str]] = field(default_factory=dict)
    rows: dict[bytes, Entry] = field(default_factory=dict)


def read_verdicts(files: Iterable[JournalFile]) -> Verdicts:
    """Follow the journal from its first line to its last."""
    verdicts = Verdicts()
    for file in files:
        for entry in file.entries:
            _follow(verdicts, entry)
    return verdicts


def restore_organisation(organisation: Entry) -> int:
    """Write the providers, units, departments and issuer rules that are missing; returns how many departments were."""
    for hsa_id, name in organisation["providers"]:
        CareProvider.objects.get_or_create(hsa_id=hsa_id, defaults={"name": name})
    for hsa_id, name, provider in organisation["units"]:
        defaults = {"name": name, "provider": CareProvider.objects.get(hsa_id=provider)}
        CareUnit.objects.get_or_create(hsa_id=hsa_id, defaults=defaults)
    made = set()
    for hsa_id, name, unit in organisation["departments"]:
        defaults = {"name": name, "unit": CareUnit.objects.get(hsa_id=unit)}
        department, is_new = Department.objects.get_or_create(hsa_id=hsa_id, defaults=defaults)
        if is_new:
            made.add(department.hsa_id)
    for hsa_id, position, kind, pattern, issuer in organisation["issuer_rules"]:
        if hsa_id in made:
            department = Department.objects.get(hsa_id=hsa_id)
            IssuerRule.objects.create(
                department=department, position=position, kind=kind, pattern=pattern, issuer=issuer
            )
    return len(made)


def _follow(verdicts: Verdicts, entry: Entry) -> None:
    kind = entry["kind"]
    if kind == "organisation":
        verdicts.organisation = entry
    elif kind == "removed":
        number = len(verdicts.removals) + 1  # ids and positions begin anew with every rebuilt database
        verdicts.removals[number] = entry["removal"]
        for uid, sha256 in entry["instances"]:
            verdicts.dead[uid, sha256] = number
    elif kind in ("restored", "replaced"):
        for uid, sha256 in entry["instances"]:
            verdicts.dead.pop((uid, sha256), None)
    elif kind == "condemned":
        verdicts.condemned.update(entry["keys"])
    elif kind == "revived":
        verdicts.condemned.difference_update(entry["keys"])
    elif kind == "left_out":
        verdicts.left_out.setdefault(entry["pack"], set()).update(entry["instances"])
    elif kind in ROW_KINDS:
        _place(verdicts, [entry["values"][name] for name in ROW_KINDS[kind].key], entry)
    elif kind in (*IDENTITY_KINDS, *DOCUMENT_KINDS, *RECALL_KINDS, *WORKFLOW_KINDS):
        _place(verdicts, entry["key"], entry)


def _place(verdicts: Verdicts, key: list[Any], entry: Entry) -> None:
    """Let the last line of a row count, in the place and at the time of its first: what it names comes before it."""
    name = orjson.dumps([entry["kind"], *key])
    first = verdicts.rows.get(name, entry)
    verdicts.rows[name] = entry | {"first_at": first.get("first_at", first["at"])}
