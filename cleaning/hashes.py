"""What a fingerprint is, for all that compare or keep fingerprints without making any.

Hashes are comparable only within one version, which names algorithms, resampling and decoding.
Importing this loads no library that decodes or transforms.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Mode = Literal["exact", "reduced"]
"""*exact* decodes every pixel; *reduced* lets the JPEG decoder scale by 1/2, 1/4 or 1/8."""

VERSIONS: Mapping[Mode, str] = {
    mode: f"phash-dct2-8of32-lanczos-{mode}_trim-v2_lab4x4-box8-v2" for mode in get_args(Mode)
}
"""*exact*: ``phash`` equals imagehash's bit for bit. *reduced*: of a JPEG it equals imagehash's
after Pillow's ``image.draft("RGB", (64, 64))``; other formats are decoded in full."""

COLOUR_BYTES = 48


def is_degenerate(hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which hashes say nothing: a threshold at the median sets 32 of 64 bits on every photo."""
    return np.asarray(np.bitwise_count(hashes) != 32)
