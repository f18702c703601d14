"""A catalogue is the same everywhere, and everything named as sown is in it."""

import hashlib
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from demo.catalogue import Catalogue, DemoProduct, build_catalogue
from demo.sowing import COPIES, Expected, Sown, sown_counts

_ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def large() -> Catalogue:
    return build_catalogue(2000, 7)


def _trigrams(title: str) -> set[str]:
    return {title[start : start + 3] for start in range(len(title) - 2)}


def _likeness(one: DemoProduct, other: DemoProduct) -> float:
    first, second = _trigrams(one.title), _trigrams(other.title)
    return len(first & second) / len(first | second)


def _digest(catalogue: Catalogue) -> str:
    return hashlib.sha256(repr(catalogue).encode()).hexdigest()


def test_another_process_builds_the_same_catalogue() -> None:
    program = (
        "import hashlib; from demo.catalogue import build_catalogue;"
        "print(hashlib.sha256(repr(build_catalogue(150, 3)).encode()).hexdigest())"
    )
    for hash_seed in ("1", "2"):
        told = subprocess.run(
            [sys.executable, "-c", program],
            cwd=_ROOT,
            env={"PYTHONHASHSEED": hash_seed, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        )
        assert told.stdout.strip() == _digest(build_catalogue(150, 3))


def test_another_seed_builds_another_catalogue() -> None:
    assert _digest(build_catalogue(150, 3)) != _digest(build_catalogue(150, 4))


@pytest.mark.parametrize("products", [60, 61, 500, 2000])
def test_every_kind_is_sown_and_the_total_is_exact(products: int) -> None:
    catalogue = build_catalogue(products, 1)
    counts = Counter(product.sown for product in catalogue.products)
    assert len(catalogue.products) == products == len(catalogue.by_record_id)
    assert counts == sown_counts(products)
    assert set(counts) == set(Sown)
    assert counts[Sown.PLACEHOLDER] >= (8 if products == 2000 else 6)


def test_too_few_products_are_refused_with_the_number_that_would_do() -> None:
    with pytest.raises(ValueError, match=r"expected 60 or more.*got 59"):
        build_catalogue(59, 1)


def test_2000_products_fill_over_200_sub_classes_of_all_classes_with_a_long_tail(
    large: Catalogue,
) -> None:
    published = [item.leaf for item in large.products if item.expected is Expected.PUBLISHED]
    leaves = [leaf for leaf in published if leaf is not None]
    sizes = Counter(leaf.sub_class_id for leaf in leaves)
    assert len(sizes) >= 200
    assert {leaf.class_id for leaf in leaves} == set(range(1, 15))
    assert max(sizes.values()) > 80
    assert sorted(sizes.values())[len(sizes) // 2] <= 4
    assert any(leaf.subsub_class_id is not None for leaf in leaves)


def test_a_shelf_of_shop_a_has_the_official_names_and_shop_b_respells_some(
    large: Catalogue,
) -> None:
    respelled = 0
    for product in large.products:
        if product.leaf is None:
            continue
        if product.shop == "shop-a":
            assert product.category_paths[0] == product.leaf.names
        else:
            assert product.leaf.subsub_class_id is None
            respelled += product.category_paths[0] != product.leaf.names
    assert respelled > 200


def test_copies_are_made_of_plain_products_at_the_same_leaf_and_worded_alike(
    large: Catalogue,
) -> None:
    across = 0
    for product in large.products:
        if product.sown in COPIES or product.sown is Sown.COLOUR_VARIANT:
            source = large.source_of(product)
            assert source.sown is Sown.PLAIN
            assert product.leaf == source.leaf
            assert _likeness(product, source) > 0.35
            across += product.shop != source.shop
        else:
            assert product.source is None
    assert across > 50


def test_unlike_products_have_unlike_titles(large: Catalogue) -> None:
    plain = [product for product in large.products if product.sown is Sown.PLAIN]
    assert len({product.title for product in plain}) == len(plain)
    head = Counter(product.leaf for product in plain).most_common(1)[0][0]
    shelf = [product for product in plain if product.leaf == head][:80]
    pairs = [_likeness(one, two) for place, one in enumerate(shelf) for two in shelf[:place]]
    assert sum(likeness >= 0.3 for likeness in pairs) / len(pairs) < 0.01


def test_good_titles_are_long_enough_name_their_category_and_fit_into_gbk(
    large: Catalogue,
) -> None:
    for product in large.products:
        assert len(product.title) >= 14
        if product.leaf is not None and product.expected is not Expected.REJECTED:
            assert any(noun in product.title for noun in product.leaf.nouns)
            product.title.encode("gbk")
    bracketed = sum("（" in product.title or "【" in product.title for product in large.products)
    assert 0.2 < bracketed / len(large.products) < 0.8


def test_no_picture_is_shared_but_by_copies_and_variants(large: Catalogue) -> None:
    originals = [product for product in large.products if product.source is None]
    assert len({product.picture.scene_seed for product in originals}) == len(originals)
    assert all(220 <= product.picture.width <= 400 for product in large.products)
    assert {product.picture.fmt for product in large.products} == {"jpeg", "png", "webp"}
