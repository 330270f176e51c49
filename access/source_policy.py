"""What a source system wants to be answered: read only when the question comes up."""

from access.actor import Actor
from access.models import ApiClient


def keeps_first(actor: Actor) -> bool:
    """Tell whether other bytes under a known SOP Instance UID are a warning for this sender, not a failure.

    For people and unknown systems they are always a failure.
    """
    if actor.kind != "system" or actor.subject_id is None:
        return False
    return ApiClient.objects.filter(pk=actor.subject_id, on_conflict=ApiClient.KEEP_FIRST).exists()
