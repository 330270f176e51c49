"""What is known of the installations behind destinations: a study is not sent back on its way."""

from collections.abc import Iterable
from functools import partial

from access.database import run_write
from registry.hops import hops_of
from registry.models import Destination, Study
from registry.wishes.find import Wish


def note_installation(destination_id: int, name: str) -> None:
    """Keep the name by which the installation behind a destination refused what came from it."""
    if name:
        rows = Destination.objects.filter(pk=destination_id).exclude(installation=name)
        run_write(partial(rows.update, installation=name))


def leave_out_passed(study: Study, wishes: Iterable[Wish]) -> list[Wish]:
    """Return the wishes but those of destinations that the study has passed on its way here."""
    found = list(wishes)
    if not any(wish.destination.installation for wish in found):
        return found
    passed = set(hops_of(study))
    return [wish for wish in found if wish.destination.installation not in passed]
