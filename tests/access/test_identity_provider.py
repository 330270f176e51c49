"""What is believed of an identity provider's answers; the provider itself runs in tests/server."""

import time
from datetime import timedelta

import pytest
import requests
from allauth.account.authentication import get_authentication_records
from allauth.socialaccount.models import SocialAccount, SocialLogin
from django.test import Client, RequestFactory
from django.utils import timezone

from access.epochs import raise_access_epoch
from access.identity_provider import HsaIdAdapter, enter, read_claims
from access.models import Assignment
from access.step_up import has_fresh_second_factor
from tests.access.test_authentication import make_person
from tests.registry.factories import make_department


def make_login(**answers):
    return SocialLogin(account=SocialAccount(provider="openid_connect", uid="1", extra_data=answers))


def test_two_answers_about_two_people_are_about_nobody():
    token = {"sub": "1", "acr": "x"}
    assert read_claims(make_login(id_token=token, userinfo={"sub": "1", "employeeHsaId": "SE-1"})) == {
        "sub": "1",
        "acr": "x",
        "employeeHsaId": "SE-1",
    }
    assert read_claims(make_login(id_token=token)) == token
    assert read_claims(make_login(id_token=token, userinfo={"sub": "2", "employeeHsaId": "SE-1"})) == {}


def enter_with(user, **claims):
    request = RequestFactory().get("/")
    request.session, request.user = Client().session, user
    enter(request, user, make_login(id_token={"sub": "1"} | claims))
    return request


@pytest.mark.django_db
def test_a_second_factor_is_as_old_as_the_provider_says(settings):
    settings.OIDC_STRONG_ACR = frozenset({"loa3"})
    user, _ = make_person(make_department())
    now = time.time()
    assert has_fresh_second_factor(enter_with(user, acr="loa3", auth_time=now - 299))
    assert not has_fresh_second_factor(enter_with(user, acr="loa3", auth_time=now - 301))
    assert not has_fresh_second_factor(enter_with(user, acr="loa2", auth_time=now))
    assert not has_fresh_second_factor(enter_with(user, acr="loa3"))
    ahead = enter_with(user, acr="loa3", auth_time=now + 3600)
    assert get_authentication_records(ahead, user)[0]["at"] <= time.time()


@pytest.mark.django_db
def test_a_commission_chooses_a_valid_assignment_of_that_person_only():
    user, mine = make_person(make_department())
    _, other = make_person(make_department(), name="olle")
    Assignment.objects.filter(pk=mine.pk).update(commission_hsa_id="SE-COM-1")
    Assignment.objects.filter(pk=other.pk).update(commission_hsa_id="SE-COM-2")
    raise_access_epoch()
    assert enter_with(user, commissionHsaId="SE-COM-1").session["assignment"] == mine.pk
    for claim in ("SE-COM-2", "", None, ["SE-COM-1"]):
        assert "assignment" not in enter_with(user, commissionHsaId=claim).session
    Assignment.objects.filter(pk=mine.pk).update(valid_to=timezone.now() - timedelta(seconds=1))
    raise_access_epoch()
    assert "assignment" not in enter_with(user, commissionHsaId="SE-COM-1").session


def test_the_provider_is_asked_at_checked_addresses_and_nothing_is_followed(settings):
    session = HsaIdAdapter().get_requests_session()
    for url in ("http://169.254.169.254/", "file:///etc/passwd", "http://nowhere.invalid/"):
        with pytest.raises(requests.RequestException, match="cannot be asked"):
            session.get(url)
    settings.ALLOW_PRIVATE_ISSUERS = False
    with pytest.raises(requests.RequestException, match="SAMSYN_ALLOW_PRIVATE_ISSUERS"):
        session.get("https://127.0.0.1/")
    with pytest.raises(requests.RequestException, match="https"):
        session.get("http://193.0.6.139/")
