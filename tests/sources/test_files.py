"""Files of records, however they are laid out; each record keeps its own bytes."""

import gzip
import io

import pytest

from streamproc.sources.files import RecordFile, RecordFileError, split_records


def records(content: bytes, envelope: str | None = None):
    return list(split_records(io.BytesIO(content), envelope))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"\n \n", []),
        (b'{"a":1}', [(1, b'{"a":1}')]),
        (b'{"a":1}\n{"b":1e2}\n', [(1, b'{"a":1}'), (2, b'{"b":1e2}')]),
        (b'\n\n {"a":1}\r\n\r\n{"b":2}', [(3, b'{"a":1}'), (5, b'{"b":2}')]),
        (b'\xef\xbb\xbf{"a":1}\n{"b":2}', [(1, b'{"a":1}'), (2, b'{"b":2}')]),
        (b"[]", []),
        (b'[{"a": 1.50},\n\n {"b":"]"}]\n', [(1, b'{"a": 1.50}'), (3, b'{"b":"]"}')]),
        (b'\n[\n{"a":1}\n,\n{"b":2}\n]', [(3, b'{"a":1}'), (5, b'{"b":2}')]),
        (b'[{"a":' + b"9" * 5000 + b"}]", [(1, b'{"a":' + b"9" * 5000 + b"}")]),
        (b'{\n "a": 1\n}\n', [(1, b'{\n "a": 1\n}')]),
        (b"[1, null, NaN]", [(1, b"1"), (1, b"null"), (1, b"NaN")]),
        # a broken line is a record like the others: the decoder refuses it
        (b'oops\n{"b":2}', [(1, b"oops"), (2, b'{"b":2}')]),
        (b'{"a":1}\n{"b":\n{"c":3}', [(1, b'{"a":1}'), (2, b'{"b":'), (3, b'{"c":3}')]),
        (b'\xff\n{"b":2}', [(1, b"\xff"), (2, b'{"b":2}')]),
    ],
)
def test_layouts(content, expected):
    assert records(content) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"Records":[{"a":1},{"b":2}]}', [(1, b'{"a":1}'), (1, b'{"b":2}')]),
        (b'{\n"x": {"Records": 1},\n"Records":\n[\n{"a":1},\n{"b":2}]\n}', [(5, b'{"a":1}'), (6, b'{"b":2}')]),
        (b'{"Records":[{"a":1}]}\n{"Records":[]}\n{"c":3}', [(1, b'{"a":1}'), (3, b'{"c":3}')]),
        (b'{"a":"Records"}\n{"Records":7}', [(1, b'{"a":"Records"}'), (2, b'{"Records":7}')]),
    ],
)
def test_envelopes(content, expected):
    assert records(content, "Records") == expected


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b'[{"a":1},\n{"b":2}', 2),
        (b'[{"a":1}\n{"b":2}]', 2),
        (b'[{"a":1},\n\n{"b":}]', 3),
        (b'[{"a":1}]\n{"b":2}', 2),
        (b'[{"a":\n"\xff"}]', 2),
        (b'[{"a":1},\n' + b"[" * 100_000 + b"]" * 100_000 + b"]", 2),
    ],
)
def test_a_broken_array_names_its_line(content, line):
    with pytest.raises(RecordFileError) as caught:
        records(content)
    assert caught.value.line == line


def test_gzip_is_known_by_its_bytes(tmp_path):
    path = tmp_path / "events.anything"
    path.write_bytes(gzip.compress(b'{"a":1}\n{"b":2}\n'))
    with RecordFile(str(path)) as file:
        assert [value for _, value in file] == [b'{"a":1}', b'{"b":2}']
        assert file.position == file.size == path.stat().st_size


@pytest.mark.parametrize("damage", [lambda z: z[:-9], lambda z: z[:12] + b"\x00\x01\x02" + z[15:]])
def test_broken_gzip_is_an_os_error(tmp_path, damage):
    path = tmp_path / "events.gz"
    path.write_bytes(damage(gzip.compress(b'{"a":1}\n' * 5000)))
    with RecordFile(str(path)) as file, pytest.raises(OSError):
        list(file)
