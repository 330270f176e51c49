"""Which instances of a study the kinds of content are that subscriptions want.

Standard: PS3.4 B.5 (SOP classes), PS3.3 A.35.4 (Key Object Selection)
"""

from collections.abc import Iterable

from django.db.models import Q

from registry.models import Study
from registry.visibility import instances_of

OF_INSTANCES = frozenset({"images", "sr", "key_images"})
_STORAGE = "1.2.840.10008.5.1.4.1.1."
_KEY_OBJECTS = Q(sop_class_uid=f"{_STORAGE}88.59") | Q(sop_class_uid__startswith=f"{_STORAGE}11.")
_DOCUMENTS = Q(sop_class_uid__startswith=f"{_STORAGE}88.") | Q(sop_class_uid__startswith=f"{_STORAGE}104.")
_SR = _DOCUMENTS & ~Q(sop_class_uid=f"{_STORAGE}88.59")
_CONDITIONS = {"images": ~(_DOCUMENTS | _KEY_OBJECTS), "sr": _SR, "key_images": _KEY_OBJECTS}


def contents_wanted(wants: Iterable[Iterable[str]]) -> frozenset[str]:
    """Return the kinds of instances that one of several subscriptions wants; one that says nothing wants all."""
    found: set[str] = set()
    for each in wants:
        stated = set(each)
        found |= (stated & OF_INSTANCES) if stated else OF_INSTANCES
    return frozenset(found)


def select_content(study: Study, sop_instance_uids: list[str], contents: frozenset[str]) -> list[str]:
    """Return those of the instances that are of the kinds wanted, in the order given.

    Images are whatever is neither a report, an enclosed document, a key object nor a presentation state.
    """
    if contents == OF_INSTANCES or not sop_instance_uids:
        return sop_instance_uids
    if not contents:
        return []
    condition = Q(pk__isnull=True)
    for kind in sorted(contents):
        condition |= _CONDITIONS[kind]
    wanted = set(instances_of(study).filter(condition).values_list("sop_instance_uid", flat=True))
    return [uid for uid in sop_instance_uids if uid in wanted]
