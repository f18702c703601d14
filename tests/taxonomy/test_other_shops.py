"""Breadcrumbs of shops of many kinds, each with the leaf that a person reads in it, or none."""

from __future__ import annotations

import pytest

from taxonomy.mapper import Mapper
from taxonomy.tree import Label, load_tree

MAPPER = Mapper(load_tree())

RIGHT = {
    "首页 > 手机数码 > 手机壳": 37,
    "手机数码 > 耳机 > 蓝牙耳机": 32,
    "家用电器 > 大家电 > 滚筒洗衣机": 6,
    "家电 > 厨房电器 > 破壁机": 46,
    "家電 > 生活家電 > 空氣清淨機": 68,
    "女裝 > 洋裝": 178,
    "服飾 > 女裝 > 連身裙": 178,
    "美妝保養 > 臉部保養 > 面膜": 156,
    "Home > Electronics > Headphones": 381,
    "Home > Electronics > Cell Phones > Phone Cases": 37,
    "Home & Kitchen > Cookware > Frying Pans": 111,
    "Home & Kitchen > Small Kitchen Appliances > Coffee Makers": 51,
    "Clothing > Women's Clothing > Dresses": 178,
    "Clothing, Shoes > Men's Shoes > Running Shoes": None,
    "Sports & Outdoors > Running Shoes": 446,
    "Sports & Outdoors > Camping > Tents": 660,
    "Beauty > Fragrance": 163,
    "Beauty & Personal Care > Lipstick": 167,
    "Baby > Strollers": 281,
    "Toys & Games > Building Toys": 585,
    "Grocery > Snacks": 305,
    "Food & Drink > Tea": 540,
    "食品 > 茶酒 > 普洱茶": 540,
    "生鲜 > 新鲜水果 > 车厘子": 643,
    "食品 > 水果 > 猕猴桃": 642,
    "母婴 > 尿不湿": 567,
    "母婴用品 > 童车 > 婴儿推车": 281,
    "运动户外 > 跑步鞋": 446,
    "箱包皮具 > 女包": 460,
    "珠宝首饰 > 翡翠 > 翡翠手镯": 601,
    "家居 > 灯具 > 吸顶灯": 417,
    "家具 > 客厅 > 沙发": 433,
    "汽车用品 > 汽车脚垫": 490,
    "医药保健 > 血压计": 499,
    "Health > Vitamins": 508,
    "Pet Supplies > Dog Food": 92,
    "童装 > 女童 > 连衣裙": 413,
    "服饰 > 童鞋 > 运动鞋": 412,
    "女装 > 大码女装 > 连衣裙": 678,
    "家具 > 办公家具 > 椅子": 427,
    "Luggage > Suitcases": 612,
    "Books > Business & Economics": 26,
    "Automotive > Tires": 494,
    "Musical Instruments > Guitars": 456,
    "手机 > 贴膜": None,
    "数码 > 苹果": None,
    "本店推荐 > 限时特价": None,
    "家用电器 > 面膜": None,
    "Electronics > Dresses": None,
    "运动户外 > 更多": None,
    "家居 > 其他": 153,
    "图书 > 小说": None,
    "New In > Bestsellers": None,
    "Clothing > Sale": None,
}


def leaf_id(label: Label | None) -> int | None:
    return None if label is None else label.subsub_class_id or label.sub_class_id


@pytest.mark.parametrize(("path", "expected"), RIGHT.items())
def test_a_breadcrumb_leads_where_a_person_reads_it(path: str, expected: int | None) -> None:
    found = MAPPER.map([path.split(" > ")])
    assert leaf_id(found.label) == expected, (found.rule, found.label)


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("家用电器 > 空调", "path_name_v2"),
        ("春季上新 > 空调", "leaf_name_v2"),
        ("家用电器 > 冷气机", "alias_v1"),
        ("家用电器 > 冰箱", "name_part_v1"),
        ("家用电器 > 超薄油烟机", "like_name_v1"),
    ],
)
def test_a_decision_says_how_the_name_was_known(path: str, rule: str) -> None:
    found = MAPPER.map([path.split(" > ")])
    assert found.rule == rule
    assert found.label is not None
    assert found.suggestions == ()


def test_what_is_held_comes_with_guesses() -> None:
    held = MAPPER.map([["家用电器", "迷你冰箱贴"]])
    assert held.label is None
    assert 1 <= len(held.suggestions) <= 3
    assert [g.confidence for g in held.suggestions] == sorted(
        (g.confidence for g in held.suggestions), reverse=True
    )
    assert all(0 < g.confidence <= 1 and g.by == "like_name_v1" for g in held.suggestions)
