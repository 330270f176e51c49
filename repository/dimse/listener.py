"""The listener: known systems only, each request as the actor behind its AE title.

Standard: PS3.8, PS3.4 A.4, B, C, J
"""

import logging
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, _config, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    PatientRootQueryRetrieveInformationModelFind,
    PatientRootQueryRetrieveInformationModelGet,
    PatientRootQueryRetrieveInformationModelMove,
    StorageCommitmentPushModel,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

from access.actor import Actor
from access.application_entities import authenticate_entity, known_titles
from access.database import release
from repository.commitment_reports import take_report
from repository.dimse.commitment_scp import commit
from repository.dimse.find_scp import find
from repository.dimse.move_scp import get, move
from repository.dimse.status import CANCEL, make_status, status_of
from repository.dimse.store_scp import store_one

log = logging.getLogger(__name__)

PATIENT_ROOT = ("PATIENT", "STUDY", "SERIES", "IMAGE")
STUDY_ROOT = ("STUDY", "SERIES", "IMAGE")
_PATIENT_ROOT_CLASSES = frozenset(
    {
        PatientRootQueryRetrieveInformationModelFind,
        PatientRootQueryRetrieveInformationModelMove,
        PatientRootQueryRetrieveInformationModelGet,
    }
)
_NOBODY = "\x00"
IDLE_S = 60.0
MOST_ASSOCIATIONS = 32


@dataclass(frozen=True, slots=True)
class Listening:
    """Where and as whom it listens; `serving` and `trusting` are for TLS, None without."""

    host: str
    port: int
    title: str
    serving: ssl.SSLContext | None = None
    trusting: ssl.SSLContext | None = None


class KnownCallersAE(AE):
    """An application entity that takes associations of the titles in the database, as it is at that moment."""

    @property
    def require_calling_aet(self) -> list[str]:
        """The titles that may call; an empty list would mean anybody, so nobody is somebody who cannot call."""
        try:
            return known_titles() or [_NOBODY]
        finally:
            release()

    @require_calling_aet.setter
    def require_calling_aet(self, titles: list[str]) -> None:
        raise NotImplementedError("who may call is what the database says")


def start_listening(where: Listening) -> Any:
    """Start to listen in threads of their own; returns pynetdicom's server, which `shutdown()` ends."""
    _config.LOG_REQUEST_IDENTIFIERS = False  # names and numbers do not belong in logs
    _config.LOG_RESPONSE_IDENTIFIERS = False
    _config.STORE_RECV_CHUNKED_DATASET = True  # an instance goes to a file, not to memory
    _config.UNRESTRICTED_STORAGE_SERVICE = True  # storage classes that pynetdicom does not know too
    ae = KnownCallersAE(where.title)
    ae.require_called_aet = True
    ae.maximum_associations = MOST_ASSOCIATIONS
    ae.network_timeout = IDLE_S
    _add_contexts(ae)
    handlers = _make_handlers(where)
    return ae.start_server(
        (where.host, where.port), block=False, evt_handlers=handlers, ssl_context=where.serving
    )


def _add_contexts(ae: AE) -> None:
    ae.add_supported_context(Verification)
    for storage in AllStoragePresentationContexts:
        ae.add_supported_context(storage.abstract_syntax, ALL_TRANSFER_SYNTAXES, scu_role=True, scp_role=True)
    for sop_class in (
        PatientRootQueryRetrieveInformationModelFind,
        PatientRootQueryRetrieveInformationModelMove,
        PatientRootQueryRetrieveInformationModelGet,
        StudyRootQueryRetrieveInformationModelFind,
        StudyRootQueryRetrieveInformationModelMove,
        StudyRootQueryRetrieveInformationModelGet,
    ):
        ae.add_supported_context(sop_class)
    # Asked for as a provider, and told as a user: who commits to what we sent reports on an association of its own.
    ae.add_supported_context(StorageCommitmentPushModel, scu_role=True, scp_role=True)


def _make_handlers(where: Listening) -> list[Any]:
    return [
        (evt.EVT_C_ECHO, _echo),
        (evt.EVT_C_STORE, _answer_with(store_one)),
        (evt.EVT_C_FIND, _find),
        (evt.EVT_C_MOVE, _move, [where]),
        (evt.EVT_C_GET, _get),
        (evt.EVT_N_ACTION, _commit, [where]),
        (evt.EVT_N_EVENT_REPORT, take_report),
    ]


def _actor_of(event: Event) -> Actor:
    requestor = event.assoc.requestor
    return authenticate_entity(str(requestor.ae_title), str(requestor.address or ""))


def _levels_of(event: Event) -> tuple[str, ...]:
    return PATIENT_ROOT if event.context.abstract_syntax in _PATIENT_ROOT_CLASSES else STUDY_ROOT


def _answer_with(act: Callable[[Event, Actor], Dataset]) -> Callable[[Event], Dataset]:
    def answer(event: Event) -> Dataset:
        try:
            return act(event, _actor_of(event))
        except Exception as error:  # noqa: BLE001 (the edge: a peer gets a status, the log the rest)
            return status_of(error)
        finally:
            release()

    return answer


def _echo(event: Event) -> int:
    return 0x0000


def _find(event: Event) -> Iterator[tuple[Dataset, Dataset | None]]:
    try:
        for status, answer in find(event.identifier, _actor_of(event), _levels_of(event)):
            if event.is_cancelled:
                yield make_status(CANCEL), None
                return
            yield status, answer
    except Exception as error:  # noqa: BLE001 (the edge: a peer gets a status, the log the rest)
        yield status_of(error), None
    finally:
        release()


def _move(event: Event, where: Listening) -> Iterator[Any]:
    try:
        yield from move(event, _actor_of(event), _levels_of(event), where.trusting)
    finally:
        release()


def _get(event: Event) -> Iterator[Any]:
    try:
        yield from get(event, _actor_of(event), _levels_of(event))
    finally:
        release()


def _commit(event: Event, where: Listening) -> tuple[Dataset, Dataset | None]:
    try:
        return commit(event, _actor_of(event), where.title)
    except Exception as error:  # noqa: BLE001 (the edge: a peer gets a status, the log the rest)
        return status_of(error), None
    finally:
        release()
