"""The files of a delivery as its receiver is to have them: its numbers, its transfer syntax, its sizes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from registry.hops import write_path
from registry.models import Destination, Study
from repository.delivery.contents.syntaxes import choose_wanted, in_syntax
from repository.delivery.contents.translate import Translation, read_translation, say_why_not, translate
from repository.delivery.receivers.kinds import kind_of
from repository.delivery.receivers.receiver import File


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What is asked of every file; `liked` are transfer syntaxes, the most wanted first."""

    translation: Translation | None = None
    liked: tuple[str, ...] = ()
    max_instance_bytes: int | None = None
    path: str = ""


def read_outgoing(study: Study, destination: Destination) -> Outgoing:
    """Return what a destination asks of the files of a study; a system that speaks DIMSE negotiates its syntaxes."""
    negotiates = kind_of(destination.url) == "dimse"
    return Outgoing(
        read_translation(study, destination),
        () if negotiates else tuple(destination.transfer_syntaxes),
        destination.max_instance_bytes,
        write_path(study) if kind_of(destination.url) == "stow" else "",
    )


def open_files(
    batch: list[Any], stream_file: Callable[..., Iterator[bytes]], outgoing: Outgoing
) -> tuple[list[File], dict[str, str]]:
    """Return the files of a request, and by SOP Instance UID why others cannot go.

    Nothing goes under numbers that are not the receiver's, where it has its own.
    """
    files, unfit = [], {}
    for instance in batch:
        uid = instance.sop_instance_uid
        if outgoing.max_instance_bytes and instance.length > outgoing.max_instance_bytes:
            unfit[uid] = f"has {instance.length} bytes; the receiver takes {outgoing.max_instance_bytes}"
            continue
        opener: Callable[..., Iterator[bytes]] = partial(stream_file, instance)
        if outgoing.translation is not None:
            opener = translate(opener, instance.transfer_syntax_uid, outgoing.translation)
            reason = say_why_not(opener)
            if reason:
                unfit[uid] = f"cannot be given the receiver's numbers: {reason}"
                continue
        files.append(
            in_syntax(File(uid, opener, instance, outgoing.path), choose_wanted(instance, outgoing.liked))
        )
    return files, unfit
