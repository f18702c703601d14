"""Columns in plain files, which workers map into memory instead of having them copied.

Comes in: columns of numbers, whole or in pieces. Goes out: a `.npy` file for each in the stage's
scratch folder. Mapped columns may be written to: what is changed is the process's own.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from runtime.storage import os_errors_explained

Columns = dict[str, NDArray[Any]]


@contextmanager
def scratch_folder(folder: Path) -> Iterator[Path]:
    """An empty folder, gone at the end; what a killed process left in it goes first."""
    with os_errors_explained(folder):
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def save_columns(folder: Path, columns: Mapping[str, NDArray[Any]]) -> None:
    """Write columns; each is there whole or not at all, whoever writes it a second time."""
    with os_errors_explained(folder):
        folder.mkdir(exist_ok=True)
        for name, values in columns.items():
            with _replacing(folder / f"{name}.npy") as temporary, temporary.open("wb") as file:
                np.save(file, values)


def map_column(folder: Path, name: str) -> NDArray[Any]:
    """A column, mapped: its pages are shared with every process that maps it."""
    mapped = np.load(folder / f"{name}.npy", mmap_mode="c")
    return np.asarray(mapped)  # compiled code knows arrays, not maps


def join_columns(folder: Path, pieces: Sequence[Path], names: Sequence[str]) -> None:
    """Lay the columns of pieces one behind the other; the pieces' own files go."""
    with os_errors_explained(folder):
        folder.mkdir(exist_ok=True)
        for name in names:
            parts = [np.load(piece / f"{name}.npy", mmap_mode="r") for piece in pieces]
            rows = sum(map(len, parts))
            kind, width = parts[0].dtype, parts[0].shape[1:]
            with (folder / f"{name}.npy").open("wb") as file:
                header = npy.header_data_from_array_1_0(np.empty((0, *width), kind))
                npy.write_array_header_1_0(file, {**header, "shape": (rows, *width)})
                for part in parts:
                    file.write(part.data)
            for piece in pieces:
                (piece / f"{name}.npy").unlink()


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    yield temporary
    temporary.replace(target)
