"""Titles of the embedded shops' products: made of parts, so that copies can be reworded.

Seeded random streams come in, title strings go out. Unlike products share little more than the
noun of their category; a copy's title shares most of its parts with its source's; the sown bad
titles (foreign, spam, template residue) are made here too.
"""

import random
from dataclasses import dataclass, replace

from demo import words
from demo.leaves import Leaf

_MINIMUM_LENGTH = 14


@dataclass(frozen=True)
class TitleParts:
    """What a title is put together from; `colour` and `promotion` may be empty."""

    brand: str
    noun: str
    points: tuple[str, ...]
    size: str
    model: str
    colour: str = ""
    promotion: str = ""

    def text(self) -> str:
        """The title as the shop shows it."""
        head = f"{self.promotion}{self.brand} {self.points[0]}{self.noun}"
        tail = " ".join((*self.points[1:], self.colour, self.model, self.size))
        return " ".join(f"{head} {tail}".split())


def draw_parts(leaf: Leaf, rng: random.Random, *, coloured: bool = False) -> TitleParts:
    """Parts of a new product's title; `coloured` always names a colour."""
    own = rng.sample(words.CLASS_POINTS[leaf.class_id], 2)
    general = rng.sample(words.SELLING_POINTS, rng.choice((1, 1, 2)))
    points = [*own, *general]
    rng.shuffle(points)
    size = rng.choice(words.CLASS_SIZES[leaf.class_id]).format(rng.choice(words.SIZE_NUMBERS))
    return TitleParts(
        brand=_brand(rng),
        noun=rng.choice(leaf.nouns),
        points=tuple(points),
        size=f"【{size}】" if rng.random() < 0.2 else f"（{size}）" if rng.random() < 0.2 else size,
        model=_model(rng),
        colour=rng.choice(words.COLOURS) if coloured or rng.random() < 0.25 else "",
        promotion=rng.choice(words.PROMOTIONS) if rng.random() < 0.15 else "",
    )


def reworded(parts: TitleParts, rng: random.Random) -> TitleParts:
    """The same goods as another seller words them: another promotion, points in another order."""
    others = [promotion for promotion in words.PROMOTIONS if promotion != parts.promotion]
    points = (*parts.points[1:], parts.points[0])
    return replace(parts, points=points, promotion=rng.choice(others))


def recoloured(parts: TitleParts, rng: random.Random) -> TitleParts:
    """The same goods in another colour."""
    others = [colour for colour in words.COLOURS if colour != parts.colour]
    return replace(parts, colour=rng.choice(others))


def foreign(index: int, rng: random.Random) -> str:
    """A title in one of six languages other than Chinese, in turn with `index`."""
    languages = sorted(words.FOREIGN)
    openings, goods, closings = words.FOREIGN[languages[index % len(languages)]]
    return f"{rng.choice(openings)} {rng.choice(goods)} {rng.choice(closings)} {_model(rng)}"


def spam(index: int, leaf: Leaf, rng: random.Random) -> str:
    """A spam title: contact details, a service listing and a stuffed keyword, in turn."""
    noun = rng.choice(leaf.nouns)
    match index % 3:
        case 0:
            contact = rng.choice(words.SPAM_CONTACTS)
            return f"{noun}批发 {contact.format(number=str(rng.randrange(10**8, 10**9)))}"
        case 1:
            return f"{rng.choice(words.SPAM_SERVICES)} {rng.randrange(1, 100)}元"
        case _:
            return " ".join([noun] * rng.randrange(7, 11))


def template_residue(index: int, leaf: Leaf, rng: random.Random) -> str:
    """A title with what a broken page template leaves behind."""
    filled = words.RESIDUES[index % len(words.RESIDUES)].format(noun=rng.choice(leaf.nouns))
    return filled if len(filled) >= _MINIMUM_LENGTH else f"{filled} {_model(rng)}"


def _brand(rng: random.Random) -> str:
    """An invented brand; two in five carry a Latin name in full-width or half-width brackets."""
    chinese = rng.choice(words.BRAND_FIRST) + rng.choice(words.BRAND_SECOND)
    latin = "".join(rng.sample(words.LATIN_SYLLABLES, 2)).capitalize()
    match rng.randrange(10):
        case 0 | 1 | 2:
            return f"{chinese}（{latin}）"
        case 3:
            return f"{chinese}({latin})"
        case 4:
            return f"【{chinese}】{latin}"
        case _:
            return chinese


def _model(rng: random.Random) -> str:
    letters = "ABCDEFGHJKLMNPRSTUVWXYZ"
    digits = rng.randrange(100, 10000)
    return f"{rng.choice(letters)}{rng.choice(letters)}{rng.choice(('-', ''))}{digits}"
