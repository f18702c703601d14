"""Listings that sell nothing, unfilled templates, repetition, cut titles, and their likenesses."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cleaning.titles import signs
from cleaning.titles.normalise import normalise_title
from cleaning.titles.signs import (
    every_service_listing,
    every_template_residue,
    repetition,
    repetition_above,
    service_listing,
    template_residue,
)
from cleaning.titles.truncation import truncation
from runtime.han_forms import simplified
from tests.cleaning.titles.strategies import TITLES, matching

SERVICES = """
补差价专用链接
运费专拍
测试商品请勿拍下
邮费补拍 拍下不发货
定金专用链接
赠品勿拍
差价链接
客户专拍
请勿购买此商品
样品链接勿拍
专拍链接
补差价
补运费
补邮费1元
差多少拍多少 补差价
测试商品
测试商品1
测试 勿拍
【测试】请勿下单
测试宝贝 勿拍
補差價專用
運費補拍
面交專用賣場
王小姐專屬下單區
客製化訂單 專屬賣場
寶貝已作廢
老客户专拍
VIP客户专拍
设计费 专拍
改价专用
客户专用
Versandkosten
Zahlungslink
Aufpreis
Reserved for Maria
Custom order for Jane
測試商品 請勿下標
請勿下標
test product
Test product 1 do not buy
Do not buy!
DO NOT PURCHASE THIS ITEM
shipping fee
Extra payment link
运费
邮费 差价
老客户专属链接
赠品 勿拍
赠品 钢化膜
尾款
定金
1元补差价 拍前联系客服
打样费
改价专用链接
直播间专拍
不发货 勿拍
テスト商品です 購入しないで
개인결제창
테스트 상품
тестовый товар
商品测试
测试链接请勿拍
Testprodukt nicht kaufen
快递费补差
链接已失效
单拍不发货
安装费补差价
""".strip().splitlines()
PRODUCTS = """
血糖测试仪 家用
测试卡尺 高精度 电子数显
水质测试产品套装 鱼缸
产品测试与质量管理 书籍
软件测试从入门到精通
电池测试专用夹具 四线
万用表测试专用表笔
偏远地区勿拍 东北大米5kg
价保补差价 飞鹤奶粉900g
飞鹤奶粉900g 30天买贵补差价
介意勿拍 二手苹果手机 iPhone 12
完美主义者勿拍 复古陶瓷杯
港澳台请勿下单 东北大米
未成年人请勿购买 打火机 煤油
送运费险 连衣裙 女 夏季新款
退货运费险 运动鞋 男 透气
赠品丰富 婴儿推车 可坐可躺
买一送一 赠品 保温杯 304不锈钢
定金预售 苹果手机 iPhone 15 128GB
免运费 电饭煲
免運費 保溫杯
别拍我 摄影集
Reserved for the Cat Mug
专用卖场灯 射灯
拍立得相纸 富士 mini
自拍杆 三脚架
勿拍打 温度计
奔驰C级专用脚垫
专用链接线 USB 音频
定制专用链锯 油锯
样品瓶 透明玻璃 5ml
测试标题党 书
补水面膜 10片
补拍电影 DVD
手续费计算器 财务
专拍宠物的相机 课程
商品学 教材
Test Product Design
A/B testing guide for product managers
The Dummy Item Book: crash test dummies
Do Not Order Before Sunrise novel
shipping container house kit
price tag labels
fee simple: law book
请勿吸烟 标识牌 亚克力
请勿停车 警示牌
请勿触摸 提示牌
小心地滑 请勿打扰 门挂牌
别拍了 书籍 小说 作者 王朔
加急件标签
失效分析 工程师手册
连衣裙 女 补扣
""".strip().splitlines()

CUT = [
    "苹果手机 iPhone 15…",
    "连衣裙 女 夏季...",
    "飞鹤奶粉（900g",
    "连衣裙 女、",
    "手机壳&quo",
    "手机壳 &am",
    "手机 <span cla",
    "耳机 -",
    "Shoes for men and",
    "奶粉..",
    "“好看",
    "手机�",
]
WHOLE = [
    "孕妇奶粉A+",
    "AT&T",
    "R&D",
    "奶粉900g.",
    "Nike (男)",
    "iPhone 15 Pro",
    "C++",
    "100%",
    "Johnson & Johnson",
    "Vol. 1",
    "What's it for?",
    "St. Ives & Co.",
    "A&B",
    "M&M's",
    "「好看」",
    "“好”",
    "1)红 2)蓝",
    ":)",
    "1/2",
    "18+",
    "Made in Poland",
    "Hand in Hand Land",
]


def test_listings_for_payments_and_tests_are_found() -> None:
    titles = [simplified(normalise_title(title).title) for title in SERVICES]
    assert [title for title in titles if service_listing(title) is None] == []


def test_promises_notes_and_measuring_devices_are_products() -> None:
    titles = [normalise_title(title).title for title in PRODUCTS]
    assert [title for title in titles if every_service_listing(title) is not None] == []


@pytest.mark.parametrize("title", ["Null", "None of Us", "Nan 2 infant formula"])
def test_words_that_programs_also_write_may_be_titles(title: str) -> None:
    assert template_residue(title) is None


@pytest.mark.parametrize(
    "title", ["null", "None", "undefined", "NaN", "N/A", "null 奶粉", "奶粉NaN"]
)
def test_values_leaked_by_programs_are_residue(title: str) -> None:
    assert template_residue(title)


@pytest.mark.parametrize("title", CUT)
def test_a_cut_title_is_told_by_its_end(title: str) -> None:
    normalised = normalise_title(title)
    assert truncation(normalised.title, normalised.unclosed)


@pytest.mark.parametrize("title", WHOLE)
def test_a_whole_title_is_not_called_cut(title: str) -> None:
    normalised = normalise_title(title)
    assert truncation(normalised.title, normalised.unclosed) is None


@pytest.mark.parametrize(
    ("title", "share"),
    [
        ("太阳镜" * 5, 0.7),
        ("哈哈哈哈哈哈哈 手机", 0.5),
        ("连衣裙 红 连衣裙 蓝 连衣裙 绿 连衣裙 黑 连衣裙 白 连衣裙", 0.6),
        ("手机壳，手机壳，手机壳，手机壳，手机壳", 0.7),
    ],
)
def test_characters_grams_and_words_said_again_are_counted(title: str, share: float) -> None:
    assert repetition(title) > share


@given(TITLES | st.text("ab 好", max_size=30), st.floats(0.05, 1))
def test_the_quick_bound_of_repetition_changes_no_answer(title: str, threshold: float) -> None:
    share = repetition(title)
    assert repetition_above(title, threshold) == (share if share > threshold else None)


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_nothing_lacks_the_sign_it_is_looked_for_by(data: st.DataObject) -> None:
    service = (signs._SERVICE_SIGN, signs._SERVICE_WORD)
    for pattern, needed in (
        (signs._SERVICE, service),
        (signs._PAYMENT_SIGN, service),
        (signs._RESIDUE, (signs._RESIDUE_SIGN,)),
        (signs._UNFILLED, (signs._UNFILLED_SIGN,)),
    ):
        found = data.draw(matching(pattern))
        assert any(sign.search(found) for sign in needed), found


@given(TITLES)
def test_asking_for_signs_first_changes_no_answer(title: str) -> None:
    assert service_listing(title) == every_service_listing(title)
    assert template_residue(title) == every_template_residue(title)
