"""Who calls: every way of carrying a credential, every reason to refuse one, from memory and database alike."""

from __future__ import annotations

import hashlib
import hmac
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.utils import timezone

from accounts import services
from accounts.credentials import Caller, FreshFacts, identify, load_directory
from accounts.keys import is_well_formed, make_key
from accounts.models import ApiKey, Session, User
from accounts.services.signing import signing_key
from accounts.tokens import public_pem_of, sign
from audit.models import AuditEvent
from common.errors import NotAuthenticated
from tests.accounts.making import make_key as make_api_key
from tests.accounts.making import make_user

Headers = dict[bytes, bytes]


def by_both(headers: Headers) -> Caller:
    """Ask memory and database, which must say the same."""
    answers = []
    for facts in (load_directory(), FreshFacts()):
        try:
            answers.append(identify(headers, facts))
        except NotAuthenticated as refusal:
            answers.append(refusal.code)
    assert answers[0] == answers[1]
    if isinstance(answers[0], str):
        raise NotAuthenticated("refused", code=answers[0])
    return answers[0]


def refusal(headers: Headers) -> str:
    with pytest.raises(NotAuthenticated) as caught:
        by_both(headers)
    return caught.value.code


def bearer(text: str) -> Headers:
    return {b"authorization": b"Bearer " + text.encode()}


def test_key_when_made_is_well_formed_and_no_other_text_is() -> None:
    text = make_key("LOCAL").text
    assert text.startswith("flm_local_")
    assert is_well_formed(text)
    for place in range(len("flm_"), len(text)):
        assert not is_well_formed(text[:place] + ("a" if text[place] != "a" else "b") + text[place + 1 :])


@pytest.mark.django_db
@pytest.mark.parametrize(
    "carry",
    [
        lambda key: {b"authorization": b"Bearer " + key},
        lambda key: {b"authorization": b"bearer  " + key + b" "},
        lambda key: {b"authorization": b"Api-Key " + key},
        lambda key: {b"x-api-key": key},
        lambda key: {b"authorization": b"Basic " + b64encode(b"anything:" + key)},
        lambda key: {b"authorization": b"Basic " + b64encode(key + b":")},
    ],
)
def test_key_when_carried_in_any_way_names_its_owner(carry: Callable[[bytes], Headers]) -> None:
    user = make_user("operator")
    key, text = make_api_key(user, "predict", allowed_models=["intent"])
    caller = by_both(carry(text.encode()))
    assert (caller.user_id, caller.key_id, caller.label) == (user.pk, key.pk.hex, key.prefix)
    own = {"inference.predict_deployment", "inference.view_deployment", "inference.view_asynchronousprediction"}
    assert caller.permissions == own
    assert caller.may_call("intent")
    assert not caller.may_call("other")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"authorization": b""},
        {b"authorization": b"Bearer"},
        {b"authorization": b"Digest x"},
        {b"authorization": b"Basic !!"},
        {b"authorization": b"Basic " + b64encode(b"admin:password")},
        {b"authorization": b"Bearer " + b"x" * 100_000},
        {b"authorization": "Bearer 한국어".encode()},
        {b"x-api-key": b"\xff"},
        {b"authorization": b"Bearer flm_"},
        {b"authorization": b"Bearer a.b.c"},
    ],
)
def test_credential_when_none_of_ours_is_refused(headers: Headers) -> None:
    assert refusal(headers) in {"not_authenticated", "malformed_key"}


@pytest.mark.django_db
def test_key_when_mistyped_is_told_from_one_that_is_unknown() -> None:
    _, text = make_api_key(make_user())
    assert refusal(bearer(text[:-1] + ("a" if text[-1] != "a" else "b"))) == "malformed_key"
    assert refusal(bearer(make_key("local").text)) == "unknown_key"
    other = make_key("local").text
    assert refusal(bearer(text.rpartition("_")[0] + "_" + other.rpartition("_")[2])) == "malformed_key"


def revoke(user: User, key: ApiKey) -> None:
    services.revoke_api_key(key=key, actor=user)


def deactivate(user: User, key: ApiKey) -> None:
    services.deactivate_user(user=user, actor=None)


def delete(user: User, key: ApiKey) -> None:
    user.delete()


@pytest.mark.django_db
@pytest.mark.parametrize("end", [revoke, deactivate, delete])
def test_key_when_ended_is_refused(end: Callable[[User, ApiKey], None]) -> None:
    user = make_user()
    key, text = make_api_key(user)
    by_both(bearer(text))
    end(user, key)
    assert refusal(bearer(text)) == "unknown_key"


@pytest.mark.django_db
def test_key_when_it_expires_is_refused_by_memory_that_was_read_before(monkeypatch: pytest.MonkeyPatch) -> None:
    expires_at = timezone.now() + timedelta(hours=1)
    _key, text = make_api_key(make_user(), expires_at=expires_at)
    directory = load_directory()
    identify(bearer(text), directory)
    monkeypatch.setattr("accounts.credentials.time.time", expires_at.timestamp)
    with pytest.raises(NotAuthenticated) as caught:
        identify(bearer(text), directory)
    assert caught.value.code == "expired_key"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("scope", "may", "may_not"),
    [
        ("predict", "inference.predict_deployment", "inference.view_inferencerequest"),
        ("read", "inference.view_inferencerequest", "inference.predict_deployment"),
        ("manage", "registry.add_modelversion", "accounts.add_user"),
        ("feedback", "", "inference.predict_deployment"),
    ],
)
def test_key_when_limited_to_a_scope_may_what_scope_and_owner_both_may(scope: str, may: str, may_not: str) -> None:
    _, text = make_api_key(make_user("operator"), scope)
    caller = by_both(bearer(text))
    assert not may or caller.may(may)
    assert not caller.may(may_not)


@pytest.mark.django_db
def test_caller_when_roles_change_has_the_new_permissions() -> None:
    user = make_user("operator")
    text = services.open_session(user=user).access
    assert by_both(bearer(text)).may("registry.add_modelversion")
    services.set_roles(user=user, roles=["reviewer"], actor=None)
    assert not by_both(bearer(text)).may("registry.add_modelversion")
    User.objects.filter(pk=user.pk).update(is_superuser=True)
    assert by_both(bearer(text)).may("accounts.delete_user")


def signed(claims: dict[str, Any], key: Any = None, **header: Any) -> str:
    signer = signing_key()
    return jwt.encode(claims, key or signer.private_pem, algorithm="ES256", headers={"kid": signer.kid, **header})


def good_claims(user: User) -> dict[str, Any]:
    return jwt.decode(services.open_session(user=user).access, options={"verify_signature": False})


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change",
    [
        {"iss": "somebody"},
        {"aud": "somebody"},
        {"token_type": "refresh"},
        {"exp": 1},
        {"sub": "x"},
        {"sub": 1},
        {"nbf": 2**40},
        {"iat": 2**40},
        {"exp": None},
        {"jti": None},
        {"sid": None},
        {"sub": None},
        {"aud": None},
    ],
    ids=str,
)
def test_token_when_a_claim_is_wrong_or_missing_is_refused(change: dict[str, Any]) -> None:
    claims = good_claims(make_user())
    assert by_both(bearer(signed(claims)))
    wrong = {name: value for name, value in {**claims, **change}.items() if value is not None}
    assert refusal(bearer(signed(wrong))) == "not_authenticated"


@pytest.mark.django_db
def test_token_when_not_signed_by_us_is_refused() -> None:
    claims = good_claims(make_user())
    signer, other = signing_key(), ec.generate_private_key(ec.SECP256R1())
    header = b64encode(b'{"alg":"HS256","kid":"%s"}' % signer.kid.encode()).rstrip(b"=").decode()
    good = signed(claims)
    body = good.split(".")[1]
    secret = public_pem_of(signer.private_pem).encode()
    mac = urlsafe_b64encode(hmac.digest(secret, f"{header}.{body}".encode(), hashlib.sha256)).rstrip(b"=").decode()
    jwk = jwt.algorithms.ECAlgorithm.to_jwk(other.public_key(), as_dict=True)
    for forged in [
        f"{header}.{body}.{mac}",
        jwt.encode(claims, None, algorithm="none", headers={"kid": signer.kid}),
        f"{urlsafe_b64encode(b'{}').decode()}.{body}.",
        signed(claims, other),
        signed(claims, other, jwk=jwk),
        signed(claims, jwk=jwk),
        signed(claims, jku="https://evil.example/jwks.json"),
        signed(claims, x5u="https://evil.example/cert.pem"),
        signed(claims, x5c=["MIIB"]),
        signed(claims, crit=["b64"], b64=False),
        jwt.encode(claims, signer.private_pem, algorithm="ES256"),
        good[:-4] + ("AAAA" if good[-4:] != "AAAA" else "BBBB"),
        f"{good}.{good}",
        good.rpartition(".")[0] + ".",
        "." * 4000,
        urlsafe_b64encode(b"[" * 2000).decode() + ".e30.e30",
    ]:
        assert refusal(bearer(forged)) == "not_authenticated", forged
    for kid in ("other", "../../secrets", "' OR 1=1 --", "a" * 2000, "", "\0"):
        assert refusal(bearer(signed(claims, kid=kid))) == "unknown_signing_key", kid


@pytest.mark.django_db
def test_token_when_it_expires_is_refused_though_it_was_verified_before() -> None:
    user = make_user()
    session = services.open_session(user=user).session
    about = {"user_id": user.pk, "sid": session.pk.hex}
    token, claims = sign(signing_key(), "access", lifetime=timedelta(seconds=1), **about)
    by_both(bearer(token))
    time.sleep(max(0.0, claims.expires_at - time.time()) + 0.05)
    assert refusal(bearer(token)) == "expired_token"


@pytest.mark.django_db
def test_refresh_token_when_sent_as_access_is_refused() -> None:
    pair = services.open_session(user=make_user())
    assert refusal(bearer(pair.refresh)) == "not_authenticated"
    with pytest.raises(NotAuthenticated):
        services.refresh(token=pair.access)


@pytest.mark.django_db
def test_refresh_token_when_used_twice_ends_its_whole_family() -> None:
    pair = services.open_session(user=make_user())
    newer = services.refresh(token=pair.refresh)
    newest = services.refresh(token=newer.refresh)
    assert by_both(bearer(newest.access))
    with pytest.raises(NotAuthenticated) as caught:
        services.refresh(token=pair.refresh)
    assert caught.value.code == "reused_token"
    assert Session.objects.get().ended_reason == "reused"
    assert AuditEvent.objects.get(action="accounts.session_refreshed").outcome == "refused"
    for access in (pair.access, newer.access, newest.access):
        assert refusal(bearer(access)) == "ended_session"
    with pytest.raises(NotAuthenticated):
        services.refresh(token=newest.refresh)


@pytest.mark.django_db
@pytest.mark.parametrize("end", ["log out", "deactivate", "password", "expire"])
def test_session_when_ended_cannot_be_refreshed(end: str) -> None:
    user = make_user()
    pair = services.open_session(user=user)
    if end == "log out":
        services.end_session(session=pair.session, actor=user)
    elif end == "deactivate":
        services.deactivate_user(user=user, actor=None)
    elif end == "password":
        services.change_password(user=user, password="another long phrase", actor=None)
    else:
        Session.objects.update(ended_at=timezone.now())
    with pytest.raises(NotAuthenticated):
        services.refresh(token=pair.refresh)
    assert refusal(bearer(pair.access)) == "ended_session"


@pytest.mark.django_db
def test_refresh_token_when_forged_is_refused() -> None:
    token, _claims = sign(signing_key(), "refresh", lifetime=timedelta(days=1), user_id=1, sid="0" * 32)
    with pytest.raises(NotAuthenticated):
        services.refresh(token=token)
