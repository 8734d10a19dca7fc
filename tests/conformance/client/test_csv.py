"""CSV block by block: cut anywhere, counted exactly, and never a word but true on its way out."""

import csv
import io
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optsync.salesforce import bulk
from optsync.salesforce.errors import OddAnswer

HEADER = ["Id", "Email"]
FIELD = "HasOptedOutOfEmail"
CELLS = st.text(alphabet=st.sampled_from('a,"\n\r @é'), max_size=6)
TABLES = st.lists(st.tuples(CELLS, CELLS), max_size=20)
CUTS = st.lists(st.integers(0, 400), max_size=12)


def as_csv(rows: list[tuple[str, str]], *, header: bool = True) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([tuple(HEADER), *rows] if header else rows)
    return text.getvalue().encode()


def in_pieces(body: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    return [body[start:end] for start, end in pairwise(places)]


@given(TABLES, CUTS)
def test_rows_are_counted_and_handed_on_wherever_the_blocks_are_cut(
    rows: list[tuple[str, str]], cuts: list[int]
) -> None:
    taken = bulk._Rows(HEADER)
    out = b"".join(taken.take(piece) for piece in in_pieces(as_csv(rows), cuts))
    taken.finish(len(rows))
    assert out == as_csv(rows, header=False)


@given(TABLES, CUTS, st.integers(0, 30))
def test_another_number_of_rows_than_announced_is_noticed(
    rows: list[tuple[str, str]], cuts: list[int], announced: int
) -> None:
    taken = bulk._Rows(HEADER)
    for piece in in_pieces(as_csv(rows), cuts):
        taken.take(piece)
    if announced != len(rows):
        with pytest.raises(OddAnswer):
            taken.finish(announced)


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=8), st.data())
def test_a_body_cut_anywhere_is_noticed(rows: list[tuple[str, str]], data: st.DataObject) -> None:
    body = as_csv(rows)
    kept = data.draw(st.integers(0, len(body) - 1))
    taken = bulk._Rows(HEADER)
    taken.take(body[:kept])
    with pytest.raises(OddAnswer):
        taken.finish(len(rows))


def take_all(body: bytes) -> None:
    taken = bulk._Rows(HEADER)
    taken.take(body)
    taken.finish(0)


def test_nul_bytes_are_left_out() -> None:
    taken = bulk._Rows(HEADER)
    out = taken.take(b'"Id","Em\0ail"\n"1","a\0b"\n') + taken.take(b"\0")
    taken.finish(1)
    assert out == b'"1","ab"\n'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n",
        b'"Id"\n"1"\n',
        b'"Email","Id"\n"1","2"\n',
        b'"Id","Email","More"\n',
        b'\xef\xbb\xbf"Id","Email"\n',
        b"<html><body>Down for maintenance</body></html>\n",
        b'\xff\xfe"Id","Email"\n',
        b'"Id","Email',
        b"x" * 5_000,
    ],
)
def test_another_header_is_refused(body: bytes) -> None:
    with pytest.raises(OddAnswer):
        take_all(body)


@pytest.mark.parametrize(("head", "row"), [(b"Id,Email\n", b"1,2\n"), (b'"Id","Email"\r\n', b'"1","2"\r\n')])
def test_a_header_without_quotes_or_with_other_line_ends_is_the_same_header(head: bytes, row: bytes) -> None:
    taken = bulk._Rows(HEADER)
    assert taken.take(head + row) == row
    taken.finish(1)


@given(st.lists(st.integers(0, 10**12 - 1), max_size=60), CUTS, st.integers(24, 400))
def test_uploads_are_split_at_line_ends_and_nothing_is_lost(numbers: list[int], cuts: list[int], limit: int) -> None:
    body = b"".join(bulk.tick_rows(f"00Q{number:012d}AAA" for number in numbers))
    parts = [b"".join(part) for part in bulk.split_uploads(in_pieces(body, cuts), limit)]
    assert b"".join(parts) == body
    assert all(part.endswith(b"\n") and len(part) <= limit for part in parts)


def test_a_part_is_as_full_as_it_can_be() -> None:
    body = b"".join(bulk.tick_rows(f"00Q{number:012d}AAA" for number in range(100)))
    assert [len(b"".join(part)) // 24 for part in bulk.split_uploads([body], 24 * 30)] == [30, 30, 30, 10]


@pytest.mark.parametrize("rows", [b"x" * 30 + b"\n", b"unfinished"])
def test_a_line_that_fits_no_upload_is_refused(rows: bytes) -> None:
    with pytest.raises(ValueError, match="line"):
        [list(part) for part in bulk.split_uploads([rows], 24)]


def sent(rows: list[bytes]) -> bytes:
    return b"".join(bulk._CheckedTicks(FIELD, rows))


@given(CUTS)
def test_an_upload_is_the_header_and_lines_of_true(cuts: list[int]) -> None:
    rows = b"".join(bulk.tick_rows(["00Q000000000001EAA", "00Q000000000002EAA"]))
    expected = b"Id,HasOptedOutOfEmail\n00Q000000000001EAA,true\n00Q000000000002EAA,true\n"
    assert sent(in_pieces(rows, cuts)) == expected


@pytest.mark.parametrize(
    "rows",
    [
        b"00Q000000000001EAA,false\n",
        b"00Q000000000001EAA,False\n",
        b"00Q000000000001EAA,\n",
        b"00Q000000000001EAA\n",
        b"00Q000000000001EAA,#N/A\n",
        b"00Q000000000001EAA,0\n",
        b"00Q000000000001EAA,true,false\n",
        b"00Q000000000001EAA,false,true\n",
        b"a,true\nb,false\nc,true\n",
        b"a,true\n,b,true\n",
        b"a,true\n\nb,true\n",
        b"a,true\nb\n,true\n",
        b"a,true\r\n",
        b'a,"true"\n',
        b"a,true",
        b"\n",
    ],
)
@pytest.mark.parametrize("cut", [1, 7, 100])
def test_nothing_but_true_is_ever_uploaded(rows: bytes, cut: int) -> None:
    with pytest.raises(ValueError, match=r"true only|line"):
        sent([rows[at : at + cut] for at in range(0, len(rows), cut)])


def test_an_upload_of_more_than_100_mb_is_refused() -> None:
    block = b"00Q000000000001EAA,true\n" * 100_000
    with pytest.raises(ValueError, match="100 MB"):
        for _ in bulk._CheckedTicks(FIELD, (block for _ in range(50))):
            pass


@pytest.mark.parametrize("field", ["Id", "id", "", "a,b", "a\nb"])
def test_an_upload_names_one_field(field: str) -> None:
    with pytest.raises(ValueError, match="field"):
        bulk._CheckedTicks(field, [])
