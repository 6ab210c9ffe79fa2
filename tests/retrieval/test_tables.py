"""CSV files as people save them."""

from pathlib import Path

import pytest

from matting.tables import TableError, read_table
from retrieval.attributes import SchemaError, load_schema
from retrieval.tables import check_values


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp932"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.csv").write_bytes("id,素材\nシャツ1,綿\n".encode(encoding))
    table = read_table(tmp_path / "a.csv", required=("id",))
    assert table.columns == ("id", "素材")
    assert table.rows == [{"id": "シャツ1", "素材": "綿"}]


def test_quoted_cells_short_rows_and_windows_line_ends(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b'id,name,price\r\n"a ""1""","two\nlines",3\r\nb\r\n\r\n')
    rows = read_table(tmp_path / "a.csv").rows
    assert rows[0] == {"id": 'a "1"', "name": "two\nlines", "price": "3"}
    assert rows[1] == {"id": "b", "name": "", "price": ""}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "no column 'id'"),
        (b"name\nx\n", "no column 'id'"),
        (b"id,id\n1,2\n", "two columns"),
        (b"\x81\x00\xff\xfe", "UTF-8"),
        (b'id\n"never closed\n', "not a CSV"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, content: bytes, complaint: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(TableError, match=complaint) as error:
        read_table(tmp_path / "a.csv", required=("id",))
    assert "a.csv" in str(error.value)


def test_cells_with_unusual_line_ends_stay_whole(tmp_path: Path) -> None:
    """Texts pasted from elsewhere hold separators that Python, but not CSV, takes for the end of a line."""
    for mark in ("\u2028", "\u0085", "\v", "\f", "\x1c"):
        (tmp_path / "a.csv").write_text(f"id,text,price\n1,soft{mark}cotton,30\n", encoding="utf-8")
        assert read_table(tmp_path / "a.csv").rows == [{"id": "1", "text": f"soft{mark}cotton", "price": "30"}]


def test_unknown_values_are_named_with_their_row(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,collar\n1,crew\n2,crwe\n")
    with pytest.raises(TableError, match=r"row 3.*crwe.*crew, scoop"):
        check_values(tmp_path / "a.csv", read_table(tmp_path / "a.csv"), load_schema())


def test_schema_survives_its_json() -> None:
    schema = load_schema()
    assert type(schema).from_json(schema.to_json()) == schema
    assert schema["sleeve"].applies("dress")
    assert not schema["sleeve"].applies("pants")
    assert schema["collar"].names["ja"] == "襟の形"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "no attribute"),
        ("[heel\n", "TOML"),
        ("[heel]\nen='Heel'\n", r"heel.values"),
        ("[heel]\napplies_to=['shoes']\n[heel.values]\nhigh={}\n", "shoes"),
        ("['my heel']\n['my heel'.values]\nhigh={}\n", "can't name"),
    ],
)
def test_bad_schemas_are_named(tmp_path: Path, content: str, complaint: str) -> None:
    (tmp_path / "s.toml").write_text(content)
    with pytest.raises(SchemaError, match=complaint) as error:
        load_schema(tmp_path / "s.toml")
    assert "s.toml" in str(error.value)
