"""The addresses a recipient sees."""

from django.urls import path

from optsync.public import views

app_name = "public"
urlpatterns = [
    path("u/", views.by_address, name="by_address"),
    path("u/<str:token>", views.by_token, name="by_token"),
    path("u/<str:token>/why", views.why, name="why"),
    path("u/<path:token>", views.by_token),  # a slash at its end, or in it: damaged like any other, with the form
]
