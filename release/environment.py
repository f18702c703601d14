"""Where and with what a release was made, for its manifest.

Goes out: versions of the interpreter, the libraries that touch bytes, the platform and the
processor; and the commit of the code, where it runs from a checkout. None of it decides what a
release holds, so it is no part of its inputs.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

import numpy as np
import PIL
import pyarrow as pa
from PIL import features

_ROOT = Path(__file__).resolve().parents[1]
_AT_MOST_SECONDS = 10


def environment() -> dict[str, str]:
    """Versions, platform and processor; `unknown` where the machine does not tell."""
    return {
        "python": platform.python_version(),
        "pyarrow": pa.__version__,
        "pillow": PIL.__version__,
        "libjpeg": features.version("jpg") or "unknown",
        "numpy": np.__version__,
        "system": platform.system() or "unknown",
        "machine": platform.machine() or "unknown",
        "cpu": _processor(),
    }


def _processor() -> str:
    """The processor's model name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or "unknown"


def commit() -> str | None:
    """The checkout's commit, with `-dirty` behind it where files were changed since.

    None where the code was installed otherwise, or git is not at hand.
    """
    git = shutil.which("git")
    if git is None or not (_ROOT / ".git").exists():
        return None
    # By name: a hook's GIT_DIR would lead elsewhere.
    where = [f"--git-dir={_ROOT / '.git'}", f"--work-tree={_ROOT}"]
    words = [git, *where, "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    try:
        said = subprocess.run(
            words, capture_output=True, text=True, timeout=_AT_MOST_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return said.stdout.strip() or None if said.returncode == 0 else None
