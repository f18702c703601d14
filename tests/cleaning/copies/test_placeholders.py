"""A picture shared by unlike titles stands in for missing ones; one shared by packings does not."""

from cleaning.copies.placeholders import PlaceholderThresholds, is_placeholder

UNLIKE = [
    "飞鹤星飞帆婴儿配方奶粉900g",
    "美的电饭煲家用智能5升大容量",
    "南极人纯棉四件套全棉床单被套",
    "儿童书包小学生减负护脊双肩包",
    "户外折叠椅便携式钓鱼凳",
]
ONE_CATEGORY = [
    "飞鹤孕妇奶粉900g",
    "惠氏孕妇奶粉罐装400克",
    "美赞臣孕妇奶粉850g",
    "雅培孕妇奶粉香草味",
    "安满智孕宝孕妇奶粉800克",
    "伊利金领冠孕妇奶粉",
]


def test_unlike_titles_share_a_placeholder() -> None:
    assert is_placeholder(UNLIKE)


def test_a_common_noun_does_not_make_titles_alike() -> None:
    assert is_placeholder(ONE_CATEGORY)


def test_packings_of_one_product_share_their_picture() -> None:
    base = "美可卓(Maxigenes)蓝胖子高钙速溶奶粉 成人孕妇儿童中老年人适用"
    assert not is_placeholder([f"{base} {count}罐装" for count in range(1, 9)])
    assert not is_placeholder([UNLIKE[0]] * 10)


def test_few_records_prove_nothing() -> None:
    assert not is_placeholder(UNLIKE[:4])
    assert is_placeholder(UNLIKE[:4], PlaceholderThresholds(min_records=4))


def test_the_order_of_thousands_of_titles_does_not_matter(mep3m_titles: list[str]) -> None:
    assert is_placeholder(mep3m_titles)
    assert is_placeholder(mep3m_titles[::-1])
