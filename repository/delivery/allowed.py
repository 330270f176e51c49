"""Whether a delivery may be sent at this moment: asked before every request."""

from registry.models import Report
from repository.delivery.contents.told import is_overtaken
from repository.delivery.decide import find_obstacle, is_still_wanted
from repository.models import Delivery

Stop = tuple[str, str]
"""State and reason code of a delivery that must not be sent."""
OF_IMAGES = frozenset({"study", "prior"})


def find_stop(delivery: Delivery) -> Stop | None:
    """Return why a delivery must not be sent now; None where it may.

    A recall goes to whoever has what it is about, whatever was decided since.
    """
    if delivery.kind == "recall":
        return None
    if delivery.kind in OF_IMAGES and not delivery.study.number_of_study_related_instances:
        return Delivery.WITHDRAWN, "removed"
    if not is_still_wanted(delivery):
        return Delivery.WITHDRAWN, "subscription_ended"
    if is_overtaken(delivery):
        return Delivery.SUPERSEDED, "overtaken"
    obstacle = find_obstacle(delivery.study, delivery.destination) or _find_obstacle_of_report(delivery)
    return (Delivery.AWAITING_BASIS, obstacle) if obstacle else None


def _find_obstacle_of_report(delivery: Delivery) -> str:
    """Return what forbids one of the other studies that a report is about: it forbids the report."""
    if delivery.kind != "report":
        return ""
    report = Report.objects.filter(pk=delivery.subject).first()
    others = report.studies.exclude(pk=delivery.study_id).order_by("pk") if report else ()
    return next(filter(None, (find_obstacle(study, delivery.destination) for study in others)), "")
