"""Tokens for people without an account: good for one row of one answer, for a while, for nothing else."""

from __future__ import annotations

import base64
from uuid import UUID, uuid4

import pytest

from common.errors import Invalid, NotAuthenticated
from inference import feedback_tokens as tokens
from inference.feedback_tokens import MARK, issue, read, wish

CALL = UUID("01890000-0000-7000-8000-000000000001")


def test_token_when_read_says_what_it_was_made_of() -> None:
    token, until = issue(request_id=CALL, row=3, end_user="철수")
    assert read(token) == (CALL, 3, "철수", until)
    assert len(token) < 120


def test_token_when_any_byte_is_changed_is_refused() -> None:
    token, _until = issue(request_id=CALL, end_user="a")
    said = bytearray(base64.urlsafe_b64decode(token.removeprefix(MARK) + "=" * (-len(token.removeprefix(MARK)) % 4)))
    for place in range(len(said)):
        forged = bytes(said[:place]) + bytes([said[place] ^ 1]) + bytes(said[place + 1 :])
        with pytest.raises(NotAuthenticated) as error:
            read(MARK + base64.urlsafe_b64encode(forged).decode().rstrip("="))
        assert error.value.code == "unknown_feedback_token"


@pytest.mark.parametrize(
    "text", ["", "x", MARK, MARK + "!!!!", MARK + "A" * 2000, "fbt", "한글", MARK + "QUJD", MARK + "AA==AA"]
)
def test_text_when_it_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(NotAuthenticated):
        read(text)


def test_token_when_spelt_otherwise_is_refused() -> None:
    token, _until = issue(request_id=CALL, end_user="ab")
    for other in (token + "=", token + "\n", " " + token, token.replace("_", "/").replace("-", "+") + "A"):
        with pytest.raises(NotAuthenticated):
            read(other)


def test_token_when_its_time_is_over_says_so() -> None:
    token, _until = issue(request_id=CALL, hours=-1)
    with pytest.raises(NotAuthenticated) as error:
        read(token)
    assert error.value.code == "expired_feedback_token"


def test_token_of_another_installation_is_refused(settings: pytest.FixtureRequest) -> None:
    token, _until = issue(request_id=uuid4())
    settings.SECRET_KEY = "another" * 10  # type: ignore[attr-defined]
    with pytest.raises(NotAuthenticated):
        read(token)


def test_wish_when_written_says_for_whom() -> None:
    assert (wish("token"), wish("Token; end-user=kim"), wish("token;end-user=a=b")) == ("", "kim", "a=b")
    for wrong in ("", "1", "token; who=kim", "token; end-user=" + "x" * 101, "token; end-user=a\0b"):
        with pytest.raises(Invalid):
            wish(wrong)


def test_end_user_when_composed_otherwise_is_the_same() -> None:
    assert tokens.end_user_name("\u1100\u1161") == "가"
