"""Who sends: the source by MSH-3 and MSH-4, or a department that stands for unknown ones.

Standard: HL7 v2.5.1 2.14.9.3, 2.14.9.4
"""

from dataclasses import dataclass

from access.actor import Actor, Scope
from access.models import Department
from registry.hl7v2.message import Segment
from registry.hl7v2.refusal import UNKNOWN_KEY, RejectedMessage
from registry.models import Hl7Source


@dataclass(frozen=True, slots=True)
class Sender:
    """A known sender: whose its numbers are, and how its messages are read. Issuers are OIDs or empty."""

    name: str
    department: Department
    accession_issuer: str = ""
    placer_issuer: str = ""
    encounter_issuer: str = ""
    report_issuer: str = ""
    accession_field: str = ""
    character_set: str = "UTF-8"
    verifies_by_report: bool = True

    @property
    def own_report_issuer(self) -> str:
        """Whose the numbers of reports are that name no issuer: never of nobody, so that two sources never meet."""
        return self.report_issuer or self.accession_issuer or self.department.hsa_id

    @property
    def actor(self) -> Actor:
        """As the access log names it."""
        unit = self.department.unit
        scope = Scope(self.department.pk, unit.pk, unit.provider_id)
        return Actor(
            "system",
            f"hl7:{self.name}"[:200],
            scope,
            frozenset({"store"}),
            department_hsa_id=self.department.hsa_id,
            care_unit_hsa_id=unit.hsa_id,
        )


def name_sender(header: Segment) -> str:
    """Return the name under which the journal keeps a sender's messages: MSH-3|MSH-4."""
    return f"{header.raw(3)[:227]}|{header.raw(4)[:227]}"


def find_sender(header: Segment, stand_in: Department | None = None) -> Sender:
    """Return who sent a message.

    A source is known by both fields as they are written, or by the first components; one without facility
    stands for every facility.

    Raises
    ------
    RejectedMessage
        No active source is known by these, and no department stands in.
    """
    application, facility = header.raw(3), header.raw(4)
    pairs = [
        (application, facility),
        (header.text(3), header.text(4)),
        (application, ""),
        (header.text(3), ""),
    ]
    rows = {
        (row.sending_application, row.sending_facility): row
        for row in Hl7Source.objects.filter(
            sending_application__in={application, header.text(3)}
        ).select_related("department__unit")
    }
    found = next((rows[pair] for pair in pairs if pair in rows), None)
    name = name_sender(header)
    if found is not None and found.active:
        return _read(found, name)
    if found is None and stand_in is not None:
        return Sender(name, stand_in)
    raise RejectedMessage(
        UNKNOWN_KEY,
        f"the sender {name[:100]} is not known here; its application and facility have to be registered",
        header.at(3),
    )


def _read(row: Hl7Source, name: str) -> Sender:
    return Sender(
        name,
        row.department,
        row.accession_issuer,
        row.placer_issuer,
        row.encounter_issuer,
        row.report_issuer,
        row.accession_field,
        row.character_set,
        row.verifies_by_report,
    )
