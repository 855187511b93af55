from __future__ import annotations

import time
import unicodedata

import polars as pl
import pytest

from common.errors import Invalid
from datasets.steps.patterns import check_replacement, checked_pattern
from datasets.steps.rewriting import CAPITAL, COMPOSED, DECOMPOSED, SPACED, lowered, single_spaced
from tests.datasets.steps_basic.stepping import done, texts

LONG = 200_000


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_normal_form_when_compared_with_python_then_the_same(form):
    values = [
        "각\u1100\u1161\u11a8",
        "ＡＢＣ１㈜ﬁ",
        "か\u3099 ㅋㅋ",
        "가\u11a8",
        "“한글” abc 漢字",
        None,
        "",
        "\u0627\u200f",
        "e\u0301" * 50,
    ]
    expected = [value and unicodedata.normalize(form, value) for value in values]
    assert texts("normalise", values, form=form) == expected


def test_characters_that_are_skipped_when_looked_up_are_in_every_normal_form():
    every = pl.Series([chr(code) for code in range(0x11_0000) if not 0xD800 <= code < 0xE000])
    for pattern, forms in ((COMPOSED, ("NFC", "NFKC")), (DECOMPOSED, ("NFD", "NFKD"))):
        skipped = every.filter(~every.str.contains(pattern)).to_list()
        assert len(skipped) > 100
        assert all(unicodedata.is_normalized(form, one) for one in skipped for form in forms)


def test_characters_that_are_skipped_when_lowered_or_spaced_then_they_would_stay_as_they_are():
    every = pl.Series([chr(code) for code in range(0x11_0000) if not 0xD800 <= code < 0xE000])
    small = every.filter(~every.str.contains(CAPITAL))
    assert (small.str.to_lowercase() == small).all()
    assert len(every) - len(small) > 1000
    words = every.filter(~every.str.contains(SPACED))
    assert (words.str.replace_all(r"\s+", " ") == words).all()
    assert lowered(pl.Series(["Ab", None, "가", "ΟΔΟΣ"])).to_list() == ["ab", None, "가", "οδος"]
    assert single_spaced(pl.Series(["a  b", None, "가 \u3000나", " a\t"])).to_list() == ["a b", None, "가 나", " a "]


def test_normal_form_when_single_jamo_stay_then_only_the_rest_changes():
    assert texts("normalise", ["ㅋㅋ ＡＢ ㅠ"], keeps_jamo=True) == ["ㅋㅋ AB ㅠ"]
    assert texts("normalise", ["ㅋ"]) == ["\u110f"]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, "a b\n\n\nc d"),
        ({"line_breaks": "paragraphs"}, "a b\n\nc d"),
        ({"line_breaks": "lines"}, "a b\nc d"),
        ({"line_breaks": "space"}, "a b c d"),
        ({"trim": False, "collapse": False}, "  a \u0020b \n\n\n c d "),
    ],
)
def test_white_space_when_odd_then_ordinary(params, expected):
    assert texts("white_space", ["\u3000\ta \u00a0b \r\n\u2028\x85 c\u2009d ", None, "", "a b"], **params) == [
        expected,
        None,
        "",
        "a b",
    ]


def test_unseen_characters_when_taken_out_then_emoji_families_stay():
    value = "a\u200bb\x00c\ufeff\u202ed\u00ad👨\u200d👩\t\n\u3164"
    assert texts("unseen_characters", [value, None]) == ["abcd👨\u200d👩\t\n", None]
    assert texts("unseen_characters", ["\u200d\ufffd\ue000"], which=["joiners", "unreadable", "private"]) == [""]


def test_emoji_when_sequences_then_each_is_one():
    value = "👍🏽👨‍👩‍👧🇰🇷1️⃣❤️ 1 © # ㅋ 🏴\U000e0067\U000e0062\U000e007f"
    assert texts("emoji", [value, None, ""]) == [" 1 © # ㅋ ", None, ""]
    assert texts("emoji", [value], action="token", token="$0") == ["$0$0$0$0$0 1 © # ㅋ $0"]
    assert texts("emoji", ["😀🇰🇷❤"], action="name") == [":grinning_face::flag_kr::heavy_black_heart:"]


def test_urls_when_hangul_follows_then_it_stays():
    value = "보기: https://a.kr/x?y=1에서, (www.b.com). ftp://c/ http://"
    assert texts("urls", [value], token="$1") == ["보기: $1에서, ($1). $1 http://"]


def test_repeated_characters_when_shortened_then_digits_and_addresses_stay():
    assert texts("repeated_characters", ["ㅋㅋㅋㅋ!!!! 10000 https://x", None, "ㅋㅋ", "\u110f" * 9]) == [
        "ㅋㅋ! 10000 https://x",
        None,
        "ㅋㅋ",
        "\u110f" * 2,
    ]
    assert texts("repeated_characters", ["와아아아 zzzz", "ab", "ba"], letters=1) == [
        "와아 z".replace("아", "아"),
        "ab",
        "ba",
    ]


def test_html_when_stripped_then_scripts_and_comments_go_and_paragraphs_break():
    page = (
        "<!DOCTYPE html><head><style>p{}</style></head><p title='<p>' x=\"a>b\">hi &amp; <b>you</b></p>"
        "<script>if(a<b)alert('<p>')</script><ul><li>1<li>2</ul><!-- <script> -->end<br/>&#44032;&lt;b&gt; 1 < 2"
    )
    assert texts("strip_html", [page, None, "no tags", "a<b>c"]) == [
        "hi & you\n1\n2\nend\n가<b> 1 < 2",
        None,
        "no tags",
        "ac",
    ]
    assert texts("strip_html", ["<p>a</p>b<td>c"], breaks=False) == ["abc"]
    assert texts("strip_html", ["&amp;"], entities=False) == ["&amp;"]
    assert texts("strip_html", ["&#" + "9" * 5000 + ";x", "&#xD800;&#0;"]) == ["\ufffdx", "\ufffd\ufffd"]
    assert texts("strip_html", ["<scr<script>ipt>x", "<script>never closed", "a<!-- open", "<b x='"]) == [
        "ipt>x",
        "",
        "a",
        "",
    ]


@pytest.mark.parametrize(
    "kind", ["strip_html", "white_space", "urls", "emoji", "repeated_characters", "unseen_characters", "normalise"]
)
def test_texts_when_made_to_be_slow_then_time_grows_with_their_length(kind):
    evil = [
        "<div>",
        "<",
        "<!--",
        "<!--<b>",
        '<a b="',
        "&#x",
        " ",
        "http://",
        "👨\u200d",
        "🇰",
        "ㅋ",
        "e\u0301",
        "<svg>",
        " \n",
        "&",
    ]
    begun = time.process_time()
    texts(kind, [one * (LONG // len(one)) for one in evil])
    assert time.process_time() - begun < 30  # quadratic: minutes for each of them


@pytest.mark.parametrize(
    ("pattern", "word"),
    [
        ("(?=x)", "Look-around"),
        ("a(?<!b)", "Look-around"),
        (r"(a)\1", "Back-references"),
        ("((a{100}){100}){100}", "repeats"),
        (r"\w{1000}", "large"),
        ("(", "unclosed"),
        ("(?>a)", "Atomic"),
        ("x" * 1001, "1000"),
    ],
)
def test_pattern_when_it_cannot_be_used_then_refused_by_name(pattern, word):
    with pytest.raises(Invalid) as caught:
        done("replace_pattern", pl.DataFrame({"a": ["b"]}), pattern=pattern)
    assert word in caught.value.fields["pattern"]


def test_pattern_when_explosive_elsewhere_then_runs_at_once():
    begun = time.process_time()
    assert texts("replace_pattern", ["a" * LONG + "!"], pattern="(a+)+$", replacement="") == ["a" * LONG + "!"]
    assert time.process_time() - begun < 10
    assert checked_pattern(r"[(?=]\(?=", parameter="p")


def test_replacement_when_it_names_groups_then_they_must_be_there():
    assert texts("replace_pattern", ["ab", None], pattern="(?<x>A)(b)", replacement="${2}${x}$$", ignore_case=True) == [
        "ba$",
        None,
    ]
    for replacement in ("$3", "${y}", "$1x", "\\1"):
        with pytest.raises(Invalid):
            check_replacement("(?<x>a)(b)", replacement, parameter="replacement")


def test_fixed_texts_when_several_begin_at_one_place_then_the_longest_wins():
    assert texts("replace_texts", ["abc a", None], texts={"a": "1", "ab": "2", "2": "x"}) == ["2c 1", None]


def test_text_steps_when_a_column_is_no_text_then_refused_and_others_untouched():
    frame = pl.DataFrame({"a": [1], "b": ["Ａ"], "^b$": ["Ａ"]})
    assert done("normalise", frame, columns=["^b$"]).row(0) == (1, "Ａ", "A")
    with pytest.raises(Invalid, match="“a”"):
        done("case", frame, columns=["a"])
