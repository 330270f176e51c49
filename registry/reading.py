"""Reading one study: decided, and recorded whether it was permitted or not."""

from access import audit
from access.actor import Actor
from registry.visibility import UnknownStudy, VisibleStudy, permitted_study


def permit_reading(actor: Actor, study_instance_uid: str, *, door: str) -> VisibleStudy:
    """Return the study that the actor asks for; what is refused is recorded here, what is read by `record_reading`.

    Raises
    ------
    RemovedStudy, UnknownStudy
        As `permitted_study` does.
    """
    try:
        return permitted_study(actor, study_instance_uid)
    except UnknownStudy as error:
        audit.refuse(
            actor,
            study_instance_uid,
            error.person_id,
            door=door,
            rule=error.decision.rule,
            reason=error.decision.reason,
        )
        raise


def record_reading(actor: Actor, study: VisibleStudy, *, door: str) -> None:
    """Record that a permitted study is read; call it before the first byte."""
    audit.touch(
        actor,
        study.study_instance_uid,
        study.person_id,
        door=door,
        rule=study.decision.rule,
        reason=study.decision.reason,
        basis=study.decision.basis,
        may_spool=study.decision.may_spool,
    )
