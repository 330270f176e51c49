"""An explicit grant of a study to a department; `Home` has a row for it, so that lists find it."""

from django.db import models

from access.models import Department
from registry.models.imaging import Study


class Share(models.Model):
    """A study is shared with a department for a time.

    Basis: `referral`, `consultation`, `second_opinion`, `transfer`, `reading` (assigned to read on behalf of
    its provider), `prior` (of one that is shared), `delivery` (it was sent there: opens it to that
    department's systems, not to people).
    """

    study = models.ForeignKey(Study, models.CASCADE, related_name="shares", db_index=False)
    department = models.ForeignKey(Department, models.PROTECT, related_name="+", db_index=False)
    basis = models.CharField(max_length=16)
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True)
    registered_by = models.CharField(max_length=200, blank=True)
    registered_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["study", "department"], name="share_of_study")]

    def __str__(self) -> str:
        return f"study {self.study_id} shared with department {self.department_id}"
