"""Signs that a title does not name a product: what the predicates of the title rules look for.

In comes a normalised title; out goes the text that gives it away, or ``None`` when there is none.
"""

import re
from collections import Counter

_SERVICE = re.compile(
    # 不 or 价保 before 补差价 is a promise about a product, 偏远地区勿拍 a delivery note.
    r"(?<!不)(?<!价保)补(?:差价|邮费|运费|拍差)|差价(?:补拍|专拍|链接|补齐)|补差(?:专|链|补)"
    r"|(?:运费|邮费|快递费|定金|订金|尾款|赠品|样品|安装费|服务费)(?:补拍|专拍|专用|链接|差价|补差)"
    r"|测试(?:商品|宝贝|产品|链接|订单|专用|标题)|(?:商品|产品|链接|宝贝)测试"
    r"|(?:请勿|不要|勿|别)(?:拍下|下单|购买|付款)|拍下不(?:发货|退)|(?:链接|宝贝|商品)(?:已)?(?:失效|作废)"
    r"|(?<!地区)(?<!偏远)(?<!新疆)(?<!西藏)(?<!港澳台)(?:请|切)?勿拍(?!错|打)"
    r"|^(?:客服|客户|vip|老客|私人|个人|内部)?专拍(?:链接)?$|专拍链接|专用链接.{0,4}勿?拍"
    r"|(?:样品|打样|开版|制版|加急)费|联系(?:客服|店主|卖家)(?:后|确认后?)?(?:再|才能?)拍"
    r"|\b(?:test|dummy)\s+(?:product|item|listing)\b|\bdo\s+not\s+(?:buy|order|purchase)\b"
    r"|\b(?:shipping|postage)\s+(?:fee|difference|supplement)\s*(?:only|link)?$",
    re.IGNORECASE,
)

_ID = r"[A-Za-z0-9][A-Za-z0-9_-]{4,19}(?![A-Za-z0-9_-])"
_CONTACT = re.compile(
    r"(?<![\d.-])(?:\+?86[ -]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}(?![\d-])"  # mobile
    r"|(?<!\d)0\d{2,3}[ -]\d{7,8}(?!\d)|(?<!\d)[48]00[ -]\d{3}[ -]?\d{4}(?!\d)"  # landline, 400
    rf"|(?:加\s*)?(?:微信|薇信|徽信|威信|wechat|weixin)(?:号码?|id)?\s*[:：]?\s*{_ID}"
    r"|(?:微信|薇信|徽信|威信|v信|vx|wx|电话|手机)\s*同号"
    rf"|(?:加\s*)?(?<![A-Za-z0-9])(?:v信|vx|wx)\s*(?:号码?)?\s*[:：]\s*{_ID}"
    rf"|加\s*(?:我|客服|店主)?\s*(?:微信|薇信|威信|v信|vx|wx|扣扣|qq)"
    r"|(?<![A-Za-z])(?:qq|扣扣)\s*(?:群|号)?\s*[:：]?\s*[1-9]\d{4,10}(?!\d)"
    r"|(?:whatsapp|telegram|line\s?id)\s*[:：]?\s*(?:\+?\d[\d -]{5,}|@\w{4,})"
    r"|https?[:：]\s*//\S+|(?<![\w.])www\.[\w-]+\.\w{2,}"
    r"|(?<![\w@.])[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:com|cn|net|org|top|shop|vip|cc|xyz|ru)/\S*"
    r"|[\w.+-]+@[\w-]+\.[A-Za-z]{2,}",
    re.IGNORECASE | re.ASCII,
)

_CURRENCY = r"[¥￥$€£]|元|块钱?|人民币|(?<![a-z])(?:rmb|cny|usd|eur|gbp|yuan)(?![a-z])"
_PRICE_WORD = (
    r"特价|秒杀价?|原价|现价|售价|单价|一口价|促销价?|优惠价|活动价|到手价?|券后价?|批发价|价格|仅售?|只要"
    r"|包邮|起|only|price|sale|now|from"
)
_PRICE = re.compile(
    rf"(?:{_CURRENCY}|{_PRICE_WORD}|[\d\s.,，:：;；/~!！。、()*+-])+", re.IGNORECASE
)
_PRICE_MARK = re.compile(rf"(?:{_CURRENCY}|价|price)", re.IGNORECASE)

_RESIDUE = re.compile(
    r"\{\{.*?(?:\}\}|$)|\{%.*?(?:%\}|$)|<%.*?(?:%>|$)|[$#]\{[^}]*\}?|\[object \w+\]|<\?(?:php|=)"
    r"|</?[#@][a-z]\w*|\[/?#[a-z]\w*"  # FreeMarker directives
    r"|\{[a-z_]\w*(?:\.\w+)*\}|%\([a-z_]\w*\)[sd]|(?:\\u[0-9a-f]{4}){2,}|(?:%[0-9a-f]{2}){4,}"
    r"|&(?:#?\w{2,8});|</?[a-z][\w-]*\s+[\w-]+\s*=|\b(?:class|style|href|onclick)\s*=\s*[\"']?\w"
    r"|</?(?:span|div|font|strong|img|script|style|br)\b"
    r"|lorem\s+ipsum|请(?:输入|填写|在此输入)(?:商品|产品|宝贝)?(?:的)?(?:标题|名称|名字)"
    r"|(?:商品|产品|宝贝)(?:标题|名称)\s*(?:$|[:：]?\s*(?:未设置|待定|为空|xx+|\d{1,3}$))"
    r"|^(?:未命名|无标题|新建(?:商品|产品)|标题|名称|商品|产品|示例)(?:商品|产品|标题|示例)?\s*\d*$"
    r"|^(?:null|none|nan|undefined|untitled|no\s+title|n/?a|(?:product|item)[\s_-]*(?:name|title))$"
    r"|^(?:sample|default|new)\s+(?:product|item|title)\s*\d*$",
    re.IGNORECASE,
)
# "Null" and "undefined" are English words; beside Han characters they come from a program.
_LEAKED_VALUE = re.compile(r"(?<![A-Za-z])(?:undefined|null|NaN)(?![A-Za-z])")
_HAN = re.compile("[\u4e00-\u9fff]")


def service_listing(title: str) -> str | None:
    """Terms of listings that sell no product: price differences, postage, tests."""
    return _first(_SERVICE, title)


def contact_details(title: str) -> str | None:
    """Phone numbers, WeChat and QQ accounts, e-mail and web addresses."""
    return _first(_CONTACT, title)


def price_only(title: str) -> str | None:
    """The whole title, when it consists of amounts, currencies and words about prices."""
    if _PRICE_MARK.search(title) and _PRICE.fullmatch(title):
        return title
    return None


def template_residue(title: str) -> str | None:
    """Template syntax, unfilled placeholders and values leaked by a program."""
    found = _first(_RESIDUE, title)
    if found is None and _HAN.search(title):
        found = _first(_LEAKED_VALUE, title)
    return found


def repetition(title: str) -> float:
    """Share of the title's character 3-grams that occurred before in it, 0 to 1.

    White space is ignored, so that a stuffed token counts alike with and without it; runs of one
    character count too. Titles under six characters are not judged.
    """
    text = "".join(title.split()).casefold()
    if len(text) < 6:
        return 0.0
    grams = [text[i : i + 3] for i in range(len(text) - 2)]
    most_frequent = Counter(text).most_common(1)[0][1]
    return max(1 - len(set(grams)) / len(grams), most_frequent / len(text) - 0.1)


def _first(pattern: re.Pattern[str], title: str) -> str | None:
    match = pattern.search(title)
    return match.group() if match else None
