"""Addresses of Django's part; `/v2` and the probes are answered before it (`flueman/asgi.py`)."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularRedocView, SpectacularSwaggerSplitView

from accounts.api import oauth
from common.api.errors import unknown_route
from inference.api import artefacts

admin.autodiscover()

urlpatterns = [
    path("", RedirectView.as_view(url="/admin/"), name="home"),
    path("admin", RedirectView.as_view(url="/admin/")),
    path("admin/openid/", include("accounts.admin.openid")),
    path("admin/", include("accounts.admin.entry")),
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    path("api/v1/", include("flueman.api")),
    path("oauth/token", oauth.token, name="oauth-token"),
    path(".well-known/jwks.json", oauth.jwks, name="jwks"),
    path(".well-known/oauth-authorization-server", oauth.metadata, name="oauth-metadata"),
    path("", include("files.public.urls")),
    path("artefacts/<str:signed>", artefacts.index, name="artefacts"),
    path("artefacts/<str:signed>/<path:path>", artefacts.content, name="artefact"),
    path("", include("registry.mlflow_artifacts.urls")),
    path("", include("registry.mlflow.urls")),
    re_path(r"^api/", unknown_route),
    path("openapi.json", SpectacularJSONAPIView.as_view(), name="schema"),
    path("docs", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    path("redoc", SpectacularRedocView.as_view(url_name="schema"), name="redoc"),
]

# What Django answers outside any view is JSON under /api/v1 and /files too.
handler400 = "common.api.errors.bad_request"
handler404 = "common.api.errors.page_not_found"
handler500 = "common.api.errors.server_error"
