"""imagededup's search, in an environment of its own that holds only what its search needs.

In come hashes; out goes how many pairs its Cython comparison found, and in how many seconds. Its
encoders need torch, its search does not, so it is installed without its dependencies.
"""

import json
import subprocess
import tempfile
import venv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PEER = "imagededup==0.3.3.post2"
NEEDS = ("numpy", "tqdm")
PEER_HOME = Path.home() / ".cache" / "mep3m-bench" / PEER
AT_MOST_SECONDS = 1_200.0
_CALL = """
import json, sys, time
from imagededup.handlers.search.brute_force_cython import BruteForceCython
words = open(sys.argv[1]).read().split()
search = BruteForceCython({str(n): word for n, word in enumerate(words)}, None)
began = time.perf_counter()
found = sum(len(search.search(word, int(sys.argv[2]))) for word in words)
print(json.dumps([found, time.perf_counter() - began]))
"""


@dataclass(frozen=True)
class PeerSearch:
    """Pairs of different rows within the radius, and the seconds it took to find them."""

    pairs: int
    seconds: float


def pairs_by_imagededup(hashes: NDArray[np.uint64], radius: int) -> tuple[PeerSearch | None, str]:
    """What the peer found and its name, or none and why there is none."""
    python = PEER_HOME / "bin" / "python"
    if not (PEER_HOME / "done").is_file():
        try:
            venv.create(PEER_HOME, clear=True, with_pip=True)
            install = [str(python), "-m", "pip", "install", "--quiet"]
            subprocess.run([*install, "--no-deps", PEER], check=True, capture_output=True)
            subprocess.run([*install, *NEEDS], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            return None, f"{PEER}: not installed ({error})"
        (PEER_HOME / "done").touch()
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("\n".join(f"{int(value):016x}" for value in hashes))
        file.flush()
        call = [str(python), "-c", _CALL, file.name, str(radius)]
        try:
            out = subprocess.run(
                call, check=True, capture_output=True, text=True, timeout=AT_MOST_SECONDS
            ).stdout
        except subprocess.TimeoutExpired:
            return None, f"{PEER}: more than {AT_MOST_SECONDS:g} s"
    found, seconds = json.loads(out)
    # Every pair is found from both sides, and every row finds itself.
    return PeerSearch((found - len(hashes)) // 2, seconds), f"{PEER} BruteForceCython"
