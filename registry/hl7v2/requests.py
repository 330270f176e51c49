"""What order and report messages have in common: the groups of ORC and OBR, and the numbers in them.

Standard: HL7 v2.5.1 4.5, 7.4; IHE RAD TF-2 4.2, 4.4
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from registry.hl7v2.message import Message, Segment
from registry.hl7v2.senders import Sender
from registry.hl7v2.values import read_entity
from registry.linking import Accession

STUDY_INSTANCE_UID_CODES = frozenset({"113014", "110180"})
"""DCM: DICOM Study, Study Instance UID. Standard: IHE RAD TF-2 4.28.4.1.2.6"""
HEADS = frozenset({"ORC", "OBR"})
ACCESSION_FIELDS = ("IPC-1", "OBR-18", "ORC-3", "OBR-3")


@dataclass(slots=True)
class Group:
    """One order of a message: its ORC and OBR, and all that follows them."""

    segments: list[Segment] = field(default_factory=list)

    def all(self, name: str) -> list[Segment]:
        """Return the segments of a name."""
        return [segment for segment in self.segments if segment.name == name]

    def find(self, name: str) -> Segment | None:
        """Return the first segment of a name."""
        return next((segment for segment in self.segments if segment.name == name), None)

    def text(self, name: str, number: int, component: int = 1, subcomponent: int = 1) -> str:
        """Return a text of the first segment of a name; empty where there is none."""
        segment = self.find(name)
        return segment.text(number, component, subcomponent) if segment else ""

    def entity(self, name: str, number: int) -> tuple[str, str]:
        """Return number and issuer of an EI; empty where there is none."""
        segment = self.find(name)
        return read_entity(segment.value(number)) if segment else ("", "")


def read_groups(message: Message) -> list[Group]:
    """Cut a message into its orders: an ORC begins one, and so does an OBR that follows another."""
    groups: list[Group] = []
    for segment in message.segments:
        is_next = segment.name == "ORC" or (
            segment.name == "OBR" and (not groups or groups[-1].find("OBR") is not None)
        )
        if is_next:
            groups.append(Group())
        if groups:
            groups[-1].segments.append(segment)
    return groups


def read_accessions(group: Group, sender: Sender) -> list[Accession]:
    """Return the accession numbers of an order, from the field that the sender is known to use."""
    for name in (sender.accession_field,) if sender.accession_field else ACCESSION_FIELDS:
        segment, _, number = name.partition("-")
        pairs = [read_entity(each.value(int(number))) for each in group.all(segment)]
        found = [
            Accession(accession, issuer or sender.accession_issuer)
            for accession, issuer in pairs
            if accession
        ]
        if found:
            return list(dict.fromkeys(found))
    return []


def read_placer(group: Group, sender: Sender) -> tuple[str, str]:
    """Return the placer's order number and its issuer: ORC-2, else OBR-2."""
    number, issuer = group.entity("ORC", 2)
    if not number:
        number, issuer = group.entity("OBR", 2)
    return number, (issuer or sender.placer_issuer) if number else ""


def read_filler(group: Group) -> tuple[str, str]:
    """Return the filler's order number and its issuer: OBR-3, else ORC-3."""
    number, issuer = group.entity("OBR", 3)
    return (number, issuer) if number else group.entity("ORC", 3)


def read_study_uids(segments: Iterable[Segment]) -> tuple[str, ...]:
    """Return the Study Instance UIDs: of IPC-3, of ZDS-1, and of an OBX that is coded as one."""
    found = []
    for segment in segments:
        if segment.name == "IPC":
            found.append(segment.text(3))
        elif segment.name == "ZDS":
            found.append(segment.text(1))
        elif segment.name == "OBX" and is_study_uid(segment):
            found += [value.text() for value in segment.values(5)]
    uids = [uid.removeprefix("urn:oid:") for uid in found]
    return tuple(dict.fromkeys(uid for uid in uids if is_uid(uid)))


def is_study_uid(observation: Segment) -> bool:
    """Tell whether an OBX holds the UID of a study."""
    return observation.text(3, 1) in STUDY_INSTANCE_UID_CODES


def is_uid(text: str) -> bool:
    """Tell whether a text is a UID. Standard: PS3.5 9"""
    return 0 < len(text) <= 64 and all(part.isascii() and part.isdigit() for part in text.split("."))
