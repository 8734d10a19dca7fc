"""The ways in and a user's own account. The names without a namespace are allauth's: it looks its pages up by them."""

from allauth.socialaccount.providers.openid_connect import views as oidc_views
from django.conf import settings
from django.urls import path
from django.views.decorators.cache import never_cache

from optsync.web import account
from optsync.web.middleware import needs, open_to_all

PROVIDER = {"provider_id": settings.OIDC_PROVIDER_ID}
own = needs("viewer")

urlpatterns = [
    path("sign-in", open_to_all(account.SignIn.as_view()), name="account_login"),
    path("sign-in/second-step", open_to_all(account.SecondStep.as_view()), name="mfa_authenticate"),
    path("sign-in/passkey", open_to_all(account.PasskeySignIn.as_view()), name="mfa_login_webauthn"),
    path("sign-in/company", account.by_company, PROVIDER, name="openid_connect_login"),
    path("sign-in/company/callback", open_to_all(oidc_views.callback), PROVIDER, name="openid_connect_callback"),
    path("sign-in/company/cancelled", account.company_cancelled, name="socialaccount_login_cancelled"),
    path("account", account.account, name="mfa_index"),
    path("account", account.account, name="mfa_list_webauthn"),
    path("account/confirm", own(account.Confirm.as_view()), name="account_reauthenticate"),
    path("account/confirm/code", own(account.ConfirmByCode.as_view()), name="mfa_reauthenticate"),
    path("account/confirm/passkey", own(account.ConfirmByPasskey.as_view()), name="mfa_reauthenticate_webauthn"),
    path("account/password", own(account.ChangePassword.as_view()), name="account_change_password"),
    path("account/password/first", own(account.SetPassword.as_view()), name="account_set_password"),
    path("account/passkeys/add", own(never_cache(account.AddPasskey.as_view())), name="mfa_add_webauthn"),
    path("account/passkeys/<int:pk>/remove", own(account.remove_passkey), name="mfa_remove_webauthn"),
    path("account/app", own(never_cache(account.SetUpApp.as_view())), name="mfa_activate_totp"),
    path("account/app/remove", own(account.remove_app), name="mfa_deactivate_totp"),
    path("account/recovery-codes", own(account.ShowRecoveryCodes.as_view()), name="mfa_view_recovery_codes"),
    path("account/recovery-codes/new", own(account.new_recovery_codes), name="mfa_generate_recovery_codes"),
]
