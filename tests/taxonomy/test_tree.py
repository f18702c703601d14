"""The shipped tree is MEP-3M's, labels follow from it, and a damaged table is refused by row."""

from __future__ import annotations

import csv
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from taxonomy.errors import TaxonomyError
from taxonomy.mapper import map_paths
from taxonomy.names import joined, normalise_name
from taxonomy.tree import (
    COLUMNS,
    OPTIONAL_COLUMNS,
    SHIPPED_TREE,
    Label,
    Level,
    Tree,
    load_tree,
)

FACTS = Path(__file__).resolve().parents[3] / "shared" / "data" / "mep3m_taxonomy.csv"


@pytest.fixture(scope="module")
def tree() -> Tree:
    return load_tree()


def test_the_shipped_tree_has_14_599_and_89_categories(tree: Tree) -> None:
    assert [tree.count(level) for level in Level] == [14, 599, 89]
    assert len(tree.nodes) == 702
    assert len(tree.leaves()) == 688


def test_leaf_ids_are_unique_over_both_leaf_levels(tree: Tree) -> None:
    assert sorted(leaf.id for leaf in tree.leaves()) == list(range(1, 689))


def test_the_89_third_level_categories_stand_under_13_sub_classes(tree: Tree) -> None:
    assert len({n.parent_id for n in tree.nodes if n.level is Level.SUBSUB_CLASS}) == 13


@pytest.mark.skipif(not FACTS.is_file(), reason=f"the published facts are not at {FACTS}")
def test_the_shipped_table_states_the_published_facts() -> None:
    def rows(path: Path) -> set[tuple[str, ...]]:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return {tuple(row[: len(COLUMNS)]) for row in csv.reader(file)}

    assert rows(SHIPPED_TREE) == rows(FACTS)


def test_a_label_carries_the_parents_of_its_leaf(tree: Tree) -> None:
    leaf = tree.get(Level.SUBSUB_CLASS, 614)
    assert leaf is not None
    assert tree.label(leaf) == Label(7, "母婴/玩具/童装", 577, "奶瓶奶嘴", 614, "奶瓶奶嘴")
    assert tree.label(tree.leaf_of_sub_class(577)) == Label(7, "母婴/玩具/童装", 577, "奶瓶奶嘴")


def test_a_class_is_no_leaf_and_an_unknown_sub_class_is_an_error(tree: Tree) -> None:
    with pytest.raises(ValueError, match="sub-class"):
        tree.label(tree.nodes[0])
    with pytest.raises(KeyError):
        tree.leaf_of_sub_class(600)


def test_every_label_of_the_tree_is_consistent_and_an_altered_one_is_not(tree: Tree) -> None:
    for leaf in tree.leaves():
        label = tree.label(leaf)
        assert tree.is_consistent(label)
        assert not tree.is_consistent(replace(label, class_id=label.class_id % 14 + 1))
        assert not tree.is_consistent(replace(label, sub_class_name="别的"))
        assert not tree.is_consistent(replace(label, subsub_class_id=999))


def test_the_tree_as_a_frame_is_the_table(tree: Tree) -> None:
    frame = tree.as_pandas()
    assert list(frame.columns) == [*COLUMNS, *OPTIONAL_COLUMNS]
    assert frame.groupby("level")["id"].count().to_dict() == {
        "class": 14,
        "sub_class": 599,
        "subsub_class": 89,
    }
    assert frame["parent_id"].isna().sum() == 14


HEADER = "level,id,name,parent_id\n"
GOOD = HEADER + "class,1,甲,\nsub_class,1,乙,1\n"


@pytest.mark.parametrize(
    ("content", "row", "expected", "received"),
    [
        ("", 1, "header", "an empty file"),
        ("level,id,name\nclass,1,甲\n", 1, "header", "level,id,name"),
        (HEADER, None, "at least one category", "none"),
        (HEADER + "class,1,甲,\n", None, "at least one sub_class", "none"),
        (GOOD + "sub_class,2,丙\n", 4, "4 cells", "3"),
        (GOOD + "klass,2,丙,\n", 4, "level class", "klass"),
        (GOOD + "class,two,丙,\n", 4, "integer", "two"),
        (GOOD + "class,0,丙,\n", 4, "integer", "0"),
        (GOOD + "class,2147483648,丙,\n", 4, "integer", "2147483648"),
        (GOOD + "class,²,丙,\n", 4, "integer", "²"),
        (GOOD + "class,2, ,\n", 4, "a name", "''"),
        (GOOD + "class,2,丙,1\n", 4, "no parent_id", "'1'"),
        (GOOD + "sub_class,2,丙,\n", 4, "parent_id as an integer", "''"),
        (GOOD + "sub_class,2,丙,9\n", 4, "id of a class", "9"),
        (GOOD + "subsub_class,2,丙,9\n", 4, "id of a sub_class", "9"),
        (GOOD + "sub_class,1,丙,1\n", 4, "no other sub_class", "as in row 3"),
        (GOOD + "sub_class,2,乙 ,1\n", 4, "no sibling", "as in row 3"),
        (GOOD + 'sub_class,2,"丙,1\n', 4, "well-formed CSV", "end of data"),
    ],
)
def test_a_malformed_tree_is_refused_with_its_row(
    tmp_path: Path, content: str, row: int | None, expected: str, received: str
) -> None:
    path = tmp_path / "tree.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(TaxonomyError) as caught:
        load_tree(path)
    error = caught.value
    assert (error.file, error.row) == (path, row)
    assert expected in error.expected
    assert received in error.received
    assert str(path) in str(error)


WIDE = "level,id,name,parent_id,aliases,needs,covers,note\nclass,1,甲,,,,,\n"


def test_aliases_needs_and_notes_are_read(tmp_path: Path) -> None:
    path = tmp_path / "tree.csv"
    path.write_text(WIDE + "sub_class,1,苹果,1,Apple | Apples,水果|生鲜,all,a brand too\n", "utf-8")
    leaf = load_tree(path).leaf_of_sub_class(1)
    assert leaf.aliases == ("Apple", "Apples")
    assert (leaf.needs, leaf.covers, leaf.note) == ("水果|生鲜", "all", "a brand too")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("sub_class,1,乙,1,丙,,,\nsub_class,2,丙,1,,,,\n", "a name no sibling has"),
        ("sub_class,1,乙,1,丙,,,\nsub_class,2,丁,1,丙 ,,,\n", "a name no sibling has"),
        ("sub_class,1,乙,1,丙| / ,,,\n", "names as aliases"),
        ("sub_class,1,乙,1,,,some,\n", "nothing or all"),
        ("sub_class,1,乙,1,,水果| |生鲜,,\n", "words joined by"),
        ("sub_class,1,乙,1,,|,,\n", "words joined by"),
    ],
)
def test_aliases_that_say_nothing_or_two_things_are_refused(
    tmp_path: Path, rows: str, expected: str
) -> None:
    path = tmp_path / "tree.csv"
    path.write_text(WIDE + rows, "utf-8")
    with pytest.raises(TaxonomyError, match=expected):
        load_tree(path)


def test_words_a_name_needs_are_compared_as_names_are(tmp_path: Path) -> None:
    path = tmp_path / "tree.csv"
    path.write_text(WIDE + "sub_class,1,北京,1,,特產 | Local Food,,\n", "utf-8")
    tree = load_tree(path)
    for before in ("地方特产", "local food"):
        assert map_paths([[before, "北京"]], None, tree).label == tree.label(tree.nodes[1])
    assert map_paths([["配送至", "北京"]], None, tree).label is None


def test_no_alias_of_the_shipped_tree_is_another_leafs_name_or_alias(tree: Tree) -> None:
    owner = {joined(normalise_name(leaf.name)): leaf.name for leaf in tree.leaves()}
    for leaf in tree.leaves():
        for alias in leaf.aliases:
            assert owner.setdefault(joined(normalise_name(alias)), leaf.name) == leaf.name, alias


def test_a_missing_tree_and_one_in_another_encoding_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TaxonomyError, match="readable CSV file"):
        load_tree(tmp_path / "absent.csv")
    path = tmp_path / "gbk.csv"
    path.write_bytes(GOOD.encode("gbk"))
    with pytest.raises(TaxonomyError, match="UTF-8"):
        load_tree(path)


def test_a_table_saved_by_a_spreadsheet_program_is_read(tmp_path: Path) -> None:
    path = tmp_path / "tree.csv"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode() + b",,,\r\n")
    assert [node.name for node in load_tree(path).nodes] == ["甲", "乙"]


def test_the_error_survives_the_way_out_of_a_worker_process(tmp_path: Path) -> None:
    error = TaxonomyError(tmp_path / "tree.csv", 3, "this", "that")
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.row) == (TaxonomyError, str(error), 3)
