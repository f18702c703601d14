"""The scorecard gives full marks to the truth, and takes them away one mistake at a time."""

import pytest

from demo.catalogue import Catalogue, DemoProduct, build_catalogue
from demo.scorecard import ALL_COPIES, Fate, ScoreRow, as_table, score
from demo.sowing import COPIES, Expected, Sown


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return build_catalogue(300, 2)


@pytest.fixture
def truth(catalogue: Catalogue) -> dict[str, Fate]:
    """The fates of a pipeline without fault, the source of each cluster published."""
    fates = {}
    for product in catalogue.products:
        key = product.record_id
        match product.expected:
            case Expected.PUBLISHED:
                fates[key] = Fate(key, "published", "publish_v1")
            case Expected.DUPLICATE:
                fates[key] = Fate(key, "duplicate", "near_duplicate_v1", product.source)
            case Expected.REJECTED:
                fates[key] = Fate(key, "rejected", f"{product.sown.name.lower()}_v1")
            case Expected.HELD:
                fates[key] = Fate(key, "held", "unmapped_v1")
            case Expected.ABSENT:
                pass
    return fates


def _rows(catalogue: Catalogue, fates: dict[str, Fate]) -> dict[str, ScoreRow]:
    return {row.kind: row for row in score(catalogue, fates)}


def _first(catalogue: Catalogue, sown: Sown) -> DemoProduct:
    return next(product for product in catalogue.products if product.sown is sown)


def test_the_truth_scores_one_everywhere(catalogue: Catalogue, truth: dict[str, Fate]) -> None:
    rows = score(catalogue, truth)
    assert [row.kind for row in rows if row.kind != ALL_COPIES] == [str(sown) for sown in Sown]
    assert all(row.recall == 1.0 and row.precision in (None, 1.0) for row in rows)
    assert sum(row.sown for row in rows if row.kind != ALL_COPIES) == 300


def test_a_copy_may_stay_in_place_of_its_source(
    catalogue: Catalogue, truth: dict[str, Fate]
) -> None:
    copy = _first(catalogue, Sown.PADDED_COPY)
    source = str(copy.source)
    cluster = [source] + [item.record_id for item in catalogue.products
                          if item.source == source and item.sown in COPIES]  # fmt: skip
    for key in cluster:
        truth[key] = Fate(key, "duplicate", "near_duplicate_v1", copy.record_id)
    truth[copy.record_id] = Fate(copy.record_id, "published", "publish_v1")
    assert all(row.recall == 1.0 for row in score(catalogue, truth))


def test_a_copy_that_stays_beside_its_source_is_missed_and_a_false_publication(
    catalogue: Catalogue, truth: dict[str, Fate]
) -> None:
    copy = _first(catalogue, Sown.RESIZED_COPY)
    truth[copy.record_id] = Fate(copy.record_id, "published", "publish_v1")
    rows = _rows(catalogue, truth)
    row = rows[Sown.RESIZED_COPY]
    assert row.found < row.sown
    assert row.precision == 1.0
    assert rows[Sown.PLAIN].false_alarms == 1


def test_a_duplicate_of_an_unlike_product_lowers_precision(
    catalogue: Catalogue, truth: dict[str, Fate]
) -> None:
    victim = _first(catalogue, Sown.REDIRECT).record_id
    peer = _first(catalogue, Sown.SITEMAP_ONLY).record_id
    truth[victim] = Fate(victim, "duplicate", "near_duplicate_v1", peer)
    rows = _rows(catalogue, truth)
    row = rows[ALL_COPIES]
    assert (row.found, row.false_alarms) == (row.sown, 1)
    assert row.precision == row.sown / (row.sown + 1)
    assert rows[Sown.REDIRECT].found == rows[Sown.REDIRECT].sown - 1


def test_a_colour_variant_taken_for_a_copy_is_not_kept(
    catalogue: Catalogue, truth: dict[str, Fate]
) -> None:
    variant = _first(catalogue, Sown.COLOUR_VARIANT)
    truth[variant.record_id] = Fate(
        variant.record_id, "duplicate", "near_duplicate_v1", variant.source
    )
    rows = _rows(catalogue, truth)
    assert rows[Sown.COLOUR_VARIANT].found == rows[Sown.COLOUR_VARIANT].sown - 1
    assert rows[ALL_COPIES].false_alarms == 1


def test_rejecting_a_good_product_by_a_rule_costs_that_rule_precision(
    catalogue: Catalogue, truth: dict[str, Fate]
) -> None:
    victim = _first(catalogue, Sown.PLAIN).record_id
    truth[victim] = Fate(victim, "rejected", "blank_v1")
    rows = _rows(catalogue, truth)
    blank = rows[Sown.BLANK]
    assert (blank.recall, blank.false_alarms) == (1.0, 1)
    assert blank.precision == blank.sown / (blank.sown + 1)
    assert rows[Sown.TRUNCATED].precision == 1.0


def test_a_published_spam_title_is_missed(catalogue: Catalogue, truth: dict[str, Fate]) -> None:
    spam = _first(catalogue, Sown.SPAM_TITLE).record_id
    truth[spam] = Fate(spam, "published", "publish_v1")
    rows = _rows(catalogue, truth)
    assert rows[Sown.SPAM_TITLE].found == rows[Sown.SPAM_TITLE].sown - 1
    precision = rows[Sown.PLAIN].precision
    assert precision is not None and precision < 1.0


@pytest.mark.parametrize("sown", [Sown.DISALLOWED, Sown.NOAI_HEADER, Sown.NOAI_META])
@pytest.mark.parametrize("verdict", ["published", "held"])
def test_a_forbidden_record_that_was_processed_is_missed(
    catalogue: Catalogue, truth: dict[str, Fate], sown: Sown, verdict: str
) -> None:
    key = _first(catalogue, sown).record_id
    truth[key] = Fate(key, verdict, "any_v1")
    row = _rows(catalogue, truth)[sown]
    assert row.found == row.sown - 1


def test_a_lost_product_is_a_false_alarm_of_what_must_be_absent(
    catalogue: Catalogue, truth: dict[str, Fate]
) -> None:
    del truth[_first(catalogue, Sown.UNMAPPABLE).record_id]
    rows = _rows(catalogue, truth)
    assert rows[Sown.DISALLOWED].false_alarms == 1
    assert rows[Sown.UNMAPPABLE].found == rows[Sown.UNMAPPABLE].sown - 1


def test_a_record_that_no_shop_sells_is_a_false_publication(
    catalogue: Catalogue, truth: dict[str, Fate]
) -> None:
    truth["shop-a:u-0"] = Fate("shop-a:u-0", "published", "publish_v1")
    assert _rows(catalogue, truth)[Sown.PLAIN].false_alarms == 1


def test_the_table_has_a_line_for_every_row_with_three_decimals(
    catalogue: Catalogue, truth: dict[str, Fate]
) -> None:
    rows = score(catalogue, truth)
    lines = as_table(rows).splitlines()
    assert len(lines) == len(rows) + 2
    assert lines[0].split() == ["kind", "sown", "found", "false", "alarms", "precision", "recall"]
    assert lines[2].split() == [
        "plain",
        str(rows[0].sown),
        str(rows[0].sown),
        "0",
        "1.000",
        "1.000",
    ]
