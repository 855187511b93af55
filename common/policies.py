"""What browsers may do with our answers: one strict policy, and what each kind of page needs beyond it."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

# An answer that is no page loads nothing and is shown in no frame.
DATA = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
PAGE = (
    "default-src 'none'; connect-src 'self'; font-src 'self'; img-src 'self' data:; script-src 'self'; "
    "style-src 'self' 'unsafe-inline'; manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
BY_PREFIX = {
    "/admin/": PAGE.replace("script-src 'self'", "script-src 'self' 'unsafe-eval'"),  # the theme's Alpine needs it
    "/redoc": PAGE + "; worker-src blob:",  # its search
}
PERMISSIONS = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"


class ContentPolicyMiddleware:
    """Gives each answer its content policy; one that a view has set, such as that of a file, stays."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", _policy(request.path, response))
        response.headers.setdefault("Permissions-Policy", PERMISSIONS)
        if request.path.startswith("/api/"):
            response.headers.setdefault("Cache-Control", "no-store")  # answers belong to one caller
        return response


def _policy(path: str, response: HttpResponse) -> str:
    if not response.headers.get("Content-Type", "").startswith("text/html"):
        return DATA
    return next((policy for prefix, policy in BY_PREFIX.items() if path.startswith(prefix)), PAGE)
