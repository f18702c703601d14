"""Normalise a product title without changing what it says about the product.

In comes the title as extracted; out goes the readable title and the promotional segments that
were taken out of it. The raw title is never edited: callers store it beside the result.
"""

import html
import re
import unicodedata
from dataclasses import dataclass

MAX_RAW_CHARS = 10_000
"""A longer raw title is cut before it is looked at: the time spent on one title stays bounded."""

_MAX_PASSES = 8
"""Unescaping may uncover a tag and a tag may uncover an entity; real titles need two passes."""


@dataclass(frozen=True)
class NormalisedTitle:
    """A title ready for rules, and the promotional segments removed from it, in order."""

    title: str
    removed: tuple[str, ...]


def normalise_title(raw: str) -> NormalisedTitle:
    """Return the cleaned title of ``raw`` and the promotional segments taken out.

    Entities and HTML tags go, full-width forms become ASCII, invisible characters are dropped,
    white space is collapsed. Normalising a normalised title changes nothing.
    """
    title = _plain_text(raw[:MAX_RAW_CHARS])
    removed: list[str] = []
    for _ in range(_MAX_PASSES):
        stripped = _SEGMENT.sub(lambda match: _take_promotion(match, removed), title)
        if stripped == title:
            break
        title = _plain_text(stripped)
    return NormalisedTitle(title, tuple(removed))


# ------------------------------------------------------------------------------ plain text

# Entities need their semicolon: html.unescape alone reads "R&notebook" as "R¬ebook". &nbsp is
# the one that templates really leave behind without it.
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});|&nbsp\b")

# Only names of HTML elements count as tags, so that "<Apple>" or "3<x" survive.
_BLOCK = "br|hr|p|div|li|ul|ol|td|th|tr|table|h[1-6]|section|dd|dt|dl|option"
_INLINE = (
    "span|b|i|em|strong|font|a|img|u|s|sub|sup|small|big|label|mark|del|ins|code|tt|center|wbr"
    "|input|button|html|body|head|title|meta|link|svg|path|iframe|script|style|strike|bdi|bdo"
)
_HIDDEN_TEXT = re.compile(r"<(script|style)\b[^<>]*>.*?</\1\s*>|<!--.*?-->", re.IGNORECASE | re.S)
_BLOCK_TAG = re.compile(rf"</?(?:{_BLOCK})(?:\s[^<>]*)?/?>", re.IGNORECASE)
_INLINE_TAG = re.compile(rf"</?(?:{_INLINE})(?:\s[^<>]*)?/?>", re.IGNORECASE)

# Controls, zero-width and direction marks, private use and lone surrogates (which no UTF-8 file
# can hold). The joiners U+200C/D stay inside scripts that spell with them.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e"
    "\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb"
    "\ufffe\uffff\ud800-\udfff\ue000-\uf8ff\U000e0000-\U000e0fff\U000f0000-\U0010ffff]"
    "|(?<![\u0600-\u06ff\u0900-\u0dff])[\u200c\u200d]"
)
_SPACES = re.compile(r"\s+")

# Sentence punctuation belongs to Chinese typography and keeps its full width.
_KEPT_FULL_WIDTH = frozenset("，！？：；")


def _compatibility_table() -> dict[int, str]:
    """The safe part of NFKC: forms of width and font, never symbols that mean something.

    Full-width ASCII and signs, half-width katakana and hangul, Kangxi radicals and Latin
    ligatures. Left alone on purpose: superscripts, circled numbers, fractions, units, trademarks.
    """
    ranges = ((0xFF01, 0xFFEE), (0x2F00, 0x2FD5), (0xFB00, 0xFB06))
    return {
        code: unicodedata.normalize("NFKC", chr(code))
        for first, last in ranges
        for code in range(first, last + 1)
        if chr(code) not in _KEPT_FULL_WIDTH
    }


_COMPATIBILITY = _compatibility_table()


def _plain_text(text: str) -> str:
    for _ in range(_MAX_PASSES):
        before = text
        if "&" in text:
            text = _ENTITY.sub(lambda match: html.unescape(match.group()), text)
        text = _INVISIBLE.sub("", text).translate(_COMPATIBILITY)
        if "<" in text:
            text = _HIDDEN_TEXT.sub(" ", text)
            text = _INLINE_TAG.sub("", _BLOCK_TAG.sub(" ", text))
        text = _SPACES.sub(" ", unicodedata.normalize("NFC", text)).strip()
        if text == before or not ("&" in text or "<" in text):
            break
    return text


# ------------------------------------------------------------------------------ promotions

_SEGMENT = re.compile(r"[【〖\[(]([^【〖\[(】〗\])]{1,40})[】〗\])]")

_N = r"(?:\d+(?:\.\d+)?|[一二两三四五六七八九十百半])"
_UNIT = r"(?:件|罐|盒|瓶|袋|桶|包|箱|份|套|个|支|条|双|组|提|听|斤|组)"

# What makes a segment a promotion. Each expression brings its own numbers, so that what is left
# after removing them can be asked for a pack size or a brand.
_PROMOTION = re.compile(
    "|".join(
        (
            rf"满{_N}{_UNIT}?元?(?:包邮|(?:立|再)?[减送打赠]{_N}?(?:折|元|{_UNIT})?)",
            rf"[买拍购][就即]?{_N}?{_UNIT}?\s?[送发赠得享减免]{_N}?{_UNIT}?(?:同品|同款|好礼|礼品|赠品|正装)?",
            rf"第{_N}{_UNIT}(?:半价|{_N}折|{_N}元|免费)",
            rf"{_N}{_UNIT}?起?(?:立减|包邮|优惠|减{_N}元?|{_N}折)",
            rf"(?:立减|直降|下单减|收藏减|领券减|券后减?|加购减|再减|狂降|省){_N}元?",
            rf"(?:领券|券后|到手价?|低至|仅售?|只要|秒杀价?|特价|活动价|抢购价){_N}元?(?:起|/{_UNIT})?",
            rf"{_N}(?:\.\d)?折(?:起|优惠|封顶)?",
            r"(?:全国|全场|满额|顺丰|新疆)?(?:包邮|免邮|包税|免税|免运费|包运费)",
            r"(?:收藏|关注|加购)(?:店铺|宝贝|本店)?(?:有礼|优惠|立减|送礼|领券)?",
            r"(?:限时|限量|今日|本周|爆款|年终|新品|店铺|官方)?"
            r"(?:特价|特惠|抢购|秒杀|促销|清仓|大促|特卖|钜惠|巨惠|折扣|直降|立减|满减|优惠|让利|狂欢)(?:价|中|啦)?",
            r"限时(?:价|购|抢|送|折扣)?|限量(?:抢|购|款)?|甩卖|亏本|处理价|厂家直销|厂家直供|工厂直销|批发价",
            r"热卖|热销|爆款|爆卖|畅销|好评如潮|人气|推荐|必买|店长推荐|掌柜推荐|主推|镇店之宝|网红同款",
            r"(?:新客|新人|会员|粉丝|新妈)(?:有礼|专享|优惠|咨询享优惠|福利)?|有礼|专享价?|专享",
            r"直邮|直发|现货(?:速发|秒发)?|当天发货?|当日发货?|次日达|闪电发货|(?:可?正常|急速|极速|随机)发货"
            r"|(?:\d+小时(?:内)?)?(?:发)?顺丰(?:发货|直达|速运)?|\d+小时(?:内)?发货|保税仓?发货?|保税直发",
            r"官方(?:直营|自营|专卖|旗舰|授权|直采|品质|正品|直供)*店?|旗舰店?|专卖店|专营店|自营店?|直营店?|品牌直营"
            r"|品牌(?:授权|直供|特卖)店?|正品(?:授权|保障|保证|行货|包邮)?|品质保[障证]|假一[赔罚][一二三四五六七八九十\d]+"
            r"|七天无理由|7天无理由|退换无忧|售后无忧|全国联保|质量保证|放心购",
            r"赠(?:品|运费险)|送(?:运费险|礼品?|好礼|赠品|试用装|同款|小样|礼盒)|多买(?:多送|优惠|整箱优惠)|拍下(?:立减|改价|有礼)",
            r"预售|下单(?:立减|有礼|送)?|咨询(?:客服|有礼|优惠)?|领券|优惠券|礼券|双(?:11|12|十一|十二)|618|年货节|狂欢节",
            r"free\s+(?:shipping|delivery|gift)|(?:hot|big|flash|summer|winter|final)\s+(?:sale|deal)s?",
            r"on\s+sale|\d+%\s*off|(?:up\s+to\s+)\d+%|limited[\s-]+(?:time|offer)(?:\s+offer)?"
            r"|best\s*sellers?|new\s+arrivals?|buy\s+\d+\s+get\s+\d+(?:\s+free)?|special\s+offer|clearance",
        )
    ),
    re.IGNORECASE,
)

# What may stand beside a promotion without naming the product: places goods are sent from,
# carriers and platforms, times, prices.
_FILLER = re.compile(
    rf"\d+(?:\.\d+)?元|{_N}{_UNIT}起?|[¥$]\d+(?:\.\d+)?|/{_UNIT}"
    "|澳洲|澳大利亚|新西兰|香港|悉尼|荷兰|德国|英国|美国|法国|日本|韩国|海外|跨境|欧洲|国内|全球|空运"
    "|京东|天猫|淘宝|拼多多|顺丰|中通|圆通|韵达|保税仓?|仓|发货?|今日|本店|全店|全场|活动|每日|专区"
    "|jd|tmall|sf|[的了啦吧！!]",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w")


def is_promotional(segment: str) -> bool:
    """Whether a bracket's content only advertises: a promotion, and nothing but filler beside it.

    Anything else that is left (a brand, a pack size, a date, a flavour) keeps the segment: an
    offer that stays in a title is a smaller loss than a product name that goes.
    """
    rest, promotions = _PROMOTION.subn(" ", segment)
    return promotions > 0 and _WORD.search(_FILLER.sub(" ", rest)) is None


def _take_promotion(match: re.Match[str], removed: list[str]) -> str:
    if not is_promotional(match.group(1)):
        return match.group()
    removed.append(match.group())
    return " "
