"""Whether a study may go to a destination now: asked when planning, and again before every request."""

from urllib.parse import urlsplit

from access.actor import Actor, Scope
from registry.models import Destination, SendRequest, Study, Subscription
from registry.visibility import decide_study
from repository.models import Delivery

IN_CONFLICT = "in_conflict"
NO_BASIS = "no_basis"
CONSENT_MISSING = "consent_missing"
_OBSTACLES = {"closed": IN_CONFLICT, "consent_missing": CONSENT_MISSING}
"""What is said of a reason of the decision; that a patient closed something is not said."""


def receiver_of(destination: Destination) -> Actor:
    """Return the department's system as the actor that a delivery is decided and audited for, and where it is."""
    department = destination.department
    url = urlsplit(destination.url)
    host = url.hostname or "" if url.scheme != "s3" else ""  # there it is a bucket
    return Actor(
        kind="duty",
        subject=f"delivery to {destination.name}",
        scope=Scope(department.pk, department.unit_id, department.unit.provider_id),
        permissions=frozenset({"read"}),
        subject_id=destination.pk,
        department_hsa_id=department.hsa_id,
        address=host[:64],
    )


def find_obstacle(study: Study, destination: Destination) -> str:
    """Return the reason code of what forbids sending, or an empty string."""
    decision = decide_study(receiver_of(destination), study, "deliver")
    return "" if decision.permits else _OBSTACLES.get(decision.reason, NO_BASIS)


def is_still_wanted(delivery: Delivery) -> bool:
    """Tell whether somebody still asks for a delivery: an active subscription, or a person who sent it.

    What nobody ever asked for (a recall, a correction) is owed to the receiver.
    """
    if not delivery.subscription_ids and delivery.send_request_id is None:
        return True
    if SendRequest.objects.filter(pk=delivery.send_request_id or 0, withdrawn_at=None).exists():
        return True
    return Subscription.objects.filter(pk__in=delivery.subscription_ids, active=True).exists()
