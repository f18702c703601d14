"""What was sown against what was found: precision and recall for every kind of defect.

A catalogue and the fate of every record come in; rows, and a plain text table of them, go out.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from demo.catalogue import Catalogue, DemoProduct
from demo.sowing import COPIES, Expected, Sown
from runtime.console import table

ALL_COPIES = "all copies"
_COLUMNS = ("kind", "sown", "found", "false alarms", "precision", "recall")


@dataclass(frozen=True)
class Fate:
    """What became of a record: its verdict, the rule that gave it and, for a duplicate, of whom.

    `verdict` is one of published, duplicate, rejected, held, merged and removed.
    """

    record_id: str
    verdict: str
    rule: str
    peer_id: str | None = None


@dataclass(frozen=True)
class ScoreRow:
    """The score of one kind; a ratio is None where it has nothing to be taken over."""

    kind: str
    sown: int
    found: int
    false_alarms: int | None
    precision: float | None
    recall: float | None


def score(catalogue: Catalogue, fates: Mapping[str, Fate]) -> list[ScoreRow]:
    """Score every kind that was sown, in the order of `Sown`, and all copies together.

    `fates` is keyed by record_id; a record the pipeline never saw is missing from it.

    A copy is found when its cluster (the source and all its copies) ends with exactly one
    member published and every other a duplicate of a member. Copies have one precision: of all
    duplicates, those whose peer is in their cluster.

    A product to be rejected, or never to be seen, is found when it is (a rejection also keeps out
    what must not be seen). Its precision is taken over all records that met a rule which this
    kind met (or that are missing, where some of the kind are): those that had to be kept out.
    Held kinds share the precision over all held records.

    A product to be published is found when it is published, or is a duplicate within its
    cluster. The precision of plain products is that of the release: of all published records,
    those that ought to be, one for each cluster. Other published kinds have none of their own.
    """
    marker = _Marker(catalogue, fates)
    rows = []
    for sown in Sown:
        products = [product for product in catalogue.products if product.sown is sown]
        rows.append(marker.row(sown, products))
        if sown is COPIES[-1]:
            copies = [product for product in catalogue.products if product.sown in COPIES]
            found = sum(marker.is_settled(product) for product in copies)
            rows.append(_row(ALL_COPIES, copies, found, *marker.duplicate_alarms()))
    return rows


def as_table(rows: Sequence[ScoreRow]) -> str:
    """The rows as a table of plain text, numbers to the right."""
    return table([_cells(row) for row in rows], _COLUMNS)


class _Marker:
    """The fates of one run held against its catalogue."""

    def __init__(self, catalogue: Catalogue, fates: Mapping[str, Fate]) -> None:
        self._catalogue = catalogue
        self._fates = fates
        self._cluster = {
            product.record_id: catalogue.source_of(product).record_id
            if product.sown in COPIES
            else product.record_id
            for product in catalogue.products
        }
        self._members: dict[str, list[str]] = defaultdict(list)
        for record_id, cluster in self._cluster.items():
            self._members[cluster].append(record_id)

    def row(self, sown: Sown, products: Sequence[DemoProduct]) -> ScoreRow:
        """The score of one kind."""
        if sown in COPIES:
            found = sum(self.is_settled(product) for product in products)
            return _row(sown, products, found, *self.duplicate_alarms())
        expected = products[0].expected
        if expected is Expected.PUBLISHED:
            found = sum(self._is_kept(product) for product in products)
            alarms = self._release_alarms() if sown is Sown.PLAIN else (None, None)
            return _row(sown, products, found, *alarms)
        if expected is Expected.HELD:
            held = [fate.record_id for fate in self._fates.values() if fate.verdict == "held"]
            found = sum(self._verdict(product.record_id) == "held" for product in products)
            return _row(sown, products, found, *self._alarms(held, Expected.HELD))
        return self._kept_out_row(sown, products, expected)

    def is_settled(self, copy: DemoProduct) -> bool:
        """Whether one member of the copy's cluster is published and the others its duplicates."""
        members = self._members[self._cluster[copy.record_id]]
        published = sum(self._verdict(member) == "published" for member in members)
        return published == 1 and all(
            self._verdict(member) == "published" or self._is_true_duplicate(member)
            for member in members
        )

    def duplicate_alarms(self) -> tuple[int, int]:
        """Wrong duplicates and all duplicates."""
        duplicates = [key for key in self._fates if self._verdict(key) == "duplicate"]
        wrong = sum(not self._is_true_duplicate(key) for key in duplicates)
        return wrong, len(duplicates)

    def _kept_out_row(
        self, sown: Sown, products: Sequence[DemoProduct], expected: Expected
    ) -> ScoreRow:
        """The score of a kind that must be rejected or absent."""
        may_be_missing = expected is Expected.ABSENT
        found = [
            product.record_id
            for product in products
            if self._verdict(product.record_id) in ("rejected", "removed")
            or (may_be_missing and product.record_id not in self._fates)
        ]
        rules = {self._rule(record_id) for record_id in found}
        everything = sorted({*self._fates, *self._catalogue.by_record_id})
        met = [key for key in everything if self._rule(key) in rules]
        return _row(sown, products, len(found), *self._alarms(met, expected))

    def _alarms(self, record_ids: Sequence[str], expected: Expected) -> tuple[int, int]:
        known = self._catalogue.by_record_id
        wrong = sum(key not in known or known[key].expected is not expected for key in record_ids)
        return wrong, len(record_ids)

    def _release_alarms(self) -> tuple[int, int]:
        """Published records that ought not to be, and all published records."""
        known = self._catalogue.by_record_id
        published = [key for key in self._fates if self._verdict(key) == "published"]
        deserved = {
            self._cluster[key]
            for key in published
            if key in known and known[key].expected in (Expected.PUBLISHED, Expected.DUPLICATE)
        }
        return len(published) - len(deserved), len(published)

    def _is_kept(self, product: DemoProduct) -> bool:
        verdict = self._verdict(product.record_id)
        return verdict == "published" or self._is_true_duplicate(product.record_id)

    def _is_true_duplicate(self, record_id: str) -> bool:
        fate = self._fates.get(record_id)
        if fate is None or fate.verdict != "duplicate" or fate.peer_id in (None, record_id):
            return False
        cluster = self._cluster.get(record_id)
        return cluster is not None and self._cluster.get(str(fate.peer_id)) == cluster

    def _verdict(self, record_id: str) -> str | None:
        fate = self._fates.get(record_id)
        return None if fate is None else fate.verdict

    def _rule(self, record_id: str) -> tuple[str, str]:
        """What kept a record out: verdict and rule, both empty where it was never seen."""
        fate = self._fates.get(record_id)
        return ("", "") if fate is None else (fate.verdict, fate.rule)


def _row(
    kind: str, products: Sequence[DemoProduct], found: int, wrong: int | None, total: int | None
) -> ScoreRow:
    precision = None if wrong is None or not total else (total - wrong) / total
    recall = found / len(products) if products else None
    return ScoreRow(str(kind), len(products), found, wrong, precision, recall)


def _cells(row: ScoreRow) -> tuple[str, ...]:
    def ratio(value: float | None) -> str:
        return "-" if value is None else f"{value:.3f}"

    alarms = "-" if row.false_alarms is None else str(row.false_alarms)
    return (
        row.kind,
        str(row.sown),
        str(row.found),
        alarms,
        ratio(row.precision),
        ratio(row.recall),
    )
