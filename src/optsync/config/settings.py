"""Django's settings. What only a running process knows (database, keys) is handed over by `config.django_start`."""

from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from csp.constants import NONCE, NONE, SELF

from optsync.config.django_start import handed_over

RUNNING = handed_over()
PUBLIC = urlsplit(RUNNING.public_url or "")
IS_HTTPS = PUBLIC.scheme == "https"

SECRET_KEY = RUNNING.secret_keys[0]
SECRET_KEY_FALLBACKS = list(RUNNING.secret_keys[1:])
DEBUG = False
# Without a public address only this machine may ask; a wrong Host header must never end up in a link.
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"] + ([PUBLIC.hostname] if PUBLIC.hostname else [])
CSRF_TRUSTED_ORIGINS = [f"{PUBLIC.scheme}://{PUBLIC.netloc}"] if PUBLIC.netloc else []

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "csp",
    "optsync.ledger",
    "optsync.access",
    "optsync.connection",
    "optsync.sync",
    "optsync.web",
    "optsync.public",
    "optsync.api",
    "optsync.webhooks",
    "optsync.alerts",
    "allauth",  # after ours: its own templates are never used
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.gzip.GZipMiddleware",  # pads at random, so that lengths do not tell a form's token (BREACH)
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "optsync.web.request_ids.RequestIds",
    "optsync.api.frame.ApiFrame",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "optsync.web.middleware.SignInRequired",
    "optsync.web.shell.OneZone",
]

ROOT_URLCONF = "optsync.config.urls"
WSGI_APPLICATION = "optsync.config.wsgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "optsync.web.shell.frame",
            ],
        },
    },
]

DATABASES = {"default": RUNNING.parameters}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True  # straight from the packages: no collectstatic, no second copy
WHITENOISE_AUTOREFRESH = False

# Everything comes from this origin; htmx needs no eval and no inline style; nothing may frame us.
CONTENT_SECURITY_POLICY: dict[str, Any] = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "require-trusted-types-for": ["'script'"],
        "trusted-types": ["htmx"],
        "report-uri": ["/csp-reports"],  # every browser knows it; report-to needs a further header of each answer
    },
}

# Users are invited; they sign in with a password of length, a passkey, or their company's provider (docs/how-to).
AUTH_USER_MODEL = "access.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("name", "email")},
    },
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "web:overview"
ACCOUNT_ADAPTER = "optsync.web.accounts.Accounts"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]  # allauth wants to know; nobody can sign up
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"  # an admin vouched for the address
ACCOUNT_SESSION_REMEMBER = True  # 12 hours as everybody's, not until a browser closes
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = True
MFA_ADAPTER = "optsync.web.accounts.Factors"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "optsync"
MFA_TOTP_TOLERANCE = 1  # a telephone's clock may be half a minute off
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not IS_HTTPS  # http://localhost, which browsers allow passkeys on
SOCIALACCOUNT_ADAPTER = "optsync.web.accounts.Companies"
SOCIALACCOUNT_STORE_TOKENS = False
# Who changes the provider must not meet the links to accounts of the one before: its name is part of each.
OIDC_PROVIDER_ID = f"oidc-{sha256(RUNNING.oidc.issuer.encode()).hexdigest()[:16]}" if RUNNING.oidc else "oidc"
OIDC_NAME = RUNNING.oidc.name if RUNNING.oidc else ""
SOCIALACCOUNT_PROVIDERS: dict[str, Any] = {
    "openid_connect": {
        "OAUTH_PKCE_ENABLED": True,
        "APPS": [
            {
                "provider_id": OIDC_PROVIDER_ID,
                "name": RUNNING.oidc.name,
                "client_id": RUNNING.oidc.client_id,
                "secret": RUNNING.oidc.client_secret,
                "settings": {"server_url": RUNNING.oidc.issuer},
            }
        ]
        if RUNNING.oidc
        else [],
    }
}
# The limits count in each worker process by itself: no table, no write for who only tries.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 100_000}}}

SECURE_CONTENT_TYPE_NOSNIFF = True
# With no-referrer a browser posts forms with "Origin: null", which the CSRF check refuses. Recipients' pages, whose
# link is a capability, say no-referrer themselves.
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Plain http happens on this machine only (demo, first steps); any public address is expected to be https.
# The proxy in front redirects; we must not, because a redirected one-click POST (RFC 8058) is lost. Subdomains and
# preload lists are not ours to decide for the whole domain of a customer.
SECURE_SSL_REDIRECT = False
SILENCED_SYSTEM_CHECKS = ["security.W008", "security.W005", "security.W021"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if IS_HTTPS else None
SECURE_HSTS_SECONDS = 31_536_000 if IS_HTTPS else 0
SESSION_COOKIE_NAME = "__Host-session" if IS_HTTPS else "session"
SESSION_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
CSRF_FAILURE_VIEW = "optsync.web.failing.form_too_old"
CSRF_COOKIE_NAME = "__Host-csrf" if IS_HTTPS else "csrf"
CSRF_COOKIE_SECURE = IS_HTTPS
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_NAME = "__Host-language" if IS_HTTPS else "language"
LANGUAGE_COOKIE_SECURE = IS_HTTPS
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600

DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1_000
DATA_UPLOAD_MAX_NUMBER_FILES = 10  # one is ever taken: that of an import
FILE_UPLOAD_HANDLERS = ["optsync.web.uploading.ImportedFile"]
LOGGING_CONFIG = None  # config.logging owns the handlers
