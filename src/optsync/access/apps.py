"""The Django app of `optsync.access`: the table of users, under the name that Django's sign-in knows it by."""

from django.apps import AppConfig


class AccessConfig(AppConfig):
    """Names the app."""

    name = "optsync.access"
