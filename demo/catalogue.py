"""What the embedded shops sell, and the truth about it: every product, every sown defect.

A number of products and a seed come in, a `Catalogue` goes out; nothing else has a say, so two
processes with the same arguments serve the same shops. Pages, pictures and the scorecard are all
derived from it.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from demo import titles
from demo.leaves import Leaf, Shelf, choose_leaves, shelf_a, shelf_b, zipf_weights
from demo.scenes import ImageFormat
from demo.sowing import COPIES, SOWINGS, Expected, Shop, Sown, sown_counts
from demo.titles import TitleParts

CLEARANCE = Shelf("clearance", ("清仓专区",))
MEMBERS = Shelf("members", ("会员权益",))
NOTICES = Shelf("1999,9998,0", ("本店公告", "本店公告商品"))
PROMOTION = Shelf("1999,9999,0", ("限时活动", "今日特惠"))


@dataclass(frozen=True)
class PictureSpec:
    """How a product's picture is made; copies carry the numbers of their source's picture."""

    scene_seed: int
    fmt: ImageFormat
    width: int
    height: int
    hue_shift: float = 0.0


@dataclass(frozen=True)
class DemoProduct:
    """One product of one shop and the truth about it.

    `title` is what a reader of the page sees; `leaf` is None where no category can be told;
    `source` is the record_id that a copy or a colour variant was made from.
    """

    shop: Shop
    product_id: str
    title: str
    leaf: Leaf | None
    shelves: tuple[Shelf, ...]
    picture: PictureSpec
    sown: Sown
    expected: Expected
    source: str | None = None

    @property
    def record_id(self) -> str:
        """The project's key of the product."""
        return f"{self.shop}:{self.product_id}"

    @property
    def category_paths(self) -> list[tuple[str, ...]]:
        """The category names, from the top, of every shelf the product stands on."""
        return [shelf.names for shelf in self.shelves]


@dataclass(frozen=True)
class Catalogue:
    """All products of both shops, ordered by shop and product id."""

    seed: int
    products: tuple[DemoProduct, ...]

    @cached_property
    def by_record_id(self) -> Mapping[str, DemoProduct]:
        """Products by record_id."""
        return {product.record_id: product for product in self.products}

    def of_shop(self, shop: Shop) -> list[DemoProduct]:
        """The products of one shop, in order of product id."""
        return [product for product in self.products if product.shop == shop]

    def source_of(self, product: DemoProduct) -> DemoProduct:
        """What a copy or variant was made from; the product itself for all others."""
        return product if product.source is None else self.by_record_id[product.source]


def build_catalogue(products: int, seed: int) -> Catalogue:
    """The catalogue of `products` products for a seed; pure and the same in every process.

    Raises ValueError for fewer than 60 products.
    """
    builder = _Builder(products, seed)
    counts = sown_counts(products)
    # Plain products come first: copies and variants are made from them.
    for sown, count in counts.items():
        for index in range(count):
            builder.add(sown, index)
    made = sorted(builder.made, key=lambda product: (product.shop, product.product_id))
    return Catalogue(seed, tuple(made))


class _Builder:
    """Draws products one by one from streams seeded apart, so that no kind disturbs another."""

    def __init__(self, products: int, seed: int) -> None:
        self.made: list[DemoProduct] = []
        self._titles = random.Random(f"{seed}:titles")
        self._places = random.Random(f"{seed}:places")
        self._pictures = random.Random(f"{seed}:pictures")
        self._sources = random.Random(f"{seed}:sources")
        numbers = random.Random(f"{seed}:numbers")
        self._numbers = iter(numbers.sample(range(100_000, 1_000_000), products))
        self._scenes = iter(numbers.sample(range(2**31), products))
        # 13 leaves to 100 products: 260 of the 599 sub-classes at 2,000.
        self._leaves = choose_leaves(max(14, products * 13 // 100), random.Random(f"{seed}:leaves"))
        self._ranked = list(self._leaves)
        self._places.shuffle(self._ranked)
        self._weights = zipf_weights(len(self._ranked))
        self._parts: dict[str, TitleParts] = {}
        self._plain: list[DemoProduct] = []
        self._variant_sources: list[DemoProduct] = []

    def add(self, sown: Sown, index: int) -> None:
        """Make the `index`-th product of a kind."""
        if sown in COPIES or sown is Sown.COLOUR_VARIANT:
            self._add_derived(sown)
        else:
            self._add_original(sown, index)

    def _add_original(self, sown: Sown, index: int) -> None:
        leaf = self._leaf(sown, index)
        shop = self._shop(sown, index, leaf)
        if shop == "shop-b":
            leaf = leaf.at_sub_class()
        parts = titles.draw_parts(leaf, self._titles, coloured=self._titles.random() < 0.15)
        title = parts.text()
        if sown is Sown.FOREIGN_TITLE:
            title = titles.foreign(index, self._titles)
        elif sown is Sown.SPAM_TITLE:
            title = titles.spam(index, leaf, self._titles)
        elif sown is Sown.RESIDUE_TITLE:
            title = titles.template_residue(index, leaf, self._titles)
        fmt: ImageFormat = self._pictures.choices(("jpeg", "png", "webp"), (70, 15, 15))[0]
        if sown in (Sown.TRUNCATED, Sown.HTML_PICTURE, Sown.PLACEHOLDER):
            fmt = "jpeg"
        picture = PictureSpec(
            next(self._scenes), fmt, self._pictures.randrange(220, 401),
            self._pictures.randrange(220, 401),
        )  # fmt: skip
        product = DemoProduct(
            shop=shop,
            product_id=self._product_id(shop),
            title=title,
            leaf=None if sown in (Sown.UNMAPPABLE, Sown.TWO_LEAVES) else leaf,
            shelves=self._shelves(sown, shop, leaf),
            picture=picture,
            sown=sown,
            expected=SOWINGS[sown].expected if sown in SOWINGS else Expected.PUBLISHED,
        )
        self.made.append(product)
        if sown is Sown.PLAIN:
            self._plain.append(product)
            self._parts[product.record_id] = parts
            if parts.colour:
                self._variant_sources.append(product)

    def _add_derived(self, sown: Sown) -> None:
        """A copy or a colour variant of a plain product, on a shelf for the same leaf."""
        variant = sown is Sown.COLOUR_VARIANT
        coloured = self._variant_sources if variant else []
        source = self._sources.choice(coloured or self._plain)
        if source.leaf is None:
            raise AssertionError("plain products stand at a leaf")
        parts = self._parts[source.record_id]
        shop: Shop = self._sources.choice(("shop-a", "shop-b"))
        if source.leaf.subsub_class_id is not None:
            shop = "shop-a"
        spec = source.picture
        if variant:
            # Two variants of one source could come out in one colour, so it is used only once.
            self._variant_sources = [other for other in coloured if other is not source]
            spec = PictureSpec(
                spec.scene_seed, spec.fmt, spec.width, spec.height,
                hue_shift=self._sources.uniform(110.0, 250.0),
            )  # fmt: skip
        reword = titles.recoloured if variant else titles.reworded
        self.made.append(
            DemoProduct(
                shop=shop,
                product_id=self._product_id(shop),
                title=reword(parts, self._titles).text(),
                leaf=source.leaf,
                shelves=(shelf_a(source.leaf) if shop == "shop-a" else shelf_b(source.leaf),),
                picture=spec,
                sown=sown,
                expected=SOWINGS[sown].expected,
                source=source.record_id,
            )
        )

    def _leaf(self, sown: Sown, index: int) -> Leaf:
        if sown is Sown.PLAIN and index < len(self._leaves):
            return self._leaves[index]
        if sown is Sown.CRAWL_DELAY:
            return self._leaves[0]
        return self._places.choices(self._ranked, self._weights)[0]

    def _shop(self, sown: Sown, index: int, leaf: Leaf) -> Shop:
        """A kind's own shop; else in turn, but third-level leaves are sold by shop A alone."""
        own = SOWINGS[sown].shop if sown in SOWINGS else None
        if own is not None:
            return own
        if sown is Sown.PLAIN:
            deep = leaf.subsub_class_id is not None
            return "shop-a" if deep or self._places.random() < 0.5 else "shop-b"
        return "shop-a" if index % 2 == 0 else "shop-b"

    def _shelves(self, sown: Sown, shop: Shop, leaf: Leaf) -> tuple[Shelf, ...]:
        if sown is Sown.UNMAPPABLE:
            return (MEMBERS if shop == "shop-a" else NOTICES,)
        own = shelf_a(leaf) if shop == "shop-a" else shelf_b(leaf)
        if sown is Sown.ENDLESS_TRAP:
            return (own, CLEARANCE)
        if sown is Sown.TWO_CATEGORIES:
            return (own, PROMOTION)
        if sown is Sown.TWO_LEAVES:
            others = [other for other in self._leaves if other.sub_class_id != leaf.sub_class_id]
            return (own, shelf_b(self._places.choice(others)))
        return (own,)

    def _product_id(self, shop: Shop) -> str:
        number = next(self._numbers)
        return f"A{number}" if shop == "shop-a" else f"100{number * 1009:010d}"
