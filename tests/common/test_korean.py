"""Particles that fit the word before them."""

from __future__ import annotations

import pytest

from common.korean import settle_particles


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("민지이(가) 봄을(를)", "민지가 봄을"),
        ("시스템이(가)", "시스템이"),
        ("서울(으)로 부산(으)로 대구(으)로", "서울로 부산으로 대구로"),
        ("버전 3을(를) 버전 2을(를) 1(으)로 6(으)로", "버전 3을 버전 2를 1로 6으로"),
        ("나은(는) 나과(와) 밤과(와)", "나는 나와 밤과"),
        ("‘불만’이(가) “번호”은(는) '위로'(으)로", "‘불만’이 “번호”는 '위로'로"),
        ("operator(으)로, v(으)로", "operator(으)로, v(으)로"),
    ],
)
def test_particle_when_it_follows_a_word_fits_it(written: str, read: str) -> None:
    assert settle_particles(written) == read
