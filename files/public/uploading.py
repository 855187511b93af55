"""`POST /uploadfile`: several files as one form, written to the disk as they come, told of one by one.

Source: RFC 7578. A file whose name is taken gets a number, `name (2)`; the same bytes under one name stay one file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser, parse_options_header

from common.api.errors import dumps, error_body
from common.bodies import take_body
from common.errors import FluemanError, Invalid, TooLarge
from common.names import safe_name
from common.transactions import transactional
from files.models import Blob
from files.public.access import ADD, Visitor, guarded, refuse_other_sites
from files.public.views import demand_method, facts
from files.receiving import Receiving
from files.services import name_blob, safe_folder, settle, shelf
from files.services.quotas import demand_room
from guards import idempotency

MOST_PARTS = 100  # they are named in one transaction
MOST_FIELD_BYTES = 4096
LEASE_S = 60.0
ROUTE = "POST /uploadfile"


@csrf_exempt  # cookies are no credential here, and a browser's stored password is of no use to other sites
@guarded(ADD, takes_session=False)
def uploadfile(request: HttpRequest, visitor: Visitor) -> HttpResponseBase:
    """Put the files of a form on the shelf."""
    demand_method(request, "POST")
    refuse_other_sites(request)
    return take_body(request, Form(request, visitor))


@dataclass(slots=True)
class Part:
    """A file of the form: what it became, or why nothing."""

    name: str
    blob: Blob | None = None
    problem: FluemanError | None = None


class Form:
    """A `Sink` (`common/bodies.py`) of one form."""

    def __init__(self, request: HttpRequest, visitor: Visitor) -> None:
        self._visitor, self._key = visitor, request.headers.get("Idempotency-Key")
        self._parser = PushMultipartParser(_boundary(request), max_header_size=4096, max_segment_count=MOST_PARTS)
        self._fields: dict[str, bytearray] = {}
        self._parts: list[Part] = []
        self._file: Receiving | None = None
        self._text: bytearray | None = None
        _demand_room(int(request.headers.get("Content-Length") or 0))

    def write(self, data: bytes) -> None:
        """Take the next bytes of the form. Raises Invalid if they are no form, TooLarge for too many parts."""
        if self._parser.closed:
            return  # what follows the end of a form means nothing
        try:
            for event in self._parser.parse(data):
                self._take(event)
        except ParserLimitReached as error:
            raise TooLarge(f"the form: {error}", code="form_too_large") from None
        except (MultipartError, UnicodeDecodeError) as error:
            raise Invalid(f"the form: {error}", code="malformed") from None

    def end(self, is_whole: bool) -> HttpResponse:
        """Put what came on the shelf and tell of each file. Raises Invalid if the form ended early or holds no file."""
        try:
            self._parser.close()
        except MultipartError:
            raise Invalid(_("The form ended early: none of its files was kept."), code="malformed") from None
        if not self._parts:
            raise Invalid(_("The form holds no file."), fields={"file": _("A file is needed.")})
        folder = self._folder()
        claimed = self._claim(folder)
        if isinstance(claimed, HttpResponse):
            return claimed
        try:
            told, status = self._keep(folder, claimed)
        except BaseException:
            if claimed is not None:
                idempotency.release(claimed)
            raise
        if status >= 400 and claimed is not None:
            idempotency.release(claimed)
        return HttpResponse(dumps(told), status=status, content_type="application/json")

    def close(self) -> None:
        """Let go of a file that did not come to its end."""
        self._drop()

    def _take(self, event: MultipartSegment | bytearray | None) -> None:
        if isinstance(event, MultipartSegment):
            self._begin(event)
        elif event is None:
            self._finish()
        elif self._file is not None:
            self._write(event)
        elif self._text is not None:
            self._text += event
            if len(self._text) > MOST_FIELD_BYTES:
                raise TooLarge(f"a field may have at most {MOST_FIELD_BYTES:,} bytes", code="form_too_large")

    def _begin(self, segment: MultipartSegment) -> None:
        self._text = None
        if segment.filename is None:
            self._text = self._fields.setdefault(segment.name or "", bytearray())
        elif segment.filename:  # a browser's empty choice has an empty name
            self._parts.append(Part(segment.filename))
            try:
                # Some clients send the path that the file has with them.
                self._parts[-1].name = safe_name(segment.filename.replace("\\", "/").rpartition("/")[2])
                self._file = Receiving(max_bytes=settings.MAX_UPLOAD_BYTES)
            except FluemanError as error:
                self._parts[-1].problem = error

    def _write(self, data: bytearray) -> None:
        assert self._file is not None
        try:
            self._file.write(data)
        except FluemanError as error:
            self._parts[-1].problem = error
            self._drop()

    def _finish(self) -> None:
        """Keep the bytes of a file that has come to its end."""
        if self._file is None:
            return
        try:
            self._parts[-1].blob = settle(self._file.whole())
        except FluemanError as error:
            self._parts[-1].problem = error
        finally:
            self._drop()

    def _drop(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _folder(self) -> str:
        try:
            return safe_folder(self._fields.get("folder", bytearray()).decode())
        except UnicodeDecodeError:
            raise Invalid("folder: is no UTF-8", fields={"folder": "is no UTF-8"}) from None

    def _claim(self, folder: str) -> Any:
        """Give the claim of the call's key, the answer of an earlier call with it, or `None` without one."""
        if self._key is None:
            return None
        said = [folder, *((part.name, part.blob.pk if part.blob else "") for part in self._parts)]
        held = idempotency.claim(
            caller=self._visitor.identity,
            route=ROUTE,
            key=self._key,
            body_hash=idempotency.fingerprint(dumps(said)),
            lease_s=LEASE_S,
        )
        if not isinstance(held, idempotency.Replay):
            return held
        replayed = HttpResponse(held.body, status=held.status, content_type="application/json")
        replayed["Idempotency-Replayed"] = "true"
        return replayed

    @transactional
    def _keep(self, folder: str, claimed: Any) -> tuple[dict[str, Any], int]:
        """Name all blobs and keep the answer, in one transaction; what fails for one file harms no other."""
        results = [self._result(part, folder) for part in self._parts]
        problems = [problem for _told, problem in results if problem]
        told: dict[str, Any] = {"files": [told for told, _problem in results]}
        status = 201 if not problems else 207
        if len(problems) == len(results):
            told, status = {**error_body(problems[0]), **told}, problems[0].status
        elif claimed is not None:
            idempotency.complete(claimed, status=status, body=dumps(told).decode())
        return told, status

    def _result(self, part: Part, folder: str) -> tuple[dict[str, Any], FluemanError | None]:
        try:
            if part.problem or part.blob is None:
                raise part.problem or Invalid("nothing came")
            stored = name_blob(blob=part.blob, name=part.name, owner=shelf(), folder=folder, actor=self._visitor.name)
        except FluemanError as error:
            return {"name": part.name, **error_body(error)}, error
        return facts(stored), None


def _boundary(request: HttpRequest) -> str:
    kind, options = parse_options_header(request.headers.get("Content-Type", ""))
    boundary = options.get("boundary", "")
    if kind != "multipart/form-data" or not 1 <= len(boundary) <= 70 or not boundary.isascii():
        raise Invalid(_("The body must be a form (multipart/form-data) with its boundary."), code="malformed")
    return boundary


@transactional
def _demand_room(size_bytes: int) -> None:
    """Refuse what is too much before it comes. Raises TooLarge or StorageFull."""
    demand_room(owner=shelf(), size_bytes=size_bytes)
