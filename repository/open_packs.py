"""The packs one request writes: at most four open, closed at 256 MiB, durable when finished."""

from dataclasses import dataclass, field
from datetime import datetime

from access.actor import Actor
from registry.facts import StudyFacts
from registry.received import ReceivedPack, ReceivedSegment
from repository.objects.base import ObjectStore
from repository.packs.layout import PackPreamble, new_pack_key
from repository.packs.writer import PackWriter
from repository.segments import PreparedInstance, SegmentBuilder

MAX_OPEN = 4
CLOSE_AFTER_BYTES = 256 << 20


@dataclass(slots=True)
class OpenPack:
    """One pack being written, and the segments in it."""

    key: str
    study_instance_uid: str
    writer: PackWriter
    study: StudyFacts | None = None
    segments: dict[str, SegmentBuilder] = field(default_factory=dict)

    def add(self, study: StudyFacts, prepared: PreparedInstance) -> bytes:
        """Close the current part as this instance; returns its SHA-256."""
        packed = self.writer.end_part(
            sop_instance_uid=prepared.facts.sop_instance_uid,
            series_instance_uid=prepared.series.series_instance_uid,
            transfer_syntax_uid=prepared.transfer_syntax_uid,
        )
        self.study = self.study or study
        builder = self.segments.setdefault(
            prepared.series.series_instance_uid, SegmentBuilder(prepared.series)
        )
        builder.add(prepared, packed.offset, packed.length, packed.sha256)
        return packed.sha256


@dataclass(frozen=True, slots=True)
class WrittenPack:
    """A durable pack, ready to be registered."""

    received: ReceivedPack
    size_bytes: int


class OpenPacks:
    """Packs of one request by study."""

    def __init__(self, objects: ObjectStore, actor: Actor, received_at: datetime) -> None:
        self._objects = objects
        self._actor = actor
        self._received_at = received_at
        self._open: dict[str, OpenPack] = {}
        self._written: list[WrittenPack] = []
        self._keys: list[str] = []

    def of_study(self, study_instance_uid: str) -> OpenPack:
        """Return the open pack of a study, opening one; a fifth study closes the oldest."""
        known = self._open.get(study_instance_uid)
        if known is not None:
            return known
        if len(self._open) == MAX_OPEN:
            self._close(next(iter(self._open)))
        key = new_pack_key()
        preamble = PackPreamble(
            key=key,
            study_instance_uid=study_instance_uid,
            department=self._actor.department_hsa_id or None,
            issuer=None,
            client=self._actor.subject,
            received_at=self._received_at,
            ae_title=self._actor.ae_title,
        )
        writer = PackWriter(self._objects.create(key), preamble)
        self._keys.append(key)
        self._open[study_instance_uid] = pack = OpenPack(key, study_instance_uid, writer)
        return pack

    def close_if_full(self, pack: OpenPack) -> None:
        """Close a pack that has passed its size, so that none grows without bound."""
        if pack.writer.size_bytes >= CLOSE_AFTER_BYTES:
            self._close(pack.study_instance_uid)

    def finish(self) -> list[WrittenPack]:
        """Close all: every byte and name is durable when this returns."""
        for study_instance_uid in list(self._open):
            self._close(study_instance_uid)
        return self._written

    def abandon(self) -> None:
        """Remove everything this request wrote."""
        for pack in self._open.values():
            pack.writer.abandon()
        self._open.clear()
        for key in self._keys:
            self._objects.delete(key)

    def _close(self, study_instance_uid: str) -> None:
        pack = self._open.pop(study_instance_uid)
        if pack.study is None:  # nothing stayed in it: an empty pack is never published
            pack.writer.abandon()
            self._objects.delete(pack.key)
            return
        finished = pack.writer.finish()
        self._objects.sync(pack.key)
        segments: tuple[ReceivedSegment, ...] = tuple(b.finish() for b in pack.segments.values())
        received = ReceivedPack(
            pack.key,
            pack.study,
            segments,
            self._received_at,
            client=self._actor.subject,
            ae_title=self._actor.ae_title,
        )
        self._written.append(WrittenPack(received, finished.size_bytes))
