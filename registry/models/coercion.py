"""What of an instance is set to what its source should have said, while it is stored."""

from django.db import models

from access.models import Department


class CoercionRule(models.Model):
    """One attribute that is set in what a department's systems store; without rules nothing is ever changed.

    `keyword` is one of `registry.coercion.COERCIBLE`. The issuer of the patient's number needs no `value`: it is what
    the department's issuer rules decide.
    """

    department = models.ForeignKey(Department, models.CASCADE, related_name="+")
    keyword = models.CharField(max_length=64)
    value = models.CharField(max_length=64, blank=True)
    replaces = models.BooleanField(default=False, help_text="Also where the instance says something else")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["department", "keyword"], name="coercion_rule_once")]

    def __str__(self) -> str:
        return f"{self.keyword} of department {self.department_id}"
