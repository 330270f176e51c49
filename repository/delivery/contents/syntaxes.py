"""In which transfer syntax an instance goes to a STOW-RS receiver: as stored, as it likes best, else unpacked.

A system that speaks DIMSE says itself what it takes (`repository.presentation_contexts`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from repository.delivery.receivers.receiver import File
from repository.delivery.receivers.store_answer import describe_reason
from repository.retrieve import AS_STORED, EXPLICIT_LITTLE_ENDIAN, syntax_to_send
from repository.transcode import UnsupportedConversion

REFUSED = describe_reason(0xC122)


def choose_wanted(instance: Any, liked: Iterable[str]) -> str:
    """Return the transfer syntax to ask for: as stored where that is liked, else the first liked one that can be made.

    Where none can be made it goes as stored, and the receiver says what it thinks of that.
    """
    likes = list(liked)
    if not likes or instance.transfer_syntax_uid in likes:
        return AS_STORED
    return next((syntax for syntax in likes if _can_make(instance, syntax)), AS_STORED)


def in_syntax(file: File, wanted: str) -> File:
    """Return the file in a wanted transfer syntax."""
    return file if wanted == AS_STORED else replace(file, open=partial(file.open, wanted))


def unpack_refused(files: Iterable[File], failed: Mapping[str, str]) -> list[File]:
    """Return uncompressed what a receiver did not take in the transfer syntax it came in, where it can be made."""
    refused = [file for file in files if failed.get(file.sop_instance_uid) == REFUSED]
    return [
        in_syntax(file, EXPLICIT_LITTLE_ENDIAN)
        for file in refused
        if file.instance.transfer_syntax_uid != EXPLICIT_LITTLE_ENDIAN
        and _can_make(file.instance, EXPLICIT_LITTLE_ENDIAN)
    ]


def _can_make(instance: Any, syntax: str) -> bool:
    try:
        return syntax_to_send(instance, syntax) == syntax
    except UnsupportedConversion:
        return False
