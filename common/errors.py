"""The few kinds of error that services raise; doors translate them into their protocol's own shape."""

from __future__ import annotations

from collections.abc import Mapping


class FluemanError(Exception):
    """What a caller may be told: a machine-readable code, a sentence, and what is wrong with which field.

    `retry_after_s` is a hint for a caller who may try again, `None` where trying again does not help; `headers` are
    further ones that HTTP doors send along.
    """

    status = 503
    code = "unavailable"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        fields: Mapping[str, str] | None = None,
        retry_after_s: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.fields = dict(fields or {})
        self.retry_after_s = retry_after_s
        self.headers = dict(headers or {})


class Invalid(FluemanError):
    """The input is wrong; `fields` says where."""

    status = 400
    code = "invalid"


class Unprocessable(Invalid):
    """The input is well formed and still cannot be taken, such as another body under one idempotency key."""

    status = 422
    code = "unprocessable"


class NotAuthenticated(FluemanError):
    """No credential, or one that is not (or no longer) good."""

    status = 401
    code = "not_authenticated"


class NotAllowed(FluemanError):
    """The caller is known and may not do this."""

    status = 403
    code = "not_allowed"


class NotFound(FluemanError):
    """There is no such thing, or the caller may not know of it."""

    status = 404
    code = "not_found"


class Conflict(FluemanError):
    """The state has changed, or another call is under way."""

    status = 409
    code = "conflict"


class TooLarge(FluemanError):
    """More bytes than this address takes."""

    status = 413
    code = "too_large"


class TooMany(FluemanError):
    """A limit of the caller's is used up."""

    status = 429
    code = "too_many"


class NotReady(FluemanError):
    """What was asked for exists and cannot serve yet."""

    status = 503
    code = "not_ready"


class Unavailable(FluemanError):
    """A part that is needed does not answer, or its queue is full."""

    status = 503
    code = "unavailable"


class DeadlineExceeded(FluemanError):
    """The answer was not there in time."""

    status = 504
    code = "deadline_exceeded"


class StorageFull(FluemanError):
    """No room is left to keep what was sent."""

    status = 507
    code = "storage_full"
