"""Who a request speaks for: tokens by digest, sessions by assignment, a wrong token never falls back."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory
from django.utils import timezone

from access.authentication import SESSION_ASSIGNMENT, Unauthenticated, authenticate, issue_token
from access.models import ApiClient, ClientToken, User
from tests.registry.factories import make_department
from tests.support.people import give_assignment

pytestmark = pytest.mark.django_db


@pytest.fixture
def department():
    return make_department()


def request_with(token="", user=None, session=None):
    request = RequestFactory().get("/", headers={"Authorization": token} if token else {})
    request.user = user or AnonymousUser()
    request.session = session or {}  # type: ignore[assignment]  # what authenticate reads of it
    return request


def make_person(department, *, days=(-1, 1), name="doktor"):
    user, _ = User.objects.get_or_create(username=name)
    begins, ends = (timezone.now() + timedelta(days=count) for count in days)
    return user, give_assignment(user, department, valid_from=begins, valid_to=ends)


def test_a_token_is_its_client_in_its_department_with_its_scopes(department):
    client = ApiClient.objects.create(name="pacs", department=department)
    token = issue_token(client, ("store",))
    actor = authenticate(request_with(f"Bearer {token.text}"))
    assert (actor.kind, actor.subject, actor.permissions) == ("system", "pacs", frozenset({"store"}))
    assert actor.scope.department_id == department.pk
    assert actor.scope.provider_id == department.unit.provider_id
    assert token.text not in str(list(ClientToken.objects.values()))


@pytest.mark.parametrize("change", ["revoked", "expired", "client inactive", "other text", "other scheme"])
def test_a_token_that_is_not_valid_is_refused_even_beside_a_session(department, change):
    client = ApiClient.objects.create(name="pacs", department=department)
    token = issue_token(client)
    text, now = f"Bearer {token.text}", timezone.now()
    if change == "revoked":
        ClientToken.objects.update(revoked_at=now)
    elif change == "expired":
        ClientToken.objects.update(expires_at=now)
    elif change == "client inactive":
        ApiClient.objects.update(active=False)
    elif change == "other text":
        text += "x"
    else:
        text = f"Basic {token.text}"
    user, _ = make_person(department)
    with pytest.raises(Unauthenticated):
        authenticate(request_with(text, user))


def test_a_person_acts_under_the_one_chosen_assignment(department):
    user, first = make_person(department)
    assert authenticate(request_with(user=user)).assignment_id == first.pk
    _, second = make_person(make_department())
    with pytest.raises(Unauthenticated, match="choose"):
        authenticate(request_with(user=user))
    actor = authenticate(request_with(user=user, session={SESSION_ASSIGNMENT: second.pk}))
    assert actor.scope.department_id == second.department_id


@pytest.mark.parametrize("days", [(-2, -1), (1, 2)])
def test_an_assignment_outside_its_time_gives_nothing(department, days):
    user, assignment = make_person(department, days=days)
    with pytest.raises(Unauthenticated):
        authenticate(request_with(user=user, session={SESSION_ASSIGNMENT: assignment.pk}))


def test_nobody_is_refused(department):
    user, _ = make_person(department)
    user.is_active = False
    for nobody in (None, user):
        with pytest.raises(Unauthenticated):
            authenticate(request_with(user=nobody))
