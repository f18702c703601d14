"""The clean and dedupe stages against data-juicer's like operators, both with two processes.

Both take the same records at 220 px: ours as a run that was fetched, data-juicer as JSON lines
beside image files. Our time is that of the commands `clean` and `dedupe`, from process start to
exit; data-juicer's is what its own executor says its operators took, without its start, its loading
and its export. `map` stands between our two commands and is shown apart: the peer has none. The
peer needs libraries of other versions than ours, so it lives in an environment of its own.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.clean_run import PROCESSES, configure, make_run, start_over
from benchmarks.harness import Benchmark, Measurement
from benchmarks.peers import peer_python
from runtime.workspace import Run

RECORDS = 10_000
MANY_RECORDS = 100_000  # where starting our commands weighs nothing
SIDE = 220
PAIRS = 3
LEAST_RATIO = 8.0
LEAST_DUPLICATES = 0.04  # one record in ten is a copy of another, half of these by its bytes
ROOT = Path(__file__).resolve().parents[1]
PEER = "py-data-juicer==1.6.1"
# imagededup asks for torch, of which its hashes use nothing; it comes without what it asks for.
PEER_NEEDS = (
    (PEER, "aiohttp==3.14.3", "av==18.1.0", "datasets==5.2.0", "ftfy==6.3.1",
     "PyWavelets==1.9.0", "ray==2.60.0", "scikit-learn==1.9.1", "scipy==1.17.1"),
    ("--no-deps", "imagededup==0.3.3.post2"),
)  # fmt: skip
PEER_OPERATORS: list[dict[str, dict[str, Any]]] = [
    {"fix_unicode_mapper": {}},
    {"text_length_filter": {"min_len": 2, "max_len": 300}},
    {"character_repetition_filter": {"rep_len": 10, "max_ratio": 0.6}},
    # By its default of 0.25 it would drop most titles, and so have fewer pictures to read.
    {"special_characters_filter": {"max_ratio": 0.9}},
    {"image_shape_filter": {"min_width": 64, "min_height": 64}},
    {"image_aspect_ratio_filter": {"min_ratio": 0.2, "max_ratio": 5.0}},
    {"image_deduplicator": {"method": "phash"}},
]
_PEER_CALL = """
import sys, types
# imagededup's networks and plots, and torch, which the executor asks to empty a cache it has not.
for name, word in (("methods.cnn", "CNN"), ("utils.models", "CustomModel"),
                   ("utils.plotter", "plot_duplicates")):
    stand_in = types.ModuleType(f"imagededup.{name}")
    setattr(stand_in, word, None)
    sys.modules[stand_in.__name__] = stand_in
import data_juicer.utils.model_utils as models
models.torch = types.SimpleNamespace(cuda=types.SimpleNamespace(empty_cache=lambda: None))
from data_juicer.config import init_configs
from data_juicer.core.executor import DefaultExecutor
if __name__ == "__main__":
    DefaultExecutor(init_configs(["--config", sys.argv[1]])).run()
"""
_DONE = re.compile(r"OP \[(\w+)\] Done in ([\d.]+)s\. Left (\d+) samples")


@dataclass(frozen=True)
class Ours:
    """Seconds of our commands, from process start to exit."""

    clean: float
    map: float
    dedupe: float

    @property
    def compared(self) -> float:
        """What stands beside the peer's operators."""
        return self.clean + self.dedupe


def measure(full: bool) -> Iterator[Measurement]:
    """Both modes of our fingerprints beside the peer, medians over alternating runs."""
    yield from _measure(RECORDS, PAIRS)
    if full:
        yield from _measure(MANY_RECORDS, 1)


def _measure(records: int, pairs: int) -> Iterator[Measurement]:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        run = make_run(folder / "ours", records, SIDE)
        peer, problem = peer_python(PEER, PEER_NEEDS)
        config = _peer_input(run, folder / "peer") if peer is not None else folder
        reduced, exact, theirs = [], [], []
        for _ in range(pairs):
            reduced.append(run_ours(folder / "ours", run, "reduced"))
            if peer is not None:
                theirs.append(_run_peer(peer, config, records))
            exact.append(run_ours(folder / "ours", run, "exact"))
        size = f"{records:,} records at {SIDE} px"
        yield _compared(f"{size}, reduced", reduced, theirs, problem, LEAST_RATIO)
        yield _compared(f"{size}, exact", exact, theirs, problem, None)
        for name in ("clean", "map", "dedupe"):
            seconds = statistics.median(getattr(ours, name) for ours in reduced)
            what = f"of it `{name}`, {records:,}, reduced"
            yield Measurement("clean", what, "s", round(seconds, 2))


def _compared(
    size: str, ours: list[Ours], theirs: list[float], problem: str, least: float | None
) -> Measurement:
    seconds = round(statistics.median(o.compared for o in ours), 2)
    if not theirs:
        return Measurement("clean", size, "s", seconds, peer=problem)
    ratio = statistics.median(t / o.compared for o, t in zip(ours, theirs, strict=True))
    return Measurement(
        "clean", size, "s", seconds, f"{PEER}, its operators", round(statistics.median(theirs), 2),
        round(ratio, 1), None if least is None else f"ratio >= {least:g}",
        None if least is None else ratio >= least,
    )  # fmt: skip


def run_ours(folder: Path, run: Run, mode: str) -> Ours:
    """Run our stages from the start, as a person would."""
    configure(folder, mode)
    start_over(run)
    ours = Ours(*(_seconds(folder, stage) for stage in ("clean", "map", "dedupe")))
    fates = json.loads(_command(folder, "dedupe"))["fates"]  # there is nothing left to do
    least = LEAST_DUPLICATES * sum(seal.rows for seal in run.listings.seals().values())
    assert fates["duplicate"] >= least, f"expected {least:.0f} duplicates at least, got {fates}"
    return ours


def _seconds(folder: Path, stage: str) -> float:
    began = time.perf_counter()
    _command(folder, stage)
    return time.perf_counter() - began


def _command(folder: Path, stage: str) -> str:
    config = str(folder / "mep3m.toml")
    call = [sys.executable, "pipeline.py", stage, "--json", "--config", config]
    said = subprocess.run(call, cwd=ROOT, capture_output=True, text=True)
    assert said.returncode == 0, f"{stage}: exit status {said.returncode}: {said.stderr}"
    return said.stdout


def _peer_input(run: Run, folder: Path) -> Path:
    """The same records as the peer reads them; returns its configuration."""
    pictures = folder / "pictures"
    pictures.mkdir(parents=True)
    for name in run.images.names():
        for batch in run.images.stream(name, ["image_url", "image"], 256):
            for url, image in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                (pictures / url.rpartition("/")[2]).write_bytes(image)
    with (folder / "records.jsonl").open("w", encoding="utf-8") as lines:
        for name in run.listings.names():
            table = run.listings.read(name, ["title", "image_url"])
            for title, url in zip(*(column.to_pylist() for column in table.columns), strict=True):
                record = {"text": title, "images": [str(pictures / url.rpartition("/")[2])]}
                lines.write(json.dumps(record, ensure_ascii=False) + "\n")
    (folder / "call.py").write_text(_PEER_CALL)
    config = folder / "config.yaml"  # JSON is YAML
    settings = {
        "project_name": "benchmark", "dataset_path": str(folder / "records.jsonl"),
        "export_path": str(folder / "out" / "records.jsonl"), "np": PROCESSES,
        "process": PEER_OPERATORS,
    }  # fmt: skip
    config.write_text(json.dumps(settings))
    return config


def _run_peer(python: Path, config: Path, records: int) -> float:
    """Seconds inside the peer's operators, with a cache of its own that is new in every run."""
    with tempfile.TemporaryDirectory(dir=config.parent) as cache:
        # It must not install what it lacks in the middle of a measurement.
        offline = {"UV_OFFLINE": "1", "PIP_NO_INDEX": "1", "HF_HUB_OFFLINE": "1"}
        homes = dict.fromkeys(("HF_HOME", "HF_DATASETS_CACHE", "DATA_JUICER_CACHE_HOME"), cache)
        said = subprocess.run(
            [python, config.parent / "call.py", config], cwd=config.parent, text=True,
            env={**os.environ, **offline, **homes}, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
    done = _DONE.findall(said.stdout)
    wanted = [name for operator in PEER_OPERATORS for name in operator]
    assert [name for name, _, _ in done] == wanted, f"expected {wanted}: {said.stdout[-2000:]}"
    left = int(done[-1][2])
    assert records * 0.8 < left < records * 0.96, f"expected copies alone to go, {left} are left"
    return sum(float(seconds) for _, seconds, _ in done)


CLEAN = Benchmark("clean", measure)
