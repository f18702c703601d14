"""Every category maps to itself, doubtful paths are held with the reason, labels fit the tree."""

from __future__ import annotations

import json
import pickle
import time
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from taxonomy.mapper import Mapper, MapVerdict, map_paths
from taxonomy.names import NOTHING_ALONE, joined, normalise_name
from taxonomy.rules import AMBIGUOUS_PATHS, NO_CATEGORY, NO_MATCH, PATH_RULES
from taxonomy.tree import Level, Tree, load_tree

TREE = load_tree()
MAPPER = Mapper(TREE)


def verdict(*paths: str, title: str | None = None) -> MapVerdict:
    return MAPPER.map([path.split(" > ") for path in paths], title)


def leaf_id(*paths: str, title: str | None = None) -> int | None:
    """Id of the deepest level of the label (leaf ids are unique over both levels)."""
    label = verdict(*paths, title=title).label
    return None if label is None else label.subsub_class_id or label.sub_class_id


def test_every_leaf_maps_to_itself_by_its_full_path() -> None:
    for leaf in TREE.leaves():
        found = MAPPER.map([[node.name for node in TREE.lineage(leaf)]])
        assert (found.label, found.rule) == (TREE.label(leaf), "path_name_v2")


def test_every_leaf_maps_to_itself_in_another_spelling() -> None:
    for leaf in TREE.leaves():
        names = [n.name.replace("/", " 、").replace("其它", "其他") for n in TREE.lineage(leaf)]
        assert MAPPER.map([["首页", *names]]).label == TREE.label(leaf)


def test_a_name_alone_maps_unless_it_says_too_little() -> None:
    rules: Counter[str] = Counter()
    for leaf in TREE.leaves():
        found = MAPPER.map([[leaf.name]])
        rules[found.rule] += 1
        if leaf.needs or joined(normalise_name(leaf.name)) in NOTHING_ALONE:
            assert (found.label, found.rule) == (None, "no_category_match_v1")
        else:
            assert found.label is not None
            assert leaf.name in (found.label.sub_class_name, found.label.subsub_class_name)
    assert rules == {"leaf_name_v2": 671, "no_category_match_v1": 17}


@pytest.mark.parametrize(("sub", "third"), [(536, 619), (538, 618), (577, 614)])
def test_a_name_on_two_levels_means_the_upper_one_unless_its_parent_stands_before_it(
    sub: int, third: int
) -> None:
    node = TREE.get(Level.SUBSUB_CLASS, third)
    assert node is not None
    top, parent, _ = (n.name for n in TREE.lineage(node))
    assert leaf_id(node.name) == sub
    assert leaf_id(f"{top} > {node.name}") == sub
    assert leaf_id(f"{top} > {parent} > {node.name}") == third


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("家居/家具/家装/家纺/厨具 > 其它", 153),
        ("运动/户外 > 其他", 351),
        ("户外 > 其他", 351),
        ("美妆 > 套装", 157),
        ("女装 > 套装", 407),  # 套装 is a set of cosmetics in the tree
        ("家用电器 > 其他", None),
        ("运动/户外 > 马术 > 其他", None),  # its parent does not stand directly before it
        ("其他 > 配件", None),
    ],
)
def test_names_that_say_nothing_alone_need_their_parent(path: str, expected: int | None) -> None:
    assert leaf_id(path) == expected


def test_weak_names_need_an_ancestor_that_agrees() -> None:
    assert leaf_id("北京 > 手机通讯") == 8
    assert leaf_id("食品 > 地方特产 > 北京") == 310
    assert leaf_id("手机通讯 > 苹果") == 8
    assert leaf_id("生鲜 > 苹果") == 640


def test_the_deepest_known_name_wins_and_unknown_ones_are_passed_over() -> None:
    assert leaf_id("服饰内衣 > 女装 > 连衣裙 > 碎花长裙") == 178
    assert verdict("服饰内衣 > 女装 > 连衣裙 > 碎花长裙").rule == "path_name_v2"
    assert verdict("服饰内衣 > 连衣裙").rule == "path_name_v2"
    assert verdict("春季上新 > 连衣裙").rule == "leaf_name_v2"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("宠物用品 > 磨牙棒", None),
        ("家居 > 家纺 > 窗纱", None),
        ("女装 > 连衣裙 > 碎花长裙", 178),  # 裙 is common to both
        ("女装 > 连衣裙 > Wonderfrock", 178),  # a brand
        ("女装 > 连衣裙 > 春季新品 2026", 178),  # advertising
    ],
)
def test_a_deeper_name_that_has_nothing_in_common_with_the_known_one_holds_the_record(
    path: str, expected: int | None
) -> None:
    assert leaf_id(path) == expected
    if expected is None:
        held = verdict(path)
        assert held.rule == "deeper_name_unrelated_v1"
        assert json.loads(held.evidence)[0]["against"] == path.split(" > ")[-1]


def test_one_english_word_below_unknown_names_is_held() -> None:
    assert (verdict("Dollhouses > Beds").label, verdict("Dollhouses > Beds").rule) == (
        None,
        "bare_alias_v1",
    )
    assert leaf_id("Furniture > Beds") == 431
    assert leaf_id("Winter Finds > Snow Boots") == 255
    assert leaf_id("Beds") == 431


def test_a_path_in_one_element_is_read_as_a_path() -> None:
    assert MAPPER.map([["女装 > 连衣裙"]]).label == verdict("女装 > 连衣裙").label


@pytest.mark.parametrize(
    ("path", "against"),
    [
        ("家用电器 > 面膜", "家用电器"),
        ("图书 > 空调", "图书"),
        ("母婴 > 童装", "母婴"),
        ("户外 > 风衣", "户外"),
    ],
)
def test_a_name_under_another_class_is_held(path: str, against: str) -> None:
    held = verdict(path)
    assert (held.label, held.rule) == (None, "contradicting_ancestors_v2")
    assert json.loads(held.evidence)[0]["against"] == against


def test_a_class_alone_is_held() -> None:
    held = verdict("家用电器 > 新品")
    assert (held.label, held.rule) == (None, "class_only_v1")
    assert json.loads(held.evidence)[0]["nodes"] == ["class 2 家用电器"]


def test_no_path_and_no_known_name_are_told_apart() -> None:
    nothing: list[list[list[str]]] = [[], [[]], [["首页"]], [["", " "]]]
    for paths in nothing:
        assert MAPPER.map(paths).rule == "no_category_v1"
    assert verdict("Sundries > Oddments").rule == "no_category_match_v1"
    assert json.loads(verdict("Sundries > Oddments").evidence) == [{"path": "Sundries > Oddments"}]


def test_paths_to_different_sub_classes_are_held_with_both_answers() -> None:
    held = verdict("女装 > 连衣裙", "面膜")
    assert (held.label, held.rule) == (None, "ambiguous_paths_v1")
    nodes = [entry["nodes"] for entry in json.loads(held.evidence)]
    assert nodes == [["sub_class 156 面膜"], ["sub_class 178 连衣裙"]]


def test_paths_that_lead_nowhere_do_not_count_against_one_that_does() -> None:
    assert leaf_id("限时特价", "家用电器", "图书 > 面膜", "家用电器 > 空调") == 14


def test_a_path_that_another_continues_does_not_contradict_it() -> None:
    assert leaf_id("内衣", "内衣 > 文胸") == 212
    assert leaf_id("内衣", "文胸") is None


def test_a_deeper_answer_wins_over_its_own_parent_and_two_of_them_yield_to_it() -> None:
    assert leaf_id("生鲜 > 水果", "水果 > 苹果") == 640
    assert leaf_id("水果 > 梨", "水果 > 苹果") == 523


def test_a_last_element_that_is_the_title_is_not_a_category() -> None:
    path = "女装 > 连衣裙 > 面膜"
    assert verdict(path, title="补水面膜").rule == "contradicting_ancestors_v2"
    assert leaf_id(path, title=" 面 膜") == 178
    assert verdict("面膜", title="面膜").rule == "no_category_v1"


@pytest.fixture
def small_tree(tmp_path: Path) -> Tree:
    """A third-level name under two sub-classes, and a sub-class name in two classes."""
    path = tmp_path / "tree.csv"
    path.write_text(
        "level,id,name,parent_id\nclass,1,甲,\nclass,2,乙,\nsub_class,1,子,1\nsub_class,2,丑,1\n"
        "sub_class,3,寅,2\nsub_class,4,寅,1\nsubsub_class,5,同,1\nsubsub_class,6,同,2\n",
        encoding="utf-8",
    )
    return load_tree(path)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("甲 > 子 > 同", (1, 5)),
        ("丑 > 同", (2, 6)),
        ("子 > 丑 > 同", (2, 6)),
        ("甲 > 同", "ambiguous_name_v2"),
        ("同", "ambiguous_name_v2"),
        ("乙 > 同", "contradicting_ancestors_v2"),
        ("乙 > 寅", (3, None)),
        ("甲 > 寅", (4, None)),
        ("寅", "ambiguous_name_v2"),
    ],
)
def test_names_shared_across_the_tree_are_told_apart_by_their_ancestors(
    small_tree: Tree, path: str, expected: tuple[int, int | None] | str
) -> None:
    found = map_paths([path.split(" > ")], None, small_tree)
    if isinstance(expected, str):
        assert (found.label, found.rule) == (None, expected)
    else:
        assert found.label is not None
        assert (found.label.sub_class_id, found.label.subsub_class_id) == expected


WORDS = st.one_of(
    st.sampled_from([node.name for node in TREE.nodes]),
    st.sampled_from(["首页", "全部分类", "其他", "其它", "套装", "配件", "更多", "苹果", "北京"]),
    st.sampled_from(["母婴", "童装", "户外", "新品", "奶瓶奶嘴", "连衣裙", "女装"]),
    st.text(max_size=12),
)
RECORDS = st.lists(st.lists(WORDS, max_size=5), max_size=4)
KNOWN_RULES = {rule.name for rule in PATH_RULES} | {
    rule.name for rule in (AMBIGUOUS_PATHS, NO_CATEGORY, NO_MATCH)
}


@settings(max_examples=300, deadline=None)
@given(RECORDS, st.none() | WORDS)
@example([["奶瓶奶嘴", "奶瓶奶嘴"], ["奶瓶奶嘴"]], "奶瓶奶嘴")
def test_whatever_comes_in_a_label_fits_the_tree(paths: list[list[str]], title: str | None) -> None:
    found = MAPPER.map(paths, title)
    assert found.label is None or TREE.is_consistent(found.label)
    assert found.rule in KNOWN_RULES
    assert found.reason
    assert isinstance(json.loads(found.evidence), list)


@settings(max_examples=100, deadline=None)
@given(RECORDS, st.none() | WORDS, st.randoms(use_true_random=False))
def test_the_order_of_paths_and_what_was_mapped_before_change_nothing(
    paths: list[list[str]], title: str | None, random: Random
) -> None:
    shuffled = random.sample(paths, len(paths))
    assert map_paths(shuffled, title, TREE) == MAPPER.map([*paths, *paths], title)


def test_the_memory_of_paths_is_bounded() -> None:
    mapper = Mapper(TREE, cache_limit=10)
    verdicts = [mapper.map([["女装", "连衣裙", f"新品{n}"]]) for n in range(50)]
    assert len(mapper._last_names) <= 10 >= len(mapper._verdicts)
    assert {v.label for v in verdicts} == {TREE.label(TREE.leaf_of_sub_class(178))}


def test_titles_cannot_swell_the_memory() -> None:
    mapper = Mapper(TREE, cache_limit=10)
    for n in range(200):
        mapper.map([["女装", "连衣裙"]], f"夏季新款 {n}")
    assert len(mapper._verdicts) == 1


def test_evidence_is_short_however_long_the_paths() -> None:
    assert len(verdict(*(f"{'长' * 5000}{n} > 面膜" for n in range(50))).evidence) < 2_000


def test_a_mapper_can_be_sent_to_a_worker_process() -> None:
    copy = pickle.loads(pickle.dumps(MAPPER))
    assert copy.map([["女装", "连衣裙"]]) == verdict("女装 > 连衣裙")


def test_deep_and_repeated_paths_take_bounded_time() -> None:
    started = time.perf_counter()
    Mapper(TREE).map([["苹果"] * 50_000, ["奶瓶奶嘴"] * 50_000])
    Mapper(TREE).map([["家用电器", "电" * 200_000], ["家用电器", *map(str, range(50_000))]])
    assert time.perf_counter() - started < 5
