"""Every address of an installation: recipients' pages, programs' interface, mail providers, health, admins' pages."""

from django.urls import include, path

handler400 = "optsync.web.failing.unreadable"
handler403 = "optsync.web.failing.not_allowed"
handler404 = "optsync.web.failing.not_found"
handler500 = "optsync.web.failing.failed"

urlpatterns = [
    path("", include("optsync.public.urls")),
    path("v1/", include("optsync.api.urls")),
    path("webhooks/", include("optsync.webhooks.urls")),
    path("health/", include("optsync.web.health_urls")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("", include("optsync.web.account_urls")),
    path("", include("optsync.web.urls")),
]
