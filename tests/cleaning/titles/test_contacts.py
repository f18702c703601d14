"""Contact details in the forms that sellers use, and articles that look like them."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cleaning.titles import contacts
from cleaning.titles.contacts import contact_details, every_contact
from cleaning.titles.normalise import normalise_title
from tests.cleaning.titles.strategies import TITLES, matching

CONTACTS = """
奶粉代购 联系13812345678
加微信abc12345 奶粉批发
微信：wxid_9x8y7z 面膜
V信:nike88888 运动鞋
QQ群123456789 手办
联系QQ：1234567 球鞋
http://t.cn/abcd 领券
www.shop8.com 女装
奶粉 400-820-8820
加V信 低价球鞋
138 1234 5678 手机壳
someone@mail.com 定制杯子
ｗｅｉｘｉｎ：abc123 面膜
微信号 nike_shop 球鞋
加v:abc888 高仿
➕V abc12345 鞋子
威❤:nike888 鞋
威❤️nike12345 鞋
1 3 8 1 2 3 4 5 6 7 8 手机
1-3-8-1-2-3-4-5-6-7-8 手机
扣扣 123456789 手办
扣扣：12345678 手办
shop8.com 女装
淘宝店 a-b.com 女装
taobao.com/item?id=1 连衣裙
shop8点com 女装
１３８１２３４５６７８ 手机
①③⑧①②③④⑤⑥⑦⑧ 手机
一三八一二三四五六七八 手机
+86 13812345678 奶粉
+8613812345678 奶粉
whatsapp: +1 555 123 4567 shoes
微信同号13812345678
电话：010-12345678 家具
电话:88881234 家具
vx12345678 鞋子
wx:abc12345 鞋子
加薇 abc123 鞋
加微：abc123 鞋
q群 12345678 手办
138.1234.5678 手机
138-1234-5678 手机
公众号：好物推荐 杯子
Tel: 020 8765 4321 lamp
call 400 820 8820 service lamp
visit myshop.com for shoes
t.cn/A6abcd 连衣裙
abc.cn 连衣裙
微信13812345678 奶粉
line: @shop1234 bag
telegram: shop1234 bag
加客服微信 领红包 鞋
v:abc12345 球鞋
薇信abc12345 面膜
""".strip().splitlines()
ARTICLES = """
适用13812345678 打印机墨盒
ISBN 9787115428028 编程书
9787115428028 编程书
SKU1380013800 手机壳
SKU13800138000 手机壳
货号13812345678 运动鞋
型号：13812345678 轴承
A13812345678 轴承 汽车配件
QQ糖 草莓味 70g
奇瑞QQ 2010款 专用脚垫
奇瑞QQ308 脚垫
微信公众号营销实战 书籍
400电话 代理机 企业办公电话机
400 800 1000目 砂纸
5号电池 AAA 南孚 8粒
手机壳 13812 型号 通用
儿童鞋 码 15 16 17 18 19 20 21
砂纸 80 120 240 400 600 800 1000 1500 2000
增加V8发动机 模型
加V型支架 不锈钢
加绒V领 毛衣 女
一加QQ音乐定制版
一加微信 手机壳
微信 iphone12 手机壳
微信支付 收银盒 QR50pro
微信小程序开发 wechatapp
Mastering WeChat Marketing in China
WeChat 2024 marketing guide
ASP.NET Core 实战
VB.NET 编程
Node.js 开发指南
Amazon.com 礼品卡
Booking.com: The Story
USB+V8数据线
Type-C+V8 数据线
10000mAh 充电宝 QQ企鹅
QQ 10000mAh 充电宝
企鹅 12345 公仔
威信牌 轴承
3M 13800 胶带
1.5V 5号电池
VX220 音箱
VX-8900 对讲机
wx30 微型空压机
WX500 吸尘器
Vitamin C+V E 片
卫星电视接收器
国标 GB/T 1.2
大卫·科波菲尔 上/下
No. 13812345678 bearing
18650 3.7V 3000 4800 mAh
1920x1080 1366 768
2013 1415 1617 1819 邮票
13500 14500 16500 多型号
5.1.2 家庭影院
12.5V/DC 电源
18812345678900 条码
0986494123 博世 刹车片
0445110234 喷油器
价格 13,800,000
邮编 100080 信封
Q235 12345678 钢板
100% cotton www brand tee
Dot matrix printer
.com书籍
J.K.罗琳 St.Louis 
Dr.Martens 马丁靴 1460
Mr.Right 男装
A.O.Smith 热水器
L.L.Bean backpack
St.Ives 磨砂膏
加厚 加大 加微波炉专用盒
家微波炉
同款 同号
微信红包封面
QQ飞车 手办
2.4G.WiFi 
微 型 电机
iPhone 13 14 15 16 17 18 12 ProMax
13 14 15 16寸 轮毂盖 1234
号：大号
尺码号: XL
13812345678mm 轴
""".strip().splitlines()


def test_contact_details_are_found_however_they_are_written() -> None:
    titles = [normalise_title(title).title for title in CONTACTS]
    assert [title for title in titles if contact_details(title) is None] == []


def test_numbers_and_names_of_articles_are_none() -> None:
    titles = [normalise_title(title).title for title in ARTICLES]
    assert [title for title in titles if every_contact(title) is not None] == []


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_contact_lacks_the_sign_it_is_looked_for_by(data: st.DataObject) -> None:
    for pattern, sign in (
        (contacts._NUMBERS, contacts._FIVE_DIGITS),
        (contacts._NAMED_NUMBERS, contacts._FIVE_DIGITS),
        (contacts._ACCOUNTS, contacts._ACCOUNT_SIGN),
        (contacts._ADDRESSES, contacts._ADDRESS_SIGN),
    ):
        found = data.draw(matching(pattern))
        assert sign.search(found), found


@given(TITLES)
def test_asking_for_signs_first_changes_no_answer(title: str) -> None:
    assert contact_details(title) == every_contact(title)
