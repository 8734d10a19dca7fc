"""A user's own account and the ways in: password, passkeys, one-time codes, the company's provider.

The ceremonies are allauth's. What ours add: the pages, 422 for a form that is shown again, and that reading a page
writes nothing, so a challenge or a secret is made by a POST with `begin`.
"""

from collections.abc import Callable
from typing import Any
from zoneinfo import available_timezones

from allauth.account import views as account_views
from allauth.core.internal.ratelimit import respond_429
from allauth.mfa.base.views import AuthenticateView
from allauth.mfa.base.views import ReauthenticateView as ConfirmByCodeView
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.views import GenerateRecoveryCodesView, ViewRecoveryCodesView
from allauth.mfa.totp.views import ActivateTOTPView, DeactivateTOTPView
from allauth.mfa.webauthn import views as passkey_views
from allauth.mfa.webauthn.internal import auth as passkeys
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers.openid_connect import views as oidc_views
from django.conf import settings
from django.core.exceptions import NON_FIELD_ERRORS, SuspiciousOperation
from django.forms import Form
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse, reverse_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST
from django.views.generic.base import TemplateView

from optsync.access import users
from optsync.config.desk import desk
from optsync.web.accounts import sign_in, sign_in_operator
from optsync.web.middleware import actor_of, needs, open_to_all, user_of
from optsync.web.shell import REFUSED, nightly_zone, page
from optsync.web.sign_in import use_link

ACCOUNT = reverse_lazy("web:account")
COMPANY_FIELDS = {"csrfmiddlewaretoken", "next"}


class Refusing:
    """A form that is shown again says so with 422, and with 429 once there were too many attempts."""

    request: HttpRequest
    get_context_data: Callable[..., dict[str, Any]]
    render_to_response: Callable[..., HttpResponse]

    def form_invalid(self, form: Form) -> HttpResponse:
        """Of a password, a code or a passkey alike."""
        if any(form.has_error(name, "too_many_login_attempts") for name in (NON_FIELD_ERRORS, *form.fields)):
            answer: HttpResponse = respond_429(self.request)
            return answer
        return self.render_to_response(self.get_context_data(form=form), status=REFUSED)


class SignIn(Refusing, account_views.LoginView):
    """The page with every way in. A wrong address and a wrong password are answered alike."""

    template_name = "web/sign_in.html"
    extra_context = {"oidc_name": settings.OIDC_NAME, "oidc_provider": settings.OIDC_PROVIDER_ID}  # noqa: RUF012 - Django's own way


class SecondStep(AuthenticateView):
    """After the password of a user who has more than that: a code, a recovery code or a passkey."""

    template_name = "web/second_step.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The form, and whether there is a passkey to offer; its challenge is made when it is asked for."""
        user = self.stage.login.user
        has_passkey = Authenticator.objects.filter(user=user, type=Authenticator.Type.WEBAUTHN).exists()
        return TemplateView.get_context_data(self, form=self.auth_form, has_passkey=has_passkey, **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """`begin` asks for a challenge."""
        if "begin" in request.POST:
            return JsonResponse(passkeys.begin_authentication(self.stage.login.user))
        answer: HttpResponse = super().post(request, *args, **kwargs)
        return answer

    def form_invalid(self, form: Form) -> HttpResponse:
        """As `Refusing`, for a page with two forms."""
        if form.errors and any(form.has_error(name, "too_many_login_attempts") for name in form.fields):
            refused: HttpResponse = respond_429(self.request)
            return refused
        answer: HttpResponse = self.render_to_response(self.get_context_data(refused=True), status=REFUSED)
        return answer


class PasskeySignIn(passkey_views.LoginWebAuthnView):
    """Signs in by a passkey alone, which proves possession and a finger, a face or a PIN."""

    def get(self, _request: HttpRequest, *_args: Any, **_kwargs: Any) -> HttpResponse:
        """There is nothing to see here."""
        return redirect("account_login")

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """`begin` asks for a challenge."""
        if "begin" in request.POST:
            return JsonResponse(passkeys.begin_authentication())
        answer: HttpResponse = super().post(request, *args, **kwargs)
        return answer

    def form_invalid(self, _form: Form) -> HttpResponse:
        """The sign-in page says it."""
        return redirect(f"{reverse('account_login')}?passkey=refused")


class AddPasskey(Refusing, passkey_views.AddWebAuthnView):
    """A new passkey, good for signing in with nothing else."""

    template_name = "web/passkey_add.html"

    def get_success_url(self) -> str:
        """Not the recovery codes: they take the place of a second step, and a passkey has none."""
        return str(ACCOUNT)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Without a challenge, which is made when it is asked for."""
        context: dict[str, Any] = super(passkey_views.AddWebAuthnView, self).get_context_data(**kwargs)
        return context

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """`begin` asks for a challenge."""
        if "begin" in request.POST:
            return JsonResponse(passkeys.begin_registration(request.user, passwordless=True))
        answer: HttpResponse = super().post(request, *args, **kwargs)
        return answer


class ConfirmByPasskey(passkey_views.ReauthenticateWebAuthnView):
    """Is it still you? By passkey."""

    template_name = "web/confirm.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Without a challenge, which is made when it is asked for."""
        kwargs["by"] = "passkey"
        context: dict[str, Any] = super(passkey_views.ReauthenticateWebAuthnView, self).get_context_data(**kwargs)
        return context

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """`begin` asks for a challenge."""
        if "begin" in request.POST:
            return JsonResponse(passkeys.begin_authentication(request.user))
        answer: HttpResponse = super().post(request, *args, **kwargs)
        return answer

    def form_invalid(self, _form: Form) -> HttpResponse:
        """The page says it."""
        answer: HttpResponse = self.render_to_response(self.get_context_data(refused=True), status=REFUSED)
        return answer


class Confirm(Refusing, account_views.ReauthenticateView):
    """Is it still you? By password."""

    template_name = "web/confirm.html"
    extra_context = {"by": "password"}  # noqa: RUF012 - Django's own way


class ConfirmByCode(Refusing, ConfirmByCodeView):
    """Is it still you? By a one-time code."""

    template_name = "web/confirm.html"
    extra_context = {"by": "code"}  # noqa: RUF012 - Django's own way


class ChangePassword(Refusing, account_views.PasswordChangeView):
    """Another password, which ends every session of this user, this one too."""

    template_name = "web/password.html"
    extra_context = {"changes": True}  # noqa: RUF012 - Django's own way
    success_url = reverse_lazy("account_login")


class SetPassword(Refusing, account_views.PasswordSetView):
    """The first password of a user who was invited; ends every session as `ChangePassword` does."""

    template_name = "web/password.html"
    success_url = reverse_lazy("account_login")


class SetUpApp(Refusing, ActivateTOTPView):
    """One-time codes from an app: `begin` makes the secret and shows it, a code from the app confirms it."""

    template_name = "web/app_set_up.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Only `post` makes a secret."""
        return redirect(ACCOUNT)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """A form that is not bound makes a secret, a bound one keeps it: `begin` comes as a form that is not."""
        if "begin" in request.POST:
            request.method = "GET"
            answer: HttpResponse = super().get(request, *args, **kwargs)
        else:
            answer = super().post(request, *args, **kwargs)
        return answer


class ShowRecoveryCodes(ViewRecoveryCodesView):
    """The recovery codes that are left, on a POST: allauth notes that they were seen."""

    template_name = "web/recovery_codes.html"

    def get(self, _request: HttpRequest, *_args: Any, **_kwargs: Any) -> HttpResponse:
        """A page with the button that shows them."""
        answer: HttpResponse = self.render_to_response(TemplateView.get_context_data(self))
        return answer

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The page with the codes."""
        answer: HttpResponse = super().get(request, *args, **kwargs)
        return answer


REMOVE_PASSKEY = {"template_name": "web/factor_remove.html", "extra_context": {"what": "passkey"}}
REMOVE_APP = {"template_name": "web/factor_remove.html", "extra_context": {"what": "app"}}
NEW_CODES = {"template_name": "web/recovery_codes_new.html"}
remove_passkey = passkey_views.RemoveWebAuthnView.as_view(**REMOVE_PASSKEY)
remove_app = DeactivateTOTPView.as_view(**REMOVE_APP)
new_recovery_codes = GenerateRecoveryCodesView.as_view(**NEW_CODES)


@open_to_all
@require_http_methods(["GET", "HEAD", "POST"])
def by_link(request: HttpRequest, secret: str) -> HttpResponse:
    """GET shows a button; POST uses the link up. A scanner that opens the link changes nothing."""
    if request.method != "POST":
        return page(request, "sign_in_by_link", "", secret=secret)
    link = use_link(desk().connection(), secret)
    if link is None:
        return page(request, "sign_in_by_link", "", status=403)
    if link.user_id is None:
        sign_in_operator(request)
        return redirect("web:overview")
    sign_in(request, link.user_id)
    return redirect(ACCOUNT)


@needs("viewer")
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """Ends this browser's session, or with `everywhere` every session of this user."""
    user = user_of(request)
    if user and "everywhere" in request.POST:
        users.end_sessions(desk().connection(), user.user_id, actor=actor_of(request))
    request.session.flush()
    return redirect("account_login")


@open_to_all
@require_http_methods(["GET", "HEAD", "POST"])
def by_company(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Goes on to the company's provider.

    By a page that leads there, not by a redirect: our policy lets no form end on another site, and a page is no form.
    """
    if request.method != "POST":
        return redirect("account_login")
    if request.GET or set(request.POST) - COMPANY_FIELDS:
        raise SuspiciousOperation("allauth would take more from a form than ours asks for")
    answer: HttpResponse = oidc_views.login(request, provider_id)
    if answer.status_code != 302:
        return answer
    onward = render(request, "web/onward.html", {"url": answer["Location"], "name": settings.OIDC_NAME})
    onward["Refresh"] = f"0; url={answer['Location']}"
    return onward


@open_to_all
def company_cancelled(request: HttpRequest) -> HttpResponse:
    """Somebody pressed Cancel at the provider."""
    return redirect("account_login")


@needs("viewer")
@require_http_methods(["GET", "HEAD", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """The user's own page; a POST keeps language and time zone."""
    user = user_of(request)
    if user is None:
        return page(request, "account", "account")
    if request.method == "POST":
        return keep(request, user.user_id)
    found = list(Authenticator.objects.filter(user=user).order_by("pk"))
    context = {
        "user": user,
        "passkeys": [one for one in found if one.type == Authenticator.Type.WEBAUTHN],
        "app": next((one for one in found if one.type == Authenticator.Type.TOTP), None),
        "has_codes": any(one.type == Authenticator.Type.RECOVERY_CODES for one in found),
        "company": SocialAccount.objects.filter(user=user).exists(),
        "languages": settings.LANGUAGES,
        "zones": sorted(available_timezones()),
        "nightly_zone": nightly_zone(request),
        "saved": "saved" in request.GET,
    }
    return page(request, "account", "account", **context)


def keep(request: HttpRequest, user_id: int) -> HttpResponse:
    """Keeps language and time zone; the account's language takes the place of the one chosen in this browser."""
    language, zone = request.POST.get("language", ""), request.POST.get("time_zone", "")
    if language not in dict(settings.LANGUAGES) | {"": ""} or zone not in available_timezones() | {""}:
        return page(request, "account", "account", status=REFUSED, problem=_("Choose from the lists."))
    users.keep_own_settings(desk().connection(), user_id, language, zone)
    answer = redirect(f"{reverse('web:account')}?saved")
    answer.delete_cookie(settings.LANGUAGE_COOKIE_NAME)
    return answer
