"""Letters, against a mail server that also misbehaves."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.template.loader import get_template

from common.errors import Conflict, Invalid
from flueman import mail
from jobs.models import Job
from notify import letters, services, subscriptions
from notify.models import Delivery
from notify.outcomes import MOST_ATTEMPTS
from tests.notify.certificates import make_certificate
from tests.notify.making import again, come_due, make_channel, make_letter, work_off
from tests.notify.smtp_server import SmtpServer

pytestmark = pytest.mark.django_db
LETTERS = Path(__file__).resolve().parents[2] / "templates" / "notify"


@pytest.fixture
def server(settings: Any) -> Iterator[SmtpServer]:
    server = SmtpServer()
    use(settings, f"smtp+plain://127.0.0.1:{server.port}")
    yield server
    server.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a key and a self-signed certificate of localhost in one file."""
    return make_certificate(tmp_path_factory.mktemp("tls"), "localhost")


def use(settings: Any, url: str, timeout_s: float = 5) -> None:
    for name, value in {**mail.read(url), "EMAIL_TIMEOUT": timeout_s}.items():
        setattr(settings, name, value)


def test_letter_when_the_server_takes_it_then_sent_once_and_its_text_wiped(server: SmtpServer) -> None:
    delivery = make_letter()
    assert again(delivery).state == "waiting"
    assert work_off() == ["succeeded"]
    assert (again(delivery).state, delivery.letter, delivery.attempts) == ("sent", "", 1)
    letter = server.letters[0]
    assert letter["To"] == "minji@example.com"
    assert letter["Message-ID"] == f"<{delivery.pk}@localhost>"
    text, html = (part.get_payload(decode=True).decode() for part in letter.get_payload())
    assert "보낸 사람: 관리자" in text
    assert "보낸 사람: 관리자" in html
    assert '<html lang="ko">' in html


def test_letter_when_the_transaction_is_rolled_back_then_never_was(server: SmtpServer) -> None:
    with transaction.atomic():
        make_letter()
        transaction.set_rollback(True)
    assert not Delivery.objects.exists()
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    "script",
    [
        {"RCPT": ["450 later"]},
        {"MAIL": ["451 busy"]},
        {"END": ["452 full"]},
        {"CONNECT": ["421 not now"]},
        {"CONNECT": ["554 no service"]},
        {"CONNECT": ["drop"]},
        {"EHLO": [], "DATA": ["drop"]},
        {"MIDDLE": ["drop"]},
    ],
    ids=str,
)
def test_letter_when_it_fails_for_now_then_brought_again_under_one_id(server: SmtpServer, script: Any) -> None:
    server.script = script
    delivery = make_letter()
    work_off()
    assert (again(delivery).state, delivery.attempts) == ("waiting", 1)
    assert delivery.error
    assert delivery.due_at
    come_due()
    assert (again(delivery).state, delivery.attempts, len(server.letters)) == ("sent", 2, 1)
    assert server.letters[0]["Message-ID"] == f"<{delivery.pk}@localhost>"
    assert [bool(one.error) for one in delivery.tries.all()] == [True, False]


@pytest.mark.parametrize(
    "script", [{"RCPT": ["550 nobody"]}, {"END": ["554 spam"]}, {"MAIL": ["553 not you"]}], ids=str
)
def test_letter_when_refused_for_good_then_dead_with_the_reason(server: SmtpServer, script: Any) -> None:
    server.script = {key: list(value) for key, value in script.items()}
    delivery = make_letter()
    work_off()
    assert again(delivery).state == "dead"
    assert delivery.error[:3] in {"550", "554", "553"}
    assert delivery.letter
    services.replay(delivery=delivery, actor=None)
    work_off()
    assert again(delivery).state == "sent"
    with pytest.raises(Conflict):
        services.replay(delivery=delivery, actor=None)


def test_letter_when_the_server_hangs_then_tried_again(server: SmtpServer, settings: Any) -> None:
    use(settings, f"smtp+plain://127.0.0.1:{server.port}", timeout_s=0.3)
    server.script = {"MAIL": [1.0]}
    delivery = make_letter()
    work_off()
    assert again(delivery).state == "waiting"
    come_due()
    assert again(delivery).state == "sent"


def test_letter_when_it_said_goodbye_badly_then_sent_all_the_same(server: SmtpServer) -> None:
    server.script = {"QUIT": ["drop"]}
    delivery = make_letter()
    work_off()
    assert (again(delivery).state, len(server.letters)) == ("sent", 1)


def test_letter_when_nothing_listens_then_dead_after_the_last_attempt(settings: Any) -> None:
    server = SmtpServer()
    server.close()
    use(settings, f"smtp+plain://127.0.0.1:{server.port}")
    delivery = make_letter()
    work_off()
    for _ in range(MOST_ATTEMPTS - 1):
        come_due()
    assert (again(delivery).state, delivery.attempts) == ("dead", MOST_ATTEMPTS)
    assert "refused" in delivery.error.lower()


def test_letter_when_tls_is_demanded_and_not_offered_then_not_sent_in_clear(settings: Any) -> None:
    server = SmtpServer()
    use(settings, f"smtp://127.0.0.1:{server.port}")
    delivery = make_letter()
    work_off()
    assert again(delivery).state == "waiting"
    assert not server.letters
    assert not any(command.upper().startswith(("MAIL", "AUTH")) for command in server.commands)
    server.close()


@pytest.mark.parametrize(("scheme", "is_tls"), [("smtp", False), ("smtps", True)])
def test_letter_when_the_certificate_is_nobodys_then_not_sent(
    settings: Any, certificate: Path, scheme: str, is_tls: bool
) -> None:
    server = SmtpServer(certificate, offers_tls=not is_tls, is_tls=is_tls)
    use(settings, f"{scheme}://localhost:{server.port}")
    delivery = make_letter()
    work_off()
    assert again(delivery).state == "waiting"
    assert "CERTIFICATE_VERIFY_FAILED" in delivery.error
    assert not server.letters
    server.close()


@pytest.mark.parametrize(("scheme", "is_tls"), [("smtp", False), ("smtps", True)])
def test_letter_when_the_certificate_is_trusted_then_sent(
    settings: Any, certificate: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, is_tls: bool
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert ssl.create_default_context().cert_store_stats()["x509"] == 1
    server = SmtpServer(certificate, offers_tls=not is_tls, is_tls=is_tls)
    use(settings, f"{scheme}://localhost:{server.port}")
    delivery = make_letter()
    work_off()
    assert again(delivery).state == "sent", delivery.error
    server.close()


def test_letter_when_two_workers_take_the_same_attempt_then_one_sends(server: SmtpServer) -> None:
    delivery = make_letter()
    services.deliver(delivery_id=str(delivery.pk), attempt=0)
    assert services.deliver(delivery_id=str(delivery.pk), attempt=0) is None
    assert len(server.letters) == 1


def test_letter_when_its_mailbox_was_switched_off_meanwhile_then_not_sent_until_it_is_on_again(
    server: SmtpServer,
) -> None:
    channel = make_channel(events=["webhook.disabled"])
    [delivery] = services.publish(event="webhook.disabled", payload={"webhook": "ops", "reason": "gone"})
    subscriptions.change(subscriber=channel, actor=None, is_enabled=False)
    work_off()
    assert (again(delivery).state, delivery.error, server.letters) == ("dead", "the mailbox is out of use", [])
    with pytest.raises(Conflict) as refused:
        services.replay(delivery=delivery, actor=None)
    assert refused.value.code == "out_of_use"
    assert not Delivery.objects.replayable().exists()
    subscriptions.change(subscriber=channel, actor=None, is_enabled=True)
    services.replay(delivery=delivery, actor=None)
    work_off()
    assert (again(delivery).state, len(server.letters)) == ("sent", 1)


def test_letter_when_given_up_and_its_mailbox_removed_then_cannot_be_sent_again(server: SmtpServer) -> None:
    server.script = {"RCPT": ["550 nobody"]}
    channel = make_channel(events=["webhook.disabled"])
    [delivery] = services.publish(event="webhook.disabled", payload={"webhook": "ops", "reason": "gone"})
    work_off()
    subscriptions.remove(subscriber=channel, actor=None)
    assert (again(delivery).state, delivery.error, delivery.letter) == ("dead", "550 nobody", "")
    with pytest.raises(Conflict):
        services.replay(delivery=delivery, actor=None)


def test_letter_when_values_hold_line_ends_then_no_header_and_no_button(server: SmtpServer) -> None:
    evil = "x\r\nBcc: all@example.com\r\n\r\n[Click](https://evil.example)\n<script>alert(1)</script>"
    make_letter(context={"sender": evil})
    work_off()
    letter = server.letters[0]
    assert letter["Bcc"] is None
    text, html = (part.get_payload(decode=True).decode() for part in letter.get_payload())
    assert "<script>" not in html
    assert 'href="https://evil' not in html
    assert "보낸 사람: x Bcc: all@example.com [Click]" in text
    assert [command for command in server.commands if command.startswith("rcpt")] == ["rcpt TO:<minji@example.com>"]


@pytest.mark.parametrize(
    "to",
    ["", "nobody", "a@b.example\nBcc: c@d.de", "a@b.example, c@d.de", "<a@b.example>", "a@b.example\0", "a b@c.de"],
)
def test_letter_when_the_address_is_none_then_refused(to: str) -> None:
    with pytest.raises(Invalid):
        make_letter(to=to)


@pytest.mark.parametrize("template", ["nothing", "../settings", "test.ko", "frame"])
def test_letter_when_there_is_no_such_template_then_refused(template: str) -> None:
    with pytest.raises(Invalid):
        make_letter(template=template)


def test_text_when_it_waits_then_is_sealed_in_the_database() -> None:
    delivery = make_letter(context={"sender": "reset-token-123"})
    assert delivery.letter.startswith("sealed1.")
    assert "reset-token-123" not in str(Delivery.objects.values().get())


def test_subject_when_long_then_cut_to_one_line() -> None:
    subject, _ = letters.write("test", "xx", {"sender": "s"})
    assert subject == "[Flueman] Mail arrives"


def test_letters_when_there_is_one_in_korean_then_in_english_too() -> None:
    names = {path.name for path in LETTERS.glob("*.txt")}
    stems = {name.rsplit(".", 2)[0] for name in names}
    assert names == {f"{stem}.{language}.txt" for stem in stems for language in letters.LANGUAGES}
    for name in names:
        subject, _, rest = get_template(f"notify/{name}").template.source.partition("\n")
        assert subject.strip(), name
        assert rest.startswith("\n"), name


@pytest.mark.parametrize("url", ["http://x", "smtp://", "mailto:a@b", "smtp+plain://u:p@host", "file://"])
def test_email_url_when_it_is_none_then_refused(url: str) -> None:
    with pytest.raises(ImproperlyConfigured):
        mail.read(url)
