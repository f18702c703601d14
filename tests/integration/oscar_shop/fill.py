"""Make the shop: `SHOP_FOLDER=… python -m tests.integration.oscar_shop.fill`.

Writes the database, the pictures and `shop.json`, which names what stands where.
"""

from __future__ import annotations

import io
import json
import os
from typing import Any

import django
from django.core.files.base import ContentFile
from django.core.management import call_command

from tests.integration.oscar_shop.goods import GOODS, Goods, draw


def main() -> None:
    """Make the tables, then fill them."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.integration.oscar_shop.settings")
    django.setup()
    from django.conf import settings
    from django.db import transaction
    from oscar.apps.catalogue.categories import create_from_sequence
    from oscar.core.loading import get_model

    call_command("migrate", run_syncdb=True, verbosity=0, interactive=False)
    kind = get_model("catalogue", "ProductClass").objects.create(name="Household")
    partner = get_model("partner", "Partner").objects.create(name="Own stock", code="own")
    product, image, stock, placed = (
        get_model("catalogue", "Product"),
        get_model("catalogue", "ProductImage"),
        get_model("partner", "StockRecord"),
        get_model("catalogue", "ProductCategory"),
    )

    def put_in_stock(item: Any, number: int) -> None:
        stock.objects.create(
            product=item, partner=partner, partner_sku=f"sku-{number}", price=number, num_in_stock=9
        )

    def sell(goods: Goods, number: int) -> list[dict[str, Any]]:
        item = product.objects.create(
            structure="parent" if goods.variants else "standalone",
            title=goods.title, upc=f"upc-{number}", product_class=kind, is_public=goods.public,
            **({"slug": goods.slug} if goods.slug else {}),
        )  # fmt: skip
        leaf = create_from_sequence(list(goods.category))[-1]
        placed.objects.create(product=item, category=leaf)
        for order, scene in enumerate((goods.scene, *goods.more_scenes)):
            buffer = io.BytesIO()
            draw(scene, *goods.size).save(buffer, "JPEG", quality=90)
            picture = ContentFile(buffer.getvalue(), name=f"scene-{scene}.jpg")
            image.objects.create(product=item, original=picture, display_order=order)
        if not goods.variants:
            put_in_stock(item, number)
        variants = []
        for place, title in enumerate(goods.variants, start=1):
            variant = product.objects.create(
                structure="child", parent=item, title=title, upc=f"upc-{number}-{place}"
            )
            put_in_stock(variant, 1000 * number + place)
            variants.append(variant)
        return [
            {"id": str(sold.pk), "title": sold.title, "path": sold.get_absolute_url(),
             "category": goods.category, "scene": goods.scene, "size": goods.size,
             "public": goods.public}
            for sold in (item, *variants)
        ]  # fmt: skip

    with transaction.atomic():
        sold = [row for number, goods in enumerate(GOODS, 1) for row in sell(goods, number)]
    call_command("rebuild_index", verbosity=0, interactive=False)
    (settings.FOLDER / "shop.json").write_text(json.dumps(sold, ensure_ascii=False))


if __name__ == "__main__":
    main()
