"""Whether this database knows all that was decided: one that lost its latest hour must not send.

After a failover to a replica that was behind, or a restore, the database no longer knows the blocks, the withdrawals
and the deliveries of the time that is missing. The journal beside the packs does.
"""

import logging

from django.utils import timezone

from access import kept
from repository.journal.duty import find_advance

log = logging.getLogger(__name__)


def is_behind_journal() -> bool:
    """Tell whether the journal tells of what this database never knew; looked up every half minute.

    Then nothing is planned and nothing sent until `manage.py rebuild_index` has run.
    """
    return kept.keep(("behind journal",), 0, timezone.now(), lambda: (_look(), None))


def _look() -> bool:
    ahead = find_advance()
    if ahead is not None:
        log.error("nothing is sent: %s tells of what this database never knew; run rebuild_index", ahead)
    return ahead is not None
