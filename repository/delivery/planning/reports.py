"""Every version of a report to every destination that wants reports of its study, in the order of the chain.

A version that came too late, after one that replaces it was planned there, is not sent: a receiver would take it for
the newest. An addendum always is: it adds to what is there.
"""

from collections.abc import Sequence

from registry.models import Destination, Report, ReportVersion, SendRequest, Study
from registry.reports import ADDENDUM, CANCELLED, PRELIMINARY, sort_versions
from registry.study_state import FINAL, newest_of
from repository.delivery.contents.report_uids import document_uid, note_uid
from repository.delivery.planning.planned import Planned, write_delivery
from repository.delivery.planning.wishing import EVERYBODY, Asking, find_wishing
from repository.delivery.receivers.kinds import kind_of
from repository.models import Delivery

KIND = "report"
AS_FILES = frozenset({"stow", "dimse", "folder", "objects"})
"""Kinds of destination that get a report as an instance of the study."""


def plan_reports(study: Study, asking: Asking = EVERYBODY) -> set[str]:
    """Plan what is not planned yet of the reports of a study; in the planner's transaction.

    Whoever wants verified studies only gets no preliminary versions.

    Returns
    -------
    set of str
        The priorities that have new work.
    """
    reports = list(study.reports.order_by("pk"))
    if not reports:
        return set()
    priorities: set[str] = set()
    for wish in find_wishing(study, "report", asking):
        from_verified = all(row.from_state == "verified" for row in wish.subscriptions)
        for report in reports:
            if plan_report(
                report,
                study,
                wish.destination,
                wish.priority,
                subscription_ids=wish.subscription_ids,
                with_preliminary=not from_verified,
            ):
                priorities.add(wish.priority)
    return priorities


def plan_final_reports(
    study: Study,
    destination: Destination,
    priority: str,
    *,
    subscription_ids: tuple[int, ...] = (),
    send_request: SendRequest | None = None,
) -> bool:
    """Plan the reports of a study that somebody stands for; returns whether one may go now."""
    may_go = False
    for report in study.reports.order_by("pk"):
        newest = newest_of(list(report.versions.all()))
        if newest is not None and newest.status in FINAL:
            may_go |= plan_report(
                report,
                study,
                destination,
                priority,
                subscription_ids=subscription_ids,
                send_request=send_request,
                with_preliminary=False,
            )
    return may_go


def plan_report(
    report: Report,
    study: Study,
    destination: Destination,
    priority: str,
    *,
    subscription_ids: tuple[int, ...] = (),
    send_request: SendRequest | None = None,
    with_preliminary: bool = True,
) -> bool:
    """Plan the versions of a report that a destination was not sent; returns whether one may go now.

    A report about several studies goes once, as that of the first of them that is wanted there.
    """
    rows = Delivery.objects.filter(destination=destination, kind=KIND, subject=str(report.pk))
    planned = {int(row.because["report_version"]): row for row in rows.order_by("generation")}
    versions = [row for row in report.versions.all() if with_preliminary or row.status != PRELIMINARY]
    versions = sort_versions(versions)
    generation = max((row.generation for row in planned.values()), default=0)
    first = min((row.study_id for row in planned.values()), default=study.pk)
    about = study if first == study.pk else Study.objects.get(pk=first)
    may_go = False
    for place, version in enumerate(versions):
        if not _is_due(version, versions[place + 1 :], planned):
            continue
        replaced = _find_replaced(version, versions[:place], planned)
        generation += 1
        row = Planned(
            about,
            destination,
            KIND,
            generation,
            priority,
            subject=str(report.pk),
            subscription_ids=subscription_ids,
            send_request=send_request,
            because={"report_version": version.pk, "replaces": ",".join(map(str, replaced))},
        )
        uids = _uids_of(version, replaced, destination)
        if uids is not None:
            may_go |= write_delivery(row, uids)
        planned[version.pk] = Delivery(generation=generation, study=about)
    return may_go


def _is_due(version: ReportVersion, later: Sequence[ReportVersion], planned: dict[int, Delivery]) -> bool:
    if version.pk in planned:
        return False
    return version.status == ADDENDUM or not any(
        row.pk in planned and row.status != ADDENDUM for row in later
    )


def _find_replaced(
    version: ReportVersion, before: Sequence[ReportVersion], planned: dict[int, Delivery]
) -> list[int]:
    """Return the versions that were planned there and that this one takes the place of, with their addenda."""
    if version.status == ADDENDUM:
        return []
    replaced: list[int] = []
    for row in reversed(before):
        if row.pk in planned:
            replaced.append(row.pk)
            if row.status != ADDENDUM:
                break
    return sorted(replaced)


def _uids_of(version: ReportVersion, replaced: list[int], destination: Destination) -> list[str] | None:
    """Return the instances that a version is sent as; none for a message, None where there is nothing to send."""
    kind = kind_of(destination.url)
    if kind not in AS_FILES:
        return [document_uid(version)] if kind == "worklist" else []
    uids = [] if version.status == CANCELLED else [document_uid(version)]
    if replaced and destination.processes_rejection:
        uids.append(note_uid(version))
    return uids or None
