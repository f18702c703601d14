"""The shelves of the embedded shops: which leaves of the MEP-3M category tree they sell.

The tree comes from the project's own table, `taxonomy/mep3m.csv`; out come leaves whose names make
sense in a product title, spread over all classes. Names as shop B spells them are made here too.
"""

import csv
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources

# Names that say nothing alone, and names of services: a title around them would read like the
# spam that is sown on purpose.
_UNSOLD = (
    "其他", "其它", "更多", "服务", "充值", "维修", "票券", "套餐", "宽带", "运营商", "安装",
    "装修", "检测", "整装", "定制", "套装", "配件", "投资", "二手",
    "情趣", "人体", "计生", "大型器械",
)  # fmt: skip
# Regions stand in the tree for what is grown there.
_REGIONS = ("新疆", "北京", "山西", "内蒙古", "福建", "湖南", "四川", "云南", "东北")
# Parts of names that name no product without their other half.
_VAGUE = ("用品", "装备", "养护", "纺织")


@dataclass(frozen=True)
class Leaf:
    """A place in the category tree that products stand at: a sub_class, or one level below."""

    class_id: int
    class_name: str
    sub_class_id: int
    sub_class_name: str
    subsub_class_id: int | None = None
    subsub_class_name: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The official names from the class down."""
        path = (self.class_name, self.sub_class_name)
        return path if self.subsub_class_name is None else (*path, self.subsub_class_name)

    def at_sub_class(self) -> "Leaf":
        """The sub_class this leaf stands in, without the third level."""
        return replace(self, subsub_class_id=None, subsub_class_name=None)

    @property
    def nouns(self) -> tuple[str, ...]:
        """What a product here may be called: the parts of the deepest name between slashes."""
        name = self.names[-1].replace("（", "").replace("）", "")
        if name in _REGIONS:
            return (f"{name}特产",)
        parts = [part for part in name.split("/") if len(part) > 1 and part not in _VAGUE]
        return tuple(parts) or (name,)


@dataclass(frozen=True)
class Shelf:
    """A category of one shop: the key its URLs use and its names from the top, as it shows them."""

    key: str
    names: tuple[str, ...]


def read_leaves() -> list[Leaf]:
    """All sub-classes and sub-sub-classes of the tree that the shops may sell, in file order."""
    with resources.files("taxonomy").joinpath("mep3m.csv").open(encoding="utf-8-sig") as lines:
        rows = list(csv.DictReader(lines))
    classes = {int(row["id"]): row["name"] for row in rows if row["level"] == "class"}
    subs = {
        int(row["id"]): Leaf(
            int(row["parent_id"]), classes[int(row["parent_id"])], int(row["id"]), row["name"]
        )
        for row in rows
        if row["level"] == "sub_class"
    }
    leaves = list(subs.values())
    for row in rows:
        if row["level"] == "subsub_class":
            parent = subs[int(row["parent_id"])]
            leaves.append(
                replace(parent, subsub_class_id=int(row["id"]), subsub_class_name=row["name"])
            )
    return [leaf for leaf in leaves if not any(word in leaf.names[-1] for word in _UNSOLD)]


def choose_leaves(count: int, rng: random.Random) -> list[Leaf]:
    """Draw `count` sub-classes and a tenth as many third-level leaves (two at least).

    The list begins with one sub-class of every class, then come the third-level leaves, then the
    other sub-classes: however few products are stocked in this order, all classes are among them.
    """
    leaves = read_leaves()
    subs = [leaf for leaf in leaves if leaf.subsub_class_id is None]
    thirds = [leaf for leaf in leaves if leaf.subsub_class_id is not None]
    rng.shuffle(subs)
    first_of_class: dict[int, Leaf] = {}
    for leaf in subs:
        first_of_class.setdefault(leaf.class_id, leaf)
    heads = [first_of_class[class_id] for class_id in sorted(first_of_class)]
    others = [leaf for leaf in subs if first_of_class[leaf.class_id] is not leaf]
    deep = rng.sample(thirds, min(len(thirds), max(2, count // 10)))
    return [*heads, *deep, *others[: max(0, count - len(heads))]]


def shelf_a(leaf: Leaf) -> Shelf:
    """Shop A's category for a leaf: official names, one key per node."""
    if leaf.subsub_class_id is not None:
        return Shelf(f"t{leaf.subsub_class_id}", leaf.names)
    return Shelf(f"s{leaf.sub_class_id}", leaf.names)


def shelf_b(leaf: Leaf) -> Shelf:
    """Shop B's category for a leaf: two levels only, names spelled its own way, own numbers."""
    key = f"{1300 + leaf.class_id},{9000 + leaf.sub_class_id},{12000 + leaf.sub_class_id}"
    names = (
        respelled(leaf.class_name, leaf.class_id),
        respelled(leaf.sub_class_name, leaf.sub_class_id),
    )
    return Shelf(key, names)


def respelled(name: str, variant: int) -> str:
    """A harmless other spelling of a category name, chosen by `variant`.

    In turn: as it is, spaced slashes, full-width slashes and letters, half-width brackets.
    """
    match variant % 4:
        case 1:
            return name.replace("/", " / ")
        case 2:
            return "".join(_full_width(sign) for sign in name)
        case 3:
            return name.replace("（", "(").replace("）", ")")
        case _:
            return name


def _full_width(sign: str) -> str:
    is_wide = sign == "/" or ("A" <= sign.upper() <= "Z" and sign.isascii())
    return chr(ord(sign) + 0xFEE0) if is_wide else sign


def zipf_weights(count: int) -> Sequence[float]:
    """Weights 1/1, 1/2, 1/3 …: the long tail of real assortments (Zipf's law, exponent 1)."""
    return [1.0 / rank for rank in range(1, count + 1)]
