"""Personal data: what is found in its many spellings, and what is never told."""

from __future__ import annotations

import json
import random
import time

import polars as pl
import pytest

from common.errors import Invalid
from datasets.engines.local import LocalTable
from datasets.engines.memory import MemoryTable, collected
from datasets.engines.workshop import Workshop
from datasets.steps.params import make_step
from datasets.steps.personal import MaskPersonalData
from datasets.steps.personal_kinds import KINDS
from datasets.steps.text import WhiteSpace
from tests.datasets.engines.tables import in_files
from tests.datasets.steps_special.making import HOSTILE, Surroundings, run, texts_after

EVERY = tuple(KINDS)
FOUND = {
    "연락처는 010-1234-5678 입니다": "연락처는 [전화번호] 입니다",
    "０１０－１２３４－５６７８": "[전화번호]",
    "010\u200b1234\u200b5678": "[전화번호]",
    "010.1234.5678, (02) 123-4567": "[전화번호], [전화번호]",
    "+1 415-555-2671 / +44 20 7946 0958": "[전화번호] / [전화번호]",
    "메일 hong.gildong+a@example.co.kr로": "메일 [이메일]로",
    "주민번호 880101-1234568": "주민번호 [주민등록번호]",
    "8 8 0 1 0 1 - 1 2 3 4 5 6 8": "[주민등록번호]",
    "카드 4539 1488 0343 6467": "카드 [카드번호]",
    "신한 110-123-456789": "신한 [계좌번호]",
    "사업자 220-81-62517": "사업자 [사업자등록번호]",
    "DE89 3704 0044 0532 0130 00 AND": "[IBAN] AND",
    "GB82WEST12345698765432": "[IBAN]",
    "여권 M12345678": "여권 [여권번호]",
    "면허 11-12-123456-78": "면허 [운전면허번호]",
    "서버 192.168.0.1": "서버 [IP]",
    "서울특별시 강남구 테헤란로 152": "[주소]",
    "김민수 대리님께": "[성명] 대리님께",
}
NOT_PERSONAL = [
    "4539 1488 0343 6468",  # wrong check digit
    "DE89 3704 0044 0532 0130 01",
    "GB82WEST12345698765432X",
    "주문번호 20240113",
    "1,234,567원",
    "2026-11-21 13:00",
    "버전 1.2.3",
]


def test_mask_finds_numbers_in_every_spelling_and_leaves_the_rest():
    assert texts_after(MaskPersonalData(which=EVERY), [*FOUND, *NOT_PERSONAL]) == [*FOUND.values(), *NOT_PERSONAL]


def test_mask_when_one_kind_is_chosen_leaves_the_others():
    text = "010-1234-5678 hong@example.com"
    assert texts_after(MaskPersonalData(which=("email",)), [text]) == ["010-1234-5678 [이메일]"]


def test_mask_by_signs_gives_one_number_one_sign_however_it_is_written():
    step = MaskPersonalData(how="token")
    one, two, other = texts_after(step, ["010-1234-5678", "０１０ １２３４ ５６７８", "010-1234-5679"])
    assert one == two != other
    elsewhere = Surroundings()
    elsewhere.key = lambda purpose: bytes(32)  # type: ignore[method-assign]
    assert run(step, pl.DataFrame({"text": ["010-1234-5678"]}), elsewhere)[0]["text"].to_list() != [one]
    dots = texts_after(step, ["a.b@example.com", "ab@example.com"])
    assert dots[0] != dots[1]


@pytest.mark.parametrize("how", ["word", "part", "token"])
def test_mask_tells_nothing_of_what_stood_there(how):
    chance = random.Random(1)
    numbers = [f"010-{chance.randrange(2000, 9999)}-{chance.randrange(1000, 9999)}" for _ in range(20)]
    frame = pl.DataFrame(
        {"a": [f"저는 {one} 입니다" for one in numbers], "n": range(20), "b": ["hong@example.com"] * 20}
    )
    rows, told = run(MaskPersonalData(how=how), frame)
    kept = json.dumps(told, ensure_ascii=False)
    assert not any(letter.isdigit() for line in told["found"] for letter in line["examples"])
    assert not any(number in kept or number in text for number in numbers for text in rows["a"])
    assert "hong" not in kept
    assert [(line["column"], line["kind"], line["count"], line["rows"]) for line in told["found"]] == [
        ("a", "전화번호", 20, 20),
        ("b", "이메일", 20, 20),
    ]
    assert MaskPersonalData.is_secret_before


def test_mask_in_a_run_leaves_no_sample_of_what_stood_there_before_it(tmp_path):
    shop = Workshop(tmp_path / "work", secret={1})
    files = in_files(pl.DataFrame({"text": ["  전화  010-1234-5678"]}), tmp_path / "rows")
    table = WhiteSpace().run(LocalTable.of(shop, files), Surroundings())
    shop.step = 1
    rows = collected(MaskPersonalData().run(table, Surroundings()))
    assert rows["text"].to_list() == ["전화 [전화번호]"]
    assert shop.samples == {1: [{"row": 0, "column": "text", "before": None, "after": "전화 [전화번호]"}]}
    shop.close(is_over=True)


def test_mask_by_part_hides_the_middle():
    texts = ["010-1234-5678", "880101-1234568", "hong@example.com", "4539 1488 0343 6467"]
    found = texts_after(MaskPersonalData(how="part"), texts)
    assert found[:2] == ["010-****-5678", "880101-1******"]
    assert not any(piece in "".join(found) for piece in ("1234", "ong@", "1488 0343"))


def test_mask_when_texts_are_hostile_leaves_them():
    assert texts_after(MaskPersonalData(which=EVERY), HOSTILE) == HOSTILE
    assert texts_after(MaskPersonalData(), ["\u202e010-1234-5678\u202c🤦🏽"]) == ["\u202e[전화번호]🤦🏽"]


@pytest.mark.parametrize(
    "text", ["1" * 300_000, "a@" * 150_000, "1 " * 150_000, "010-" * 75_000, "\u1112\u1161\u11ab" * 40_000]
)
def test_mask_when_a_text_is_made_to_be_slow_ends_soon(text):
    begun = time.process_time()
    MaskPersonalData().run(MemoryTable.of(pl.DataFrame({"text": [text]})), Surroundings())
    assert time.process_time() - begun < 10


def test_mask_when_a_parameter_is_wrong_names_it():
    schema = {"text": pl.String(), "n": pl.Int64()}
    for params, field in (
        ({"columns": ["n"]}, "columns"),
        ({"secret": "a secret in a recipe"}, "secret"),
        ({"which": ["x"]}, "which"),
    ):
        with pytest.raises(Invalid) as refused:
            make_step("mask_personal_data", params).out_schema(schema)
        assert set(refused.value.fields) == {field}
