"""The earlier studies that bear on the one that is shown: of the same part of the body, seen alike."""

from access.actor import Actor
from frontend.masking import make_row_under
from frontend.studies import StudyRow, with_row_facts
from registry.models import Study
from registry.priors import find_priors
from registry.visibility import decide_studies

MOST_ASKED = 20
MOST_SHOWN = 5


def list_earlier(actor: Actor, study: Study) -> list[StudyRow]:
    """List the relevant priors of a study that the actor may open now, the most useful first.

    What may not be opened is not counted either: the patient page says what is kept elsewhere.
    """
    found = [prior.pk for prior in find_priors(study, most=MOST_ASKED)]
    studies = with_row_facts(Study.objects.filter(pk__in=found)).in_bulk()
    decisions = decide_studies(actor, studies.values())
    rows = [make_row_under(decisions[pk], studies[pk]) for pk in found if decisions[pk].permits]
    return rows[:MOST_SHOWN]
