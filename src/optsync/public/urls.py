"""The addresses a recipient sees."""

from django.urls import path

from optsync.public import views

app_name = "public"
urlpatterns = [
    path("u/", views.by_address, name="by_address"),
    path("u/<str:token>", views.by_token, name="by_token"),
    path("u/<str:token>/why", views.why, name="why"),
]
