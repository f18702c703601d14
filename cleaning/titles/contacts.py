"""Find phone numbers, accounts and addresses that sellers put into titles.

In comes a normalised title, folded to simplified characters (`han_forms`); out goes the text that
gives it away, or ``None``. The forms are those
that shops' own filters provoke: spaced and Chinese digits, 薇信 and 威❤ for 微信, "shop8 点 com".
"""

import re

_NAME_OF_ARTICLE_CHARS = 16
# A number after one of these names an article, not a person.
_ARTICLE = re.compile(
    r"(?:货号|款号|型号|编号|编码|条码|条形码|批号|订单|零件号|配件号|原厂号"
    r"|书号|证号|文号|序列号|适用|适配|兼容"
    r"|isbn|issn|ean|upc|sku|oem?|asin|mpn|p/?n|s/?n|no\.?|model|part|item|ref\.?"
    r"|art\.?)\s*[:：#]?\s*$",
    re.IGNORECASE,
)

_END = r"(?![\dA-Za-z]|[.-]\d)"
_START = r"(?<![\dA-Za-z._#/-])"
_MOBILE = rf"1[3-9]\d(?P<gap>[ .·_-]?)\d{{4}}(?:(?P=gap))\d{{4}}{_END}"
_NUMBERS = re.compile(
    rf"{_START}(?:(?:\+|00)?86[ -]?)?{_MOBILE}"
    rf"|{_START}1[3-9]\d[ -]?\d{{4}}[ -]?\d{{4}}{_END}"
    rf"|{_START}1(?P<sep>[ .·_*-])[3-9](?:(?P=sep)\d){{9}}{_END}"  # one by one
    rf"|(?<![\w+])\+\d{{1,3}}[ -]?(?:\(\d{{1,4}}\)[ -]?)?\d(?:[ -]?\d){{6,11}}{_END}"
    rf"|{_START}0\d{{2,3}}-\d{{7,8}}{_END}|{_START}[48]00-(?:\d{{3}}-?\d{{4}}"
    rf"|\d{{4}}-\d{{3}}){_END}"
    r"|[一幺壹][三四五六七八九叁肆伍陆柒捌玖][一二三四五六七八九零〇幺壹贰叁肆伍陆柒捌玖]{9}(?!["
    r"一二三四五六七八九零])"
    r"|[①⑴❶][③-⑨⑶-⑼❸-❾][⓪①-⑨⑴-⑼❶-❾]{9}",
    re.ASCII,
)

_NAMED_PHONE = (
    r"(?:电话|电話|電話|热线|熱線|座机|手机号码?|(?<![a-z])(?:tel|phone|mob|call|whats\s?app"
    r"|viber))\s*(?:号码?)?"
    rf"\s*[:：.]\s*\+?\(?\d(?:[ ()-]{{0,2}}\d){{5,14}}{_END}"
    rf"|(?:电话|热线|客服|(?<![a-z])(?:tel|call)\b)\s*[48]00[ -]?\d{{3}}[ -]?\d{{4}}{_END}"
)

# Account names: five characters or more, so that 400电话 and QQ糖 pass.
_ID = r"(?!wechat|weixin)[a-z0-9][a-z0-9_-]{4,19}(?![a-z0-9_-])"
_HEART = r"[❤♥♡💗💕💖♠]"
_WECHAT = (
    rf"(?:微信|薇信|徽信|威信|[微薇威]x|[微薇威v]\s?{_HEART}"
    r"|(?<![a-z0-9])(?:v信|vx|wx|we\s?chat|wei\s?xin))"
)
_ACCOUNTS = re.compile(
    # a WeChat name: named as an account, or one that only a number could be
    rf"{_WECHAT}\s*(?:(?:号码?|id|账号|帐号)\s*[:：=]?|[:：=])\s*{_ID}"
    rf"|{_WECHAT}\s?(?:[a-z][a-z_-]{{0,10}})?\d{{5,11}}(?![a-z0-9])|{_WECHAT}\s?wxid"
    rf"|(?:{_WECHAT}|qq|电话|手机)\s*同[号步]|[微薇威v]\s?{_HEART}\s*[:：]?\s*{_ID}"
    rf"|(?:(?<![添增一加])[加家+➕]|(?<![a-z])jia\s?)\s*(?:我|客服|店主|老板|个|下)?的?\s*"
    rf"(?:{_WECHAT}(?!好友|群|小程序|支付|公众|营销|机器)|扣扣|(?<![a-z])qq(?!音乐|飞车|糖|秀|农"
    rf"|炫|游戏)(?![a-z])"
    rf"|[微薇威](?=[:：\s]|$|[a-z0-9])|v\s*(?:[:：]|{_HEART}|信|号)|v\s?(?=[a-z_-]{{0,8}}\d{{5}}))"
    rf"|(?<![a-z0-9])[v微薇]\s*[:：]\s*(?=[a-z_-]*\d)(?!\d+[a-z]){_ID}"
    # QQ
    r"|(?<![a-z])(?:qq|扣扣|q\s?q|q(?=[群号]))\s*(?:群|号码?)?\s*[:：]?\s*[1-9]\d{4,10}(?![\da-z]"
    r"|\s?[个只张片件条毫米元%.])"
    r"|(?:企鹅|抠抠)\s*(?:群|号)\s*[:：]?\s*[1-9]\d{4,10}(?!\d)"
    # elsewhere
    r"|(?:抖音|快手|小红书|公众|闲鱼|微博)号\s*[:：]\s*\S{2,}|(?<![a-z])(?:telegram"
    r"|line\s?id|instagram|ins|kakao(?:talk)?)"
    r"\s*[:：]\s*@?\w{4,}|(?<![a-z])(?:telegram|whats\s?app|instagram"
    r"|line(?:\s?id)?)\s*[:：]?\s*@\w{4,}|카톡\s*[:：]?\s*[a-z]\w{3,}",
    re.IGNORECASE | re.ASCII,
)
_NAMED_NUMBERS = re.compile(_NAMED_PHONE, re.IGNORECASE | re.ASCII)

_LABEL = r"[a-z0-9][a-z0-9-]{0,62}"
_ADDRESSES = re.compile(
    r"https?[:：]\s?/\s?/\s?\S+"
    rf"|(?<![\w.])www\s?[.。]\s?{_LABEL}(?:\.{_LABEL}){{0,5}}[.。][a-z]{{2,}}"
    rf"|(?<![\w@.]){_LABEL}(?:\.{_LABEL}){{0,5}}\.(?:com|cn|net|org|top|shop|vip|cc|xyz|ru|me|ly"
    rf"|co|io|app|store|site)/[\w?#-]\S*"
    rf"|(?<![\w@.]){_LABEL}\.(?:com\.[a-z]{{2}}|cn|xyz)(?![\w.-])"
    rf"|(?<![\w@.])(?=[a-z-]{{0,62}}\d|[a-z0-9]{{1,62}}-)(?=[\d-]{{0,62}}[a-z]){_LABEL}\.(?:com"
    rf"|net|top|shop|vip|cc)(?![\w-])"
    rf"|(?:官网|网址|网站|登录|登陆|访问|浏览器|(?<![a-z])(?:visit|website"
    rf"|site))\s*[:：]?\s*(?:{_LABEL}\.){{1,6}}[a-z]{{2,4}}(?![\w-])"
    rf"|(?<![\w@.]){_LABEL}\s?(?:点|\[\.\]|\(dot\)|\sdot\s)\s?(?:com|cn|net)(?![a-z])"
    r"|(?<![\w.+-])[\w.+-]{1,64}\s?@\s?[\w-]{1,63}\.[a-z]{2,}",
    re.IGNORECASE | re.ASCII,
)

# What any of the above cannot do without, in one search each. They begin with a single class of
# characters, for which the regular expression engine skips ahead quickly.
_DIGIT = "0-9①-⑨⓪⑴-⑼❶-❾一二三四五六七八九零〇幺壹贰叁肆伍陆柒捌玖"
_FIVE_DIGITS = re.compile(rf"[{_DIGIT}](?:[ .·_*()-]{{0,2}}[{_DIGIT}]){{4}}")
_ACCOUNT_SIGN = re.compile(
    "[微薇徽威扣抠鹅❤♥♡💗💕💖♠➕톡号vVwWqQ+加家同:：@]"
    r"(?:(?<=[微薇徽威扣抠鹅❤♥♡💗💕💖♠➕톡:：@])|(?<=[vV])\s?[:：信号xX❤♥♡💗💕💖♠]"
    r"|(?<=[wWqQ])\s?[xXqQeE群号]"
    r"|(?<=[+加家])\s?[vV我客店老个下的]|(?<=同)[号步])"
)
_ADDRESS_SIGN = re.compile(
    r"[@/.。点dD:：](?:(?<=@)|(?<=[/:：])\s?/|(?<=[.。点])\s?[A-Za-z]|(?<=[dD])[oO][tT]|(?<=\.)\])"
)


def contact_details(title: str) -> str | None:
    """Phone numbers, WeChat and QQ accounts, e-mail and web addresses."""
    if _FIVE_DIGITS.search(title) is not None and (found := _number(title)) is not None:
        return found
    if _ACCOUNT_SIGN.search(title) is not None and (found := _account(title)) is not None:
        return found
    return _address(title) if _ADDRESS_SIGN.search(title) is not None else None


def every_contact(title: str) -> str | None:
    """`contact_details` without asking for signs first."""
    return _number(title) or _account(title) or _address(title)


def _number(title: str) -> str | None:
    for found in _NUMBERS.finditer(title):
        before = title[max(0, found.start() - _NAME_OF_ARTICLE_CHARS) : found.start()]
        if _ARTICLE.search(before) is None:
            return found.group()
    named = _NAMED_NUMBERS.search(title)
    return named.group() if named else None


def _account(title: str) -> str | None:
    found = _ACCOUNTS.search(title)
    return found.group() if found else None


def _address(title: str) -> str | None:
    found = _ADDRESSES.search(title)
    return found.group() if found else None
