"""Telling people and systems outside: letters, events, and bringing each until it arrives or is given up."""

from notify.services._handing_over import AT_ONCE, DELIVER
from notify.services.bringing import (
    FAILING_TOO_LONG,
    deliver,
    forget_old,
    hand_over_due,
    tell_webhook_now,
)
from notify.services.replaying import MOST_REPLAYED, replay, replay_all
from notify.services.writing import publish, send_email, write_to_channel, write_to_webhook

__all__ = [
    "AT_ONCE",
    "DELIVER",
    "FAILING_TOO_LONG",
    "MOST_REPLAYED",
    "deliver",
    "forget_old",
    "hand_over_due",
    "publish",
    "replay",
    "replay_all",
    "send_email",
    "tell_webhook_now",
    "write_to_channel",
    "write_to_webhook",
]
