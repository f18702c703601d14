"""A site's mapping: the user's file stands before the package's, and a named one has to exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.catalogue import CLEARANCE, MEMBERS, NOTICES, PROMOTION
from demo.leaves import read_leaves, shelf_a, shelf_b
from runtime.config import Config
from runtime.errors import ConfigError
from taxonomy.breadcrumbs import read_breadcrumb
from taxonomy.curated import load_mapping, shipped_mapping_path
from taxonomy.mapper import Mapper
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


def test_a_shop_program_brings_its_mapping_whatever_the_site_is_called(tmp_path: Path) -> None:
    called = Config.model_validate({"site": [{"key": "books", "program": "jd", **SITE}]})
    assert mapping_of("books", called, tmp_path).shipped == shipped_mapping_path("jd")
    mine = Config.model_validate({"site": [{"key": "books", "program": "sites/jd.toml", **SITE}]})
    assert mapping_of("books", mine, tmp_path).shipped is None


@pytest.mark.parametrize("shop", ["demo-shop-a", "demo-shop-b"])
def test_every_shelf_of_the_embedded_shops_is_mapped_or_said_to_have_no_counterpart(
    shop: str,
) -> None:
    shipped = shipped_mapping_path(shop)
    assert shipped is not None
    tree = load_tree()
    mapper = Mapper(tree, load_mapping([shipped], tree))
    for leaf in read_leaves():
        shelf = shelf_a(leaf) if shop == "demo-shop-a" else shelf_b(leaf)
        label = mapper.map([shelf.names], "").label
        assert label is not None and label.sub_class_id == leaf.sub_class_id, shelf
    others = (MEMBERS, CLEARANCE) if shop == "demo-shop-a" else (NOTICES, PROMOTION)
    for shelf in others:
        assert mapper.map([shelf.names], "").rule == "mapping_no_counterpart_v1"
