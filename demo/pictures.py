"""The picture a product is served with, whole or spoilt as it was sown.

A catalogue and one of its products come in; a response goes out, drawn anew each time: a crawl
asks once for each picture, and a cache would only hold memory.
"""

import io

from PIL import Image

from demo.catalogue import Catalogue, DemoProduct, PictureSpec
from demo.pages import Page, not_found
from demo.scenes import ImageFormat, blank, encode, placeholder, render
from demo.sowing import Sown

_QUALITY = 88
_THUMBNAIL = 160
_WHITE = (255, 255, 255)
_ERROR_PAGE = "<!DOCTYPE html><html><head><title>error</title></head><body>图片不存在</body></html>"
NOAI = ("X-Robots-Tag", "noai, noimageai")


def picture_format(catalogue: Catalogue, product: DemoProduct) -> ImageFormat:
    """The format the product's picture is served in."""
    if product.sown in (Sown.REENCODED_COPY, Sown.RESIZED_COPY, Sown.PADDED_COPY):
        return "jpeg"
    return catalogue.source_of(product).picture.fmt


def file_name(catalogue: Catalogue, product: DemoProduct) -> str:
    """The last part of the picture's URL."""
    suffix = {"jpeg": "jpg", "png": "png", "webp": "webp"}[picture_format(catalogue, product)]
    return f"{product.product_id}.{suffix}"


def picture(catalogue: Catalogue, product: DemoProduct) -> Page:
    """The response to a request for the product's picture in full size."""
    return _spoil(product, _served_bytes(catalogue, product), picture_format(catalogue, product))


def thumbnail(catalogue: Catalogue, product: DemoProduct) -> Page:
    """The picture at 160 px, as a grid shows it, with the same defect as the whole picture."""
    fmt = picture_format(catalogue, product)
    image = _decode(_served_bytes(catalogue, product))
    image.thumbnail((_THUMBNAIL, _THUMBNAIL))
    return _spoil(product, encode(image, fmt, _QUALITY), fmt)


def _spoil(product: DemoProduct, body: bytes, fmt: ImageFormat) -> Page:
    """The response with defects of the transfer, which no picture could carry."""
    match product.sown:
        case Sown.MISSING:
            return not_found()
        case Sown.HTML_PICTURE:
            return Page(200, "image/jpeg", _ERROR_PAGE.encode())
        case Sown.TRUNCATED:
            return Page(200, "image/jpeg", body[: len(body) * 2 // 5])
        case Sown.NOAI_HEADER:
            return Page(200, f"image/{fmt}", body, (NOAI,))
        case _:
            return Page(200, f"image/{fmt}", body)


def _served_bytes(catalogue: Catalogue, product: DemoProduct) -> bytes:
    """The picture's bytes before any defect of the transfer."""
    spec = product.picture
    match product.sown:
        case Sown.BLANK:
            return encode(blank(spec.scene_seed, spec.width, spec.height), spec.fmt, _QUALITY)
        case Sown.PLACEHOLDER:
            return encode(placeholder(), "jpeg", _QUALITY)
        case Sown.EXACT_COPY:
            return _drawn(catalogue.source_of(product).picture)
        case Sown.REENCODED_COPY:
            return encode(_source_image(catalogue, product), "jpeg", 60 + spec.scene_seed % 20)
        case Sown.RESIZED_COPY:
            image = _source_image(catalogue, product)
            return encode(image.resize(_smaller(spec), Image.Resampling.LANCZOS), "jpeg", 85)
        case Sown.PADDED_COPY:
            return encode(_padded(_source_image(catalogue, product), spec), "jpeg", _QUALITY)
        case _:
            return _drawn(spec)


def _drawn(spec: PictureSpec) -> bytes:
    image = render(spec.scene_seed, spec.width, spec.height, spec.hue_shift)
    return encode(image, spec.fmt, _QUALITY)


def _decode(body: bytes) -> Image.Image:
    return Image.open(io.BytesIO(body)).convert("RGB")


def _source_image(catalogue: Catalogue, product: DemoProduct) -> Image.Image:
    """The source's picture as a copier has it: decoded from what its shop serves."""
    return _decode(_drawn(catalogue.source_of(product).picture))


def _smaller(spec: PictureSpec) -> tuple[int, int]:
    """The size of a resized copy: 75 x 75 as in MEP-3M for one in four, else 50 to 70 %."""
    if spec.scene_seed % 4 == 0:
        return 75, 75
    share = 0.5 + 0.2 * (spec.scene_seed % 101) / 100
    return round(spec.width * share), round(spec.height * share)


def _padded(image: Image.Image, spec: PictureSpec) -> Image.Image:
    """White all round, 5 % of each side, or white on two sides until the picture is square.

    Nearly square pictures get the border: squaring them would add next to nothing.
    """
    width, height = image.size
    if spec.scene_seed % 2 or abs(width - height) < 12:
        size = (width + 2 * (width // 20), height + 2 * (height // 20))
    else:
        size = (max(width, height), max(width, height))
    canvas = Image.new("RGB", size, _WHITE)
    canvas.paste(image, ((size[0] - width) // 2, (size[1] - height) // 2))
    return canvas
