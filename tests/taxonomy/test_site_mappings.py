"""A site's mapping: the user's file stands before the package's, and a named one has to exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.config import Config
from runtime.errors import ConfigError
from taxonomy.breadcrumbs import read_breadcrumb
from taxonomy.curated import load_mapping, shipped_mapping_path
from taxonomy.site_mappings import mapping_of
from taxonomy.tree import load_tree

HEADER = "path,level,id,by,when,note\n"


def config(**site: str) -> Config:
    return Config.model_validate({"site": [{"key": "jd", "program": "x", **SITE, **site}]})


SITE = {"base_url": "https://shop.example"}


def test_the_users_rows_stand_before_the_shipped_ones(tmp_path: Path) -> None:
    found = mapping_of("jd", config(), tmp_path)
    assert found.files == (shipped_mapping_path("jd"),)
    found.own.parent.mkdir()
    found.own.write_text(HEADER + "手机 > 手机通讯 > *,sub_class,553,tests,2026-01-05,\n", "utf-8")
    assert found.files == (shipped_mapping_path("jd"), tmp_path / "mappings" / "jd.csv")
    mapping = load_mapping(found.files, load_tree())
    for path, expected in (("手机 > 手机通讯 > 手机", 553), ("手机 > 手机配件 > 充电器", 35)):
        row = mapping.find(read_breadcrumb(path.split(" > ")))
        assert row is not None and row.node is not None
        assert row.node.id == expected


def test_a_named_file_has_to_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"site jd: `mapping` = 'own.csv': expected a file"):
        mapping_of("jd", config(mapping="own.csv"), tmp_path)
    (tmp_path / "own.csv").write_text(HEADER)
    assert mapping_of("jd", config(mapping="own.csv"), tmp_path).own == tmp_path / "own.csv"


def test_a_site_that_only_an_archive_brought_has_one_too(tmp_path: Path) -> None:
    assert mapping_of("other", config(), tmp_path).files == ()
