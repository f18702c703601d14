"""Imported last by the process that workers are forked from: what each would do first is done once.

pandas is what PyArrow imports when it first converts an instant, Numba's registries are what its
first compiled function waits for, Pillow's plug-ins what its first picture does. What is there by
then is left alone by the garbage collectors of the workers, which would touch, and so copy, all of
it. Together that is half a second of each worker.
"""

from __future__ import annotations

import gc

import pandas  # noqa: F401
from numba.core.registry import cpu_target
from PIL import Image

cpu_target.typing_context.refresh()
cpu_target.target_context.refresh()
Image.init()
gc.freeze()
