"""Every address of an installation: recipients' pages, health, admins' pages."""

from django.urls import include, path

urlpatterns = [
    path("", include("optsync.public.urls")),
    path("health/", include("optsync.web.health_urls")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("", include("optsync.web.urls")),
]
