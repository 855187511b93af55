"""What is wrong with files of rows: the row that is to blame is set aside with its line, and no other."""

import io
import zipfile
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datasets.formats import facts, words
from datasets.formats.facts import Reject
from tests.datasets.formats.reading import read, refused, told, types


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json", "a.parquet", "a.xlsx", "a"])
@pytest.mark.parametrize("data", [b"", b"\n\n  \n", b"\xef\xbb\xbf"])
def test_file_when_it_is_empty_says_so(name, data):
    assert refused(name, data).code == "empty"


def test_csv_when_it_is_a_header_only_has_columns_and_no_rows():
    rows, rejects, found = read("a.csv", "이름,나이\n")
    assert (len(rows), rejects, list(types(found))) == (0, [], ["이름", "나이"])
    assert ("no_rows", {}) in found.warnings


def test_csv_when_lines_are_ragged_sets_those_lines_aside():
    rows, rejects, _ = read("a.csv", "a,b\n1,2\n3\n4,5,6\n7,8,\n9,10\n")
    assert rows.rows() == [(1, 2), (7, 8), (9, 10)]
    assert told(rejects) == [(3, "ragged", ""), (4, "ragged", "")]
    assert rejects[1].raw == "4,5,6"
    assert rejects[1].values == {"cells": 3, "columns": 2}


def test_csv_when_a_quote_is_never_closed_only_its_line_goes():
    lines = [f'{n},"문장 {n}"' for n in range(3000)]
    lines[1000] = '1000,"문장'
    rows, rejects, _ = read("a.csv", "\n".join(["n,text", *lines]) + "\n")
    assert len(rows) == 2999
    assert told(rejects) == [(1002, "open_quote", "")]
    assert rows["n"][1000] == 1001


@pytest.mark.parametrize("plain", [True, False])
def test_csv_when_the_last_quote_is_open_keeps_all_before_it(plain):
    rest = "".join(f"{n},x\n" for n in range(5000)) if plain else ""
    rows, rejects, _ = read("a.csv", 'n,t\n1,"두 줄\n여기까지"\n2,"열림\n' + rest)
    assert rows["t"][0] == "두 줄\n여기까지"
    assert told(rejects) == [(4, "open_quote", "")]
    assert len(rows) == 1 + 5000 * plain


def test_csv_when_some_lines_are_of_another_encoding_sets_those_aside():
    data = b"t\n" + "가나다\n".encode() * 50 + "다른 글자\n".encode("cp949") + "라마바\n".encode() * 50
    rows, rejects, found = read("a.csv", data)
    assert (len(rows), found.encoding) == (100, "utf-8")
    assert told(rejects) == [(52, "wrong_bytes", "")]
    assert found.warnings == [("mixed_encodings", {"encoding": "utf-8"})]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949", "utf-16", "utf-16-le", "utf-16-be"])
def test_csv_when_it_is_korean_in_any_usual_encoding_is_read(encoding):
    text = "이름;설명\n" + "".join(f"홍길동{n};똠방각하; 펲시\n".replace("; ", " ") for n in range(40))
    rows, rejects, found = read("a.csv", text.encode(encoding))
    assert (rejects, found.delimiter, len(rows)) == ([], ";", 40)
    assert rows.row(0) == ("홍길동0", "똠방각하 펲시")


def test_csv_when_korean_comes_after_megabytes_of_ascii_finds_the_encoding():
    data = b"id,t\n" + b"1,plain words\n" * 150_000 + "2,한글\n".encode("cp949")
    rows, rejects, found = read("a.csv", data)
    assert (found.encoding, rejects, rows["t"][-1]) == ("cp949", [], "한글")


def test_csv_when_a_line_has_no_end_costs_one_row_and_no_memory(monkeypatch):
    for module in ("datasets.formats.texts", "datasets.formats.delimited"):
        monkeypatch.setattr(f"{module}.MOST_LINE_BYTES", 1 << 16)
    rows, rejects, _ = read("a.csv", b"a,b\n1,2\n" + b"x" * 5_000_000 + b"\n3,4\n")
    assert rows.rows() == [(1, 2), (3, 4)]
    assert told(rejects) == [(3, "line_too_long", "")]
    assert len(rejects[0].raw) <= facts.LONGEST_RAW + 1


def test_csv_when_it_has_ten_thousand_columns_is_read_and_one_more_is_refused():
    def wide(columns):
        return ",".join(f"c{n}" for n in range(columns)) + "\n" + (",".join(["1"] * columns) + "\n") * 3

    rows, rejects, _ = read("a.csv", wide(10_000))
    assert (rows.shape, rejects) == ((3, 10_000), [])
    assert refused("a.csv", wide(10_001)).code == "too_many_columns"


def test_columns_when_names_are_doubled_empty_or_ours_get_names_of_their_own():
    rows, _, found = read("a.csv", "a,a,,__row, b \ufeff\u202e,a_2,__^c$\n1,2,3,4,5,6,7\n")
    assert rows.columns == ["a", "a_2", "column_3", "row", "b", "a_2_2", "c"]
    assert ("renamed", {"source": "__row", "column": "row"}) in found.warnings
    assert rows.row(0) == (1, 2, 3, 4, 5, 6, 7)


def test_columns_when_their_names_are_patterns_lose_nothing_whatever_the_format():
    frame = pl.DataFrame({"*": ["가", None], "^n$": [1, 2], "n": [3.5, None], "^a b$": [date(2026, 1, 2), None]})
    names = ["column", "n", "n_2", "a b"]
    for name, write in (("a.csv", frame.write_csv), ("a.parquet", frame.write_parquet), ("a.arrow", frame.write_ipc)):
        write(buffer := io.BytesIO())
        rows, rejects, found = read(name, buffer.getvalue())
        assert rows.equals(frame.rename(dict(zip(frame.columns, names, strict=True)))), name
        assert rejects == []
        assert ("renamed", {"source": "^n$", "column": "n"}) in found.warnings
    cells = [[text("A1", "^n$"), text("B1", "*")], ['<c r="A2"><v>7</v></c>', text("B2", "가")]]
    assert read("a.xlsx", workbook(cells))[0].to_dicts() == [{"n": 7, "column": "가"}]


def test_names_when_they_are_decomposed_become_one_form():
    rows, _, _ = read("a.csv", "\u1112\u1161\u11ab,b\n1,2\n")
    assert rows.columns == ["한", "b"]


def test_numbers_when_they_are_codes_or_too_long_stay_text():
    lines = ["p,z,l,g", '010-1234-5678,007,12345678901234567890,"1,234"', '02-345-6789,012,1,"12,345.5"', ""]
    rows, _, found = read("a.csv", "\n".join(lines))
    assert types(found) == {"p": "text", "z": "text", "l": "text", "g": "number"}
    assert rows["z"].to_list() == ["007", "012"]
    assert rows["g"].to_list() == [1234.0, 12345.5]


def test_numbers_when_some_later_are_text_set_their_rows_aside_and_an_override_takes_them():
    data = "n\n" + "".join(f"{n}\n" for n in range(12_000)) + "많음\n7\n"
    rows, rejects, _ = read("a.csv", data)
    assert (len(rows), told(rejects)) == (12_001, [(12_002, "misfit", "n")])
    assert rejects[0].raw == "많음"
    rows, rejects, _ = read("a.csv", data, types={"n": "text"})
    assert (len(rows), rejects) == (12_002, [])


@pytest.mark.parametrize("code", ["007", "-01", "+082", "00"])
def test_codes_when_they_come_after_numbers_are_set_aside_and_an_override_takes_them(code):
    data = "n\n" + "".join(f"{n}\n" for n in range(12_000)) + f"{code}\n0\n"
    rows, rejects, _ = read("a.csv", data)
    assert (len(rows), told(rejects)) == (12_001, [(12_002, "misfit", "n")])
    assert rejects[0].raw == code
    rows, rejects, _ = read("a.csv", data, types={"n": "text"})
    assert (rows["n"][12_000], rejects) == (code, [])


def test_codes_when_integers_are_chosen_are_read_as_such():
    rows, rejects, _ = read("a.csv", "n\n" + "1\n" * 12_000 + "007\n", types={"n": "integer"})
    assert (rows["n"][12_000], rejects) == (7, [])
    rows, rejects, _ = read("a.csv", 'n,g\n007,"1,234"\n12,012\n', types={"n": "integer"})
    assert (rows.rows(), rejects) == ([(7, "1,234"), (12, "012")], [])


def test_dates_when_in_three_forms_are_read_where_they_mean_one_thing():
    year_first = "d\n2026-01-02\n2026/1/3\n2026. 1. 4.\n2026년 1월 5일\n"
    rows, _, found = read("a.csv", year_first)
    assert (types(found), rows["d"].to_list()) == ({"d": "date"}, [date(2026, 1, n) for n in (2, 3, 4, 5)])
    mixed = "d\n2026-01-02\n03.01.2026\n01/04/2026\n"
    _, _, found = read("a.csv", mixed)
    assert (types(found), found.columns[0].note) == ({"d": "text"}, "many_date_forms")
    _, _, found = read("a.csv", "d\n03.01.2026\n04.02.2026\n")
    assert found.columns[0].note == "ambiguous_days"
    rows, _, _ = read("a.csv", "d\n03.01.2026\n30.01.2026\n")
    assert rows["d"].to_list() == [date(2026, 1, 3), date(2026, 1, 30)]
    rows, rejects, _ = read("a.csv", "d\n01.03.2026\n31.12.2026\n", types={"d": "date"}, date_formats={"d": "%m.%d.%Y"})
    assert (rows["d"].to_list(), told(rejects)) == ([date(2026, 1, 3)], [(3, "misfit", "d")])


def test_times_when_they_name_no_zone_are_those_of_the_house():
    rows, _, found = read(
        "a.csv", "t\n2026-01-02 09:00\n2026-01-02T09:00:00.5Z\n2026-01-02 09:00:00+09:00\n2026-01-02\n"
    )
    assert types(found) == {"t": "datetime"}
    midnight = datetime(2026, 1, 2, tzinfo=UTC)
    assert rows["t"].to_list() == [
        midnight,
        midnight.replace(hour=9, microsecond=500_000),
        midnight,
        datetime(2026, 1, 1, 15, tzinfo=UTC),
    ]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_numbers_when_not_a_number_are_missing_and_infinite_ones_set_aside(name):
    cells = ["1.5", "NaN", "Infinity", "-Infinity", "2.5"]
    data = "v\n" + "\n".join(cells) if name == "a.csv" else "\n".join(f'{{"v": {cell}}}' for cell in cells)
    rows, rejects, _ = read(name, data + "\n", types={"v": "number"})
    assert rows["v"].to_list() == [1.5, None, 2.5]
    assert [code for _line, code, _column in told(rejects)] == ["infinite", "infinite"]


def test_texts_when_they_hold_nul_are_set_aside():
    for name, data in (("a.csv", "t,n\nok,1\nno\0pe,2\n"), ("a.jsonl", '{"t": "ok"}\n{"t": "no\\u0000pe"}\n')):
        rows, rejects, _ = read(name, data)
        assert (rows["t"].to_list(), [one.code for one in rejects]) == (["ok"], ["nul"])


def test_jsonl_when_lines_are_broken_or_of_other_names_sets_them_aside():
    data = '{"a": 1}\nkaputt\n[1]\n\n{"a": 2, "a": 3}\n{"a": "\\ud800"}\n'
    rows, rejects, _ = read("a.jsonl", data)
    assert rows["a"].to_list() == [1, 3]
    assert told(rejects) == [(2, "no_json", ""), (3, "no_object", ""), (6, "wrong_bytes", "")]
    many = '{"a": 1}\n' * 10_500 + '{"a": 1, "b": 2}\n'
    rows, rejects, _ = read("a.jsonl", many)
    assert (len(rows), told(rejects)) == (10_500, [(10_501, "unknown_field", "b")])


def test_json_when_it_is_deep_or_broken_names_line_and_character():
    error = refused("a.json", '[{"a": 1},\n {"a": 2,}]')
    assert (error.code, error.values["line"]) == ("broken_json", 2)
    deep = "[" * 100_000
    assert refused("a.json", f'[{{"a": {deep}').code == "broken_json"
    assert refused("a.json", "3").code == "no_rows_json"
    assert refused("a.json", '{"a": [1, 2],\n"b": [1]}').code == "uneven_lists"


@pytest.mark.parametrize(
    "data",
    [
        '[{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]',
        '{"a": [1, 2], "b": ["x", "y"]}',
        '{"data": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]}',
    ],
)
def test_json_when_in_any_form_of_rows_is_read(data):
    rows, rejects, _ = read("a.json", data)
    assert (rows.rows(), rejects) == ([(1, "x"), (2, "y")], [])


def test_json_when_values_cross_the_blocks_in_which_it_is_read_keeps_them():
    items = [{"n": n, "t": "가" * (n % 700)} for n in range(6000)]
    import json

    rows, rejects, _ = read("a.json", json.dumps(items, ensure_ascii=False, indent=1))
    assert (rejects, rows["n"].to_list()) == ([], list(range(6000)))
    assert rows["t"].str.len_chars().to_list() == [n % 700 for n in range(6000)]


def parquet(table, **options):
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **options)
    return buffer.getvalue()


def test_parquet_when_types_are_unknown_they_are_brought_down_or_refused():
    table = pa.table(
        {
            "s": ["가", None],
            "u": pa.array([1, 2**64 - 1], pa.uint64()),
            "d": pa.array([1, 2], pa.decimal128(10, 2)),
            "n": [{"x": 1}, None],
            "l": [[1, 2], []],
            "m": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())),
            "t": pa.array([0, 1], pa.timestamp("ns")),
            "c": pa.array(["x", "y"]).dictionary_encode(),
        }
    )
    rows, rejects, found = read("a.parquet", parquet(table))
    assert types(found) == {
        "s": "text", "u": "integer", "d": "number", "n": "text", "l": "list[integer]", "m": "text", "t": "datetime",
        "c": "text",
    }  # fmt: skip
    assert told(rejects) == [(2, "misfit", "u")]
    assert rows["n"].to_list() == ['{"x": 1}']
    binary = parquet(pa.table({"b": [b"\0\1"], "a": [1]}))
    assert refused("a.parquet", binary).code == "bytes_column"
    assert read("a.parquet", binary, types={"b": "text"})[0]["b"].to_list() == ["AAE="]
    assert read("a.parquet", binary, types={"b": "drop"})[0].columns == ["a"]


@pytest.mark.parametrize(
    ("kind", "numbers", "wanted", "wrong"),
    [
        ("date", [20260131, 45000], [], [0, 1]),
        ("datetime", [1.7e9, None], [None], [0]),
        ("duration", [90, 1.5], [timedelta(seconds=90), timedelta(seconds=1.5)], []),
        ("truth", [1, 0, 2, 5, None], [True, False, None], [2, 3]),
        ("truth", [1.0, 0.0, 0.5], [True, False], [2]),
        (
            "text",
            [1012345678.0, 0.5, -3.0, 9410123412341234.0, 1e300],
            ["1012345678", "0.5", "-3", "9410123412341234", "1e+300"],
            [],
        ),
        ("text", [float("nan"), None, 7.0], [None, None, "7"], []),
        ("text", [2**63 - 1, -1], ["9223372036854775807", "-1"], []),
    ],
)
def test_numbers_when_another_type_is_chosen_are_read_as_they_are_written(kind, numbers, wanted, wrong):
    rows, rejects, _ = read("a.parquet", parquet(pa.table({"n": numbers})), types={"n": kind})
    assert rows["n"].to_list() == wanted
    assert told(rejects) == [(row + 1, "misfit", "n") for row in wrong]


def test_numbers_when_days_of_a_form_are_chosen_are_read_as_such():
    table = parquet(pa.table({"n": [20260131.0, 20261331.0]}))
    rows, rejects, _ = read("a.parquet", table, types={"n": "date"}, date_formats={"n": "%Y%m%d"})
    assert (rows["n"].to_list(), told(rejects)) == ([date(2026, 1, 31)], [(2, "misfit", "n")])


def test_codes_of_a_sheet_when_text_is_chosen_have_no_fraction():
    cells = [[text("A1", "번호")], *([f'<c r="A{row}"><v>{row}012345678</v></c>'] for row in (2, 3))]
    assert read("a.xlsx", workbook(cells), types={"번호": "text"})[0]["번호"].to_list() == ["2012345678", "3012345678"]


def test_parquet_when_its_end_is_broken_says_so():
    data = parquet(pa.table({"a": list(range(1000))}))
    assert refused("a.parquet", data[:-20]).code == "damaged_file"
    assert refused("a.parquet", data[:4] + bytes(200) + data[-8:]).code == "damaged_file"
    assert refused("a.parquet", b"a,b\n1,2\n").code == "not_what_it_says"


@pytest.mark.parametrize("kind", ["file", "stream"])
def test_arrow_when_of_either_form_is_read(kind):
    table, buffer = pa.table({"a": [1, 2, 3], "t": ["가", "나", None]}), io.BytesIO()
    opened = pa.ipc.new_file(buffer, table.schema) if kind == "file" else pa.ipc.new_stream(buffer, table.schema)
    with opened:
        opened.write_table(table)
    rows, rejects, _ = read("a.arrow", buffer.getvalue())
    assert (rows.rows(), rejects) == ([(1, "가"), (2, "나"), (3, None)], [])


def workbook(cells, *, macros=False):
    """Give an Excel file of one sheet; cells are XML, rows lists of them."""
    rows = "".join(f'<row r="{n}">{"".join(row)}</row>' for n, row in enumerate(cells, 1))
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    parts = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="xml" ContentType="application/xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}"><Relationship Id="r1" Type="{kind}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{kind}"><sheets>'
        '<sheet name="자료" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}"><Relationship Id="r1" Type="{kind}/worksheet" '
        'Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{rows}</sheetData></worksheet>',
    }
    if macros:
        parts["xl/vbaProject.bin"] = "Sub AutoOpen()"
    return packed_exactly(parts)


def packed_exactly(parts):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def text(place, value):
    return f'<c r="{place}" t="inlineStr"><is><t>{value}</t></is></c>'


def test_excel_when_it_has_formulas_and_macros_gives_their_last_values():
    cells = [
        [text("A1", "이름"), text("B1", "합")],
        [text("A2", "가"), '<c r="B2"><f>1+2</f><v>3</v></c>'],
        [text("A3", "나"), '<c r="B3"><f>HYPERLINK("http://x","y")&amp;CMD()</f><v>4</v></c>'],
        [text("A4", "다"), '<c r="B4" t="e"><f>1/0</f><v>#DIV/0!</v></c>'],
    ]
    rows, _, found = read("a.xlsm", workbook(cells, macros=True))
    assert (found.format, found.sheet, types(found)["이름"]) == ("excel", "자료", "text")
    kept = {row[0]: row[1] for row in rows.rows()}
    assert (kept["가"], kept["나"]) == (3, 4)
    assert "다" not in kept or kept["다"] is None
    assert refused("a.xlsx", workbook(cells), sheet="없음").code == "no_sheet"


def test_excel_when_it_is_damaged_or_a_bomb_is_refused(monkeypatch):
    whole = workbook([[text("A1", "a")], [text("A2", "b")]])
    assert refused("a.xlsx", whole[:-30]).code in ("damaged_file", "damaged_archive")
    from datasets.formats import sheets

    monkeypatch.setattr(sheets, "MOST_UNPACKED_BYTES", 1 << 20)
    assert refused("a.xlsx", workbook([[text("A1", "a" * 2_000_000)]])).code == "bomb"


@pytest.mark.parametrize("data", [b"%PDF-1.7 x", b"\x89PNG\r\n", b"\x80\x04\x95abc", b"MZ\x90", b"SQLite format 3\0"])
def test_file_when_it_is_no_table_at_all_says_what_it_is(data):
    assert refused("a.csv", data).code == "no_rows_format"


def test_rows_when_they_are_many_come_in_pieces_of_one_size_whatever_the_format():
    frame = pl.DataFrame({"n": range(150_000)})
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    sources = {
        "a.csv": frame.write_csv().encode(),
        "a.jsonl": frame.write_ndjson().encode(),
        "a.parquet": buffer.getvalue(),
    }
    for name, data in sources.items():
        rows, rejects, _ = read(name, data)
        assert (rows.equals(frame), rejects) == (True, []), name


@pytest.mark.parametrize("code", [*words.FILES, *words.ROWS, *words.WARNINGS])
@pytest.mark.parametrize("language", ["en", "ko"])
def test_sentence_of_each_code_when_asked_for_is_whole_in_both_languages(code, language):
    from django.utils import translation

    words_of = "file kind member why sheet type types column columns form format first how encoding source value"
    values = dict.fromkeys(words_of.split(), "값")
    values |= dict.fromkeys(("most", "given", "size", "line", "place", "seconds", "cells"), 7)
    if code in ("too_many_columns", "ragged"):
        values["columns"] = 7
    with translation.override(language):
        said = words.say(code, values)
        assert "%(" not in said
        assert any("가" <= letter <= "힣" for letter in said.replace("값", "")) == (language == "ko"), said


def test_reject_when_told_names_its_column():
    assert "“나이”" in words.why(Reject(3, "unknown_field", column="나이"))
