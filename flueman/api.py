"""The one router of /api/v1: each app adds the lines of its own views."""

from django.urls import include, path, re_path
from rest_framework.routers import SimpleRouter

from common.api.errors import unknown_route

router = SimpleRouter(trailing_slash=False)

urlpatterns = [
    path("", include(router.urls)),
    re_path(r"", unknown_route),
]
