"""Log-in through a provider: a real one on this machine, which tells the truth or lies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.test import Client

from accounts import openid, services
from accounts import provider as provider_module
from accounts.models import ExternalIdentity, Session, User
from accounts.services.people import roles_of
from audit.models import AuditEvent
from common.errors import Conflict
from tests.accounts.making import make_user
from tests.accounts.provider import CLIENT, SECRET, Provider, running

BEGIN, CALLBACK = "/admin/openid/begin", "/admin/openid/callback"

pytestmark = pytest.mark.django_db


@pytest.fixture
def provider(settings: Any) -> Iterator[Provider]:
    with running() as one:
        settings.OIDC_ISSUER, settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET = one.issuer, CLIENT, SECRET
        settings.OIDC_NAME, settings.PUBLIC_URL = "Example", "http://testserver"
        settings.OIDC_ROLES_CLAIM, settings.OIDC_ROLES = "groups", {"ops": "operator", "boss": "administrator"}
        yield one


def go(provider: Provider, client: Client, begin: str = BEGIN) -> Any:
    """Go to the provider and come back."""
    there = client.get(begin)
    assert there.status_code == 302, there.content[:300]
    return client.get(provider.authorize(there.headers["Location"]))


def link_url(client: Client) -> str:
    """Give the address behind the button of a person's own settings."""
    return unescape(re.search(rf'href="({BEGIN}[^"]+)"', client.get("/admin/accounts/user/me/").content.decode())[1])


def is_in(client: Client) -> bool:
    return client.get("/admin/").status_code == 200


def test_person_when_new_and_with_a_role_gets_an_account_and_is_in(provider: Provider) -> None:
    client = Client()
    back = go(provider, client, f"{BEGIN}?next=/admin/accounts/session/")
    assert (back.status_code, back.headers["Location"]) == (302, "/admin/accounts/session/")
    user = User.objects.get()
    assert (user.username, roles_of(user), user.has_usable_password()) == ("minji", ["operator"], False)
    assert (user.is_staff, user.is_superuser) == (True, False)
    assert is_in(client)
    assert ExternalIdentity.objects.get().subject == "subject-1"
    assert Session.objects.get().kind == Session.Kind.BROWSER
    said = list(AuditEvent.objects.order_by("sequence").values_list("action", flat=True))
    assert said[-3:] == ["accounts.user_created", "accounts.identity_linked", "accounts.logged_in"]
    go(provider, again := Client())
    assert is_in(again)
    assert User.objects.count() == 1


def test_roles_when_the_claim_changes_follow_it_at_the_next_log_in(provider: Provider) -> None:
    go(provider, Client())
    make_user("administrator")
    provider.claims["groups"] = ["boss", "unknown", 7]
    go(provider, Client())
    user = User.objects.get(username="minji")
    assert roles_of(user) == ["administrator"]
    provider.claims["groups"] = ["unknown"]
    client = Client()
    go(provider, client)
    assert not is_in(client)
    assert AuditEvent.objects.filter(action="accounts.roles_set").count() == 1


def test_role_when_named_below_another_claim_is_found(provider: Provider, settings: Any) -> None:
    settings.OIDC_ROLES_CLAIM = "realm_access.roles"
    provider.claims = {"realm_access": {"roles": ["ops"]}, "name": "김 민지"}
    go(provider, client := Client())
    assert is_in(client)
    assert User.objects.get().username == "김-민지"
    assert openid.values_at({"a.b": "x y"}, "a.b") == ["x", "y"]
    assert openid.values_at({"a": [1]}, "a.b") is None


def test_account_when_its_name_or_email_is_claimed_by_another_stays_its_own(provider: Provider) -> None:
    owner = make_user("administrator", username="minji")
    services.change_settings(user=owner, actor=None, email="minji@example.com")
    provider.claims |= {"email": "minji@example.com", "email_verified": True}
    go(provider, Client())
    assert ExternalIdentity.objects.get().user.username == "minji-2"
    assert roles_of(owner) == ["administrator"]


@pytest.mark.parametrize(
    "lies",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"exp": 1},
        {"exp": None},
        {"iat": 2**40},
        {"aud": "another"},
        {"aud": None},
        {"aud": ["another", "third"], "azp": CLIENT},
        {"aud": [CLIENT, "another"]},
        {"azp": "another"},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"sub": None},
        {"sub": ""},
        {"sub": "x" * 300},
        {"sub": 7},
        {"groups": None},
        {"groups": []},
        {"groups": {"ops": True}},
        {"id_token": None},
    ],
    ids=str,
)
def test_id_token_when_it_lies_lets_nobody_in(provider: Provider, lies: dict[str, Any]) -> None:
    provider.lies = lies
    client = Client()
    assert go(provider, client).headers["Location"] == "/admin/login/"
    assert not is_in(client)
    assert not User.objects.exists()
    assert AuditEvent.objects.get().outcome == "refused"


def test_id_token_when_the_audience_is_a_list_with_us_as_party_is_good(provider: Provider) -> None:
    provider.lies = {"aud": [CLIENT, "another"], "azp": CLIENT}
    go(provider, client := Client())
    assert is_in(client)


@pytest.mark.parametrize("way", ["none", "HS256", "HS256 by the secret", "stranger", "unknown kid", "jwk"])
def test_id_token_when_signed_in_a_wrong_way_lets_nobody_in(provider: Provider, way: str) -> None:
    stranger = rsa.generate_private_key(65537, 2048)
    if way == "none":
        provider.algorithm, provider.sign_with = "none", ""
    elif way.startswith("HS256"):
        provider.algorithm = "HS256"
        provider.sign_with = SECRET * 3 if "secret" in way else "x" * 40
    elif way == "unknown kid":
        provider.header = {"kid": "k9"}
    else:
        provider.sign_with = stranger
        if way == "jwk":
            provider.header = {"jwk": jwt.algorithms.RSAAlgorithm.to_jwk(stranger.public_key(), as_dict=True)}
    go(provider, client := Client())
    assert not is_in(client)


def test_key_of_the_provider_when_rotated_is_learnt_at_once_and_the_old_one_refused(provider: Provider) -> None:
    go(provider, Client())
    old = provider.key
    provider.rotate()
    go(provider, client := Client())
    assert is_in(client)
    provider.sign_with, provider.header = old, {"kid": "k1"}
    go(provider, client := Client())
    assert not is_in(client)


@pytest.mark.parametrize("kind", ["500", "html", "list", "huge", "redirect", "cut"])
@pytest.mark.parametrize("where", ["/.well-known/openid-configuration", "/jwks", "/token"])
def test_provider_when_broken_anywhere_leaves_the_password_and_no_fault(
    provider: Provider, kind: str, where: str
) -> None:
    client = Client()
    there = client.get(BEGIN)
    back = provider.authorize(there.headers["Location"])
    provider.fault = f"{kind} {where}"
    assert client.get(back).headers["Location"] == "/admin/login/"
    if "configuration" in where:
        assert Client().get(BEGIN).headers["Location"] == "/admin/login/"
    assert "Example" in client.get("/admin/login/").content.decode()
    assert not is_in(client)


def test_provider_when_it_trickles_or_is_down_does_not_hold_the_thread(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_module, "_WHOLE_S", 0)
    assert Client().get(BEGIN).headers["Location"] == "/admin/login/"
    monkeypatch.undo()
    provider.server.server_close()
    assert Client().get(BEGIN).headers["Location"] == "/admin/login/"


@pytest.mark.parametrize(
    "lies",
    [
        {"issuer": "https://evil.example"},
        {"authorization_endpoint": "http://login.example/authorize"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": "http://login.example/token"},
        {"jwks_uri": "http://login.example/jwks"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks": {"keys": []}, "jwks_uri": None},
    ],
    ids=str,
)
def test_discovery_when_it_leads_elsewhere_or_in_clear_is_refused(provider: Provider, lies: dict[str, Any]) -> None:
    provider.metadata_lies = lies
    client = Client()
    there = client.get(BEGIN).headers["Location"]
    if there != "/admin/login/":
        assert client.get(provider.authorize(there)).headers["Location"] == "/admin/login/"
    assert not is_in(client)


def test_answer_when_of_another_browser_or_used_again_or_an_error_lets_nobody_in(provider: Provider) -> None:
    mine, theirs = Client(), Client()
    back = provider.authorize(mine.get(BEGIN).headers["Location"])
    theirs.get(BEGIN)
    for path in (back, f"{CALLBACK}?code=x&state=y", CALLBACK, f"{CALLBACK}?error=access_denied&state=x"):
        assert theirs.get(path).headers["Location"] == "/admin/login/"
    assert not is_in(theirs)
    assert mine.get(f"{back}&iss=https://evil.example").headers["Location"] == "/admin/login/"
    mine.get(back)
    assert is_in(mine)
    other = Client()
    other.cookies = mine.cookies
    assert other.get(back).headers["Location"] == "/admin/login/"


@pytest.mark.parametrize("address", ["https://evil.example/", "//evil.example", "javascript:x", "/\\evil.example"])
def test_log_in_when_led_elsewhere_ends_at_home(provider: Provider, address: str) -> None:
    assert go(provider, Client(), f"{BEGIN}?next={address}").headers["Location"] == "/admin/"


def test_account_when_linked_by_its_owner_is_reached_and_by_nobody_else(provider: Provider, settings: Any) -> None:
    settings.OIDC_ROLES_CLAIM = ""
    go(provider, stranger := Client())
    assert not is_in(stranger)
    assert "password" in stranger.get("/admin/login/", headers={"accept-language": "en"}).content.decode()

    owner = make_user("operator", username="owner", password="a long enough phrase")
    browser = Client()
    browser.force_login(owner)
    url = link_url(browser)
    assert go(provider, browser, url).headers["Location"] == "/admin/accounts/user/me/"
    go(provider, client := Client())
    assert is_in(client)
    assert ExternalIdentity.objects.get().user == owner

    other = Client()
    other.force_login(make_user("operator"))
    assert other.get(url).headers["Location"] == "/admin/login/"
    go(provider, other, link_url(other))
    assert ExternalIdentity.objects.get().user == owner
    browser.post("/admin/openid/unlink")
    go(provider, client := Client())
    assert not is_in(client)


def test_way_in_when_it_is_the_only_one_stays(provider: Provider) -> None:
    go(provider, Client())
    with pytest.raises(Conflict):
        services.unlink_identity(identity=ExternalIdentity.objects.get(), actor=User.objects.get())


def test_person_when_deactivated_does_not_come_back_by_the_provider(provider: Provider) -> None:
    client = Client()
    go(provider, client)
    services.deactivate_user(user=User.objects.get(), actor=None)
    assert not is_in(client)
    go(provider, client)
    assert not is_in(client)


def test_log_out_when_come_by_the_provider_ends_there_too(provider: Provider) -> None:
    client = Client()
    go(provider, client)
    out = urlsplit(client.post("/admin/logout/").headers["Location"])
    assert f"{out.scheme}://{out.netloc}{out.path}" == f"{provider.issuer}/logout"
    assert parse_qs(out.query) == {
        "client_id": [CLIENT],
        "post_logout_redirect_uri": ["http://testserver/admin/login/"],
    }
    assert not is_in(client)
    assert Session.objects.get().ended_reason == "logged out"


def test_addresses_when_no_provider_is_set_do_not_exist() -> None:
    assert Client().get(BEGIN).status_code == 404
    assert Client().get(CALLBACK).status_code == 404


def test_button_when_a_provider_is_set_is_on_the_log_in_page(provider: Provider, settings: Any) -> None:
    assert BEGIN in Client().get("/admin/login/").content.decode()
    settings.OIDC_ISSUER = ""
    assert BEGIN not in Client().get("/admin/login/").content.decode()
