"""Strict CSV: every record is a whole row, or a bad one with its line and reason."""

from pathlib import Path

import pytest

from shared.errors import Invalid
from tributary.imports import rows
from tributary.imports.rows import Bad, Row


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


def read(file: Path, content: bytes) -> list[Row | Bad]:
    file.write_bytes(content)
    return list(rows.read(file, rows.header(file)))


def test_rows_carry_the_line_they_begin_on(file: Path) -> None:
    """A byte order mark, CRLF, quotes with line breaks and empty lines are all usual."""
    found = read(file, b'\xef\xbb\xbfid, name\r\n1,"two\r\nlines"\r\n\r\n2,x')
    assert rows.header(file) == ("id", "name")
    assert found == [Row(2, ("1", "two\r\nlines")), Row(5, ("2", "x"))]


def test_a_ragged_row_is_bad_and_the_next_one_is_read(file: Path) -> None:
    """Too few or too many cells shift meaning from column to column: never guessed at."""
    found = read(file, b"a,b\n1\n1,2,3\n1,2\n")
    assert [(one.row.line, one.reason) for one in found[:2] if isinstance(one, Bad)] == [
        (2, "has 1 cells where the header has 2"),
        (3, "has 3 cells where the header has 2"),
    ]
    assert found[2] == Row(4, ("1", "2"))


def test_broken_quotes_are_bad_and_the_next_row_is_read(file: Path) -> None:
    """Text after a closing quote breaks its row alone; a quote never closed, all that it swallowed."""
    after, good, open_ = read(file, b'a,b\n"x"y,2\n1,2\n"never,closed\n3,4\n')
    assert isinstance(after, Bad)
    assert after.row.line == 2
    assert good == Row(3, ("1", "2"))
    assert isinstance(open_, Bad)
    assert open_.row.line == 4
    assert "passed over" in open_.reason


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "names of the columns"),
        (b"\n1,2", "names of the columns"),
        (b"a,b,a\n", "'a' twice"),
        (b'"a"b\n', "header"),
    ],
)
def test_a_header_must_name_each_column_once(file: Path, content: bytes, complaint: str) -> None:
    """Without distinct names no column can be mapped."""
    with pytest.raises(Invalid, match=complaint):
        read(file, content)


def test_a_file_that_is_not_utf8_is_refused_before_anything_is_sent(file: Path) -> None:
    """The line tells where it begins."""
    file.write_bytes(b"a\nok\nM\xfcller\n")
    with pytest.raises(Invalid, match="line 3: is not UTF-8"):
        rows.count_lines(file)
    file.write_bytes(b"a\nb\nc")
    assert rows.count_lines(file) == 3
