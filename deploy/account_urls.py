"""Routes of logging in and out, second factors and sessions: those that are used, not all that allauth has.

There is no signing up, no e-mail and no password by post.
"""

from allauth.account import views as account
from allauth.socialaccount import views as provider
from allauth.socialaccount.providers.openid_connect import views as openid_connect
from django.conf import settings
from django.urls import include, path

urlpatterns = [
    path("login/", account.login, name="account_login"),
    path("logout/", account.logout, name="account_logout"),
    path("inactive/", account.account_inactive, name="account_inactive"),
    path("reauthenticate/", account.reauthenticate, name="account_reauthenticate"),
    path("2fa/", include("allauth.mfa.urls")),
    path("sessions/", include("allauth.usersessions.urls")),
    path("oidc/<slug:provider_id>/login/", openid_connect.login, name="openid_connect_login"),
    path("oidc/<slug:provider_id>/login/callback/", openid_connect.callback, name="openid_connect_callback"),
    path("provider/cancelled/", provider.login_cancelled, name="socialaccount_login_cancelled"),
    path("provider/error/", provider.login_error, name="socialaccount_login_error"),
]
if settings.PASSWORD_LOGIN:
    urlpatterns += [
        path("password/change/", account.password_change, name="account_change_password"),
        path(
            "password/set/", account.password_set, name="account_set_password"
        ),  # of an account that has none
    ]
