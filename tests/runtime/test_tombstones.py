"""Tombstones: files that only grow, names that nobody can read, damage that stops everything."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import WorkspaceError
from runtime.tombstones import (
    FOLDER,
    ID,
    LEFT,
    PREFIX,
    SITE,
    URL,
    Tombstone,
    append_tombstones,
    keyed_hash,
    load_tombstones,
    read_tombstones,
    url_key,
)

KEY = bytes(range(32))
AT = "2026-11-22"


def stone(kind: str, text: str) -> Tombstone:
    hashed = kind in (ID, LEFT, URL)
    return Tombstone(kind, keyed_hash(KEY, kind, text) if hashed else text, AT)


ENTRIES = (
    stone(ID, "shop:1"),
    stone(LEFT, "shop:2"),
    stone(URL, url_key("https://shop.example/p/1.html?b=2&a=1")),
    stone(PREFIX, "https://shop.example/old/"),
    stone(SITE, "gone"),
)


def test_what_was_taken_down_is_known_again_and_cannot_be_read(tmp_path: Path) -> None:
    stones = append_tombstones(tmp_path, KEY, ENTRIES)
    assert stones.on_record("shop:1") and stones.on_record("gone:77")
    assert stones.on_record("shop:2") is None
    assert stones.on_left("shop:2") is not None
    assert stones.bars("shop:3", "https://shop.example/old/x")
    assert not stones.bars("shop:3", "https://shop.example/older", None)
    (path,) = (tmp_path / FOLDER).iterdir()
    text = path.read_text()
    assert "shop:1" not in text and "p/1.html" not in text


@pytest.mark.parametrize(
    "url",
    ["https://shop.example/p/1.html?a=1&b=2", "http://SHOP.example:80/p/1.html?b=2&a=1#x",
     "https://shop.example:443/p/%31.html?b=2&a=1", "//shop.example/p/1.html/?a=1&b=2"],
)  # fmt: skip
def test_a_url_is_known_in_every_spelling(tmp_path: Path, url: str) -> None:
    stones = append_tombstones(tmp_path, KEY, ENTRIES)
    assert stones.on_url(url) is not None
    assert stones.on_url(url.replace("/p/1", "/p/2").replace("%31", "%32")) is None


@given(st.text(max_size=60))
def test_any_text_has_a_url_key_that_is_its_own(text: str) -> None:
    key = url_key(text)
    assert isinstance(key, str)
    assert url_key(key) == url_key(url_key(key))


def test_files_are_added_and_never_changed(tmp_path: Path) -> None:
    append_tombstones(tmp_path, KEY, ENTRIES[:2])
    (first,) = (tmp_path / FOLDER).iterdir()
    before = first.read_bytes()
    stones = append_tombstones(tmp_path, KEY, ENTRIES)
    assert len(stones.files) == 2
    assert first.read_bytes() == before
    again = append_tombstones(tmp_path, KEY, ENTRIES)
    assert again.digest == stones.digest


def test_a_missing_file_among_the_numbered_ones_is_told(tmp_path: Path) -> None:
    for entry in ENTRIES:
        append_tombstones(tmp_path, KEY, [entry])
    paths = sorted((tmp_path / FOLDER).iterdir())
    paths[1].unlink()
    with pytest.raises(WorkspaceError, match="expected tombstone file number 2"):
        load_tombstones(tmp_path)


@given(st.integers(0, 5_000), st.integers(1, 255))
def test_any_changed_byte_is_told(
    tmp_path_factory: pytest.TempPathFactory, at: int, by: int
) -> None:
    folder = tmp_path_factory.mktemp("stones")
    append_tombstones(folder, KEY, ENTRIES)
    (path,) = (folder / FOLDER).iterdir()
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= by
    path.write_bytes(data)
    try:
        found = read_tombstones(path)
    except WorkspaceError as error:
        assert path.name in str(error)
    else:  # a space that JSON does not mind
        assert found.entries == ENTRIES or set(found.entries) == set(ENTRIES)


def test_a_cut_file_is_told(tmp_path: Path) -> None:
    append_tombstones(tmp_path, KEY, ENTRIES)
    (path,) = (tmp_path / FOLDER).iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(WorkspaceError, match="damaged"):
        load_tombstones(tmp_path)
