"""The fetch stage against img2dataset with its re-encoding switched off, over loopback.

Both take the same 30,000 pictures of 220 x 220 from the same two hosts, with two processes and 64
requests at once in each, and write bytes, outcomes and SHA-256 to Parquet. They run by turns, each
in processes of its own; a rate is that of the whole call, with the start of its workers. The peer
needs libraries of other versions than ours, so it lives in an environment of its own.
"""

import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from benchmarks.fetch_ours import prepare
from benchmarks.harness import Benchmark, Measurement
from benchmarks.image_shop import running_hosts
from benchmarks.processes import Ran, run_sampled
from demo.scenes import render

PICTURES = 30_000
SCENES = 300
SIDE = 220
QUALITY = 88
PROCESSES = 2
REQUESTS = 64
PAIRS = 3
LEAST_RATIO = 2.0
PEER = "img2dataset==1.47.0"
PEER_SHARD = 1_000  # pictures; several for each process
PEER_HOME = Path.home() / ".cache" / "mep3m-bench" / PEER
_PEER_CALL = """
import json, sys, time
from img2dataset import download
if __name__ == "__main__":
    began = time.perf_counter()
    download(
        url_list=sys.argv[1], output_folder=sys.argv[2], input_format="txt",
        output_format="parquet", processes_count={processes}, thread_count={requests},
        resize_mode="no", disable_all_reencoding=True, number_sample_per_shard={shard},
        compute_hash="sha256", timeout=10, retries=0, enable_wandb=False,
    )
    print("SECONDS", time.perf_counter() - began)
"""


def measure(full: bool) -> Iterator[Measurement]:
    """Pictures a second and peak memory, medians over alternating pairs."""
    del full
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        files = folder / "files"
        _make_pictures(files)
        with running_hosts(files, folder) as (server, hosts):
            yield from _pairs(folder, hosts, server)


def _make_pictures(files: Path) -> None:
    """A few hundred scenes under many names."""
    (files / "i").mkdir(parents=True)
    (files / "robots.txt").write_text("User-agent: *\nDisallow: /private/\n")
    for number in range(PICTURES):
        path = files / "i" / f"{number}.jpg"
        if number < SCENES:
            buffer = io.BytesIO()
            render(number, SIDE, SIDE).save(buffer, "JPEG", quality=QUALITY)
            path.write_bytes(buffer.getvalue())
        else:
            os.link(files / "i" / f"{number % SCENES}.jpg", path)
    assert Image.open(files / "i" / "0.jpg").size == (SIDE, SIDE)


def _pairs(folder: Path, hosts: list[str], server: str) -> Iterator[Measurement]:
    urls = folder / "urls.txt"
    names = (f"http://{hosts[n % len(hosts)]}/i/{n}.jpg" for n in range(PICTURES))
    urls.write_text("".join(f"{name}\n" for name in names))
    peer, problem = _peer_python()
    ours, theirs = [], []
    for number in range(PAIRS):
        ours.append(_ours(urls, folder / f"ours-{number}"))
        if peer is not None:
            theirs.append(_theirs(peer, urls, folder / f"theirs-{number}"))
    size = f"{PICTURES:,} JPEGs of {SIDE} px from {server}"
    rate = [PICTURES / seconds for seconds, _ in ours]
    if not theirs:
        yield Measurement("fetch", size, "img/s", round(statistics.median(rate)), peer=problem)
        return
    ratio = statistics.median(t[0] / o[0] for o, t in zip(ours, theirs, strict=True))
    yield Measurement(
        "fetch", size, "img/s", round(statistics.median(rate)), PEER,
        round(statistics.median(PICTURES / seconds for seconds, _ in theirs)), round(ratio, 2),
        f"ratio >= {LEAST_RATIO:g}", ratio >= LEAST_RATIO,
    )  # fmt: skip
    most, least = max(ran.peak_mb for _, ran in ours), min(ran.peak_mb for _, ran in theirs)
    yield Measurement(
        "fetch", f"{size}: peak memory", "MB", round(most), PEER, round(least),
        round(least / most, 2), "below", most < least,
    )  # fmt: skip


def _ours(urls: Path, folder: Path) -> tuple[float, Ran]:
    prepare(folder, urls.read_text().split(), PROCESSES, REQUESTS)
    root = Path(__file__).resolve().parents[1]
    ran = run_sampled([sys.executable, "-m", "benchmarks.fetch_ours", folder], root)
    said = json.loads(ran.out)
    assert said["ok"] == PICTURES, f"expected {PICTURES} pictures, got {said['ok']}"
    return said["seconds"], ran


def _theirs(python: Path, urls: Path, folder: Path) -> tuple[float, Ran]:
    folder.mkdir()
    script = folder / "call.py"
    script.write_text(_PEER_CALL.format(processes=PROCESSES, requests=REQUESTS, shard=PEER_SHARD))
    ran = run_sampled([python, script, urls, folder / "out"], folder)
    stats = [json.loads(path.read_text()) for path in (folder / "out").glob("*_stats.json")]
    had = sum(shard["successes"] for shard in stats)
    assert had == PICTURES, f"expected {PICTURES} pictures of the peer, got {had}"
    (line,) = (line for line in ran.out.splitlines() if line.startswith("SECONDS"))
    return float(line.split()[1]), ran


def _peer_python() -> tuple[Path | None, str]:
    """The interpreter of the peer's environment, made once; or why there is none."""
    python = PEER_HOME / "bin" / "python"
    if not (PEER_HOME / "done").is_file():
        try:
            venv.create(PEER_HOME, clear=True, with_pip=True)
            subprocess.run(
                [python, "-m", "pip", "install", "--quiet", PEER], check=True, capture_output=True
            )
        except (OSError, subprocess.CalledProcessError) as error:
            return None, f"{PEER}: not installed ({error})"
        (PEER_HOME / "done").touch()
    return python, ""


FETCH = Benchmark("fetch", measure)
