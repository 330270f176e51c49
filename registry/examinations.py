"""The relation that follows from examinations: one row a unit and patient whose end moves on with each.

It is written with every store, so it is one statement that writes nothing while the row is fresh.
"""

from datetime import timedelta
from functools import cache

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connection, connections

from access.statements import adapt_moment, fetch
from registry.epochs import raise_patient_epoch
from registry.models import CareRelation, Study

RENEWED_AFTER = timedelta(days=1)
"""An end that would move by less stays where it is: no write at all."""


def relate_from_examination(study: Study) -> bool:
    """Let the custodian's unit take part in the patient's care from the last store on; in that transaction.

    The end only moves forward. The epoch is raised when the unit had no valid relation of this kind, not when the
    end of one moves: a decision that rests on the older end is made anew before it is over.

    Returns
    -------
    bool
        Whether there was none and the epoch was raised.
    """
    custodian = study.custodian
    if custodian is None:
        return False
    since = study.last_instance_at
    until = since + timedelta(days=settings.EXAMINATION_RELATION_DAYS)
    database = connections[DEFAULT_DB_ALIAS]
    begin, end, fresh = (adapt_moment(moment, database) for moment in (since, until, until - RENEWED_AFTER))
    key = (custodian.unit_id, study.person_id)
    written = fetch(_upsert(), [*key, begin, end, *key, fresh, begin], writes=True)
    if not written or not written[0][0]:
        return False
    raise_patient_epoch(study.person_id)
    return True


@cache
def _upsert() -> str:
    """Build the statement: nothing while a fresh row stands, else a new row or the end of the old one moved on.

    `valid_from` moves only when the row had ended; by that the one row returned tells whether it began anew.
    """
    table = connection.ops.quote_name(CareRelation._meta.db_table)
    return (
        f"INSERT INTO {table} (unit_id, patient_id, source, reason, registered_by, valid_from, valid_to)"  # noqa: S608
        f" SELECT %s, %s, 'examination', '', '', %s, %s WHERE NOT EXISTS (SELECT 1 FROM {table}"
        f" WHERE unit_id = %s AND patient_id = %s AND source = 'examination' AND ended_at IS NULL"
        f" AND valid_to > %s)"
        f" ON CONFLICT (unit_id, patient_id) WHERE source = 'examination' DO UPDATE SET"
        f" valid_to = excluded.valid_to, ended_at = NULL, valid_from = CASE"
        f" WHEN {table}.ended_at IS NOT NULL OR {table}.valid_to <= excluded.valid_from"
        f" THEN excluded.valid_from ELSE {table}.valid_from END"
        f" WHERE {table}.valid_to < excluded.valid_to"
        f" RETURNING valid_from = %s"
    )
