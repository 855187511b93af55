"""Bringing a letter to the mail server."""

from __future__ import annotations

import smtplib
from contextlib import suppress
from email.utils import parseaddr

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection

from common.sealing import unseal
from notify import letters
from notify.models import Delivery
from notify.outcomes import Outcome


def send(delivery: Delivery) -> Outcome:
    """Send the letter of a delivery. Its Message-ID stays the same over all attempts, so that readers see one."""
    text, language = unseal(delivery.letter), delivery.language
    message = EmailMultiAlternatives(
        delivery.subject,
        letters.plain(text),
        to=[delivery.recipient],
        headers={"Message-ID": message_id(delivery), "Auto-Submitted": "auto-generated", "Content-Language": language},
    )
    message.attach_alternative(letters.html(delivery.subject, text, language), "text/html")
    connection = get_connection()
    try:
        connection.open()  # else a failure to say goodbye would look like a failure to send
        connection.send_messages([message])
    except smtplib.SMTPRecipientsRefused as error:
        return _refused(*next(iter(error.recipients.values())))
    except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
        return _refused(error.smtp_code, error.smtp_error)
    except smtplib.SMTPResponseException as error:  # at connecting or logging in: no fault of the letter
        return Outcome(error.smtp_code, _text(error.smtp_error), error=f"{error.smtp_code} {_text(error.smtp_error)}")
    except (smtplib.SMTPException, OSError) as error:
        return Outcome(error=f"{type(error).__name__}: {error}")
    finally:
        with suppress(smtplib.SMTPException, OSError):
            connection.close()
    return Outcome(250, is_good=True)


def message_id(delivery: Delivery) -> str:
    """Give the id of a letter among all letters of the world."""
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    return f"<{delivery.pk}@{domain}>"


def _refused(code: int, answer: bytes | str) -> Outcome:
    """Tell a refusal for good (5xx) from one for now (4xx). Source: RFC 5321, section 4.2.1."""
    return Outcome(code, _text(answer), error=f"{code} {_text(answer)}", is_final=code >= 500)


def _text(answer: bytes | str) -> str:
    return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
