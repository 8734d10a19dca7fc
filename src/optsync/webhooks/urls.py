"""The addresses that mail providers call."""

from django.urls import path

from optsync.webhooks import incoming

app_name = "webhooks"
urlpatterns = [
    path("<slug:provider>", incoming.receive, name="receive"),
    path("<slug:provider>/mail", incoming.receive_mail, name="receive_mail"),
]
