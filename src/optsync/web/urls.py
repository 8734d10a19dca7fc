"""The addresses an admin sees. The path of requirement 24: gear > Settings > Unsubscribes > Integrations."""

from django.urls import path
from django.views.generic.base import RedirectView

from optsync.web import (
    account,
    api_keys,
    connecting,
    consent,
    doctor,
    holds,
    imports,
    integrations,
    issues,
    messaging,
    people,
    runs,
    search,
    sources,
    unsubscribe_page,
    unsubscribes,
    users,
    views,
)
from optsync.web.middleware import needs

to_integrations = needs("viewer")(RedirectView.as_view(pattern_name="web:integrations"))
to_doctor = needs("viewer")(RedirectView.as_view(pattern_name="web:doctor"))

app_name = "web"
urlpatterns = [
    path("", views.overview, name="overview"),
    path("unsubscribes", unsubscribes.unsubscribes, name="unsubscribes"),
    path("unsubscribes/export", unsubscribes.export, name="export"),
    path("unsubscribes/bulk", unsubscribes.bulk, name="bulk"),
    path("unsubscribes/import", imports.imports, name="imports"),
    path("unsubscribes/import/<int:upload_id>", imports.import_, name="import"),
    path("unsubscribes/import/<int:upload_id>/rejects", imports.rejects, name="import_rejects"),
    path("people", people.person, name="people"),
    path("people/evidence", people.evidence, name="evidence"),
    path("people/lift", people.lift, name="lift"),
    path("runs", runs.runs, name="runs"),
    path("runs/start", runs.start, name="run_start"),
    path("runs/<int:run_id>", runs.run, name="run"),
    path("runs/<int:run_id>/progress", runs.progress, name="run_progress"),
    path("runs/<int:run_id>/cancel", runs.cancel, name="run_cancel"),
    path("issues", issues.issues, name="issues"),
    path("issues/retry", issues.retry, name="retry"),
    path("issues/scanner/<int:hold_id>", issues.scanner, name="scanner"),
    path("holds", holds.all_holds, name="holds"),
    path("holds/<int:hold_id>", holds.hold, name="hold"),
    path("search", search.search, name="search"),
    path("settings", to_integrations, name="settings"),
    path("settings/unsubscribes", to_integrations),
    path("settings/unsubscribes/integrations", integrations.integrations, name="integrations"),
    path("settings/unsubscribes/messaging", messaging.messaging, name="messaging"),
    path("settings/unsubscribes/page", unsubscribe_page.unsubscribe_page, name="unsubscribe_page"),
    path("settings/unsubscribes/page/preview", unsubscribe_page.preview, name="page_preview"),
    path("settings/unsubscribes/sources", sources.sources, name="sources"),
    path("settings/salesforce", to_doctor),
    path("settings/salesforce/doctor", doctor.doctor, name="doctor"),
    path("settings/salesforce/connect", connecting.where, name="connect"),
    path("settings/salesforce/connect/sign-in", connecting.sign_in, name="connect_sign_in"),
    path("settings/salesforce/connect/certificate", connecting.certificate, name="connect_certificate"),
    path("settings/salesforce/connect/salesforce", consent.leave, name="connect_leave"),
    path("settings/salesforce/connect/callback", consent.come_back, name="connect_callback"),
    path("settings/salesforce/connect/org", connecting.confirm, name="connect_confirm"),
    path("settings/salesforce/connect/doctor", doctor.doctor, {"connecting": True}, name="connect_doctor"),
    path("settings/salesforce/connect/first-sync", connecting.first_sync, name="first_sync"),
    path("settings/users", users.users, name="users"),
    path("settings/users/<int:user_id>", users.user, name="user"),
    path("settings/api-keys", api_keys.api_keys, name="api_keys"),
    path("settings/api-keys/<str:handle>", api_keys.api_key, name="api_key"),
    path("account", account.account, name="account"),
    path("sign-in/<str:secret>", account.by_link, name="sign_in_by_link"),
    path("sign-out", account.sign_out, name="sign_out"),
]
