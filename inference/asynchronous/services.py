"""What happens to an asynchronous prediction: accepted, taken, ended, put back, cancelled, forgotten."""

from __future__ import annotations

import io
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.callers import Caller
from accounts.models import User
from audit.services import record
from common.errors import Conflict, Invalid
from common.ids import uuid7
from common.transactions import transactional
from files.models import Blob
from files.services import add_reference, open_blob, release, store
from inference.models import AsynchronousPrediction
from notify.models import Webhook
from notify.services import write_to_webhook

State = AsynchronousPrediction.State
FINISHED = "prediction.finished"
MOST_ATTEMPTS = 5
MARGIN_S = 12.0  # over the lease of the idempotency key under which an attempt runs
LONGEST_PAUSE_S = 30.0
FORGOTTEN_AT_ONCE = 500


def find_webhook(name: str) -> Webhook:
    """Give a webhook that may be told when a prediction has ended. Raises Invalid: a caller names one, never a URL."""
    webhook = Webhook.objects.filter(name=name, is_enabled=True).first()
    if webhook is None or FINISHED not in webhook.events:
        said = _("There is no webhook of this name that wants to hear of asynchronous predictions.")
        raise Invalid(said, fields={"webhook": said})
    return webhook


def store_body(body: bytes) -> Blob | None:
    """Keep a body that is too large for its row; `None` for a small one. Not inside a transaction."""
    return store(io.BytesIO(body)) if len(body) > settings.INLINE_INPUT_BYTES else None


@transactional
def accept(
    *,
    deployment: str,
    caller: Caller,
    body: bytes,
    blob: Blob | None = None,
    webhook: Webhook | None = None,
    address: str = "",
) -> AsynchronousPrediction:
    """Put a call that was checked already in the queue."""
    now = timezone.now()
    if blob:
        add_reference(blob=blob)
    return AsynchronousPrediction.objects.create(
        deployment=deployment,
        user_id=caller.user_id,
        key_id=caller.key_id,
        key_prefix=caller.label if caller.key_id else "",
        caller=caller.label,
        address=address,
        body="" if blob else body.decode(),
        body_blob=blob.pk if blob else "",
        webhook=webhook,
        due_at=now,
        deadline_at=now + timedelta(seconds=settings.ASYNC_DEADLINE_S),
        created_at=now,
    )


@transactional
def take(*, most: int) -> list[AsynchronousPrediction]:
    """Take those whose turn it is, their attempts counted before the work; who held them has died or put them back."""
    now, claim = timezone.now(), uuid7()
    waiting = AsynchronousPrediction.objects.filter(state=State.QUEUED, due_at__lte=now)
    lost = AsynchronousPrediction.objects.filter(state=State.RUNNING, due_at__lte=now)
    taken: list[UUID] = []
    for due in (waiting, lost):
        taken += due.order_by("due_at").values_list("pk", flat=True)[: most - len(taken)]
    if not taken:
        return []
    lease = {"due_at": now + timedelta(seconds=settings.INFER_DEADLINE_S + MARGIN_S), "started_at": now}
    AsynchronousPrediction.objects.unfinished().filter(pk__in=taken, due_at__lte=now).update(
        state=State.RUNNING, claim=claim, attempts=F("attempts") + 1, **lease
    )
    return list(AsynchronousPrediction.objects.filter(pk__in=taken, claim=claim))


def read_body(prediction: AsynchronousPrediction) -> bytes:
    """Give what the caller sent."""
    if not prediction.body_blob:
        return prediction.body.encode()
    with open_blob(Blob.objects.get(pk=prediction.body_blob)) as stream:
        return stream.read()


@transactional
def succeed(*, prediction: AsynchronousPrediction, body: str, request_id: str) -> bool:
    """Keep the answer, unless somebody else has the row by now."""
    return _end(prediction, State.SUCCEEDED, result=body, request_id=UUID(request_id))


@transactional
def fail(*, prediction: AsynchronousPrediction, code: str, message: str) -> bool:
    """Give it up for good."""
    return _end(prediction, State.FAILED, error_code=code[:50], error=message[:2000].replace("\0", ""))


def put_back(*, prediction: AsynchronousPrediction, code: str, message: str, is_attempt: bool = False) -> bool:
    """Let it wait, for what was not there as a rule; that is no attempt. Its last turn is at its deadline."""
    now = timezone.now()
    waited = (now - prediction.created_at).total_seconds()
    pause = timedelta(seconds=min(max(waited / 2, 0.2), LONGEST_PAUSE_S))
    told = {"error_code": code[:50], "error": message[:2000], "due_at": min(now + pause, prediction.deadline_at)}
    waiting = {"state": State.QUEUED, "claim": None, "attempts": F("attempts") - (not is_attempt)}
    return bool(_own(prediction).update(**waiting, **told))


@transactional
def cancel(*, prediction: AsynchronousPrediction, actor: User, reason: str = "") -> AsynchronousPrediction:
    """Do without the answer. What runs already is kept as every prediction. Raises Conflict if it has ended."""
    own = AsynchronousPrediction.objects.unfinished().filter(pk=prediction.pk)
    if not own.update(state=State.CANCELLED, claim=None, **_ended()):
        raise Conflict(_("The prediction has ended already."), code="not_cancellable")
    if actor.pk != prediction.user_id:
        record(action="inference.async_cancelled", actor=actor, target=prediction, reason=reason)
    prediction.refresh_from_db()
    return prediction


def forget_old() -> int:
    """Delete those whose answers were kept long enough."""
    count = 0
    for state in (State.SUCCEEDED, State.FAILED, State.CANCELLED):
        old = AsynchronousPrediction.objects.filter(state=state, due_at__lte=timezone.now()).order_by("due_at")
        while rows := list(old.values_list("pk", "body_blob")[:FORGOTTEN_AT_ONCE]):
            count += _forget(rows)
    return count


@transactional
def _forget(rows: list[tuple[UUID, str]]) -> int:
    held = AsynchronousPrediction.objects.select_for_update().filter(pk__in=[key for key, _blob in rows])
    blobs = sorted(one.body_blob for one in held if one.body_blob)
    for blob in Blob.objects.filter(pk__in=blobs):
        for _each in range(blobs.count(blob.pk)):
            release(blob=blob)
    return int(AsynchronousPrediction.objects.filter(pk__in=[key for key, _blob in rows]).delete()[0])


def _own(prediction: AsynchronousPrediction) -> QuerySet[AsynchronousPrediction]:
    return AsynchronousPrediction.objects.filter(pk=prediction.pk, claim=prediction.claim, state=State.RUNNING)


def _end(prediction: AsynchronousPrediction, state: str, **fields: Any) -> bool:
    told = {"error_code": "", "error": ""} | fields
    if not _own(prediction).update(state=state, claim=None, **_ended(), **told):
        return False
    if prediction.webhook_id and (webhook := Webhook.objects.filter(pk=prediction.webhook_id, is_enabled=True).first()):
        payload = {
            "id": str(prediction.pk),
            "deployment": prediction.deployment,
            "state": state,
            "request_id": str(told["request_id"]) if "request_id" in told else None,
            "error": told["error_code"] or None,
        }
        write_to_webhook(webhook=webhook, event=FINISHED, payload=payload)
    return True


def _ended() -> dict[str, datetime]:
    now = timezone.now()
    return {"finished_at": now, "due_at": now + timedelta(hours=settings.ASYNC_RESULT_HOURS)}
