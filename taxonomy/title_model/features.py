"""Titles as sparse vectors: hashed character 1- to 3-grams, which need no vocabulary."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import HashingVectorizer

FEATURES = 2**16
"""Places that n-grams are hashed to. With 688 leaves the weights take 90 MB of 16-bit numbers."""

_VECTORIZER = HashingVectorizer(
    analyzer="char",
    ngram_range=(1, 3),
    n_features=FEATURES,
    alternate_sign=False,
    norm="l2",
    dtype=np.float32,
    lowercase=True,
)


def vectors(titles: Sequence[str]) -> csr_matrix:
    """One row of unit length for each title, float32[N, FEATURES]; an empty title is all zeros."""
    return _VECTORIZER.transform(titles)
