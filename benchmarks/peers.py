"""Environments of peers whose libraries cannot be installed beside ours; each is made once."""

import subprocess
import venv
from collections.abc import Sequence
from pathlib import Path

HOME = Path.home() / ".cache" / "mep3m-bench"


def peer_python(name: str, needs: Sequence[Sequence[str]]) -> tuple[Path | None, str]:
    """The interpreter of the peer's environment; or None, and why there is none.

    `needs` are the arguments of one `pip install` after the other.
    """
    folder = HOME / name
    python, done = folder / "bin" / "python", folder / "done"
    said = repr(needs)
    if not done.is_file() or done.read_text() != said:
        try:
            venv.create(folder, clear=True, with_pip=True)
            for need in needs:
                subprocess.run(
                    [python, "-m", "pip", "install", "--quiet", *need],
                    check=True, capture_output=True,
                )  # fmt: skip
        except (OSError, subprocess.CalledProcessError) as error:
            return None, f"{name}: not installed ({error})"
        done.write_text(said)
    return python, ""
