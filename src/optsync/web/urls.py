"""The addresses an admin sees. The path of requirement 24: gear > Settings > Unsubscribes > Integrations."""

from django.urls import path
from django.views.generic.base import RedirectView

from optsync.web import (
    connecting,
    doctor,
    holds,
    installing,
    integrations,
    issues,
    people,
    runs,
    search,
    unsubscribes,
    views,
)

app_name = "web"
urlpatterns = [
    path("", views.overview, name="overview"),
    path("unsubscribes", unsubscribes.unsubscribes, name="unsubscribes"),
    path("unsubscribes/export", unsubscribes.export, name="export"),
    path("people", people.person, name="people"),
    path("people/evidence", people.evidence, name="evidence"),
    path("people/lift", people.lift, name="lift"),
    path("runs", runs.runs, name="runs"),
    path("runs/<int:run_id>", runs.run, name="run"),
    path("issues", issues.issues, name="issues"),
    path("issues/retry", issues.retry, name="retry"),
    path("holds", holds.all_holds, name="holds"),
    path("holds/<int:hold_id>", holds.hold, name="hold"),
    path("search", search.search, name="search"),
    path("settings", RedirectView.as_view(pattern_name="web:integrations"), name="settings"),
    path("settings/unsubscribes", RedirectView.as_view(pattern_name="web:integrations")),
    path("settings/unsubscribes/integrations", integrations.integrations, name="integrations"),
    path("settings/salesforce", RedirectView.as_view(pattern_name="web:doctor")),
    path("settings/salesforce/doctor", doctor.doctor, name="doctor"),
    path("settings/salesforce/install", installing.install, name="install"),
    path("settings/salesforce/connect", connecting.where, name="connect"),
    path("settings/salesforce/connect/sign-in", connecting.sign_in, name="connect_sign_in"),
    path("settings/salesforce/connect/certificate", connecting.certificate, name="connect_certificate"),
    path("settings/salesforce/connect/org", connecting.confirm, name="connect_confirm"),
    path("settings/salesforce/connect/doctor", doctor.doctor, {"connecting": True}, name="connect_doctor"),
    path("settings/salesforce/connect/first-sync", connecting.first_sync, name="first_sync"),
    path("sign-in", views.sign_in, name="sign_in"),
    path("sign-in/<str:secret>", views.sign_in, name="sign_in_by_link"),
    path("sign-out", views.sign_out, name="sign_out"),
]
