"""What a file is that no decoder reads, and whether its end is missing.

In come bytes as received; out go words for what came instead of a picture. File names and
Content-Type headers are not believed.
"""

_OTHER_PICTURES = (
    (b"\xff\x0a", "a JPEG XL picture, which no decoder here reads"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture, which no decoder here reads"),
    (b"\x00\x00\x01\x00", "an icon"),
    (b"%PDF-", "a PDF document"),
)


def what_it_is_instead(data: bytes) -> str:
    """Words for bytes that are no supported raster image."""
    head = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n\x00").lower()
    if head.startswith((b"<!doctype html", b"<html", b"<head", b"<body")) or b"<html" in head:
        return "an HTML page"
    if b"<svg" in head:
        return "an SVG drawing, which has no pixels"
    if head.startswith(b"<"):
        return "an XML or HTML document"
    if head.startswith((b"{", b"[")):
        return "JSON text"
    for signature, name in _OTHER_PICTURES:
        if data.startswith(signature):
            return name
    if data[4:8] == b"ftyp":
        return "a media container of an unsupported kind"
    if b"\x00" not in data[:512] and _is_text(data[:512]):
        return "plain text"
    return "no known image format"


def looks_truncated(data: bytes, kind: str) -> bool:
    """Whether a file that did not decode ends before its format's end mark or stated length."""
    if kind == "JPEG":
        return b"\xff\xd9" not in data[-64:]
    if kind == "PNG":
        return b"IEND" not in data[-64:]
    if kind == "GIF":
        return b";" not in data[-16:]
    if kind == "WEBP":
        return len(data) < int.from_bytes(data[4:8], "little") + 8
    if kind == "BMP":
        return len(data) < int.from_bytes(data[2:6], "little")
    return False


def _is_text(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        # A character cut at the end of the sample is still text.
        return error.start >= len(data) - 3
    return True
