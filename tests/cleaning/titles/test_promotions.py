"""Which brackets are shop noise, in shops of every kind."""

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opencc import OpenCC

from cleaning.titles import promotions
from cleaning.titles.promotions import MAX_CHARS, is_promotional, only_advertises
from cleaning.titles.segments import NEVER, take_promotions
from runtime.han_forms import simplified
from tests.cleaning.titles.strategies import TITLES, matching

PROMOTIONS = (
    "包邮 收藏减1元 买1送1同品 限时特价 包邮包税 官方旗舰店 顺丰发货 新客有礼 澳洲直邮 "
    "满299元包邮 第二件半价 买二送一 2罐立减 免运费 24小时发货 48h内发货 当天发货 次日达 京东物流 "
    "送运费险 假一赔十 7天无理由退换 支持专柜验货 终身质保 两年质保 送手机壳钢化膜 赠品 赠送鞋垫 "
    "下单送袜子 加送面膜 抢购价99元 秒杀价 双11狂欢价 618大促 年货节 店长推荐 网红爆款 抖音同款 "
    "月销10万+ 热卖中 爆款 清仓 断码清仓 季末特卖 反季清仓 换季大促 聚划算 百亿补贴 12期免息 "
    "以旧换新 领券立减50元 到手价129 券后99元 咨询客服有礼 拍下立减 前100名半价 限量抢购 预售 "
    "新品上市 厂家直销 源头工厂 批发价 直播间专享 粉丝福利 学生优惠 坏果包赔 顺丰包邮 送货上门 "
    "免费安装 货到付款 全国联保 正品保证 2件8折 第2件0元 三件7.5折 今日特价 手慢无 8月20日发货 "
    "好评返现 晒单返现5元 关注店铺领券 收藏+加购有礼 满3件打8折 满99减20 全场5折起 直降300元 "
    "省50元 开学季特惠 过敏包退 破损包赔 只换不修 偏远除外 现货速发 保税仓发 拍下联系客服备注 "
    "限時特價 免運 滿千送百 買一送一 現貨 官方旗艦店 隔日到貨 優惠價 贈品 熱銷 預購中 送料無料 "
    "滿額免運 全館免運 超取免運 現貨供應 快速出貨 24h出貨 超级品牌日 訳あり 在庫あり "
    "当日発送 국내배송 ส่งฟรี ลดราคา İndirim Promocja Offerta タイムセール ポイント10倍 あす楽 "
    "期間限定 무료배송 특가 당일발송 распродажа "
)
OFFERS = (
    *("Free Shipping", "50% OFF", "Hot Sale", "Best Seller", "New Arrival", "Buy 2 Get 1 Free"),
    *("Up to 70% Off", "Limited Time Offer", "Black Friday Deal", "Fast Shipping", "Ready Stock"),
    *(
        "Official Store",
        "Pre-order",
        "SALE",
        "Clearance Sale",
        "Kostenloser Versand",
        "无门槛 领券",
    ),
    *(
        "бесплатная доставка",
        "澳洲直邮 正品保障 包税 满299元包邮",
        "免税-悉尼直邮",
        "新妈专享 买一送一",
    ),
)
PRODUCTS = (
    "450g/罐 Kabrita 飞鹤奶粉 荷兰原装进口 香草味 美可卓品牌授权 19年8月产 30粒 效期20年8月 "
    "900g包邮 包邮卡套 惠氏买一送一 2021新款 L码 三折 三折伞 8折扇 618 皇冠 京东 京东E卡 送风机 "
    "送餐车 限量款 限量版 联名款 学生 企业 情侣款 5G全网通 128GB 全新 二手95新 国行 港版 全2册 "
    "精装 珍藏版 签名版 正版 第3版 无糖 有机 特级 5斤装 大号 加厚 纯棉 防水 男款 红色 左驾 "
    "适用丰田皇冠 2023款 双人 四件套 1.8米床 A4 500张 0-6个月 赠言本 红包 礼品袋 礼盒装 送礼佳品 "
    "送女友 礼品卡 免洗 免打孔 现做 特产 特步 特仑苏 热水袋 热敷 爆米花 秒表 抢修工具 推拉门 推车 "
    "新西兰 新疆红枣 首饰 首乌 预应力 咨询台 会议桌 会员卡 专利 专车专用 专业版 收纳盒 收音机 "
    "藏青色 双层 节能灯 终结者 补水 补光灯 贴膜 团扇 团购机 限位器 退热贴 换鞋凳 无线 无人机 "
    "捡球器 甩脂机 减速机 减肥茶 价格标签 折叠 惠普 惠而浦 抢答器 清洁剂 仓鼠 购物车 店招 营养素 "
    "正山小种 质子 包装盒 税控机 邮票 运动鞋 赠书 减震 白条鸡 现代汽车 直饮机 官帽椅 旗袍 自行车 "
    "保温杯 保健品 口红 气垫 粉底 主机 人参 必胜客 必理痛 宝马 有线 前轮 最终幻想 加送小罐奶粉 "
    "100元代金券 会员 蓝光4K 胶囊 维C 孕妇适用 小学三年级 "
)
LATIN_PRODUCTS = (
    *("Hot Coffee", "Latte", "Free Soul", "Deal or No Deal", "Off-White", "Top Gun", "Get Out"),
    *("New Balance", "Shipping Container", "Limited Edition", "Hot", "The Last of Us", "XL"),
    *("Official Guide", "Best of Bach", "First Order", "Sales Management", "Hardcover", "2nd ed."),
)

MORE_PROMOTIONS = (
    "顺丰发货 次日达|拍1发3|假一赔三|官方正品 支持鉴定|2条99元|任选3件99元|新疆包邮|限时折扣|"
    "今日下单送豪礼|下单立减20元|狂欢价|年终钜惠|抢购中|仅限今日|最后100件|厂家清仓|断货王|"
    "量大从优|支持一件代发|全网底价|良心价|骨折价|惊喜|24期免息|晒图返5元|满2件打9折|第二双半价|"
    "买就送|赠豪礼|热卖10万件|店长力荐|人气爆款|爆款直降|预售3天|7天发货|48小时发|德国直邮|"
    "海外仓发货|保税区直发|全国联保|顺丰隔日达|京仓发货|京东自营|明星同款|薇娅推荐|直播同款|"
    "小红书爆款|抖音热卖|2023爆款|夏季热卖|秋冬新品|新款上市|上新特惠|开业大酬宾|店庆价|会员价|"
    "领券更优惠|领50元券|拍下19.9元|19.9元包邮|9.9元抢|1元秒杀|0元试用|免费领|加1元换购|补贴价|"
    "官方补贴|政府补贴|百亿补贴直降|全国包邮 当天发货|正品保障 假一罚十|退换无忧|30天包退|"
    "30天无理由|无忧退货|极速退款|坏了包赔|质保一年|一年换新|只换不修|终身保修|送安装|包安装|"
    "可上门安装|送运费险 放心购|实体店同款|厂家授权|总代直供|源头直供|产地直发|果园直发|"
    "现摘现发|当季新鲜直发|新鲜直达|冷链配送|顺丰冷链|顺丰空运|坏单包赔|净重保证|Free Gift|"
    "Hot Deal|Super Sale|Mega Sale|Clearance|Ship in 24h|Free Returns|Prime Day Deals|"
    "Limited Stock|Buy 1 Get 1|Buy One Get One Free|20% discount|Last Day|Only Today|Best Price|"
    "Lowest Price|Special Offer|Promo|Flash Sale 50% off|Extra 10% off coupon|Fast delivery|"
    "Free ship"
)
MORE_PRODUCTS = (
    "夏季新款|2023新款|秋冬加厚|春夏薄款|原产地认证|现做现烤|农家散养|新鲜采摘|冷链牛排|"
    "果园老树|基地直采苹果|30天|3年|2年|3条装|3条|2件套|50元面值|100元京东卡|1元硬币|5元纸币|"
    "价格表|高价值|物价局|评价高|估价师|代价|报价单|推荐信|好书推荐卡|安装工具|送安装螺丝|家用|"
    "免费软件|上市公司年报|新款iPhone|平台鞋|坏了的齿轮|质保卡|保修卡|年度报告|正品盒子|24期|"
    "领带|领夹|第一季|第二版|首发站队|官方指南|官方周边|官方攻略本|原著推荐版|教师推荐书目|"
    "专家编写|限定色|节日礼物|圣诞节|情人节|母亲节礼物|新年款|虎年|中秋礼盒|端午|开学必备|"
    "旅行必备|入门级|旗舰版|旗舰|至尊版|豪华版|尊享版|标准版|发票夹|优惠券印刷|折扣店标牌|"
    "包装纸|包书皮|包包|包退换标签|3包|6包|整箱|2提|试用装|小样|赠品装|样品|体验装|家庭装|"
    "量贩装|补充装|替换装|1+1|二合一|三合一|买家秀|拍立得|秒杀笔|抢先看|清仓王|仓库推车|热卖牌|"
    "爆款文案|爆破|特价牌|特级初榨|特惠装|立减王|直播支架|直播补光|直播专用|粉丝灯牌|会员制|"
    "双十一纪念|京东定制|天猫精灵|淘宝摄影|抖音支架|顺丰箱|邮政绿|海外版|欧版|日版|韩版|港版|"
    "美版|香港|德国|日本制|德国工艺|意大利头层牛皮|进口|原装|原厂|通用|适配|左|右|前|后|全套|"
    "高配|低配|顶配|防蓝光|无线充|可充电|USB|Type-C|Gift Box|Gift Set|Hot Wheels|Sale Pepe|"
    "Last Samurai|Top Secret|Top|Must|Official Licensed|Wholesale Pack|Factory Sealed|"
    "Factory Refurbished|New|Used|Refurbished|Free Size|Toll Free|Sugar Free|Duty Free|Off Road|"
    "Off White|Stock Pot|Limited|Deluxe|Order of the Phoenix|Discount Tire|Price Guide|Price|"
    "Best|Best Of|Dealer|Deal Breaker|Save the Date|Buy Me a Coffee|Last Christmas|Pack of 3|"
    "Set of 2|12 oz|US Size 8|UK Plug|EU Plug|US|EU|In Stock Car|Stock|2 for 1|Guaranteed|"
    "Voucher|Coupon|Get"
)


def test_offers_and_promises_are_promotional() -> None:
    segments = [*PROMOTIONS.split(), *MORE_PROMOTIONS.split("|"), *OFFERS]
    assert [segment for segment in segments if not is_promotional(segment)] == []


@pytest.mark.parametrize("spelling", ["s2t", "s2tw", "s2hk"])
def test_offers_in_traditional_characters_are_promotional(spelling: str) -> None:
    convert = OpenCC(spelling).convert
    segments = [convert(offer) for offer in (*PROMOTIONS.split(), *MORE_PROMOTIONS.split("|"))]
    assert [segment for segment in segments if not is_promotional(segment)] == []
    kept = [convert(name) for name in (*PRODUCTS.split(), *MORE_PRODUCTS.split("|"))]
    assert [name for name in kept if is_promotional(name)] == []


def test_what_names_or_describes_a_product_is_not() -> None:
    segments = [*PRODUCTS.split(), *MORE_PRODUCTS.split("|"), *LATIN_PRODUCTS]
    assert [segment for segment in segments if only_advertises(segment)] == []


def check_sign(row: int, data: st.DataObject) -> None:
    said = simplified(data.draw(matching(promotions._VOCABULARY[row])))
    signs = (promotions._SIGN.search(said), promotions._LETTER_SIGN.search(said.lower()))
    assert any(signs) or len(said) > MAX_CHARS, said


ROWS = range(len(promotions._VOCABULARY))


@settings(max_examples=100, suppress_health_check=list(HealthCheck))
@given(row=st.sampled_from(ROWS), data=st.data())
def test_nothing_in_the_vocabulary_lacks_a_sign(row: int, data: st.DataObject) -> None:
    check_sign(row, data)


@pytest.mark.soak
@pytest.mark.parametrize("row", ROWS)
@settings(max_examples=500, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_much_of_the_vocabulary_lacks_no_sign(row: int, data: st.DataObject) -> None:
    check_sign(row, data)


@given(TITLES)
def test_asking_for_a_sign_first_changes_no_answer(segment: str) -> None:
    assert is_promotional(segment) == only_advertises(segment)


@pytest.mark.parametrize(
    ("title", "left", "removed"),
    [
        ("【【包邮】】奶粉", "奶粉", ("【【包邮】】",)),
        ("【[限时特价] 】奶粉", "奶粉", ("【[限时特价] 】",)),
        ("【(香草味)包邮】奶粉", "【(香草味)包邮】奶粉", ()),
        ("[包邮】奶粉", "奶粉", ("[包邮】",)),
        ("(FOODMANOR]奶粉【包邮]", "(FOODMANOR]奶粉", ("【包邮]",)),
        ("1)红 2)蓝 (包邮)", "1)红 2)蓝", ("(包邮)",)),
        ("{包邮}奶粉「限時特價」", "奶粉", ("{包邮}", "「限時特價」")),
        ("《限时特价》小说(包邮)", "《限时特价》小说", ("(包邮)",)),
        ("【《三体》包邮】书", "【《三体》包邮】书", ()),
        ("《【包邮】三体》", "《【包邮】三体》", ()),
        ("奶粉 包邮 限时特价", "奶粉 包邮 限时特价", ()),
    ],
)
def test_brackets_nest_and_mix_and_book_titles_stay(
    title: str, left: str, removed: tuple[str, ...]
) -> None:
    assert take_promotions(title) == (left, removed, NEVER)


def test_the_first_bracket_without_an_end_is_told() -> None:
    assert take_promotions("【包邮 奶粉").unclosed == 0
    assert take_promotions("奶粉(罐装) 800克(荷兰").unclosed == len("奶粉(罐装) 800克")


def test_ten_thousand_open_brackets_cost_no_time() -> None:
    deep = "【" * 5_000 + "包邮" + "】" * 5_000
    for title in (deep, "【(" * 5_000, "(" * 5_000 + "】" * 5_000, "【包邮】" * 2_500):
        start = time.process_time()
        take_promotions(title)
        assert time.process_time() - start < 0.5
