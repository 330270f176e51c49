"""Views of Django REST framework: the same identities, 401 with a challenge, and nothing that a view does not declare."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory
from rest_framework.response import Response
from rest_framework.views import APIView

from access.authentication import issue_token
from access.models import ApiClient
from tests.registry.factories import make_department

pytestmark = pytest.mark.django_db


class Declared(APIView):
    """Says what it needs to be read; of writing it says nothing."""

    required_permissions = {"GET": "read"}

    def get(self, request):
        return Response({"subject": request.auth.subject})

    post = get


class Undeclared(APIView):
    """Says nothing."""

    def get(self, request):
        return Response({})


def ask(view=Declared, scopes=("read",), method="get", token=None):
    client, _ = ApiClient.objects.get_or_create(name="pacs", defaults={"department": make_department()})
    text = issue_token(client, scopes).text if token is None else token
    request = getattr(RequestFactory(), method)(
        "/", headers={"Authorization": f"Bearer {text}"} if text else {}
    )
    request.user = AnonymousUser()
    return view.as_view()(request)


def test_a_view_gets_the_actor():
    answer = ask()
    assert (answer.status_code, answer.data) == (200, {"subject": "pacs"})


@pytest.mark.parametrize("token", ["", "wrong"])
def test_a_refusal_says_how_to_authenticate(token):
    answer = ask(token=token)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="samsyn"'


def test_what_the_view_needs_the_actor_must_hold():
    assert ask(scopes=("store",)).status_code == 403
    assert ask(method="post").status_code == 403
    assert ask(Undeclared).status_code == 403
