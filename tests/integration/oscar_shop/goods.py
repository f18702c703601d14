"""What the shop sells: categories three levels deep, products with a picture each, and variants.

Plain data without Django, so that the test which crawls the shop can compare with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

WITHHELD = "withheld-"  # robots.txt disallows product pages whose address begins so


@dataclass(frozen=True)
class Goods:
    """One product; `scene` seeds its picture. `public` is false for one that is not on sale yet."""

    title: str
    category: tuple[str, ...]
    scene: int
    size: tuple[int, int] = (320, 300)
    more_scenes: tuple[int, ...] = ()
    variants: tuple[str, ...] = ()
    slug: str | None = None
    public: bool = True


_POTS = ("Kitchen", "Cookware", "Pots")
_KNIVES = ("Kitchen", "Cutting", "Knives")
_BOARDS = ("Kitchen", "Cutting", "Boards")
_CUPS = ("Table", "Drinking", "Cups")
_BOWLS = ("Table", "Serving", "Bowls")
_LAMPS = ("Room", "Light", "Lamps")

GOODS = (
    Goods("Cast iron pot with a lid of its own, 4.5 litres", _POTS, 1),
    Goods("Milk pan", _POTS, 2, (300, 400)),
    Goods("Stock pot for twelve people & their guests", _POTS, 3),
    Goods("Café moka pot «Sera», six cups", _POTS, 4),
    Goods("Enamel casserole", _POTS, 5, (440, 330)),
    Goods("Bread knife 24 cm", _KNIVES, 6),
    Goods("Paring knife with cherry handle", _KNIVES, 7, (400, 280)),
    Goods('Chef\'s knife "Nine", 9" blade', _KNIVES, 8),
    Goods("Oyster knife", _KNIVES, 9),
    Goods("End-grain board of beech", _BOARDS, 10),
    Goods("Folding board <travel size>", _BOARDS, 11, (300, 300), more_scenes=(111, 112)),
    Goods("Slate board for cheese", _BOARDS, 12),
    Goods("青瓷茶杯 celadon cup", _CUPS, 13, (360, 360)),
    Goods("Espresso cup, set of four", _CUPS, 14),
    Goods("Double-walled glass 250 ml", _CUPS, 15, (280, 420)),
    Goods("Travel mug", _CUPS, 16, variants=("Travel mug, moss", "Travel mug, coal")),
    Goods("Salad bowl of olive wood", _BOWLS, 17),
    Goods("Rice bowl", _BOWLS, 18, (320, 260)),
    Goods("Soup plate with a broad rim", _BOWLS, 19),
    Goods("Nesting bowls, five sizes", _BOWLS, 20, (500, 380)),
    Goods("Desk lamp with a hinge", _LAMPS, 21, (300, 440)),
    Goods("Floor lamp", _LAMPS, 22, (260, 480)),
    Goods("Clamp lamp E27", _LAMPS, 23),
    Goods("Paper lantern", _LAMPS, 24),
    Goods("Lamp that robots may not visit", _LAMPS, 25, slug=f"{WITHHELD}lamp"),
    Goods("Lamp that is not on sale yet", _LAMPS, 26, public=False),
)


def draw(scene: int, width: int, height: int) -> Image.Image:
    """An asymmetric, textured picture: a low-frequency field, shapes and grain, as photos have."""
    draw_from = np.random.default_rng([scene, 77])
    coarse = draw_from.integers(40, 216, (6, 6, 3)).astype(np.uint8)
    image = Image.fromarray(coarse, "RGB").resize((width, height), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(image)
    for _ in range(7):
        left, top = draw_from.integers(0, width * 3 // 4), draw_from.integers(0, height * 3 // 4)
        right = left + draw_from.integers(width // 8, width // 2)
        bottom = top + draw_from.integers(height // 8, height // 2)
        colour = tuple(int(part) for part in draw_from.integers(30, 226, 3))
        shape = pen.ellipse if draw_from.random() < 0.5 else pen.rectangle
        shape((int(left), int(top), int(right), int(bottom)), fill=colour)
    grain = draw_from.normal(0, 5, (height, width, 1))
    return Image.fromarray(np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8), "RGB")
