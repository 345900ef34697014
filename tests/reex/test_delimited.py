"""CSV and TSV: what their cells become, and that a bad record, be it for a broken quote, costs no good one."""

from __future__ import annotations

import io
import json

import pytest
from reex import errors


def upload_lines(client, tmp_path, *lines: str | bytes, name: str = "data.csv"):
    path = tmp_path / name
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines) + b"\n")
    return client.upload("p", path, "train")


def reasons(result) -> list[tuple[int, str]]:
    return [(each.line, each.field) for each in result.rejections]


def test_a_csv_says_by_column_names_what_json_says_by_keys(daemon, client, tmp_path):
    result = upload_lines(
        client,
        tmp_path,
        "\ufeffid,label,document,attributes,source",
        'a,2,"two\nlines, quoted ""twice""","[1, 2.5]",wire',
        "b,positive,plain,0.5 1.5,",
        ",,no label,,",
        "c,-99,elsewhere,,",
        name="data.csv",
    )
    assert result.rejected == 0
    assert [line.line for line in daemon.lines] == [2, 4, 5, 6]
    first, second, third, fourth = (line.document for line in daemon.lines)
    assert (first.label, first.text) == (2, 'two\nlines, quoted "twice"')
    assert list(first.attributes) == [1.0, 2.5]
    assert json.loads(first.extra_json) == {"source": "wire"}
    assert (second.label_name, list(second.attributes), second.extra_json) == ("positive", [0.5, 1.5], "")
    assert (third.id, third.label, fourth.label) == ("", -1, -99)


def test_semicolons_separate_where_the_comma_is_decimal(daemon, client, tmp_path):
    """As spreadsheets write CSV in half of the world."""
    result = upload_lines(
        client,
        tmp_path,
        "\ufeffid;label;document;attributes;source",
        'a;positive;"two; lines,\nquoted ""twice""";1 2.5;wire',
        "b;1;plain, with a comma;;",
        "c;2;one cell; too many;;",
    )
    assert [each.line for each in result.rejections] == [5]
    first, second = (line.document for line in daemon.lines)
    assert (first.label_name, first.text) == ("positive", 'two; lines,\nquoted "twice"')
    assert (list(first.attributes), json.loads(first.extra_json)) == ([1.0, 2.5], {"source": "wire"})
    assert (second.label, second.text) == (1, "plain, with a comma")


def test_an_index_may_be_written_as_a_data_frame_with_gaps_writes_it(daemon, client, tmp_path):
    daemon.classes = ["negative", "2.0"]
    upload_lines(client, tmp_path, "document,label", "a,1.0", "b,-99.0", "c,2.0", "d,1.5", "e,")
    labels = [(line.document.label, line.document.label_name) for line in daemon.lines]
    assert labels == [(1, ""), (-99, ""), (0, "2.0"), (0, "1.5"), (-1, "")]


@pytest.mark.parametrize(
    ("header", "given", "meant"),
    [("document,Label", "Label", "label"), ("id, DOCUMENT ,label", "DOCUMENT", "document")],
)
def test_a_column_that_is_a_known_one_but_for_its_case_is_refused(
    daemon, client, tmp_path, header, given, meant
):
    with pytest.raises(errors.InvalidArgument, match=f"expected {meant}, received '{given}'; rename it"):
        upload_lines(client, tmp_path, header, "a,b,c")
    assert not daemon.lines


def test_a_column_named_almost_like_one_beside_it_is_kept(daemon, client, tmp_path):
    result = upload_lines(client, tmp_path, "id,ID, label ,document,Labels", ",7,1,x,y")
    assert result.rejected == 0
    (line,) = daemon.lines
    assert (line.document.label, json.loads(line.document.extra_json)) == (1, {"ID": "7", "Labels": "y"})


def test_a_cell_of_digits_is_a_name_when_a_class_is_called_so(daemon, client, tmp_path):
    daemon.classes = ["1990", "2000"]
    upload_lines(client, tmp_path, "label\tdocument", "1990\tx", "1\ty", name="data.tsv")
    first, second = (line.document for line in daemon.lines)
    assert (first.label_name, second.label) == ("1990", 1)


def test_bad_records_of_a_csv_are_reported_by_their_first_line(daemon, client, tmp_path):
    result = upload_lines(
        client,
        tmp_path,
        "id,document",
        "a,good",
        b'b,"caf\n' + b'\xe9"',
        "c,too,many",
        "d",
        "e,",
        "f,good",
        name="data.csv",
    )
    assert [each.document.id for each in daemon.lines] == ["a", "f"]
    assert reasons(result) == [(3, ""), (5, ""), (6, ""), (7, "document")]


GOOD = {"2": "good", "3": "good"}


@pytest.mark.parametrize(
    ("records", "stored", "rejected"),
    [
        # The quote is never closed.
        (['1,0,"open', "2,1,good", "3,1,good"], GOOD, [2]),
        (["2,1,good", "3,1,good", '1,0,"open'], GOOD, [4]),
        (['1,0,"open', "2,1,good", '4,0,"open', "3,1,good"], GOOD, [2, 4]),
        # A quote of a neighbour closes it.
        (['1,0,"open', '2,1,"good"', "3,1,good"], GOOD, [2]),
        (['1,0,"open', "2,1,good", '"3",1,good'], GOOD, [2]),
        (
            ['1,0,"open', "2,1,good", '3,1,"good\nof two lines"'],
            {"2": "good", "3": "good\nof two lines"},
            [2],
        ),
        (['1,0,"open', "2,1,good", '3,1,"a ""good"" one"'], {"2": "good", "3": 'a "good" one'}, [2]),
        (['1,0,"open', "2,1,good", '3,1,",comma first"'], {"2": "good", "3": ",comma first"}, [2]),
        (['1,"open,text', "2,1,good", '3,1,"good"'], GOOD, [2]),
        # It is closed too early, or text follows.
        (["2,1,good", '1,0,"he said "no" twice"', "3,1,good"], GOOD, [3]),
        (['1,0,"closed" and more', "2,1,good", "3,1,good"], GOOD, [2]),
        # A record of several lines with a column too many is one bad record; nothing of it is stored.
        (['1,0,"two\nlines, here",more', "2,1,good", "3,1,good"], GOOD, [2]),
        # Odd, and good: newlines, delimiters and quotes inside cells, quotes inside plain ones.
        (
            ['2,1,"\n, ""x""\n\n,"', '3,1,12" or 5\' 3"', '"4","0",""""'],
            {"2": '\n, "x"\n\n,', "3": '12" or 5\' 3"', "4": '"'},
            [],
        ),
    ],
    ids=str,
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_broken_quote_costs_its_own_line(daemon, client, tmp_path, records, stored, rejected, newline):
    path = tmp_path / "data.csv"
    path.write_bytes(newline.join(["id,label,document", *records]).encode())
    result = client.upload("p", path, "train")
    assert {line.document.id: line.document.text for line in daemon.lines} == stored
    assert reasons(result) == [(line, "") for line in rejected]
    assert all(each.reason for each in result.rejections)
    assert result.total == len(stored) + len(rejected)


def test_a_broken_quote_in_a_tsv_costs_its_own_line(daemon, client, tmp_path):
    result = upload_lines(
        client, tmp_path, "id\tdocument", '1\t"open', "2\tgood", '3\t"good"', name="data.tsv"
    )
    assert [line.document.id for line in daemon.lines] == ["2", "3"]
    assert reasons(result) == [(2, "")]


def test_lines_after_a_broken_quote_keep_their_numbers(daemon, client, tmp_path):
    wrong = ['1,"open', "2,good", "3,one,too many", "", b"4,caf\xe9", "5,", '6,"open too', "7,good"]
    result = upload_lines(client, tmp_path, "id,document", *wrong, name="data.csv")
    assert [(line.line, line.document.id) for line in daemon.lines] == [(3, "2"), (9, "7")]
    assert reasons(result) == [(2, ""), (4, ""), (6, ""), (7, "document"), (8, "")]


def test_an_open_quote_is_not_held_beyond_a_documents_size(daemon, client, tmp_path):
    path = tmp_path / "data.csv"
    count, cell = 200, "x" * 100_000
    path.write_text('id,document\n0,"open\n' + "".join(f"{n},{cell}\n" for n in range(1, count)))
    asked = []

    class Watched(io.BytesIO):
        def readline(self, *limit):
            asked.append(len(daemon.lines))
            return super().readline(*limit)

    result = client.upload("p", Watched(path.read_bytes()), "train", form="csv")
    assert reasons(result) == [(2, "")]
    assert "within" in result.rejections[0].reason
    assert [line.document.id for line in daemon.lines] == [str(n) for n in range(1, count)]
    assert max(asked) > 0  # documents were on their way before the file was read to its end


def test_quotes_that_swallow_each_other_are_read_in_one_pass(daemon, client, tmp_path):
    """Inside an open quote each of these lines closes one and opens another: read to the end anew for each line,
    this takes hours.
    """
    path = tmp_path / "data.csv"
    path.write_text("id,label,document\n" + 'x",y,"\n' * 20_000)
    result = client.upload("p", path, "train")
    assert (result.rejected, daemon.lines) == (20_000, [])


def test_a_header_with_an_open_quote_is_refused_as_such(client, tmp_path):
    path = tmp_path / "data.csv"
    path.write_text('id,"document\n1,x\n')
    with pytest.raises(errors.InvalidArgument, match=r"header line cannot be read.*never closed"):
        client.upload("p", path, "train")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "received an empty file"),
        (b"id,text\n1,x\n", "received the columns id, text; rename the one that holds the text"),
        (b"document,document\nx,y\n", "received document 2 times; rename all but one"),
        (b"document,,\nx,,\n", "received 2 columns without a name; name them, or leave them out"),
        (b"id,document\r1,x\r", "a carriage return alone, as old Macs wrote it; save the file as CSV UTF-8"),
    ],
)
def test_a_csv_without_its_header_is_refused_as_a_whole(client, tmp_path, content, told):
    path = tmp_path / "data.csv"
    path.write_bytes(content)
    with pytest.raises(errors.InvalidArgument) as found:
        client.upload("p", path, "train")
    assert told in str(found.value)


def test_a_carriage_return_in_a_cell_costs_its_line(daemon, client, tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes(b'id,document\r\n1,a\rb\r\n2,"c\rd"\r\n3,e\r\n')
    result = client.upload("p", path, "train")
    assert [each.line for each in result.rejections] == [2]
    assert "or put a cell that holds one in quotes" in result.rejections[0].reason
    assert [line.document.text for line in daemon.lines] == ["c\rd", "e"]


@pytest.mark.parametrize(
    ("cell", "expected"), [("7", [7.0]), ("-0.5", [-0.5]), ("[7]", [7.0]), ("1 2", [1.0, 2.0])]
)
def test_a_single_attribute_needs_no_brackets(daemon, client, tmp_path, cell, expected):
    assert upload_lines(client, tmp_path, "document,attributes", f"a text,{cell}").rejected == 0
    assert list(daemon.lines[0].document.attributes) == expected


@pytest.mark.parametrize(
    ("name", "header", "told"),
    [
        ("x.tsv", "id;label;document", "semicolons: its format is csv"),
        ("x.csv", "id\tlabel\tdocument", "tabs: its format is tsv"),
        ("x.tsv", "id,label,document", "commas: its format is csv"),
    ],
)
def test_columns_that_something_else_separates_are_told_by_what(client, tmp_path, name, header, told):
    with pytest.raises(errors.InvalidArgument, match=f"its columns are separated by {told}"):
        upload_lines(client, tmp_path, header, "a", name=name)
