"""What a supervisor or load balancer asks; no sign-in."""

from django.urls import path

from optsync.web import health

app_name = "health"
urlpatterns = [
    path("live", health.live, name="live"),
    path("ready", health.ready, name="ready"),
    path("sync", health.sync, name="sync"),
]
