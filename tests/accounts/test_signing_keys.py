"""Keys that sign tokens: rotation with overlap, withdrawal, keys of the environment, what others read of them."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO

import jwt
import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import Client
from django.utils import timezone

from accounts import services
from accounts.admin.signing_keys import SigningKeyAdmin
from accounts.credentials import FreshFacts, identify, load_directory
from accounts.models import Session, SigningKey, User
from accounts.services import signing
from accounts.services.signing import signing_key
from accounts.tokens import key_id_of, make_private_pem, public_pem_of
from audit.models import AuditEvent
from audit.verification import verify
from common.errors import Conflict, NotAuthenticated, NotReady
from common.sealing import is_sealed, unseal
from flueman.checks import check_signing_key
from tests.accounts.making import bearer, make_user
from tests.admin.making import log_in

State = SigningKey.State


def knows(token: str) -> bool:
    """Ask memory and database, which must say the same."""
    answers = set()
    for facts in (load_directory(), FreshFacts()):
        try:
            identify({b"authorization": f"Bearer {token}".encode()}, facts)
            answers.add(True)
        except NotAuthenticated:
            answers.add(False)
    assert len(answers) == 1
    return answers.pop()


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


@pytest.fixture
def from_environment(settings: object) -> Iterator[str]:
    """Give the installation a key by its environment."""
    signing._adopt.cache_clear()
    settings.JWT_PRIVATE_KEY = pem = make_private_pem()  # type: ignore[attr-defined]
    yield pem
    signing._adopt.cache_clear()


@pytest.mark.django_db
def test_key_when_kept_is_sealed_and_the_next_one_is_ready() -> None:
    signer = signing_key()
    assert signing_key() == signer
    active, following = SigningKey.objects.get(state=State.ACTIVE), SigningKey.objects.get(state=State.NEXT)
    assert is_sealed(active.private_key)
    assert unseal(active.private_key) == signer.private_pem
    assert "PRIVATE" not in active.private_key + active.public_key
    assert (active.kid, active.retire_at, following.not_before) == (signer.kid, None, None)


@pytest.mark.django_db
def test_keys_when_rotated_sign_anew_and_log_nobody_out() -> None:
    pair = services.open_session(user=make_user())
    following = SigningKey.objects.get(state=State.NEXT)
    new = services.rotate_signing_keys(actor=None, reason="scheduled")
    assert new == following
    assert knows(pair.access)
    newer = services.refresh(token=pair.refresh)
    assert (kid_of(newer.access), kid_of(newer.refresh)) == (new.kid, new.kid)
    assert knows(pair.access)
    assert knows(newer.access)
    old = SigningKey.objects.get(kid=kid_of(pair.access))
    assert (old.state, old.private_key) == (State.RETIRED, "")
    assert old.retire_at > timezone.now() + timedelta(days=14)
    assert SigningKey.objects.filter(state=State.NEXT).count() == 1
    assert AuditEvent.objects.filter(action="accounts.signing_key_rotated", reason="scheduled").exists()


@pytest.mark.django_db
def test_token_when_its_key_has_run_out_is_refused_though_verified_before() -> None:
    pair = services.open_session(user=make_user())
    directory = load_directory()
    services.rotate_signing_keys(actor=None)
    assert knows(pair.access)
    SigningKey.objects.filter(state=State.RETIRED).update(retire_at=timezone.now())
    assert not knows(pair.access)
    with pytest.raises(NotAuthenticated) as caught:
        services.refresh(token=pair.refresh)
    assert caught.value.code == "unknown_signing_key"
    # A process that has not heard of it yet still believes; its next look ends that.
    assert identify({b"authorization": f"Bearer {pair.access}".encode()}, directory)


@pytest.mark.django_db
def test_key_when_withdrawn_ends_its_tokens_at_once_and_only_when_retired() -> None:
    pair = services.open_session(user=make_user())
    for state in (State.ACTIVE, State.NEXT):
        with pytest.raises(Conflict):
            services.withdraw_signing_key(key=SigningKey.objects.get(state=state), actor=None)
    services.rotate_signing_keys(actor=None)
    other = services.open_session(user=make_user())
    services.withdraw_signing_key(key=SigningKey.objects.get(state=State.RETIRED), actor=None, reason="stolen")
    assert (knows(pair.access), knows(other.access)) == (False, True)
    with pytest.raises(Conflict):
        services.withdraw_signing_key(key=SigningKey.objects.get(state=State.RETIRED), actor=None)


@pytest.mark.django_db
def test_rotation_when_due_happens_once() -> None:
    signing_key()
    assert services.rotate_if_due() is None
    SigningKey.objects.filter(state=State.ACTIVE).update(not_before=timezone.now() - timedelta(days=31))
    assert services.rotate_if_due()
    assert services.rotate_if_due() is None


@pytest.mark.django_db
def test_command_when_keys_were_stolen_ends_all_tokens_signed_before() -> None:
    pair = services.open_session(user=make_user())
    out = StringIO()
    call_command("rotate_signing_keys", "--if-due", stdout=out)
    assert "not due" in out.getvalue()
    call_command("rotate_signing_keys", "--withdraw-old", "--reason", "stolen", stdout=out)
    assert not knows(pair.access)
    assert knows(services.open_session(user=make_user()).access)


@pytest.mark.django_db
def test_key_of_the_environment_when_it_changes_leaves_the_tokens_of_the_old_one_good(
    settings: object, from_environment: str
) -> None:
    first = services.open_session(user=make_user())
    assert kid_of(first.access) == key_id_of(public_pem_of(from_environment))
    assert not SigningKey.objects.exclude(private_key="").exists()
    with pytest.raises(CommandError, match="JWT_PRIVATE_KEY"):
        call_command("rotate_signing_keys")
    settings.JWT_PRIVATE_KEY = make_private_pem()  # type: ignore[attr-defined]
    second = services.open_session(user=make_user())
    assert kid_of(second.access) != kid_of(first.access)
    assert knows(first.access)
    assert services.refresh(token=first.refresh)
    settings.JWT_PRIVATE_KEY = ""  # type: ignore[attr-defined]
    third = services.open_session(user=make_user())
    assert len({kid_of(pair.access) for pair in (first, second, third)}) == 3
    assert knows(first.access)
    assert knows(second.access)
    assert list(SigningKey.objects.filter(state=State.ACTIVE).values_list("kid", flat=True)) == [kid_of(third.access)]


@pytest.mark.django_db
def test_key_of_the_environment_when_withdrawn_stays_so_and_does_not_sign_again(
    settings: object, from_environment: str
) -> None:
    stolen = services.open_session(user=make_user())
    settings.JWT_PRIVATE_KEY = make_private_pem() + from_environment  # type: ignore[attr-defined]
    services.open_session(user=make_user())
    assert knows(stolen.access)
    services.withdraw_signing_key(key=SigningKey.objects.get(kid=kid_of(stolen.access)), actor=None, reason="stolen")
    for more in ("", make_private_pem()):  # the next start, without and with a new key
        signing._adopt.cache_clear()
        settings.JWT_PRIVATE_KEY = more + settings.JWT_PRIVATE_KEY  # type: ignore[attr-defined]
        pair = services.open_session(user=make_user())
        assert (knows(stolen.access), knows(pair.access)) == (False, True)
    assert check_signing_key() == []
    settings.JWT_PRIVATE_KEY = from_environment  # type: ignore[attr-defined]
    with pytest.raises(NotReady, match="JWT_PRIVATE_KEY"):
        services.open_session(user=make_user())
    assert (knows(stolen.access), knows(pair.access)) == (False, True)
    assert [one.id for one in check_signing_key()] == ["flueman.W005"]


@pytest.mark.django_db
def test_key_of_the_environment_when_it_waits_behind_the_first_may_sign_however_late(
    settings: object, from_environment: str
) -> None:
    waiting = make_private_pem()
    settings.JWT_PRIVATE_KEY = from_environment + waiting  # type: ignore[attr-defined]
    services.open_session(user=make_user())
    row = SigningKey.objects.get(kid=key_id_of(public_pem_of(waiting)))
    assert (row.retire_at, SigningKey.objects.verifying().count()) == (None, 2)
    settings.JWT_PRIVATE_KEY = waiting + from_environment  # type: ignore[attr-defined]
    assert kid_of(services.open_session(user=make_user()).access) == row.kid
    settings.JWT_PRIVATE_KEY = (third := make_private_pem()) + make_private_pem()  # type: ignore[attr-defined]
    services.open_session(user=make_user())
    settings.JWT_PRIVATE_KEY = third  # type: ignore[attr-defined]
    services.open_session(user=make_user())
    assert not SigningKey.objects.in_waiting().exists()


@pytest.mark.django_db
def test_jwks_when_read_by_others_holds_what_verifies_and_no_private_half() -> None:
    pair = services.open_session(user=make_user())
    services.rotate_signing_keys(actor=None)
    response = Client().get("/.well-known/jwks.json")
    keys = response.json()["keys"]
    assert len(keys) == 3
    assert all(key.keys() == {"kty", "crv", "x", "y", "kid", "use", "alg"} for key in keys)
    known = jwt.PyJWKSet.from_dict(response.json())
    said = jwt.decode(pair.access, known[kid_of(pair.access)], algorithms=["ES256"], audience="flueman")
    assert said["token_type"] == "access"
    assert response.headers["Cache-Control"] == "public, max-age=300"


def ask_for_a_session(username: str, answers: multiprocessing.Queue[str]) -> None:
    user = User.objects.get(username=username)
    answers.put(services.open_session(user=user).access)
    connections.close_all()


@pytest.mark.django_db(transaction=True)
def test_first_key_when_four_processes_want_it_at_once_is_one() -> None:
    user = make_user()
    connections.close_all()
    fork = multiprocessing.get_context("fork")
    answers = fork.Queue()
    processes = [fork.Process(target=ask_for_a_session, args=(user.username, answers)) for _ in range(4)]
    for process in processes:
        process.start()
    tokens = [answers.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(60)
    assert len({kid_of(token) for token in tokens}) == 1
    assert SigningKey.objects.count() == 2
    assert Session.objects.count() == 4
    assert verify().is_whole


@pytest.mark.django_db
def test_keys_when_rotated_in_the_admin_ask_for_a_reason_and_show_no_secret() -> None:
    pair = services.open_session(user=make_user())
    client, key = log_in("administrator"), SigningKey.objects.get(state=State.ACTIVE)
    page = f"/admin/accounts/signingkey/{key.kid}/do/rotate/"
    assert client.post(page, {}).status_code == 200
    assert client.post(page, {"reason": "quarterly"}).status_code == 302
    key.refresh_from_db()
    assert key.state == State.RETIRED
    html = client.get(f"/admin/accounts/signingkey/{key.kid}/change/").content.decode()
    assert "destroyed" in html
    assert "sealed1." not in client.get("/admin/accounts/signingkey/").content.decode() + html
    assert client.post(page.replace("rotate", "withdraw"), {"reason": "stolen"}).status_code == 302
    assert Client(headers=bearer(pair.access)).get("/api/v1/me").status_code == 401
    assert log_in("operator").get("/admin/accounts/signingkey/").status_code == 403
    assert SigningKeyAdmin.verbs


@pytest.mark.django_db
def test_key_of_the_environment_when_a_start_lacked_it_waits_again_and_may_sign(
    settings: object, from_environment: str
) -> None:
    waiting = make_private_pem()
    row = SigningKey.objects.filter(kid=key_id_of(public_pem_of(waiting)))
    for more, is_lapsing in ((waiting, False), ("", True), (waiting, False)):  # one host has it before the other
        signing._adopt.cache_clear()
        settings.JWT_PRIVATE_KEY = from_environment + more  # type: ignore[attr-defined]
        services.open_session(user=make_user())
        assert bool(row.get().retire_at) is is_lapsing
    settings.JWT_PRIVATE_KEY = waiting + from_environment  # type: ignore[attr-defined]
    assert kid_of(services.open_session(user=make_user()).access) == row.get().kid


@pytest.mark.django_db
def test_key_of_the_environment_when_it_waits_and_is_withdrawn_stays_so(
    settings: object, from_environment: str
) -> None:
    waiting = make_private_pem()
    settings.JWT_PRIVATE_KEY = from_environment + waiting  # type: ignore[attr-defined]
    services.open_session(user=make_user())
    row = SigningKey.objects.in_waiting().get()
    services.withdraw_signing_key(key=row, actor=None, reason="stolen")
    signing._adopt.cache_clear()
    services.open_session(user=make_user())
    row.refresh_from_db()
    assert row.retire_at <= timezone.now()


@pytest.mark.django_db
def test_keys_of_the_environment_when_it_brings_none_any_more_run_out(settings: object, from_environment: str) -> None:
    settings.JWT_PRIVATE_KEY = from_environment + make_private_pem()  # type: ignore[attr-defined]
    services.open_session(user=make_user())
    assert SigningKey.objects.in_waiting().exists()
    settings.JWT_PRIVATE_KEY = ""  # type: ignore[attr-defined]
    services.open_session(user=make_user())
    assert not SigningKey.objects.in_waiting().exists()
    assert SigningKey.objects.lapsing().get().retire_at > timezone.now() + timedelta(days=14)
    SigningKey.objects.lapsing().update(retire_at=None)  # as an earlier Flueman left them
    services.rotate_signing_keys(actor=None)
    assert not SigningKey.objects.in_waiting().exists()
