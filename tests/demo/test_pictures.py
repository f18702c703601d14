"""Every kind of picture is spoilt, or copied, in the way it says."""

import io

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

from demo.catalogue import Catalogue, DemoProduct, build_catalogue
from demo.pictures import file_name, picture, thumbnail
from demo.sowing import Sown


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return build_catalogue(400, 5)


def _of(catalogue: Catalogue, sown: Sown) -> list[DemoProduct]:
    return [product for product in catalogue.products if product.sown is sown]


def _image(body: bytes) -> Image.Image:
    return Image.open(io.BytesIO(body)).convert("RGB")


def test_an_exact_copy_has_the_bytes_and_the_format_of_its_source(catalogue: Catalogue) -> None:
    for copy in _of(catalogue, Sown.EXACT_COPY):
        source = catalogue.source_of(copy)
        assert picture(catalogue, copy).body == picture(catalogue, source).body
        assert (
            file_name(catalogue, copy).split(".")[1] == file_name(catalogue, source).split(".")[1]
        )


def test_other_copies_have_other_bytes(catalogue: Catalogue) -> None:
    for sown in (Sown.REENCODED_COPY, Sown.RESIZED_COPY, Sown.PADDED_COPY):
        for copy in _of(catalogue, sown):
            assert (
                picture(catalogue, copy).body != picture(catalogue, catalogue.source_of(copy)).body
            )


def test_resized_copies_are_smaller_and_padded_ones_have_a_white_border(
    catalogue: Catalogue,
) -> None:
    for copy in _of(catalogue, Sown.RESIZED_COPY):
        width, height = _image(picture(catalogue, copy).body).size
        assert width * height < copy.picture.width * copy.picture.height * 0.6
    for copy in _of(catalogue, Sown.PADDED_COPY):
        pixels = np.asarray(_image(picture(catalogue, copy).body))
        assert pixels[:3].min() > 240 or pixels[:, :3].min() > 240


def test_blank_pictures_decode_to_one_colour(catalogue: Catalogue) -> None:
    for product in _of(catalogue, Sown.BLANK):
        assert np.asarray(_image(picture(catalogue, product).body)).std(axis=(0, 1)).max() < 2


def test_the_placeholder_is_one_file_for_all(catalogue: Catalogue) -> None:
    bodies = {picture(catalogue, product).body for product in _of(catalogue, Sown.PLACEHOLDER)}
    assert len(bodies) == 1


def test_truncated_pictures_do_not_decode(catalogue: Catalogue) -> None:
    for product in _of(catalogue, Sown.TRUNCATED):
        for served in (picture(catalogue, product), thumbnail(catalogue, product)):
            assert served.body.startswith(b"\xff\xd8")
            with pytest.raises(OSError, match="truncated"):
                _image(served.body)


def test_html_comes_under_the_name_of_a_jpeg(catalogue: Catalogue) -> None:
    for product in _of(catalogue, Sown.HTML_PICTURE):
        served = picture(catalogue, product)
        assert (served.status, served.content_type) == (200, "image/jpeg")
        with pytest.raises(UnidentifiedImageError):
            _image(served.body)


def test_missing_pictures_are_not_found(catalogue: Catalogue) -> None:
    assert {picture(catalogue, item).status for item in _of(catalogue, Sown.MISSING)} == {404}


def test_a_thumbnail_shows_the_same_picture_within_160_pixels(catalogue: Catalogue) -> None:
    product = _of(catalogue, Sown.PLAIN)[0]
    small, whole = (
        _image(page.body) for page in (thumbnail(catalogue, product), picture(catalogue, product))
    )
    assert max(small.size) == 160
    difference = np.asarray(small, dtype=float) - np.asarray(whole.resize(small.size))
    assert np.abs(difference).mean() < 6
