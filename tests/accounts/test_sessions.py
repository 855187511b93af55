"""Log-ins as people see them: what with, where from, last used, and the ways to end them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import services
from accounts.admin.sessions import device_words
from accounts.devices import describe
from accounts.logins import SESSION
from accounts.models import Session, User
from accounts.services.signing import signing_key
from accounts.tokens import sign
from audit.models import AuditEvent
from common.errors import NotAuthenticated
from tests.accounts.making import PASSWORD, bearer, make_user, post

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML) Chrome/141.0 Safari/537.36"


def browser(user: User, agent: str = CHROME) -> Client:
    """Give a browser in which a person has logged in by name and password."""
    client = Client(headers={"user-agent": agent, "accept-language": "en"})
    client.post("/admin/login/", {"username": user.username, "password": PASSWORD})
    assert is_in(client)
    return client


def is_in(client: Client) -> bool:
    return client.get(reverse("admin:accounts_session_changelist")).status_code == 200


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (CHROME, ("Chrome", "Windows")),
        (CHROME + " Edg/141.0", ("Edge", "Windows")),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile/1 Safari/604.1",
            ("Safari", "iPhone"),
        ),
        (
            "Mozilla/5.0 (Linux; Android 15) Chrome/141 SamsungBrowser/28",
            ("Samsung Internet", "Android"),
        ),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", ("Firefox", "Linux")),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) Chrome/141.0 Whale/4.0 Safari/537.36", ("Whale", "Mac")),
        ("Mozilla/5.0", ("", "")),
        ("curl/8.1.2", ("curl", "8.1")),
        ("python-httpx/0.28", ("python-httpx", "0.28")),
        ("민지의 노트북", ("민지의 노트북", "")),
        ("", ("", "")),
    ],
)
def test_device_when_told_by_a_user_agent_is_in_words(agent: str, words: tuple[str, str]) -> None:
    assert describe(agent) == words


@pytest.mark.django_db
def test_device_when_it_names_markup_is_shown_as_text() -> None:
    user = make_user("operator", password=PASSWORD)
    client = browser(user, "<script>alert(1)</script>")
    session = Session.objects.get()
    for page in (reverse("admin:accounts_session_changelist"), f"/admin/accounts/session/{session.pk}/change/"):
        assert "<script>alert" not in client.get(page).content.decode()
    assert "<script>" in device_words(session)


@pytest.mark.django_db
def test_browser_when_logged_in_is_a_session_with_device_and_address() -> None:
    user = make_user("operator", password=PASSWORD)
    client = browser(user)
    session = Session.objects.get()
    assert (session.kind, session.user, session.address) == (Session.Kind.BROWSER, user, "127.0.0.1")
    assert session.expires_at > timezone.now() + timedelta(days=13)
    html = client.get(reverse("admin:accounts_session_changelist")).content.decode()
    assert "Chrome on Windows" in html
    assert "You are logged in at 1 place" in html
    assert html.count("this browser") == 1
    assert "this browser" in client.get(f"/admin/accounts/session/{session.pk}/change/").content.decode()
    client.post("/admin/logout/")
    assert Session.objects.get().ended_reason == "logged out"
    assert not is_in(client)


@pytest.mark.django_db
def test_cookie_of_an_ended_session_when_replayed_is_nobody() -> None:
    user = make_user("operator", password=PASSWORD)
    client = browser(user)
    stolen = Client()
    stolen.cookies["sessionid"] = client.cookies["sessionid"].value
    assert is_in(stolen)
    client.post("/admin/logout/")
    assert not is_in(stolen)


@pytest.mark.django_db
def test_session_of_a_browser_when_ended_by_rest_or_admin_is_refused_at_the_next_click() -> None:
    user, ruler = make_user("operator", password=PASSWORD), make_user("administrator", password=PASSWORD)
    first, second, theirs = browser(user), browser(user), browser(ruler)
    mine = Session.objects.get(pk=first.session[SESSION])
    client = Client(headers=bearer(services.open_session(user=user).access))
    listed = client.get("/api/v1/sessions").json()["results"]
    assert sorted(row["kind"] for row in listed) == ["browser", "browser", "token"]
    assert {row["device_name"] for row in listed} == {"Chrome Windows", ""}
    assert post(client, f"sessions/{mine.pk}/end", {"reason": "left open"}).status_code == 200
    assert (is_in(first), is_in(second), is_in(theirs)) == (False, True, True)
    page = f"/admin/accounts/session/{second.session[SESSION]}/do/end/"
    assert theirs.post(page, {"reason": "seen in a café"}).status_code == 302
    assert not is_in(second)
    assert first.get("/admin/").status_code == 302


@pytest.mark.django_db
@pytest.mark.parametrize("end", ["deactivate", "password", "everywhere", "administrator"])
def test_all_sessions_when_ended_at_once_leave_none(end: str) -> None:
    user = make_user("operator", password=PASSWORD)
    clients = [browser(user), browser(user)]
    token = services.open_session(user=user).access
    match end:
        case "deactivate":
            services.deactivate_user(user=user, actor=None)
        case "password":
            services.change_password(user=user, password="another long phrase", actor=None)
        case "everywhere":
            page = reverse("admin:accounts_session_everywhere")
            assert "3" in clients[0].get(page).content.decode()
            clients[0].post(page, {"reason": "lost phone"})
        case "administrator":
            ruler = browser(make_user("administrator", password=PASSWORD))
            ruler.post(f"/admin/accounts/user/{user.pk}/do/end-sessions/", {"reason": "lost phone"})
            assert is_in(ruler)
    assert [is_in(client) for client in clients] == [False, False]
    assert Client(headers=bearer(token)).get("/api/v1/me").status_code == 401
    assert not Session.objects.open().filter(user=user).exists()
    if end in ("everywhere", "administrator"):
        event = AuditEvent.objects.get(action="accounts.sessions_ended")
        assert (event.after, event.reason) == ({"sessions": 3}, "lost phone")


@pytest.mark.django_db
def test_all_sessions_when_ended_by_rest_spare_the_one_that_asks_unless_told() -> None:
    user, other = make_user("operator", password=PASSWORD), make_user("operator", username="other")
    open_browser = browser(user)
    client = Client(headers=bearer(services.open_session(user=user).access))
    theirs = services.open_session(user=other)
    assert post(client, "sessions/end-all", {"user": "other"}).status_code == 403
    assert post(client, "sessions/end-all").json() == {"ended": 1}
    assert client.get("/api/v1/me").status_code == 200
    assert not is_in(open_browser)
    assert post(client, "sessions/end-all", {"include_current": True}).json() == {"ended": 1}
    assert client.get("/api/v1/me").status_code == 401
    ruler = Client(headers=bearer(services.open_session(user=make_user("administrator")).access))
    assert post(ruler, "sessions/end-all", {"user": "nobody"}).status_code == 400
    assert post(ruler, "sessions/end-all", {"user": "other", "reason": "left"}).json() == {"ended": 1}
    theirs.session.refresh_from_db()
    assert theirs.session.ended_reason == "everywhere"


@pytest.mark.django_db
def test_password_when_changed_by_its_owner_keeps_the_browser_that_did_it() -> None:
    user = make_user("operator", password=PASSWORD)
    here, elsewhere = browser(user), browser(user)
    token = services.open_session(user=user).access
    form = {"form": "password", "old_password": PASSWORD, "password": "새로운 비밀번호 77"}
    assert here.post(reverse("admin:accounts_user_me"), form).status_code == 302
    assert (is_in(here), is_in(elsewhere)) == (True, False)
    assert Client(headers=bearer(token)).get("/api/v1/me").status_code == 401


@pytest.mark.django_db
def test_last_use_when_calls_are_many_is_written_once_a_minute() -> None:
    user = make_user("operator", password=PASSWORD)
    client, page = Client(headers=bearer(services.open_session(user=user).access)), browser(user)
    long_ago = timezone.now() - timedelta(minutes=2)
    for moment, is_written in ((long_ago, True), (timezone.now() - timedelta(seconds=50), False)):
        Session.objects.update(last_used_at=moment)
        for _ in range(3):
            client.get("/api/v1/me")
            is_in(page)
        found = set(Session.objects.values_list("last_used_at", flat=True))
        assert all((last > moment) == is_written for last in found)


@pytest.mark.django_db
def test_cookie_when_it_has_no_session_of_ours_is_nobody() -> None:
    user = make_user("operator", password=PASSWORD)
    client = browser(user)
    kept = client.session
    del kept[SESSION]
    kept.save()
    assert not is_in(client)


@pytest.mark.django_db
def test_person_when_logging_in_again_in_the_same_browser_has_one_open_session() -> None:
    user = make_user("operator", password=PASSWORD)
    client = browser(user)
    client.post("/admin/login/", {"username": user.username, "password": PASSWORD})
    assert list(Session.objects.order_by("id").values_list("ended_reason", flat=True)) in (["replaced", ""], [""])
    assert Session.objects.open().count() == 1


@pytest.mark.django_db
def test_session_of_a_browser_when_named_in_a_refresh_token_cannot_be_refreshed() -> None:
    user = make_user("operator", password=PASSWORD)
    browser(user)
    sid = Session.objects.get().pk.hex
    token, _said = sign(signing_key(), "refresh", lifetime=timedelta(days=1), user_id=user.pk, sid=sid)
    with pytest.raises(NotAuthenticated):
        services.refresh(token=token)


@pytest.mark.django_db
def test_sessions_when_long_over_are_removed() -> None:
    user = make_user("operator")
    for _ in range(3):
        services.open_session(user=user)
    old, ended, _open = Session.objects.all()
    long_ago = timezone.now() - timedelta(days=91)
    Session.objects.filter(pk=old.pk).update(expires_at=long_ago)
    Session.objects.filter(pk=ended.pk).update(ended_at=long_ago)
    assert services.forget_old_sessions() == 2
    assert services.forget_old_sessions() == 0
    assert Session.objects.get() == _open
