"""Studies that are read on behalf of the provider that keeps them: until the report is final, and some days more.

The agreement says how many. The end is written into the share, so that every door, list and delivery sees it by
itself; that the agreement holds is asked with each decision. What is `prior` ends with what it was shared for.
"""

from datetime import datetime, timedelta

from django.utils import timezone

from access.agreements import agreements_between
from access.models import CareUnit, Department, SharingAgreement
from registry import changes
from registry.access_facts import READING
from registry.epochs import raise_patient_epoch
from registry.models import Share, Study

VERIFIED = "verified"


def days_after_final(custodian: CareUnit | None, reader: CareUnit) -> int | None:
    """Return for how many days after the final report a unit still reads on behalf of the custodian's provider.

    None without an agreement that holds now. Of several agreements the most generous counts.
    """
    if custodian is None:
        return None
    found = agreements_between({custodian.provider_id, reader.provider_id}, timezone.now())
    days = [
        row.days_after_final
        for row in found
        if row.kind == SharingAgreement.PROCESSOR and row.commissioner_id == custodian.provider_id
    ]
    return max(days, default=None)


def end_of_reading(study: Study, department: Department, begins_at: datetime) -> datetime | None:
    """Return when a department ends to read a study on behalf of another provider; None while no report is final.

    A study that is assigned when its report is final already is read for as many days from then on.
    """
    custodian = study.custodian.unit if study.custodian else None
    if study.state != VERIFIED or study.final_at is None:
        return None
    if custodian is not None and custodian.provider_id == department.unit.provider_id:
        return None
    days = days_after_final(custodian, department.unit)
    return None if days is None else max(study.final_at, begins_at) + timedelta(days=days)


def end_readings(study: Study) -> None:
    """Let what others read of a study end when its report is final; call it in the transaction of the report.

    An end only ever comes nearer: of a report that is withdrawn or dated anew the study is assigned again.
    """
    if study.state != VERIFIED:
        return
    rows = Share.objects.filter(study=study, basis=READING, withdrawn_at__isnull=True)
    for share in rows.select_related("department__unit").order_by("pk"):
        end = end_of_reading(study, share.department, share.valid_from)
        if end is None or (share.valid_to is not None and share.valid_to <= end):
            continue
        Share.objects.filter(pk=share.pk).update(valid_to=end)
        raise_patient_epoch(study.person_id)
        changes.append("share", study.study_instance_uid, {"row": share.pk})
