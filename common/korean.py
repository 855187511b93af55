"""Korean particles that fit the word before them; translations write 이(가), 을(를), 은(는), 과(와), (으)로."""

from __future__ import annotations

import re

_FORMS = {
    "이(가)": ("이", "가"),
    "을(를)": ("을", "를"),
    "은(는)": ("은", "는"),
    "과(와)": ("과", "와"),
    "(으)로": ("으로", "로"),
}
_WORD_AND_PARTICLE = re.compile(f"([가-힣0-9])([”’\"')]?)({'|'.join(map(re.escape, _FORMS))})")
_NO_FINAL, _FINAL_RIEUL = 0, 8
# The final consonant of a digit read aloud: 영 일 이 삼 사 오 육 칠 팔 구.
_DIGITS = {"0": 21, "1": 8, "2": 0, "3": 16, "4": 0, "5": 0, "6": 1, "7": 8, "8": 8, "9": 0}


def settle_particles(text: str) -> str:
    """Give the text with each particle in the form that fits; after other scripts both forms stay.

    Source: Unicode 16, section 3.12: a Hangul syllable is 0xAC00 + (initial * 21 + vowel) * 28 + final.
    """
    return _WORD_AND_PARTICLE.sub(lambda found: found[1] + found[2] + _form(found[1], found[3]), text)


def _form(last: str, particle: str) -> str:
    final = _DIGITS[last] if last in _DIGITS else (ord(last) - 0xAC00) % 28
    is_open = final == _NO_FINAL or (final == _FINAL_RIEUL and particle == "(으)로")
    return _FORMS[particle][is_open]
