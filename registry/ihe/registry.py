"""Register Document Set-b (ITI-42): a submission is taken whole, or every error is told.

Standard: IHE ITI TF-2 3.42
"""

import logging

from django.db import OperationalError

from access import audit
from access.actor import Actor
from access.database import run_write
from registry.document_patients import find_patients
from registry.documents import register
from registry.ihe.ebrim import read_submission
from registry.ihe.ebrim_names import LCM
from registry.ihe.errors import BUSY, make_response
from registry.ihe.xml import Element
from registry.submission import Origin, Registered, Submission, SubmissionRefused

ACTION = "urn:ihe:iti:2007:RegisterDocumentSet-b"
ANSWER = "urn:ihe:iti:2007:RegisterDocumentSet-bResponse"
ROOT = f"{{{LCM}}}SubmitObjectsRequest"
DOOR = "iti-42"

log = logging.getLogger(__name__)


def handle(body: Element, actor: Actor) -> Element:
    """Take a SubmitObjectsRequest and return the RegistryResponse."""
    try:
        submission = read_submission(body)
        registered = run_write(lambda: _take(submission, actor))
    except SubmissionRefused as refused:
        codes = sorted({error.code for error in refused.errors})
        audit.record(actor, "register_documents", outcome="refused", door=DOOR, detail={"errors": codes})
        return make_response(refused.errors)
    except OperationalError as error:
        log.warning("%s is busy: %s", DOOR, type(error).__name__)
        return make_response((BUSY,))
    return make_response(registered.warnings)


def _take(submission: Submission, actor: Actor) -> Registered:
    registered = register(submission, Origin(actor.scope.department_id, actor.subject))
    [submission_set] = submission.submission_sets
    audit.record(
        actor,
        "register_documents",
        door=DOOR,
        patient_id=find_patients([submission_set.patient_id])[submission_set.patient_id],
        detail={
            "submission_set": submission_set.unique_id,
            "documents": [entry.unique_id for entry in submission.entries],
        },
    )
    return registered
