"""Labels that a copy states: held against the tree on every level, and a verdict on each row."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from runtime.errors import ConfigError
from runtime.tables import ANNOTATIONS
from taxonomy.stated import COLUMNS, RULE, read_stated, stated_verdicts, told
from taxonomy.tree import Label, Level, Tree, load_tree

MILK = Label(7, "母婴/玩具/童装", 1, "孕妈奶粉")
PEARLS = Label(10, "箱包/钟表/珠宝", 298, "饰品", 602, "珍珠")


@pytest.fixture(scope="module")
def tree() -> Tree:
    return load_tree()


def table(*labels: Label) -> pa.Table:
    rows = [
        {"record_id": f"mep3m:1/{number}", "row": number, "byte": number, **vars(label)}
        for number, label in enumerate(labels)
    ]
    return pa.Table.from_pylist(rows, ANNOTATIONS.schema).select(["record_id", *COLUMNS])


def test_every_leaf_of_the_tree_is_read_as_itself(tree: Tree) -> None:
    for leaf in tree.leaves():
        label = tree.label(leaf)
        assert read_stated(Label(**vars(label)), tree) == label
    assert sum(leaf.level is Level.SUBSUB_CLASS for leaf in tree.leaves()) == 89


def test_the_label_is_the_tree_s_in_its_own_spelling(tree: Tree) -> None:
    stated = Label(10, "箱包／鐘錶／珠寶", 298, " 飾品", 602, "珍珠\u200b")
    assert read_stated(stated, tree) == Label(10, "箱包/钟表/珠宝", 298, "饰品", 602, "珍珠")


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        (Label(99, "x", 1, "孕妈奶粉"), "the category tree has no class 99"),
        (Label(7, "母婴/玩具/童装", 0, "孕妈奶粉"), "the category tree has no sub_class 0"),
        (Label(7, "", 1, "孕妈奶粉"), "class 7 is 母婴/玩具/童装 in the category tree, not "),
        (
            Label(10, "箱包/钟表/珠宝", 1, "孕妈奶粉"),
            "sub_class 1 孕妈奶粉 belongs to class 7 母婴/玩具/童装 in the category tree, "
            "not to 10",
        ),
        (
            Label(7, "母婴/玩具/童装", 1, "孕妈奶粉", 602, "珍珠"),
            "subsub_class 602 珍珠 belongs to sub_class 298 饰品 in the category tree, not to 1",
        ),
        (
            Label(10, "箱包/钟表/珠宝", 298, "饰品", 602, "翡翠玉石"),
            "subsub_class 602 is 珍珠 in the category tree, not 翡翠玉石",
        ),
        (
            Label(10, "箱包/钟表/珠宝", 298, "饰品", 602, None),
            "subsub_class 602 is 珍珠 in the category tree, not ",
        ),
        (Label(10, "箱包/钟表/珠宝", 602, "珍珠"), "the category tree has no sub_class 602"),
    ],
)
def test_what_the_tree_does_not_know_is_said(stated: Label, words: str, tree: Tree) -> None:
    assert read_stated(stated, tree) == words


def test_words_stay_short_whatever_a_copy_states(tree: Tree) -> None:
    stated = Label(7, "x" * 10_000, 1, "孕妈奶粉")
    assert len(str(read_stated(stated, tree))) < 200
    assert len(told(stated)) < 200


def test_a_name_that_means_nothing_alone_is_the_tree_s_by_its_id(tree: Tree) -> None:
    others = [leaf for leaf in tree.leaves() if leaf.name.startswith(("其他", "其它"))]
    assert others
    for leaf in others:
        assert read_stated(Label(**vars(tree.label(leaf))), tree) == tree.label(leaf)


def test_rows_of_one_label_share_a_verdict_with_what_they_state(tree: Tree) -> None:
    spelled = Label(7, "母婴／玩具／童装", 1, "孕妈奶粉")
    found = stated_verdicts(table(MILK, PEARLS, MILK, spelled), tree)
    assert found.of.tolist() == [0, 1, 0, 2]
    labels = [verdict.label for verdict in found.verdicts]
    assert labels[0] == labels[2] and labels[0] != labels[1]
    assert {verdict.rule for verdict in found.verdicts} == {RULE}
    assert json.loads(found.verdicts[1].evidence) == [
        {"stated": "10 箱包/钟表/珠宝 > 298 饰品 > 602 珍珠"}
    ]


def test_no_rows_have_no_verdicts(tree: Tree) -> None:
    found = stated_verdicts(table(), tree)
    assert (found.verdicts, len(found.of)) == ((), 0)


def test_another_tree_than_that_of_the_import_is_an_error_that_names_the_record(
    tmp_path: Path,
) -> None:
    path = tmp_path / "tree.csv"
    path.write_text("level,id,name,parent_id\nclass,7,母婴/玩具/童装,\nsub_class,1,奶粉,7\n")
    with pytest.raises(ConfigError, match=r"record mep3m:1/0: expected a label .*`map\.taxonomy`"):
        stated_verdicts(table(MILK), load_tree(path))
