"""Addresses of Django's part; `/v2` and the probes are answered before it (`flueman/asgi.py`)."""

from django.contrib import admin
from django.urls import path

urlpatterns = [
    path("admin/", admin.site.urls),
]
