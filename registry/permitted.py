"""Which studies an actor may list: the decision of `access.policy` as conditions that a database filters by.

The same rules twice, because a list cannot decide row by row: `tests/registry/test_lists_and_decisions.py` holds
the two against each other, `tests/repository/test_doors_agree.py` also against a third reading of the table.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.db.models import CharField, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet

from access.models import SharingAgreement
from access.prepared import Prepared, Written, prepare_condition
from registry.access_facts import DELIVERY, PRIOR, READING
from registry.access_rows import COMMISSIONING
from registry.models import (
    ActiveChoice,
    Block,
    BlockLift,
    CareRelation,
    Consent,
    EmergencyOpening,
    Home,
    Participation,
    PatientFlag,
    PatientIdentifier,
    Relative,
    Share,
    Study,
)
from registry.terms import Shape, Terms, make_slots, values_of


def permitted(terms: Terms) -> Q:
    """Return the condition on `Study` rows that the actor may list, whatever leads to them."""
    if not terms.shape.is_person:
        return _there(terms) & (Q(custodian__unit=terms.unit) | _delivered(terms))
    return _for_person(terms, _own(terms) | _same_provider(terms) | _other_provider(terms))


ALL_FIRST = 1_000_000_000
"""A limit that cuts nothing: PostgreSQL finds what is behind it first, and does not ask every study of the region."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to studies: the condition that an index drives, and all else that has to hold.

    `is_home` says that it is driven by an index of `Home`.
    """

    drive: Callable[[Terms], Q]
    condition: Callable[[Terms], Q]
    is_home: bool = False


def _at_unit(terms: Terms) -> Q:
    return _for_person(terms, _own(terms)) if terms.shape.is_person else _there(terms)


def _of_other_units(terms: Terms) -> Q:
    return _for_person(terms, _same_provider(terms))


def _of_other_providers(terms: Terms) -> Q:
    return _for_person(terms, _other_provider(terms))


def _kept_elsewhere_with_consent(terms: Terms) -> Q:
    """The keys are found in an index alone: of thousands of patients only what other providers keep is looked at."""
    parties = _shared_records(terms).filter(sharingagreement__parties=terms.provider)
    elsewhere = Study.objects.filter(
        person__in=_consents(terms).values("patient"),
        custodian__unit__provider__in=parties.values("careprovider"),
    ).exclude(custodian__unit__provider=terms.provider)
    return Q(pk__in=elsewhere.values("pk")[:ALL_FIRST])


WAYS = {
    "key": Way(lambda _: Q(), permitted),
    "unit": Way(lambda terms: Q(homes__unit=terms.listed_unit), _at_unit, is_home=True),
    "department": Way(
        lambda terms: Q(homes__department=terms.department, homes__unit=None), permitted, is_home=True
    ),
    "choice": Way(lambda terms: Q(person__in=_choices(terms).values("patient")[:ALL_FIRST]), _of_other_units),
    "opening": Way(lambda terms: Q(person__in=_openings(terms).values("patient")[:ALL_FIRST]), permitted),
    "consent": Way(_kept_elsewhere_with_consent, _of_other_providers),
    "recent": Way(lambda _: Q(), _of_other_providers),
    "part": Way(lambda terms: Q(pk__in=_participations(terms).values("study")[:ALL_FIRST]), permitted),
    "relation": Way(
        lambda terms: Q(person__in=_relations(terms).values("patient")[:ALL_FIRST]), _of_other_units
    ),
}
"""`key` is for searches that select few studies themselves; `unit` reads one of the own units. `recent` finds what
`consent` does, from the newest on: for when the region has few studies since the date that matters."""


def open_ways(terms: Terms) -> dict[str, Exists]:
    """Return what tells whether a way besides the own units leads anywhere, by its name: most lead nowhere."""
    found = {"department": Exists(Home.objects.filter(department=terms.department, unit=None))}
    if terms.shape.is_person:
        found["choice"] = Exists(_choices(terms))
        found["opening"] = Exists(_openings(terms))
        found["consent"] = Exists(_consents(terms))
        found["part"] = Exists(_participations(terms))
    if terms.shape.is_person and not terms.shape.options.choice_between_units:
        found["relation"] = Exists(_relations(terms))
    return found


def written(way: str, terms: Terms, *, by_name: bool = False) -> Q:
    """Return the condition of a way as SQL that was built once: for queries that are built anew each time.

    Parameters
    ----------
    by_name
        Without patients who are not found by name.
    """
    return Q(Written(F("pk"), _write(way, terms.shape, by_name), values_of(terms)))


@lru_cache(maxsize=256)
def _write(way: str, shape: Shape, by_name: bool) -> Prepared:
    condition = WAYS[way].condition(make_slots(shape))
    if by_name:
        condition &= not_protected()
    return prepare_condition(Study.objects.filter(condition))


def not_protected() -> Q:
    """Return the condition on studies of patients who may be found by name.

    Marks that begin with `protected`, as a range: for a LIKE with a bound pattern SQLite plans the whole statement
    anew at each run, which is most of what a list costs.
    """
    return ~Q(Exists(_flags(kind__gte="protected", kind__lt="protectee")))


def _there(terms: Terms) -> Q:
    """Return the condition on studies with something in them, those in conflict for their departments only."""
    at_home = Exists(Home.objects.filter(study=OuterRef("pk"), department=terms.department))
    is_open = Q(in_conflict=False) | (Q(custodian__unit=terms.unit) & Q(at_home))
    return Q(number_of_study_related_instances__gt=0) & is_open


def _for_person(terms: Terms, alternatives: Q) -> Q:
    own_record = PatientIdentifier.objects.filter(
        patient=OuterRef("person"), is_national=True, value=terms.number
    )
    relative = Relative.objects.filter(
        patient=OuterRef("person"), user=terms.user, ended_at__isnull=True, registered_at__lte=terms.now
    )
    asks_reason = Q(Exists(_flags(kind__in=["vip", "staff"]))) | Q(Exists(relative))
    reason = ActiveChoice.objects.filter(
        patient=OuterRef("person"), assignment=terms.assignment, unit=None, **_valid(terms)
    )
    unprompted = ~asks_reason | Q(Exists(reason)) | _opened(terms)
    return _there(terms) & ~Q(Exists(own_record)) & unprompted & alternatives


def _own(terms: Terms) -> Q:
    took_part = _unprotected_or_related(terms) & Q(Exists(_participation(terms)))
    return _is_own(terms) & (_related(terms) | took_part | _opened(terms))


def _is_own(terms: Terms) -> Q:
    """Return the condition on studies of the own unit, or of its care processes where no inner block applies."""
    own = Q(custodian__unit=terms.unit)
    if terms.shape.own_units > 1:
        blocks = _blocks(terms, Q(unit=OuterRef(_UNIT)))
        own |= Q(custodian__unit__pk__in=terms.own_units) & ~Q(Exists(blocks))
    return own


def _same_provider(terms: Terms) -> Q:
    blocks = _blocks(terms, Q(unit=OuterRef(_UNIT)))
    chosen = ActiveChoice.objects.filter(
        patient=OuterRef("person"), assignment=terms.assignment, unit=OuterRef(_UNIT), **_valid(terms)
    )
    related = _related(terms)
    if terms.shape.options.choice_between_units:
        related &= Q(Exists(chosen))
    condition = Q(custodian__unit__provider=terms.provider) & ~_is_own(terms) & _unblocked(terms, blocks)
    if not terms.shape.options.opt_out_spares_provider:
        condition &= ~Q(Exists(_flags(kind="opted_out")))
    return condition & (related | _by_part(terms))


def _other_provider(terms: Terms) -> Q:
    blocks = _blocks(terms, Q(unit=OuterRef(_UNIT)) | Q(provider=OuterRef(_PROVIDER)))
    agreed = Q(Exists(_agreements(terms)))
    consented = Consent.objects.filter(patient=OuterRef("person"))
    related = agreed & _related(terms) & Q(Exists(_for_recipient(terms, consented)))
    return (
        ~Q(custodian__unit__provider=terms.provider)
        & (agreed | Q(Exists(_share(terms))))
        & ~Q(Exists(_flags(kind="opted_out")))
        & _unblocked(terms, blocks)
        & (related | _by_part(terms))
    )


def _agreements(terms: Terms) -> QuerySet[Any]:
    """The custodian's provider as a party of an agreement on shared documentation with the actor's."""
    return _shared_records(terms).filter(
        careprovider=OuterRef(_PROVIDER), sharingagreement__parties=terms.provider
    )


def _shared_records(terms: Terms) -> QuerySet[Any]:
    """Return each party of each agreement on shared documentation that is valid."""
    return _parties(terms).filter(sharingagreement__kind=SharingAgreement.COHESIVE)


def _parties(terms: Terms) -> QuerySet[Any]:
    began = Q(sharingagreement__valid_from__isnull=True) | Q(sharingagreement__valid_from__lte=terms.now)
    lasts = Q(sharingagreement__valid_to__isnull=True) | Q(sharingagreement__valid_to__gt=terms.now)
    return SharingAgreement.parties.through.objects.filter(began, lasts)


def _delivered(terms: Terms) -> Q:
    """Return the condition on studies that were delivered to a system's department and stayed open to it."""
    delivered = Q(Exists(_shares(terms).filter(basis=DELIVERY)))
    inner = ~Q(Exists(_blocks(terms, Q(unit=OuterRef(_UNIT)))))
    outer = ~Q(Exists(_blocks(terms, Q(provider=OuterRef(_PROVIDER)))))
    not_opted_out = ~Q(Exists(_flags(kind="opted_out")))
    own_provider = Q(custodian__unit__provider=terms.provider)
    spared = own_provider & not_opted_out
    if terms.shape.options.opt_out_spares_provider:
        spared = own_provider
    return delivered & inner & (spared | (~own_provider & not_opted_out & outer))


def _by_part(terms: Terms) -> Q:
    """Return what opens a study outside the own units without a choice or consent; rules 7, 12, 13."""
    took_part = Q(Exists(_participation(terms))) | Q(Exists(_share(terms)))
    return _opened(terms) | (_unprotected_or_related(terms) & took_part)


def _unprotected_or_related(terms: Terms) -> Q:
    return not_protected() | _related(terms)


def _unblocked(terms: Terms, blocks: QuerySet[Block]) -> Q:
    """Return the condition on studies of which every block is lifted, or opened in an emergency if none is absolute."""
    lift = BlockLift.objects.filter(
        _for_user(terms),
        block=OuterRef("pk"),
        unit__pk__in=terms.own_units,
        cancelled_at__isnull=True,
        **_valid(terms),
    )
    closing = blocks.filter(~Exists(lift))
    return ~Q(Exists(blocks.filter(is_absolute=True))) & (~Q(Exists(closing)) | _opened(terms))


def _related(terms: Terms) -> Q:
    return Q(Exists(_relations(terms).filter(patient=OuterRef("person"))))


def _relations(terms: Terms) -> QuerySet[CareRelation]:
    return CareRelation.objects.filter(
        _for_user(terms), unit__pk__in=terms.own_units, ended_at__isnull=True, **_valid(terms)
    )


def _opened(terms: Terms) -> Q:
    return Q(Exists(_openings(terms).filter(patient=OuterRef("person"))))


def _openings(terms: Terms) -> QuerySet[EmergencyOpening]:
    return EmergencyOpening.objects.filter(
        user=terms.user,
        assignment=terms.assignment,
        opened_at__lte=terms.now,
        closed_at__isnull=True,
        ends_at__gt=terms.now,
    )


def _choices(terms: Terms) -> QuerySet[ActiveChoice]:
    return ActiveChoice.objects.filter(assignment=terms.assignment, unit__isnull=False, **_valid(terms))


def _consents(terms: Terms) -> QuerySet[Consent]:
    """Consents to the actor of patients with whom its unit has a relation."""
    relation = _relations(terms).filter(patient=OuterRef("patient"))
    return _for_recipient(terms, Consent.objects.filter(Exists(relation)))


def _for_recipient(terms: Terms, consents: QuerySet[Consent]) -> QuerySet[Consent]:
    recipient = (
        Q(recipient_provider=terms.provider) | Q(recipient_unit=terms.unit) | Q(recipient_user=terms.user)
    )
    return consents.filter(recipient, withdrawn_at__isnull=True, **_valid(terms))


def _participation(terms: Terms) -> QuerySet[Participation]:
    return _participations(terms).filter(study=OuterRef("pk"))


def _participations(terms: Terms) -> QuerySet[Participation]:
    return Participation.objects.filter(user=terms.user, registered_at__lte=terms.now)


def _share(terms: Terms) -> QuerySet[Share]:
    """Shares that open the study to people; `registry.access_facts._grants` says which do."""
    own = Q(study__custodian__unit__provider=terms.provider)
    commissioned = _parties(terms).filter(
        COMMISSIONING,
        careprovider=OuterRef("study__custodian__unit__provider"),
        sharingagreement__parties=terms.provider,
    )
    opens = ~Q(basis__in=[DELIVERY, PRIOR]) & (~Q(basis=READING) | own | Q(Exists(commissioned)))
    of_patient = _shares_of_department(terms).filter(opens, study__person=OuterRef("study__person"))
    return _shares(terms).filter(opens | (Q(basis=PRIOR) & Q(Exists(of_patient))))


def _shares(terms: Terms) -> QuerySet[Share]:
    return _shares_of_department(terms).filter(study=OuterRef("pk"))


def _shares_of_department(terms: Terms) -> QuerySet[Share]:
    in_time = Q(valid_to__isnull=True) | Q(valid_to__gt=terms.now)
    return Share.objects.filter(
        in_time, department=terms.department, valid_from__lte=terms.now, withdrawn_at__isnull=True
    )


def _blocks(terms: Terms, holder: Q) -> QuerySet[Block]:
    """Blocks of some holder that cover the study; one without a date is covered by all."""
    covers = Q(data_from__lte=OuterRef("study_date")) & (
        Q(data_to="") | Q(data_to__gte=OuterRef("study_date"))
    )
    of_study = ExpressionWrapper(OuterRef("study_date"), CharField())
    return Block.objects.annotate(of_study=of_study).filter(
        Q(of_study="") | covers,
        holder,
        patient=OuterRef("person"),
        cancelled_at__isnull=True,
        valid_from__lte=terms.now,
    )


def _flags(**kinds: Any) -> QuerySet[PatientFlag]:
    return PatientFlag.objects.filter(patient=OuterRef("person"), ended_at__isnull=True, **kinds)


def _for_user(terms: Terms) -> Q:
    return Q(user__isnull=True) | Q(user=terms.user)


def _valid(terms: Terms) -> dict[str, Any]:
    return {"valid_from__lte": terms.now, "valid_to__gt": terms.now}


_UNIT = "custodian__unit"
_PROVIDER = "custodian__unit__provider"
