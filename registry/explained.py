"""What a patient's page may say: the studies that are permitted, those one may choose, and one line for the rest.

Of what is not permitted only its existence is told, and only to somebody in a care relation: no number, no
place, no date. What is silent is not told at all.
"""

from dataclasses import dataclass

from access.actor import Actor
from access.policy import Decision
from registry.models import Study
from registry.visibility import decide_studies, is_in_relation


@dataclass(frozen=True, slots=True)
class Explained:
    """A patient's studies for one actor, newest first.

    Parameters
    ----------
    permitted
        Studies that open, with the decision that opens each.
    choosable
        Studies of other units of the provider: they open by a choice, and may be shown as rows before it.
    needs_relation
        There is something that opens, or asks for more, when a care relation is declared.
    needs_reason
        There is something that opens when a reason is given: `vip`, `staff` or `relative`, else empty.
    is_blocked
        Blocked information exists.
    needs_consent
        Other care providers may hold information that opens with consent.
    """

    permitted: tuple[tuple[Study, Decision], ...]
    choosable: tuple[tuple[Study, Decision], ...]
    needs_relation: bool
    needs_reason: str
    is_blocked: bool
    needs_consent: bool

    @property
    def is_anything(self) -> bool:
        """True if there is anything that the actor may know of."""
        lines = (self.needs_relation, self.needs_reason, self.is_blocked, self.needs_consent)
        return bool(self.permitted or self.choosable or any(lines))


def explain_patient(actor: Actor, patient_id: int) -> Explained:
    """Decide about every study of a patient; 3 queries whatever their number."""
    rows = Study.objects.filter(person=patient_id, number_of_study_related_instances__gt=0)
    rows = rows.select_related("custodian__unit", "person").defer("fragment")
    studies = list(rows.order_by("-study_date", "-study_time", "-pk"))
    decisions = decide_studies(actor, studies)
    needs = {d.need for d in decisions.values() if d.effect == "needs" and not d.is_silent}
    reasons = {d.reason for d in decisions.values() if d.need == "reason"}
    is_related = "relation" not in needs and is_in_relation(actor, patient_id)
    return Explained(
        permitted=tuple((s, decisions[s.pk]) for s in studies if decisions[s.pk].permits),
        choosable=tuple((s, decisions[s.pk]) for s in studies if decisions[s.pk].need == "choice"),
        needs_relation="relation" in needs or ("emergency" in needs and not is_related),
        needs_reason=min(reasons, default=""),
        is_blocked="emergency" in needs and is_related,
        needs_consent="consent" in needs,
    )
