"""Greedy leaders equal brute force, row for row, and groups equal connected components."""

import numpy as np
import pytest
from numpy.typing import NDArray

from cleaning.copies.groups import connected_groups
from cleaning.copies.hamming_index import BANDS
from cleaning.copies.neighbours import Fingerprints, assign_leaders
from cleaning.copies.reach import rows_in_reach, usable_hashes
from cleaning.copies.thresholds import NeighbourThresholds
from cleaning.hashes import is_degenerate

Draw = np.random.Generator


def balanced_hashes(draw: Draw, count: int) -> NDArray[np.uint64]:
    """Random hashes with 32 one-bits each, as photos have."""
    order = draw.random((count, 64)).argsort(axis=1)
    return np.packbits(order < 32, axis=1).view(">u8").astype(np.uint64).reshape(count)


def swap_bits(draw: Draw, value: np.uint64, pairs: int) -> np.uint64:
    """``value`` with ``pairs`` ones and as many zeros exchanged: twice as many bits differ."""
    bits = np.array([int(value) >> k & 1 for k in range(64)])
    ones, zeros = np.flatnonzero(bits == 1), np.flatnonzero(bits == 0)
    chosen = np.concatenate((draw.permutation(ones)[:pairs], draw.permutation(zeros)[:pairs]))
    mask = sum(1 << int(bit) for bit in chosen)
    return np.uint64(int(value) ^ mask)


def clumped_hashes(draw: Draw, count: int, centres: int) -> NDArray[np.uint64]:
    middle = balanced_hashes(draw, centres)
    return np.array(
        [
            swap_bits(draw, middle[draw.integers(centres)], int(draw.integers(0, 5)))
            for _ in range(count)
        ],
        dtype=np.uint64,
    )


def random_prints(draw: Draw, hashes: NDArray[np.uint64]) -> Fingerprints:
    """Prints of which half have a border, with few colours and titles so that they often agree."""
    rows = len(hashes)
    trimmed = np.where(draw.random(rows) < 0.5, hashes, draw.permutation(hashes))
    degenerate = draw.random(rows) < 0.05
    colours = draw.integers(100, 112, (6, 48)).astype(np.uint8)
    sketches = draw.integers(0, 3, (6, 32)).astype(np.uint8)
    whole_colour = colours[draw.integers(6, size=rows)]
    return Fingerprints(
        np.where(degenerate, np.uint64(7), hashes),
        np.where(draw.random(rows) < 0.05, np.uint64(1) << np.uint64(63), trimmed),
        whole_colour,
        np.where(draw.random((rows, 1)) < 0.5, whole_colour, colours[draw.integers(6, size=rows)]),
        sketches[draw.integers(6, size=rows)],
    )


def leaders_by_brute_force(
    prints: Fingerprints, fixed: NDArray[np.bool_], thresholds: NeighbourThresholds
) -> list[tuple[int, int, int]]:
    """(leader, distance, via) of each row, comparing it with every leader before it."""
    hashes = (prints.phash, prints.phash_trim)
    colours = (prints.colour.astype(int), prints.colour_trim.astype(int))
    usable = [~is_degenerate(kind) for kind in hashes]
    allowed = np.tile(
        [
            thresholds.max_lightness_difference,
            thresholds.max_chroma_difference,
            thresholds.max_chroma_difference,
        ],
        16,
    )
    leaders: list[int] = []
    result = []
    for row in range(len(fixed)):
        candidates = []
        for other in leaders if not fixed[row] else ():
            for via, (own, their) in enumerate(((0, 0), (1, 1), (0, 1), (1, 0))):
                distance = int(np.bitwise_count(hashes[own][row] ^ hashes[their][other]))
                if not (usable[own][row] and usable[their][other]) or distance > thresholds.radius:
                    continue
                difference = np.abs(colours[own][row] - colours[their][other])
                if thresholds.keep_variants and (difference > allowed).any():
                    continue
                agreement = int((prints.sketch[row] == prints.sketch[other]).sum())
                if (
                    distance > thresholds.title_free_radius
                    and agreement < thresholds.min_title_agreement
                ):
                    continue
                candidates.append((distance, other, via))
        if candidates:
            distance, other, via = min(candidates)
            result.append((other, distance, via))
        else:
            leaders.append(row)
            result.append((row, 0, 255))
    return result


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "thresholds",
    [
        NeighbourThresholds(),
        NeighbourThresholds(radius=7, title_free_radius=2, min_title_agreement=12),
        NeighbourThresholds(radius=4, keep_variants=False),
        NeighbourThresholds(radius=3, title_free_radius=0, min_title_agreement=20),
        NeighbourThresholds(radius=0, title_free_radius=0, max_chroma_difference=11),
    ],
)
@pytest.mark.parametrize("centres", [0, 3, 40])
def test_leaders_equal_brute_force(
    seed: int, thresholds: NeighbourThresholds, centres: int
) -> None:
    draw = np.random.default_rng(seed)
    hashes = clumped_hashes(draw, 150, centres) if centres else balanced_hashes(draw, 150)
    prints = random_prints(draw, hashes)
    fixed = np.arange(150) < draw.integers(0, 40)
    found = assign_leaders(prints, fixed, thresholds)
    got = list(zip(found.leader.tolist(), found.distance.tolist(), found.via.tolist(), strict=True))
    assert got == leaders_by_brute_force(prints, fixed, thresholds)


def plain_prints(hashes: NDArray[np.uint64]) -> Fingerprints:
    rows = len(hashes)
    return Fingerprints(
        hashes,
        hashes,
        np.full((rows, 48), 128, dtype=np.uint8),
        np.full((rows, 48), 128, dtype=np.uint8),
        np.ones((rows, 32), dtype=np.uint8),
    )


def test_a_clump_finds_its_planted_copies_among_many() -> None:
    draw = np.random.default_rng(5)
    hashes = balanced_hashes(draw, 20_000)
    copies = np.array([swap_bits(draw, value, 3) for value in hashes[:500]], dtype=np.uint64)
    prints = plain_prints(np.concatenate((hashes, copies)))
    found = assign_leaders(prints, np.zeros(20_500, dtype=np.bool_))
    assert (found.leader[20_000:] == np.arange(500)).all()
    assert (found.distance[20_000:] == 6).all()
    assert (found.leader[:20_000] == np.arange(20_000)).all()


def test_every_member_lies_within_the_radius_of_its_leader_and_leaders_lead_themselves() -> None:
    draw = np.random.default_rng(6)
    prints = plain_prints(clumped_hashes(draw, 2_000, 10))
    found = assign_leaders(prints, np.zeros(2_000, dtype=np.bool_))
    assert (found.leader[found.leader] == found.leader).all()
    distances = np.bitwise_count(prints.phash ^ prints.phash[found.leader])
    assert distances.max() == 6
    assert (distances == found.distance).all()


def test_published_rows_lead_even_if_they_are_equal() -> None:
    draw = np.random.default_rng(7)
    prints = plain_prints(np.repeat(balanced_hashes(draw, 1), 4))
    found = assign_leaders(prints, np.array([True, True, False, False]))
    assert found.leader.tolist() == [0, 1, 0, 0]


def test_a_published_row_after_a_new_one_is_refused() -> None:
    prints = plain_prints(balanced_hashes(np.random.default_rng(8), 2))
    with pytest.raises(ValueError, match="fixed leaders must come before"):
        assign_leaders(prints, np.array([False, True]))


def test_a_wrong_type_names_the_array_and_both_types() -> None:
    prints = plain_prints(balanced_hashes(np.random.default_rng(8), 2))
    with pytest.raises(ValueError, match=r"colour is int64\(2, 48\), expected uint8\(2, 48\)"):
        Fingerprints(
            prints.phash,
            prints.phash_trim,
            prints.colour.astype(np.int64),
            prints.colour_trim,
            prints.sketch,
        )


def test_degenerate_rows_lead_only_themselves_however_many_there_are() -> None:
    prints = plain_prints(np.full(50_000, 1 << 63, dtype=np.uint64))
    found = assign_leaders(prints, np.zeros(50_000, dtype=np.bool_))
    assert (found.leader == np.arange(50_000)).all()


def test_no_rows_have_no_leaders() -> None:
    prints = plain_prints(np.empty(0, dtype=np.uint64))
    assert len(assign_leaders(prints, np.empty(0, dtype=np.bool_)).leader) == 0
    assert len(connected_groups(prints.phash, prints.phash, 6)) == 0


def components_by_brute_force(
    whole: NDArray[np.uint64], trimmed: NDArray[np.uint64], radius: int
) -> list[int]:
    rows = len(whole)
    names = list(range(rows))
    near = np.zeros((rows, rows), dtype=np.bool_)
    for a in (whole, trimmed):
        for b in (whole, trimmed):
            usable = ~is_degenerate(a)[:, None] & ~is_degenerate(b)[None, :]
            near |= usable & (np.bitwise_count(a[:, None] ^ b[None, :]) <= radius)
    hopeless = is_degenerate(whole) & is_degenerate(trimmed)
    near |= hopeless[:, None] & hopeless[None, :] & (whole[:, None] == whole[None, :])
    changed = True
    while changed:
        changed = False
        for a, b in np.argwhere(near):
            smallest = min(names[a], names[b])
            changed |= names[a] != smallest or names[b] != smallest
            names[a] = names[b] = smallest
    return names


@pytest.mark.parametrize("radius", [0, 3, 6, 7])
@pytest.mark.parametrize("seed", range(3))
def test_groups_are_the_connected_components(seed: int, radius: int) -> None:
    draw = np.random.default_rng(seed)
    prints = random_prints(draw, clumped_hashes(draw, 120, 12))
    found = connected_groups(prints.phash, prints.phash_trim, radius)
    assert found.tolist() == components_by_brute_force(prints.phash, prints.phash_trim, radius)


def test_a_radius_beyond_the_index_is_refused() -> None:
    with pytest.raises(ValueError, match="radius is 8, expected 0 to 7"):
        NeighbourThresholds(radius=8)
    with pytest.raises(ValueError, match="radius is 8, expected 0 to 7"):
        connected_groups(np.empty(0, np.uint64), np.empty(0, np.uint64), 8)


def rows_of(prints: Fingerprints, order: NDArray[np.int64]) -> Fingerprints:
    return Fingerprints(
        prints.phash[order],
        prints.phash_trim[order],
        prints.colour[order],
        prints.colour_trim[order],
        prints.sketch[order],
    )


@pytest.mark.parametrize("centres", [0, 12])
def test_clusters_do_not_depend_on_the_order_in_which_records_came(centres: int) -> None:
    draw = np.random.default_rng(11)
    hashes = clumped_hashes(draw, 600, centres) if centres else balanced_hashes(draw, 600)
    prints = random_prints(draw, hashes)
    new = np.zeros(600, dtype=np.bool_)
    leaders = assign_leaders(prints, new).leader
    groups = connected_groups(prints.phash, prints.phash_trim, 6)
    for _ in range(3):
        ranks = draw.permutation(600)
        came = rows_of(prints, ranks)
        in_rank = rows_of(came, np.argsort(ranks))  # the caller puts the best ones first
        assert (assign_leaders(in_rank, new).leader == leaders).all()
        named = connected_groups(came.phash, came.phash_trim, 6)
        pairs = np.unique(np.column_stack((named, groups[ranks])), axis=0)
        assert len(pairs) == len(np.unique(named)) == len(np.unique(groups))


@pytest.mark.parametrize("radius", range(8))
@pytest.mark.parametrize("fixed", [0, 100, 300])
def test_rows_in_reach_equal_brute_force(radius: int, fixed: int) -> None:
    draw = np.random.default_rng(radius)
    prints = random_prints(draw, clumped_hashes(draw, 300, 60))
    hashes = (prints.phash, prints.phash_trim)
    usable = np.zeros(300, dtype=np.uint8)
    near = np.zeros((300, 300), dtype=np.bool_)
    good = [~is_degenerate(kind) for kind in hashes]
    for own in (0, 1):
        usable |= good[own].astype(np.uint8) << np.uint8(own)
        for their in (0, 1):
            distances = np.bitwise_count(hashes[own][:, None] ^ hashes[their][None, :])
            near |= (distances <= radius) & good[own][:, None] & good[their][None, :]
    near[:fixed, :fixed] = False
    np.fill_diagonal(near, False)
    assert (rows_in_reach(hashes, usable, fixed, radius) == near.any(axis=1)).all()


@pytest.mark.parametrize("radius", [0, 3, 6, 7])
@pytest.mark.parametrize("fixed", [0, 100, 300])
@pytest.mark.parametrize("centres", [3, 60])
def test_bands_joined_apart_find_what_all_find_together(
    radius: int, fixed: int, centres: int
) -> None:
    draw = np.random.default_rng(radius)
    prints = random_prints(draw, clumped_hashes(draw, 300, centres))
    hashes = (prints.phash, prints.phash_trim)
    usable = usable_hashes(hashes)
    apart = [rows_in_reach(hashes, usable, fixed, radius, [band]) for band in range(BANDS)]
    together = rows_in_reach(hashes, usable, fixed, radius)
    assert (np.logical_or.reduce(apart) == together).all()
    assert together.any() == (fixed < 300)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("centres", [3, 40])
def test_a_join_of_more_rows_made_before_changes_no_leader_and_no_group(
    seed: int, centres: int
) -> None:
    draw = np.random.default_rng(seed)
    prints = random_prints(draw, clumped_hashes(draw, 300, centres))
    hashes, known = (prints.phash, prints.phash_trim), 80
    in_reach = rows_in_reach(hashes, usable_hashes(hashes), known, 6)
    # Some rows are not judged, published ones stay in front.
    rows = np.concatenate((np.arange(known), known + np.sort(draw.permutation(220)[:150])))
    fixed = np.arange(len(rows)) < known
    some = rows_of(prints, rows)
    before = connected_groups(some.phash[:known], some.phash_trim[:known], 6)
    for radius in (0, 4, 6):
        thresholds = NeighbourThresholds(radius=radius, title_free_radius=min(radius, 4))
        plain = assign_leaders(some, fixed, thresholds)
        found = assign_leaders(some, fixed, thresholds, in_reach=in_reach[rows])
        for name, values in vars(plain).items():
            assert (getattr(found, name) == values).all(), name
        alone = connected_groups(some.phash, some.phash_trim, radius, known=before)
        given = connected_groups(
            some.phash, some.phash_trim, radius, known=before, in_reach=in_reach[rows]
        )
        assert (given == alone).all()


@pytest.mark.parametrize("keep_variants", [True, False])
def test_crowded_buckets_that_are_divided_by_colour_change_no_leader(
    keep_variants: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = np.random.default_rng(13)
    prints = random_prints(draw, clumped_hashes(draw, 250, 3))
    fixed = np.arange(250) < 20
    thresholds = NeighbourThresholds(keep_variants=keep_variants)
    monkeypatch.setattr("cleaning.copies.leader_index.CROWDED", 8)
    found = assign_leaders(prints, fixed, thresholds)
    got = list(zip(found.leader.tolist(), found.distance.tolist(), found.via.tolist(), strict=True))
    assert got == leaders_by_brute_force(prints, fixed, thresholds)


def test_one_picture_in_thousands_of_colours_keeps_each_colour_and_merges_each_copy() -> None:
    draw = np.random.default_rng(14)
    plain = 7 * draw.permutation(20 * 36 * 36)[:10_000]  # a colour is 7 chroma steps from another
    red, blue, light = plain // 7 % 36 * 7, plain // 7 // 36 % 36 * 7, plain // 7 // 1296 % 12 * 21
    plain_colours = np.column_stack((light, red, blue)).astype(np.uint8)
    plain_colours = np.unique(plain_colours, axis=0)
    colours = np.tile(np.concatenate((plain_colours, plain_colours)), (1, 16))
    rows = len(colours)
    hashes = np.repeat(balanced_hashes(draw, 1), rows)
    prints = Fingerprints(hashes, hashes, colours, colours, np.ones((rows, 32), dtype=np.uint8))
    found = assign_leaders(prints, np.zeros(rows, dtype=np.bool_))
    half = rows // 2
    assert (found.leader == np.tile(np.arange(half), 2)).all()


@pytest.mark.parametrize("known", [1, 70, 120])
def test_known_groups_are_taken_over_and_only_new_rows_are_searched(known: int) -> None:
    draw = np.random.default_rng(15)
    prints = random_prints(draw, clumped_hashes(draw, 120, 12))
    whole, trimmed = prints.phash, prints.phash_trim
    before = connected_groups(whole[:known], trimmed[:known], 6)
    everything = connected_groups(whole, trimmed, 6)
    assert (connected_groups(whole, trimmed, 6, known=before) == everything).all()


def test_known_groups_of_other_rows_are_refused() -> None:
    hashes = balanced_hashes(np.random.default_rng(16), 3)
    with pytest.raises(ValueError, match="known groups have to be rows below 2, of 3 rows"):
        connected_groups(hashes, hashes, 6, known=np.array([0, 2]))
