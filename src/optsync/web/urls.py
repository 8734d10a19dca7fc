"""The addresses an admin sees. The path of requirement 24: gear > Settings > Unsubscribes > Integrations."""

from django.urls import path
from django.views.generic.base import RedirectView

from optsync.web import integrations, views

app_name = "web"
urlpatterns = [
    path("", views.overview, name="overview"),
    path("people", views.people, name="people"),
    path("runs", views.runs, name="runs"),
    path("runs/<int:run_id>", views.run, name="run"),
    path("settings", RedirectView.as_view(pattern_name="web:integrations"), name="settings"),
    path("settings/unsubscribes", RedirectView.as_view(pattern_name="web:integrations")),
    path("settings/unsubscribes/integrations", integrations.integrations, name="integrations"),
    path("sign-in", views.sign_in, name="sign_in"),
    path("sign-in/<str:secret>", views.sign_in, name="sign_in_by_link"),
    path("sign-out", views.sign_out, name="sign_out"),
]
