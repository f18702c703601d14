"""Pictures of every kind the decoder takes, and ways to break their files; all from a seed."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import cache

import numpy as np
from PIL import Image, ImageCms

from cleaning.images.decoding import DecodedImage

Mutation = Callable[[bytes, random.Random, Sequence[bytes]], bytes]


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def of_every_kind(photo: Image.Image) -> dict[str, bytes]:
    """One photo as files of all formats, modes, and extras such as EXIF, profiles, frames."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a product" * 20
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace(b"sRGB", b"aRGB").replace("sRGB".encode("utf-16-be"), b"\0a\0R\0G\0B")
    grey = np.asarray(photo.convert("L"))
    alpha = photo.convert("RGBA")
    alpha.putalpha(Image.fromarray(255 - grey))
    palette = photo.quantize(32)
    turned = [photo.rotate(90 * n) for n in (1, 2)]
    return {
        "jpeg": saved(photo, "JPEG"),
        "jpeg-progressive": saved(photo, "JPEG", progressive=True, quality=60),
        "jpeg-cmyk": saved(photo.convert("CMYK"), "JPEG"),
        "jpeg-grey-exif": saved(photo.convert("L"), "JPEG", exif=exif),
        "jpeg-icc-exif": saved(photo, "JPEG", icc_profile=profile, exif=exif, subsampling=0),
        "png": saved(photo, "PNG"),
        "png-16": saved(Image.fromarray(grey.astype(np.uint16) * 257), "PNG"),
        "png-palette": saved(palette, "PNG", transparency=3),
        "png-alpha-icc": saved(alpha, "PNG", icc_profile=profile, exif=exif),
        "png-bits": saved(photo.convert("1"), "PNG"),
        "apng": saved(photo, "PNG", save_all=True, append_images=turned),
        "gif": saved(palette, "GIF", transparency=3),
        "gif-animated": saved(photo, "GIF", save_all=True, append_images=turned),
        "webp": saved(photo, "WEBP", method=0, icc_profile=profile, exif=exif),
        "webp-lossless": saved(alpha, "WEBP", lossless=True, method=0),
        "webp-animated": saved(photo, "WEBP", save_all=True, append_images=turned, method=0),
        "bmp": saved(photo, "BMP"),
        "bmp-palette": saved(palette, "BMP"),
        "avif": saved(photo, "AVIF", speed=10, exif=exif),
        "avif-alpha": saved(alpha, "AVIF", speed=10),
        "tiff": saved(photo, "TIFF"),
        "tiff-lzw": saved(photo, "TIFF", compression="tiff_lzw"),
        "tiff-deflate": saved(alpha, "TIFF", compression="tiff_adobe_deflate"),
        "tiff-jpeg": saved(photo, "TIFF", compression="jpeg"),
        "tiff-cmyk": saved(photo.convert("CMYK"), "TIFF"),
        "tiff-float": saved(Image.fromarray(grey.astype(np.float32)), "TIFF"),
        "tiff-bits": saved(photo.convert("1"), "TIFF", compression="group4"),
    }


def _truncated(data: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    return data[: chance.randrange(len(data))]


def _flipped(data: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    broken = bytearray(data)
    for _ in range(chance.choice((1, 3, 10, 100))):
        broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
    return bytes(broken)


def _flipped_head(data: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    """Where headers, tables and sizes stand; the first bytes stay, so that it is opened."""
    broken = bytearray(data)
    for _ in range(chance.choice((1, 2, 8))):
        at = chance.randrange(8, max(9, min(len(broken), chance.choice((64, 400)))))
        value = chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))
        broken[min(at, len(broken) - 1)] = value
    return bytes(broken)


def _spliced(data: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    """A run of bytes taken out, doubled, blanked, or from another file."""
    start = chance.randrange(len(data))
    end = min(len(data), start + chance.choice((1, 4, 16, 200, 4000)))
    other = chance.choice(others)
    middle = chance.choice((b"", data[start:end] * 2, bytes(end - start), other[start:end]))
    return data[:start] + middle + data[end:]


def _resized_field(data: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    """A 16- or 32-bit number, such as a chunk's length, becomes an extreme one."""
    form = chance.choice((">H", "<H", ">I", "<I"))
    width = struct.calcsize(form)
    at = chance.randrange(4, max(5, min(len(data) - width, 600)))
    most = 256**width - 1
    value = chance.choice((0, 1, most, most - 7, most // 2, most // 2 + 1, chance.randrange(most)))
    return data[:at] + struct.pack(form, value) + data[at + width :]


def _swapped_head(data: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    """The beginning of one format and the rest of another."""
    cut = chance.choice((4, 8, 12, 30, 100, 600))
    return chance.choice(others)[:cut] + data[cut:]


def _mended_png(data: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    """A PNG chunk damaged under a checksum that fits; other formats' bits are flipped."""
    if not data.startswith(b"\x89PNG"):
        return _flipped(data, chance, others)
    chunks, at = [], 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    pick = chance.randrange(len(chunks))
    name, body = chunks[pick]
    if body:
        chunks[pick] = name, _flipped(body, chance, others)
    if chance.random() < 0.3:
        chunks.insert(chance.randrange(len(chunks) + 1), chance.choice(chunks))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def _followed(data: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    """Two files in one, or a page behind a picture."""
    return data + chance.choice((chance.choice(others), b"<html>404</html>", bytes(500)))


def _renamed(data: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    """The first bytes of a format over anything."""
    heads = (
        b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\0", b"MM\0*",
        b"RIFF\xff\xff\0\0WEBPVP8X", b"\0\0\0\x1cftypavif",
    )  # fmt: skip
    body = chance.choice((chance.randbytes(300), b"<html><body>Not found</body></html>", data[20:]))
    return chance.choice(heads) + body


MUTATIONS: tuple[Mutation, ...] = (
    _truncated, _flipped, _flipped_head, _spliced, _resized_field,
    _swapped_head, _mended_png, _followed, _renamed,
)  # fmt: skip


def mutated(originals: Sequence[bytes], count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """So many broken files, each with how it was made; each kind of damage to each original."""
    chance = random.Random(seed)
    for turn in range(count):
        original = turn % len(originals)
        mutation = MUTATIONS[chance.randrange(len(MUTATIONS))]
        data = mutation(originals[original], chance, originals)
        if chance.random() < 0.2:
            data = chance.choice(MUTATIONS)(data or b"?", chance, originals)
        yield f"{turn}: original {original}, {mutation.__name__}", data


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, *chunks: bytes, bits: int = 8, colour: int = 0) -> bytes:
    """A PNG file of these chunks after its header."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    parts = (png_chunk(b"IHDR", header), *chunks, png_chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@cache
def bombs() -> dict[str, bytes]:
    """Small files that ask for much memory or time."""
    zeros = zlib.compress(bytes(64 * 1024 * 1024), 9)
    small, other = (Image.new("RGB", (80, 80), colour) for colour in ("red", "blue"))
    jpeg = saved(small, "JPEG")
    size = jpeg.index(b"\xff\xc0") + 5
    gif = saved(small, "GIF")
    webp = saved(small, "WEBP", save_all=True, append_images=[other])
    canvas = webp.index(b"VP8X") + 12
    bmp = saved(small, "BMP")
    tiff = saved(small, "TIFF")
    width = struct.pack("<HHI", 256, 4, 1)
    rows = zlib.compress((b"\0" + bytes(4000)) * 4000, 9)
    return {
        "png of 60000x60000": png(60_000, 60_000, png_chunk(b"IDAT", zeros)),
        "png of 16 M pixels in 16 kB": png(4000, 4000, png_chunk(b"IDAT", rows)),
        "png with 64 MB of text": png(
            80, 80, png_chunk(b"zTXt", b"a\0\0" + zeros), png_chunk(b"IDAT", zeros[:200])
        ),
        "png with a 64 MB profile": png(
            80, 80, png_chunk(b"iCCP", b"a\0\0" + zeros), png_chunk(b"IDAT", zeros[:200])
        ),
        "png with 64 MB behind its rows": png(80, 80, png_chunk(b"IDAT", zeros)),
        "png of no pixels": png(0, 0, png_chunk(b"IDAT", zeros[:20])),
        "png of 2^31 - 1 columns": png(2**31 - 1, 1, png_chunk(b"IDAT", zeros[:200])),
        "jpeg of 65500x65500": jpeg[:size] + b"\xff\xdc\xff\xdc" + jpeg[size + 4 :],
        "jpeg of 60000x260": jpeg[:size] + struct.pack(">HH", 260, 60_000) + jpeg[size + 4 :],
        "gif with a canvas of 65535x65535": gif[:6] + b"\xff\xff\xff\xff" + gif[10:],
        "webp with a canvas of 16777216x256": webp[:canvas]
        + b"\xff\xff\xff\xff\0\0"
        + webp[canvas + 6 :],
        "bmp of 2^31 - 1 rows": bmp[:22] + struct.pack("<i", 2**31 - 1) + bmp[26:],
        "bmp of 60000x60000": bmp[:18] + struct.pack("<ii", 60_000, 60_000) + bmp[26:],
        "tiff of 2^31 - 1 columns": tiff.replace(
            width + struct.pack("<I", 80), width + struct.pack("<I", 2**31 - 1)
        ),
    }


def animation(frames: int, kind: str = "GIF") -> bytes:
    """A picture of so many frames."""
    colours = [Image.new("P", (80, 80), n % 2) for n in range(frames)]
    return saved(colours[0], kind, save_all=True, append_images=colours[1:])


def slow_jpeg(side: int = 1000, scans: int = 3000) -> bytes:
    """A valid progressive JPEG of many empty scans: some ten bytes each, and a pass over all
    pixels for the decoder; 1 ms each at 1,000 x 1,000 pixels."""
    data = saved(Image.new("L", (side, side), 128), "JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + scan * scans + b"\xff\xd9"


def is_sane(image: DecodedImage) -> bool:
    """Whether what is said of a picture fits together."""
    high, wide, channels = image.pixels.shape
    return (
        channels == 3
        and image.pixels.dtype == np.uint8
        and 0 < wide <= image.width
        and 0 < high <= image.height
        and sorted(image.original_size) == sorted((image.width, image.height))
    )
