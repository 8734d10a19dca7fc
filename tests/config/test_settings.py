"""Django's settings: secure by default, strict for a public https address."""

import json
import subprocess
import sys

SCRIPT = """
import json, sys, types
from optsync.config import django_start
keys = ("a new key, long and varied enough for the check 0123456789",
        "an old key, long and varied enough for the check 0123456789")
django_start._handed_over = django_start.HandedOver(secret_keys=keys, public_url=sys.argv[1] or None)
import os; os.environ["DJANGO_SETTINGS_MODULE"] = "optsync.config.settings"
import django; django.setup()
from django.conf import settings
from django.core.checks import run_checks
names = ["ALLOWED_HOSTS", "DEBUG", "SESSION_COOKIE_NAME", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE"]
names += ["SECURE_HSTS_SECONDS", "CSRF_TRUSTED_ORIGINS", "SECRET_KEY_FALLBACKS"]
found = {name: getattr(settings, name) for name in names}
warnings = run_checks(include_deployment_checks=True)
found["warnings"] = sorted(warning.id for warning in warnings if not warning.is_silenced())
print(json.dumps(found))
"""


def settings_for(public_url: str) -> dict[str, object]:
    """What the settings are in a fresh process with that public address."""
    done = subprocess.run([sys.executable, "-c", SCRIPT, public_url], capture_output=True, text=True, check=True)
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_a_public_https_address_makes_everything_strict_and_django_has_nothing_to_warn_of() -> None:
    found = settings_for("https://unsubscribe.example.com/x")
    assert "unsubscribe.example.com" in str(found["ALLOWED_HOSTS"])
    assert found["CSRF_TRUSTED_ORIGINS"] == ["https://unsubscribe.example.com"]
    assert (found["SESSION_COOKIE_SECURE"], found["CSRF_COOKIE_SECURE"]) == (True, True)
    assert found["SESSION_COOKIE_NAME"] == "__Host-session"
    assert found["SECURE_HSTS_SECONDS"] == 31_536_000
    assert found["warnings"] == []


def test_without_a_public_address_only_this_machine_may_ask() -> None:
    found = settings_for("")
    assert found["ALLOWED_HOSTS"] == ["localhost", "127.0.0.1", "[::1]"]
    assert found["DEBUG"] is False


def test_keys_rotated_out_still_verify() -> None:
    assert settings_for("")["SECRET_KEY_FALLBACKS"] == ["an old key, long and varied enough for the check 0123456789"]
