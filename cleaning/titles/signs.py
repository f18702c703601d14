"""Signs that a title does not name a product: what the predicates of the title rules look for.

In comes a normalised title, folded to simplified characters (`han_forms`); out goes the text that
gives it away, or ``None`` when there is none.
Each search first asks for a character that none of its expressions can do without, which spares
nearly every title the expressions; ``every_…`` does without, and tests hold the two together.
"""

import re
from collections import Counter

from runtime.han_forms import folded_pattern

# ------------------------------------------------------------------------------ listings

# 勿拍 and its like behind one of these, or at a start, speak of the listing. Behind anything else
# they are a note: 偏远地区勿拍, 介意勿拍, 新疆请勿下单.
_LISTING = (
    r"(?:^|(?<=[\s,，.。!！:：;；、()\[\]【】~-])|(?<=商品)|(?<=宝贝)|(?<=产品)|(?<=链接)|(?<=赠品)"
    r"|(?<=样品)|(?<=测试)|(?<=专用)|(?<=单独)|(?<=专拍)|(?<=差价)|(?<=运费)|(?<=邮费))"
)
_SERVICE = folded_pattern(
    r"(?:差价|运费|邮费|快递费|定金|订金|尾款|赠品|样品|安装费|服务费)(?:补拍|专拍|专用(?=$"
    r"|链接)|链接(?![线器头口])|差价|补差|补款)"
    r"|补(?:差价|邮费|运费|拍差|款)(?:专|链|连|勿|请|用|的|拍下|,|，)|差价(?:补拍|专拍|链接|补齐"
    r"|专用)|补差(?:专|链|补)"
    rf"|{_LISTING}测试(?:商品|宝贝|产品|链接|订单|标题|专用)(?=$"
    rf"|[\s\d,，请勿不别,!！。()（】\]-])|测试(?:专用)?链接"
    rf"|{_LISTING}(?:商品|产品|链接|宝贝)测试(?=$|[\s\d,，请勿不别])"
    rf"|{_LISTING}(?:请|切)?勿(?:拍(?!错|打|照|摄)|下[单标]|购买|付款|点击购买)"
    rf"|{_LISTING}(?:请?不要|请?别)(?:拍(?!错|打|照|摄|了|我|他|她)|下单|购买|付款)"
    r"|拍下不(?:发货|退)|[单直]拍不发|不发货.{0,6}勿拍|(?:链接|宝贝|商品)(?:已)?(?:失效|作废)"
    r"|此(?:链接|宝贝|商品)(?:不(?:卖|售|发货)|仅供)"
    r"|^(?:客服|客户|vip|老客户?|私人|个人|内部|直播间?|会员|代理|改价){0,3}专拍(?:链接)?\d*$|专拍链接"
    r"|^.{0,6}专[用属]链接(?![线器头口件])|专用链接.{0,4}勿?拍"
    r"|^.{0,8}专[用属](?:卖场|下单区)(?=$|\s)|^(?:私人|客制化)订单|^(?:客户|改价)专用$"
    r"|(?:打样|开版|制版|加急|改价|手续|设计)费(?=$|[\s专链用补拍])|样品费|联系(?:客服|店主|卖家)(?:后"
    r"|确认后?)?(?:再|才能?)拍"
    r"|(?:^|[-–:,(\[]\s*)(?:test|dummy)\s+(?:product|item|listing)\s*(?=$|[\d!#()\[\].,:;_-]|do\b"
    r"|please\b)"
    r"|(?:^|[-–:;,!(*\[]\s*)(?:please\s+)?do\s+not\s+(?:buy|order|purchase)(?=\s*$|\s*[!.)\]*]"
    r"|\s+th(?:is|e)\s+(?:item|listing|product))"
    r"|\b(?:shipping|postage|price)\s+(?:fee|cost|difference|supplement|balance)\s*(?:only|link"
    r"|payment)?$"
    r"|^(?:extra|additional|balance|remaining|custom)\s+(?:payment|fee|shipping(?:\s+(?:fee"
    r"|cost))?)(?:\s+link)?\b"
    r"|テスト(?:商品|出品)|(?:購入|落札)しないで|테스트\s?상품|개인\s?결제|추가\s?(?:배송비|결제)"
    r"|тестовый\s+товар|^доплата\b"
    r"|\btest(?:artikel|produkt)\b|\bnicht\s+kaufen\b|\bproduit\s+(?:de\s+)?test\b"
    r"|\bproducto\s+de\s+prueba\b|^(?:versandkosten|aufpreis|zahlungslink)\b"
    r"|^(?:reserved|custom\s+(?:order|listing))\s+for\s+\w+$",
    re.IGNORECASE,
)
# Words that sell nothing. Long titles hold one in passing (价保补差价, 运费险, 送赠品); a title of
# such words and hardly any other is a listing for a payment.
_PAYMENT = re.compile(
    "补(?:差价|邮费|运费|差|拍|款)|差价|运费|邮费|快递费|邮资|定金|订金|尾款|赠品|样品|安装费"
    "|服务费|链接|专拍|专用|补|拍"
    "|客服|联系|请|勿|不要|单独|购买|下单|付款|备注|金额|数量|多少|元|块|件|个|的|前|后|本店"
    "|老客户?|客户|顾客|亲|用|费用|费|专"
)
_PAYMENT_SIGN = re.compile(
    "补(?:差|邮|运|拍|款)|差价|^[^险]{0,4}(?<![免包送])(?:运费|邮费|快递费|定金|订金|尾款|赠品)(?!险)"
)
MAX_OTHER_CHARACTERS = 4
"""Letters and digits that a listing for a payment may hold beside the words for it."""

# Each begins with a class, for which the regular expression engine skips ahead quickly: the first
# and the second character of the words above, and of those that stand with 专用 and 链接.
_SERVICE_SIGN = folded_pattern(
    "[补差测勿别要拍失作此专样版急价续品运邮递定订尾赠再后能才件款费金购落户计]"
    "(?:[差邮运拍款价试下购付点不效废链连宝商费金品入札单]"
    "|(?<=专)[用属][链连卖下]"
    "|(?<=[费金款品件户价])[专补])"
)
_SERVICE_WORD = re.compile(
    "[tTdDsSpPfFkKтТдДテ테결배し](?:[eE][sS][tT]|[uU][mM][mM]|[oO] [nN]|[hH][iI][pP]|[oO][sS][tT]"
    "|[rR][iI][cC]|[rR][eE][iI]|[lL][iI][nN]|[eE][rR][vV]|[tT][oO][mM]|[aA][yY][mM]|[eE][eE]|[aA][uU][fF]|[rR][uU][eE]|[еЕ][сС]|[оО][пП]|ス|스|제|송"
    "|な)"
)


def service_listing(title: str) -> str | None:
    """Terms of listings that sell no product: price differences, postage, tests."""
    if _SERVICE_SIGN.search(title) is None and _SERVICE_WORD.search(title) is None:
        return None
    return every_service_listing(title)


def every_service_listing(title: str) -> str | None:
    """`service_listing` without asking for signs first."""
    found = _first(_SERVICE, title)
    if found is None and _PAYMENT_SIGN.search(title):
        rest = _PAYMENT.sub("", title)
        if sum(character.isalpha() for character in rest) <= MAX_OTHER_CHARACTERS:
            return title
    return found


# ------------------------------------------------------------------------------ prices

_CURRENCY = r"[¥￥$€£]|元|块钱?|人民币|(?<![a-z])(?:rmb|cny|usd|eur|gbp|yuan)(?![a-z])"
_PRICE_WORD = (
    r"特价|秒杀价?|原价|现价|售价|单价|一口价|促销价?|优惠价|活动价|到手价?|券后价?|批发价|价格"
    r"|仅售?|只要"
    r"|包邮|起|only|price|sale|now|from"
)
_PRICE = re.compile(
    rf"(?:{_CURRENCY}|{_PRICE_WORD}|[\d\s.,，:：;；/~!！。、()*+-])+", re.IGNORECASE
)
_PRICE_MARK = re.compile(rf"(?:{_CURRENCY}|价|price)", re.IGNORECASE)


def price_only(title: str) -> str | None:
    """The whole title, when it consists of amounts, currencies and words about prices."""
    # Hardly a title gets past its first characters.
    if _PRICE.fullmatch(title) is not None and _PRICE_MARK.search(title) is not None:
        return title
    return None


# ------------------------------------------------------------------------------ templates

_RESIDUE = re.compile(
    r"\{\{.*?(?:\}\}|$)|\{%.*?(?:%\}|$)|<%.*?(?:%>|$)|[$#]\{[^}]*\}?|\[object \w+\]|<\?(?:php|=)"
    r"|</?[#@][a-z]\w*|\[/?#[a-z]\w*"  # FreeMarker directives
    r"|\{[a-z_]\w*(?:\.\w+)*\}|%\([a-z_]\w*\)[sd]|(?:\\u[0-9a-f]{4}){2,}|(?:%[0-9a-f]{2}){4,}|%[A-Z]+_[A-Z_]+%"
    r"|&(?:#?\w{2,8});|</?[a-z][\w-]*\s+[\w-]+\s*=|\b(?:class|style|href|onclick)\s*=\s*[\"']?\w"
    r"|</?(?:span|div|font|strong|img|script|style|br)\b|\[%.*?(?:%\]|$)|@\{[^}]*\}",
    re.IGNORECASE,
)
_UNFILLED = re.compile(
    r"lorem\s+ipsum|请(?:输入|填写|在此输入)(?:商品|产品|宝贝)?(?:的)?(?:标题|名称|名字)"
    r"|(?:商品|产品|宝贝)(?:标题|名称)\s*(?:$|[:：]?\s*(?:未设置|待定|为空|xx+|\d{1,3}$))",
    re.IGNORECASE,
)
_UNFILLED_WHOLE = re.compile(
    r"(?:未命名|无标题|新建(?:商品|产品)|标题|名称|商品|产品|示例)(?:商品|产品|标题|示例)?\s*\d*"
    r"|untitled|no\s+title|n/a|(?:product|item)[\s_-]*(?:name|title)"
    r"|(?:sample|default|new)\s+(?:product|item|title)\s*\d*",
    re.IGNORECASE,
)
# As programs spell them: "Null" is a book. Beside Han characters the words come from a program.
_LEAKED = re.compile(r"(?:null|NULL|none|None|undefined|nan|NaN|nil|\(null\)|false|true)")
_LEAKED_VALUE = re.compile(r"(?<![A-Za-z])(?:undefined|null|NaN)(?![A-Za-z])")
_HAN = re.compile("[\u4e00-\u9fff]")
_RESIDUE_SIGN = re.compile(r"[{<\\&=%\[](?:(?<=[{<\\&=])|(?<=%)[<(0-9a-zA-Z]|(?<=\[)[oO%/#])")
_UNFILLED_SIGN = re.compile("[请标名iI](?:(?<=请)[输填在]|(?<=标)题|(?<=名)称|[pP][sS][uU][mM])")


def template_residue(title: str) -> str | None:
    """Template syntax, unfilled placeholders and values leaked by a program."""
    if _RESIDUE_SIGN.search(title) is not None and (found := _first(_RESIDUE, title)):
        return found
    if _UNFILLED_SIGN.search(title) is not None and (found := _first(_UNFILLED, title)):
        return found
    return _placeholder(title)


def every_template_residue(title: str) -> str | None:
    """`template_residue` without asking for signs first."""
    return _first(_RESIDUE, title) or _first(_UNFILLED, title) or _placeholder(title)


def _placeholder(title: str) -> str | None:
    if _UNFILLED_WHOLE.fullmatch(title) is not None or _LEAKED.fullmatch(title) is not None:
        return title
    if not ("null" in title or "undefined" in title or "NaN" in title):
        return None
    found = _LEAKED_VALUE.search(title)
    return found.group() if found is not None and _HAN.search(title) is not None else None


# ------------------------------------------------------------------------------ repetition


def repetition(title: str) -> float:
    """How much of the title repeats itself, 0 to 1: by characters, 3-grams and words.

    The largest of: the share of character 3-grams that occurred before; the share of its most
    frequent character, less 0.1; the share of its text in words said before, when there are at
    least five words. White space is ignored by the first two, so that a stuffed token counts alike
    with and without it. Titles under six characters are not judged.
    """
    text = "".join(title.split()).casefold()
    return _repetition(text, title) if len(text) >= 6 else 0.0


def repetition_above(title: str, threshold: float) -> float | None:
    """`repetition` if it exceeds ``threshold``, found without counting in nearly every title."""
    text = "".join(title.split()).casefold()
    length = len(text)
    if length < 6:
        return None
    # Each character beyond the first two of its kind begins a new 3-gram, and neither a frequent
    # character nor a repeated word holds the first occurrence of the others: a title of many
    # different characters cannot repeat itself. Low bytes are a lower bound of their number.
    different = len(set(text.encode("utf-32-le", "surrogatepass")[::4]))
    if length - different + 2 <= threshold * (length - 2):
        return None
    share = _repetition(text, title)
    return share if share > threshold else None


def _repetition(text: str, title: str) -> float:
    grams = {text[i : i + 3] for i in range(len(text) - 2)}
    most_frequent = Counter(text).most_common(1)[0][1]
    by_gram = 1 - len(grams) / (len(text) - 2)
    by_character = most_frequent / len(text) - 0.1
    words = title.casefold().split()
    by_word = 1 - sum(map(len, set(words))) / len(text) if len(words) >= 5 else 0.0
    return max(by_gram, by_character, by_word)


def _first(pattern: re.Pattern[str], title: str) -> str | None:
    match = pattern.search(title)
    return match.group() if match else None
