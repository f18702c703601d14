"""Tell shop noise in a bracket (【包邮】) from what names the product (【450g/罐】).

In comes the content of one bracket; out goes whether it only advertises. The vocabulary is a list
of expressions by subject, in simplified characters and lower case; traditional ones are folded
before they are looked up.
"""

import re
from functools import lru_cache

from runtime.han_forms import folded_pattern, simplified

MAX_CHARS = 60
"""Longer contents are sentences, and sentences in brackets describe products."""

_N = r"(?:\d+(?:\.\d+)?|[一二两三四五六七八九十百半]+)"
_UNIT = r"[件罐盒瓶袋桶包箱份套个支条双组提听斤片张本册台部只枚颗粒对副根卷块把顶盆株辆杯碗板贴单]"
_PLACE = (
    r"(?:澳大利亚|新西兰|澳洲|香港|悉尼|荷兰|德国|英国|美国|法国|日本|韩国|意大利|加拿大|泰国"
    r"|欧洲|台湾|海外"
    r"|跨境|国内|国外|全球|本地|江浙沪皖?|广东|北京|上海|深圳|广州|杭州|义乌)"
)
_EVENT = (
    r"(?:特价|特惠|抢购|秒杀|促销|清仓|大促|特卖|钜惠|巨惠|折扣|直降|立减|满减|优惠|让利|狂欢"
    r"|特供价|返场"
    r"|疯抢|闪购|大放价|放价)"
)

# What shops of any kind add for nothing. Other gifts may be the product itself in another size:
# 送小罐奶粉 stays.
_GIFT = (
    r"(?:豪礼|好礼|大礼包?|礼品|礼物|钢化膜|手机壳|保护[套壳膜]|数据线|充电[器头宝线]|耳机|支架"
    r"|贴膜|鞋垫|袜子?|腰带|皮带"
    r"|丝巾|手链|项链|耳[环钉]|杯子|水杯|勺子|面膜|化妆棉|粉扑"
    r"|收纳[袋盒包]|手提袋|购物袋|帆布[袋包]|雨伞|毛巾|枕[头芯套]|抱枕|[Uu]盘|内存卡|存储卡"
    r"|鼠标垫|键盘|书签|贴纸|笔记本|小?玩具|气球|工具包?|螺丝刀?|电池"
    r"|教程|礼盒|礼袋|小样|试用装|清洁布|擦[镜鞋]布|围裙|手套|湿巾|干燥剂|衣架|发[夹圈绳]|梳子"
    r"|镜子|钥匙扣|挂件|滤[芯网])"
)

# Each expression brings its own numbers, so that what is left after removing them can be asked
# for a pack size or a brand.
_VOCABULARY = (
    # gifts and bundles
    rf"满{_N}{_UNIT}?元?(?:包邮|免邮|[就即立再]?[减送打赠返]{_N}?(?:折|元|{_UNIT})?(?:好礼|礼品)?)",
    rf"[买拍购][就即]?{_N}?{_UNIT}?\s?[送发赠得享减免]{_N}?{_UNIT}?(?:同品|同款|好礼|礼品|赠品"
    rf"|正装|\d+)?",
    rf"(?:买|加|再|另|额外|还|附|免费|下单|拍下|购机|前{_N}名)*[就即]?(?:赠送"
    rf"|[送赠]){_N}?{_UNIT}?{_GIFT}(?:[+和、与及,，\s]*{_GIFT})*"
    rf"(?:等?好?礼)?|^[送赠]{_N}{_UNIT}$|满[百千]元?[送减返立]减?[十百]元?",
    r"赠(?:品|运费险)|送(?:运费险|礼品?袋?|好礼|豪礼|大礼包?|赠品|试用装|同款|小样|礼盒|礼包|积分"
    r"|券|红包)",
    r"多买(?:多送|多减|优惠|整箱优惠)|拍下(?:立减|改价|有礼|即送)|有赠品?|超值赠品?|满赠",
    rf"第{_N}{_UNIT}(?:半价|{_N}折|{_N}元|免费|减{_N}元?|仅{_N}元?)|两件优惠",
    # prices and discounts
    rf"{_N}{_UNIT}?起?(?:立减|包邮|免邮|优惠|减{_N}元?|\d+(?:\.\d+)?折)",
    rf"(?:立减|直降|直减|下单减|收藏减|领券减|券后减?|加购减|再减|狂降|立省|省|返现?|补贴){_N}元?",
    r"(?:领券|券后|到手|低至|仅售?|只要|秒杀|特价|活动|抢购|限时|惊爆|补贴|拼团|福利|内购|尝鲜"
    r"|亏本|促销|出厂|厂价"
    rf"|工厂|优惠|批发|团购|一口|冲量|折后)价?(?:只要|仅|低至)?{_N}元(?:起|/{_UNIT})?|到手价{_N}"
    rf"|咨询{_N}元?/{_UNIT}",
    r"(?:限时|秒杀|特|活动|抢购|惊爆|补贴|拼团|福利|内购|尝鲜|亏本|促销|出厂|工厂|优惠|批发|团购"
    r"|一口|冲量|折后|白菜"
    r"|到手|券后|处理|会员|超低|底|骨折|清仓|历史低|全网最?低|最低|新人)价",
    r"(?<![\d.])(?:[4-9]|\d\.\d|[1-9]\d)折(?:起|优惠|封顶)?(?![叠伞])|全场[1-9](?:\.\d)?折起?"
    r"|低至[1-9](?:\.\d)?折"
    r"|[一二三四五六七八九两](?:点[一二三四五六七八九])?折(?:起|优惠|封顶|特惠)",
    r"(?:限时|限量|今日|本周|爆款|年终|年中|新品|店铺|官方|季末|换季|周末|周年庆?|店庆|开学季?"
    r"|春季|夏季|秋季|冬季"
    rf"|工厂|双节|大牌|超值|品牌|节日|会场|整点|聚划算|百亿|直播间?|暑期|全场|底价|亏本|反季"
    rf"|断码)?{_EVENT}(?:价|中|啦|季|日|专场)?",
    r"限时(?:抢|送|折扣|购)?|限量(?:抢|抢购|发售)?(?![款版])|甩卖|亏本|厂家直[销供]|工厂直[销供]"
    r"|源头(?:工厂|厂家)|薄利多销"
    r"|一件代发|聚划算|百亿补贴|拼团|团购|秒杀|捡漏|超值|划算|最后\d+[天件]|(?:售|抢)完(?:即止"
    r"|为止)|库存有限|数量有限"
    r"|手慢无|倒计时|错过[等再]一年|限前\d+名?|前\d+名(?:半价|免单)?",
    r"无门槛|(?:\d+期)?(?:免息|分期免息)|分期(?:付款)?|白条|花呗|以旧换新|(?:好评|晒单|晒图|评价"
    r"|五星)(?:返现?\d*元?|有礼)|返现|返券",
    # what a shop of any kind says about prices, with its own words before it
    rf"(?:任选|任意)?{_N}{_UNIT}(?:仅|只要)?{_N}元|{_N}元(?:起|包邮|抢购?|秒杀?|试用|换购|任选"
    rf"|购)|免费[领送]"
    rf"|领{_N}元?(?:优惠)?券|(?:到手|券后|秒杀|活动|特|促销|折后|优惠)价{_N}元?|加{_N}元换购",
    r"[仅只]限(?:今[日天]|本周|\d+天)|断货(?:王|预警)?|量大(?:从优|优惠)"
    r"|^[\u4e00-\u9fff]{2,4}(?<![评物代估报比])价$"
    r"|(?:官方|政府|国家|平台|厂家|限时|以旧换新)补贴|(?:开业|答谢|感恩)?大?酬宾|(?:感恩"
    r"|答谢)?回馈(?:老?客户)?",
    r"^[\u4e00-\u9fff]{2,4}(?:推荐|力荐)$|力荐|新款(?:上市|首发|上新)|(?:专柜|实体店|门店)同款",
    # who sends it, and who answers for it
    r"(?:产地|原产地|果园|农场|农家|基地|源头|总代|厂家|工厂|保税区|海外|京仓|冷链|顺丰|新鲜|现摘"
    r"|现做|当季|闪电|最快|极速|当天)+"
    r"(?:直发|直供|直达|直销|现发|速发|发货?|配送|冷链|到家)|冷链(?:配送|发货)|(?:送|含"
    r"|可上门)安装",
    rf"(?:质保|保修|包换|联保){_N}(?:个?月|年|天)|{_N}年换新|{_N}天(?:包退换?|包换|无忧退换?|价保)"
    r"|(?:无忧|极速|闪电|先行)(?:退[货款换]货?|赔付)|坏了?包[赔退换]|(?:净重|足斤|足量|品质"
    r"|质量)(?:保证|足秤|足两)",
    r"支持(?:鉴定|验货|退换|一件代发)|可鉴定|免费鉴定",
    # carriage
    r"(?:全国|全场|全馆|超取|本岛|满额|顺丰|新疆|偏远)?(?:包邮|免邮|包税|免税|免运费?|包运费|包快递)|退货包运费"
    r"|运费险|偏远(?:地区)?除外",
    rf"{_PLACE}?(?:直邮|直发|直送|空运|集运|转运)|{_PLACE}?(?:仓库?|保税仓?)(?:现货|直发|发货?)"
    rf"|保税(?:发货|直发)",
    r"现货(?:速发|秒发|当天发|包邮|直发|供应)?|(?:快速|当[日天]|隔[日天]|\d+(?:小时|h))内?出货|[当隔次]天发货?|[当次隔]日(?:发货?|[送到]货|[送到]?达)"
    r"|闪电发货|闪送"
    r"|(?:可?正常|急速|极速|随机|火速|快速|准时|陆续)发货?|(?:新老|新旧)包装(?:随机|交替)发货?",
    r"(?:\d+(?:小时|h)内?)?发?(?:顺丰|京东|jd)(?:发货|直达|速运|快递|物流|配送|自营|直发)|发?顺丰"
    r"|发京东"
    r"|\d+(?:小时|h|天)内?发货?|\d+月\d+[日号](?:起|前|后|左右)?(?:陆续)?发货?",
    r"送货(?:上门|入户|上楼|到家)|(?:免费|包|上门|送货)安装|包上楼|送装一体|货到付款|免费(?:试用"
    r"|配送|送货)",
    # shop and promises
    r"官方(?:直营|自营|专卖|旗舰|授权|直采|品质|正品|直供|直售|直发|指定|认证|推荐)*店?|旗舰(?:店|(?=正品|品[质牌]))"
    r"|专卖店|专营店|自营店?|直营店?"
    r"|品牌(?:直营|直供|授权|特卖|官方)店?|(?:原装|专柜|全新)?正品(?:授权|保障|保证|行货|保真"
    r"|发票)?|品[质牌]保[障证]"
    r"|(?:官|厂家|厂商|总)(?:代理?|授权)店?|天猫超市|京东超市|企业店铺|老店|皇冠店铺?|金牌卖家",
    r"假一[赔罚][一二三四五六七八九十\d]+|保真|支持(?:专柜)?验货|专柜验货|只换不修|全国联保"
    r"|质量保[证障]|放心购|放心买"
    r"|[七\d]+天无理由(?:退换?货?)?|无理由退换?货?|退换无忧|包退换?|包换|坏[果单]?包[赔退换]"
    r"|破损包[赔退换]|损坏包赔|过敏包退"
    r"|不满意(?:包)?退款?|售后(?:无忧|保障)|(?:终身|[一二两三五十\d]+年)(?:质保|保修|包换|联保)"
    r"|价保|保价|买贵(?:退|补|双倍)差?价?|可开票"
    r"|开发票|带发票|正规发票|增票|专票",
    # popularity
    r"(?:20\d\d年?)?(?:春季|夏季|秋季|冬季|春夏|秋冬|春|夏|秋|冬|早春|初秋)?(?:全网|今年|当季"
    r"|年度|日韩|欧美|抖音|快手|小红书|ins|网红)?(?:热卖|热销|爆款|爆卖|畅销"
    r"|大卖|火爆|爆火)(?:中|款|\d+万?[件+]*)?"
    r"|好评(?:如潮|率?\d+%)|[\d.]+万?\+?(?:人)?(?:好评|付款|已购|回购)|月销(?:量)?(?:\d"
    r"|过)*万?\+?件?|销量(?:第一|冠军|领先|王)"
    r"|回头客|回购率?高?|口碑(?:爆款|之选)?|人气|(?:强烈)?推荐|必买|必备|必入|(?:店长|掌柜|老板"
    r"|医生|专家|编辑|明星|达人|闺蜜|妈妈)推荐"
    r"|主推|镇店之宝|(?:网红|明星|抖音|快手|直播间?)(?:同款|推荐)|top\s?\d+|(?:20\d\d年?)?(?:春季"
    r"|夏季|秋季|冬季|春夏|秋冬)?新品(?:上市|首发|上架"
    r"|推荐|尝鲜)?|(?:全[新网]|独家)?首发|上新|新上市",
    # customers and occasions
    r"会员(?:有礼|专享价?|优惠|福利价?|专属|特惠|立减)|超级品牌日"
    r"|(?:新客|新人|粉丝|新妈|老客户?|老顾客|宠粉)(?:有礼|专享价?|优惠|咨询享优惠|福利价?"
    r"|专属|特惠|立减)?"
    r"|(?:学生|企业|plus|vip|直播间?)(?:专享价?|优惠|福利价?|专属|特惠|立减)"
    r"|有礼|专享价?|福利(?:款|价|品)?|惊喜价?|宠粉",
    r"(?:收藏|关注|加购|分享|加粉|入会)(?:店铺|宝贝|本店|有礼|优惠|立减|送礼|领券|\+|并|和|、)+"
    r"|关注|加购",
    r"预售|预[定购](?:中)?|下单(?:立减|有礼|送|备注|即送|就送)?|(?:详情)?咨询(?:客服|有礼|优惠"
    r"|享优惠)?|详询(?:客服)?|联系客服"
    r"|拍下|(?:拍前|购前|请)?(?:联系|咨询|询问)客服|备注(?:颜色|尺码|款式|型号)?",
    rf"(?:\d+元)?(?:领券|优惠券|满减券)(?:\d+元?)?|(?:领|送)(?:抵用券|代金券|礼券)|(?:领|送|\d+元)(?:红包"
    rf"|津贴)|双(?:11|12|十一|十二|旦)(?:{_EVENT}|爆款)?价?"
    rf"|(?:6\.?18|11\.11|12\.12|99|88|38|818|1111|1212)(?:年中)?(?:{_EVENT}|节|购物节|价|爆款"
    rf"|抢先|提前购)+"
    r"|(?:年货|购物|狂欢|女神|吃货|母婴|家装|车品|读书|美妆|会员|图书|开学|店铺"
    r"|双11)[节季](?:大促|特惠|价)?|(?:会员|品牌)日|周年庆|店庆|开学季|黑五|年终大?促?",
    # English
    r"free\s*(?:ship(?:ping)?|delivery|gifts?|returns?|postage|post)|(?:fast|quick|same[\s-]day"
    r"|next[\s-]day|worldwide)\s+(?:shipping"
    r"|delivery|dispatch)|ships?\s+(?:in\s+\d+\s*(?:h|hours?|days?)|free|today|fast"
    r"|from\s+[a-z]+)|(?:in|ready|local|us|uk"
    r"|eu)\s+stock|pre[\s-]?order(?:\s+now)?",
    r"(?:(?:hot|big|flash|super|mega|summer|winter|spring|autumn|fall|final|clearance"
    r"|black\s+friday|cyber\s+monday|prime\s+day"
    r"|holiday|christmas|today'?s|daily|weekly|best|great)\s+)+(?:sales?|deals?|price|offers?"
    r"|discount|savings)",
    r"on\s+sale|sale|\d+%\s+discount|(?:only\s+today|today\s+only|last\s+days?)|(?:up\s+to\s+"
    r"|extra\s+|save\s+|get\s+)?\d+%\s*off|up\s+to\s+\d+%"
    r"|save\s+(?:[$€£]?\d+|big|now)|[$€£]\d+\s+off"
    r"|limited[\s-]+(?:time|offer|stock|quantity)(?:\s+(?:only|offer|deal|sale))?",
    r"best\s*-?sellers?|best\s*selling|top\s*(?:rated|seller)|new\s+arrivals?|(?:bogo"
    r"|buy\s+\w+,?\s+get\s+\w+)(?:\s+(?:free|half\s+price))?"
    r"|special\s+(?:offer|price|deal)|clearance|discount(?:ed)?|promo(?:tion|cja)?"
    r"|wholesale(?:\s+price)?|factory\s+(?:price"
    r"|direct)|lowest\s+price|bargain|black\s+friday|cyber\s+monday|last\s+(?:chance|one|few)"
    r"|order\s+now|buy\s+now|must[\s-]have",
    r"(?:official|authorized|authorised|flagship)\s+(?:store|shop|dealer|seller|reseller)"
    r"|100%\s+(?:authentic|genuine|original)"
    r"|(?:money[\s-]back|satisfaction|quality)\s+guarantee(?:d)?|cash\s+on\s+delivery"
    r"|trusted\s+seller|freeship",
    # Japanese, Korean, and the languages of other marketplaces
    r"送料無料|送料込み?|送料无料|あす楽(?:対応)?|ポイント\d+倍|期間限定|数量限定|(?:タイム"
    r"|スーパー)?セール|割引|クーポン|\d+%\s?オフ|即納|即日(?:発送|出荷)"
    r"|当日発送|訳あり|在庫あり|翌日配送|メール便|楽天\d+位|在庫処分|お買い得|まとめ買い|予約販売|あすつく",
    r"무료\s?배송|무배|(?:초)?특가|(?:타임)?세일|\d*%?\s?할인(?:쿠폰|가)?|쿠폰|(?:당일|오늘|새벽"
    r"|로켓|빠른|국내)\s?(?:발송|배송|출발|도착)|사은품(?:증정)?|증정|한정(?:수량|특가)"
    r"|베스트셀러|인기|신상|예약판매|정품",
    r"бесплатная\s+доставка|скидк[аи](?:\s+до)?(?:\s+-?\d+\s?%)?|распродажа|акция"
    r"|хит(?:\s+продаж)?|новинка|подарок"
    r"|(?:kostenloser|gratis|portofreier)\s+versand|versandkostenfrei|angebot|rabatt|ausverkauf"
    r"|aktion|sonderangebot"
    r"|livraison\s+(?:gratuite|offerte)|soldes|promotion|env[ií]o\s+gratis|oferta|rebajas"
    r"|descuento|frete\s+gr[aá]tis"
    r"|mi[eễ]n\s*ph[ií]\s*v[aậ]n\s*chuy[eể]n|gi[aả]m\s*gi[aá](?:\s*\d+%)?|khuy[eế]n\s*m[aã]i"
    r"|gratis\s+ongkir|promo|spedizione\s+gratuita|offerta|gratis\s+verzending|darmowa\s+(?:wysyłka"
    r"|dostawa)|kargo\s+bedava|i\u0307?ndirim|ส่งฟรี|ลดราคา|شحن\s+مجاني",
)
_PROMOTION = folded_pattern("|".join(_VOCABULARY))

# What may stand beside a promotion without naming the product: places goods are sent from,
# carriers and platforms, times, prices.
_FILLER = folded_pattern(
    rf"\d+(?:\.\d+)?元|{_N}{_UNIT}起?|[¥$€£]\d+(?:\.\d+)?|/{_UNIT}|{_PLACE}"
    "|京东|天猫|淘宝|拼多多|抖音|唯品会|苏宁|顺丰|中通|圆通|韵达|邮政|ems|保税仓?|仓|发货?"
    "|今[日天]|本店|全店|全场|活动|每日"
    "|专区|工厂店?|厂家|商家|平台|政府|支持|更|\\d+天|任选|仅限|坏了|local|coupon|voucher|"
    "实体店?|门店|专柜|大额|更多|超多|多多|即可|享受?|请|可|有|无|全国|全网|到货|收货"
    "|\\d+-\\d+周|\\d+周"
    "|jd|tmall|sf|plus|now|only|today|the|and|for|[的了啦吧享即+&、]",
)
_WORD = re.compile(r"\w")

# No promotion is written without one of these, and few product names hold one: asking for them
# first spares most brackets the vocabulary. tests/cleaning/titles/test_promotions.py holds that
# against every expression.
_SIGN_CHARACTERS = (
    "邮税运送赠减价折惠抢秒促清仓卖购店营正质赔保货发达券礼销爆热荐买拍满省返补贴团限首新预询福专"
    "享会收藏粉双节季庆黑终票"
    "退换无捡划亏薄代手倒错息呗条旧联备评好付回口气必主客同宠惊红津前最品自直装楼超现狂巨钜让疯闪"
    "低优售到包仅只放底特降甩"
    "关远源物活尝冲顺试授下厂元酬冷鉴足净递积旗火大推老完官一领第有料あポ期セ割クオ即翌メ楽在お予訳庫当国내무"
    "특세할쿠발배"
    "출도증한예베인신정사"
)
_SIGN = folded_pattern(f"[{_SIGN_CHARACTERS}]")
_LETTER_SIGN = re.compile(
    "free|ship|deliver|dispatch|stock|order|sale|deal|price|offer|discount|saving|off|up to|save"
    "|limited|sell|rated|arriv"
    "|today|bogo|get|clearance|promo|coupon|voucher|factory|bargain|friday|monday|last|buy|must"
    "|official|authori|flagship|100%"
    "|guarantee|cash|top|versand|ausverkauf|акция|angebot|rabatt|aktion|soldes|gratis|grátis"
    "|oferta|rebajas|descuento|livraison|mien|miễn|giam"
    "|giảm|khuy|spedizione|offerta|verzending|darmowa|promocja|bedava|ndirim|ส่งฟรี|ลดราคา"
    "|شحن|jd|доставка|скид|распродажа|хит|новинка|подарок"
)


def is_promotional(segment: str) -> bool:
    """Whether a bracket's content only advertises: a promotion, and nothing but filler beside it.

    Anything else that is left (a brand, a pack size, a date, a flavour) keeps the segment: an
    offer that stays in a title is a smaller loss than a product name that goes.
    """
    folded = simplified(segment).lower()
    if _SIGN.search(folded) is None and _LETTER_SIGN.search(folded) is None:
        return False
    return only_advertises(folded)


@lru_cache(maxsize=4096)
def only_advertises(segment: str) -> bool:
    """`is_promotional` by the whole vocabulary, for any segment of at most MAX_CHARS.

    Shops say the same in thousands of titles, so the last answers are kept.
    """
    if len(segment) > MAX_CHARS:
        return False
    rest, promotions = _PROMOTION.subn(" ", simplified(segment).lower())
    return promotions > 0 and _WORD.search(_FILLER.sub(" ", rest)) is None
