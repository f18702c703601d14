"""A curated row decides for its path, the most exact one first, and a malformed file is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from taxonomy.breadcrumbs import read_breadcrumb
from taxonomy.curated import EMPTY_MAPPING, CuratedMapping, load_mapping, shipped_mapping_path
from taxonomy.errors import TaxonomyError
from taxonomy.mapper import map_paths
from taxonomy.tree import Tree, load_tree

HEADER = "path,level,id,by,when,note\n"


@pytest.fixture(scope="module")
def tree() -> Tree:
    return load_tree()


def mapping_of(tmp_path: Path, tree: Tree, *rows: str) -> CuratedMapping:
    path = tmp_path / "shop.csv"
    path.write_text(HEADER + "".join(f"{row},curator,2026-01-05,\n" for row in rows), "utf-8")
    return load_mapping([path], tree)


def sub_class(mapping: CuratedMapping, tree: Tree, *paths: str) -> int | None:
    verdict = map_paths([path.split(" > ") for path in paths], None, tree, mapping)
    return verdict.label.sub_class_id if verdict.label else None


def test_exact_beats_star_and_longer_beats_shorter(tmp_path: Path, tree: Tree) -> None:
    mapping = mapping_of(
        tmp_path,
        tree,
        "Books > *,sub_class,27",
        "Books > Tech > *,sub_class,24",
        "Books > Tech,sub_class,26",
    )
    assert sub_class(mapping, tree, "Books > Tech") == 26
    assert sub_class(mapping, tree, "Books > Tech > Python") == 24
    assert sub_class(mapping, tree, "Books > Fiction > Old") == 27
    assert sub_class(mapping, tree, "Books") == 27
    assert sub_class(mapping, tree, "Clothing") is None


def test_paths_are_compared_as_read_not_as_written(tmp_path: Path, tree: Tree) -> None:
    mapping = mapping_of(tmp_path, tree, "Home > Ｔ恤、衬衫 > 短袖,sub_class,172")
    assert sub_class(mapping, tree, "首页 > t恤/ 衬衫 > 短袖") == 172


def test_a_curated_row_outranks_what_names_say_also_in_another_path(
    tmp_path: Path, tree: Tree
) -> None:
    mapping = mapping_of(tmp_path, tree, "特产馆 > 新疆馆,sub_class,309")
    assert sub_class(mapping, tree, "面膜") == 156
    assert sub_class(mapping, tree, "面膜", "特产馆 > 新疆馆") == 309
    verdict = map_paths([["特产馆", "新疆馆"]], None, tree, mapping)
    assert verdict.rule == "curated_path_v1"
    assert "新疆馆 (shop.csv row 2, by curator, 2026-01-05)" in verdict.evidence


def test_a_third_level_category_can_be_curated(tmp_path: Path, tree: Tree) -> None:
    mapping = mapping_of(tmp_path, tree, "Apples,subsub_class,640")
    verdict = map_paths([["Apples"]], None, tree, mapping)
    assert verdict.label is not None
    assert (verdict.label.sub_class_id, verdict.label.subsub_class_id) == (523, 640)


def test_no_counterpart_holds_the_record_unless_another_path_decides(
    tmp_path: Path, tree: Tree
) -> None:
    mapping = mapping_of(tmp_path, tree, "清仓 > *,none,")
    held = map_paths([["清仓", "面膜"]], None, tree, mapping)
    assert (held.label, held.rule) == (None, "mapping_no_counterpart_v1")
    assert sub_class(mapping, tree, "清仓 > 面膜", "面膜") == 156


def test_a_lone_star_decides_for_the_whole_site_even_without_a_path(
    tmp_path: Path, tree: Tree
) -> None:
    mapping = mapping_of(tmp_path, tree, "*,sub_class,27")
    assert sub_class(mapping, tree, "anything > at all") == 27
    assert map_paths([], None, tree, mapping).rule == "curated_path_v1"


def test_no_file_is_no_decisions(tree: Tree) -> None:
    assert load_mapping([], tree) == EMPTY_MAPPING
    assert shipped_mapping_path("no-such-site") is None


GOOD = HEADER + "Books,sub_class,27,curator,2026-01-05,\n"


@pytest.mark.parametrize(
    ("content", "row", "expected", "received"),
    [
        ("", 1, "header", "an empty file"),
        ("path,level,id\nBooks,sub_class,27\n", 1, "header path,level,id,by", "path,level,id"),
        (GOOD + "Toys,sub_class,579\n", 3, "6 cells", "3"),
        (GOOD + " > ,sub_class,27,curator,2026-01-05,\n", 3, "a path of names", "path '>'"),
        (GOOD + "A > * > B,sub_class,27,curator,2026-01-05,\n", 3, "a path of names", "A > * > B"),
        (GOOD + "Home > *,sub_class,27,curator,2026-01-05,\n", 3, "a path of names", "Home"),
        (GOOD + "Toys,class,7,curator,2026-01-05,\n", 3, "level sub_class", "class"),
        (GOOD + "Toys,sub_class,x,curator,2026-01-05,\n", 3, "id as an integer", "'x'"),
        (GOOD + "Toys,sub_class,600,curator,2026-01-05,\n", 3, "id of a sub_class", "600"),
        (GOOD + "Toys,none,7,curator,2026-01-05,\n", 3, "no id", "'7'"),
        (GOOD + "Toys,sub_class,579,,2026-01-05,\n", 3, "who decided", "nothing"),
        (GOOD + "Toys,sub_class,579,curator,yesterday,\n", 3, "YYYY-MM-DD", "yesterday"),
        (GOOD + "BOOKS ,sub_class,26,curator,2026-01-05,\n", 3, "one row per path", "row 2"),
    ],
)
def test_a_malformed_mapping_is_refused_with_its_row(
    tmp_path: Path, tree: Tree, content: str, row: int, expected: str, received: str
) -> None:
    path = tmp_path / "shop.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(TaxonomyError) as caught:
        load_mapping([path], tree)
    error = caught.value
    assert (error.file, error.row) == (path, row)
    assert expected in error.expected
    assert received in error.received


def test_a_missing_mapping_file_is_refused_by_name(tmp_path: Path, tree: Tree) -> None:
    with pytest.raises(TaxonomyError, match=r"absent\.csv: expected a readable CSV file"):
        load_mapping([tmp_path / "absent.csv"], tree)


def test_a_breadcrumb_is_read_without_what_leads_in_to_it() -> None:
    crumb = read_breadcrumb(["当前位置：", "Home", "", "全部分类", "女装 &gt; 连衣裙", " "])
    assert crumb.names == ("女装", "连衣裙")
    assert str(crumb) == "女装 > 连衣裙"
    assert read_breadcrumb(["女装", "全部"]).names == ("女装", "全部")
    assert read_breadcrumb(["首页", "全部商品"]).names == ()
