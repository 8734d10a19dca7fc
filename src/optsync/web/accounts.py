"""What we ask of allauth, which signs users in: nobody signs up, secrets are encrypted, each change is an event."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.reauthentication import get_reauthentication_flows
from allauth.account.signals import password_changed, password_set
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added, authenticator_removed, authenticator_reset
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from django.contrib import auth
from django.contrib.auth.models import AnonymousUser
from django.dispatch import receiver
from django.http import HttpRequest

from optsync.access import users
from optsync.access.models import User
from optsync.config.desk import desk
from optsync.core.addresses import normalize
from optsync.core.proxies import client_of
from optsync.web.middleware import LINK_SESSION

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


class Accounts(DefaultAccountAdapter):
    """Passwords and sessions."""

    def get_client_ip(self, request: HttpRequest) -> str:
        """Whose attempts are limited: the client that our own proxies name; "" counts as one when nobody knows."""
        meta = request.META
        client = client_of(meta.get("REMOTE_ADDR", ""), meta.get("HTTP_X_FORWARDED_FOR", ""), desk().proxies)
        return str(client or "")

    def is_open_for_signup(self, _request: HttpRequest) -> bool:
        """Users are invited."""
        return False

    def add_message(self, *_what: Any, **_more: Any) -> None:
        """Our pages say what happened themselves; nothing is kept in a cookie for later."""

    def send_mail(self, *_what: Any, **_more: Any) -> None:
        """Links are handed over by whoever invites: there is no mail to misdirect."""

    def login(self, request: HttpRequest, user: User) -> None:
        """A fresh session for the user; one that came by an operator's link does not outlive it."""
        request.session.pop(LINK_SESSION, None)
        super().login(request, user)

    def is_reauthentication_required(self, *, app: str) -> bool:
        """Not of a user who has nothing yet to prove themselves with: they came by their invitation a moment ago."""
        required: bool = super().is_reauthentication_required(app=app)
        return required and bool(get_reauthentication_flows(self.request.user))

    def get_reauthentication_methods(self, user: User | AnonymousUser) -> list[dict[str, Any]]:
        """A passkey is asked for first: it is the least work and the most proof."""
        found: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        return sorted(found, key=lambda method: method["id"] != "mfa_reauthenticate:webauthn")


class Factors(DefaultMFAAdapter):
    """Passkeys, one-time codes and recovery codes."""

    def encrypt(self, text: str) -> str:
        """The secret of one-time codes is stored as Salesforce's credentials are."""
        return desk().vault.encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """See `encrypt`."""
        return desk().vault.decrypt(encrypted_text.encode()).decode()


class Companies(DefaultSocialAccountAdapter):
    """Signing in through the company's OpenID Connect provider."""

    def is_open_for_signup(self, _request: HttpRequest, _login: SocialLogin) -> bool:
        """The provider says who somebody is; only an admin says who may come in."""
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """At the first time, the user is the one with an address that the provider says it verified."""
        if sociallogin.is_existing:
            return
        verified = [normalize(address.email) for address in sociallogin.email_addresses if address.verified]
        user = User.objects.filter(email__in=verified).first()
        if user is not None:
            sociallogin.connect(request, user)
            tell(user, "sign-in added", "company sign-in")


def sign_in(request: HttpRequest, user_id: int) -> None:
    """Signs the user in who came by a one-time link of theirs, in a session with a new key and nothing in it."""
    request.session.flush()
    auth.login(request, User.objects.get(pk=user_id), backend=BACKEND)


def sign_in_operator(request: HttpRequest) -> None:
    """Signs the operator of the machine in, who is an admin without an account."""
    request.session.flush()
    request.session[LINK_SESSION] = "admin"


def tell(user: User, kind: str, what: str) -> None:
    """An event about how a user signs in, by themselves."""
    users.tell(desk().connection(), user.user_id, kind, what, actor=user.name)


FACTORS = {"totp": "authenticator app", "webauthn": "passkey", "recovery_codes": "recovery codes"}


@receiver([authenticator_added, authenticator_reset])
def tell_of_added_factor(user: User, authenticator: Authenticator, **_more: Any) -> None:
    """A second factor was added, or recovery codes were made anew."""
    tell(user, "sign-in added", FACTORS[authenticator.type])


@receiver(authenticator_removed)
def tell_of_removed_factor(user: User, authenticator: Authenticator, **_more: Any) -> None:
    """A second factor was removed."""
    tell(user, "sign-in removed", FACTORS[authenticator.type])


@receiver([password_set, password_changed])
def tell_of_password(user: User, **_more: Any) -> None:
    """There is a new password; the sessions of the old one have ended with it."""
    tell(user, "sign-in changed", "password")
