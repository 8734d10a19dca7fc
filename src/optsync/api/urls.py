"""The addresses a program sees."""

from optsync.api.v1 import api

urlpatterns, _, app_name = api.urls
