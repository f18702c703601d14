"""Exit statuses: each number has one meaning, and one order says which wins."""

from itertools import product

from runtime.exits import PRECEDENCE, Exit, combine

DESIGNED = [1, 75, 2, 40, 20, 30, 11, 10]


def test_the_designed_order_holds_for_every_pair() -> None:
    for one, other in product(DESIGNED, repeat=2):
        winner = min(one, other, key=DESIGNED.index)
        assert combine([Exit(one), Exit(other)]) == winner, (one, other)


def test_any_status_wins_over_done_and_nothing_is_done() -> None:
    assert combine([]) is Exit.DONE
    for status in Exit:
        assert combine([Exit.DONE, status, Exit.DONE]) is status


def test_every_status_has_its_place_in_the_order() -> None:
    assert sorted(PRECEDENCE) == sorted(Exit)
    assert {int(status) for status in Exit} == {0, 130, *DESIGNED}
