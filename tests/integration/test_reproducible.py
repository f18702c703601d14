"""The same recorded inputs give the same bytes; the same shops give the same records."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas

from tests.integration.commands import REPOSITORY, DemoRun, mep3m, run_demo

COMPUTED = ("listings", "cleaned", "labels", "survivors", "decisions")
STABLE = [
    "record_id", "title", "title_raw", "class_id", "sub_class_id", "subsub_class_id", "label_rule",
    "width", "height", "sha256", "phash", "product_id",
]  # fmt: skip


def contents(release: Path) -> dict[str, bytes]:
    """The bytes of data, decisions and lineage."""
    return {
        str(path.relative_to(release)): path.read_bytes()
        for part in ("data", "decisions", "lineage")
        for path in sorted((release / part).rglob("*.parquet"))
    }


STAGES = ("merge", "fetch", "clean", "map", "dedupe", "publish")
IN_ONE_PROCESS = """
import sys
from pathlib import Path
from pipeline import run_stages
from runtime.config import load_config

if __name__ == "__main__":
    config = Path(sys.argv[1])
    outcome = run_stages(load_config(config), config.parent, sys.argv[2:], quiet=True)
    sys.exit(int(outcome.status))
"""


def recompute(folder: Path, workers: int, *, at_once: bool) -> None:
    """Throw away everything that was computed, and publish again from what was recorded.

    Each stage is a command of its own, or all are one process.
    """
    shutil.rmtree(folder / "releases")
    (run,) = (folder / "runs").iterdir()
    for table in COMPUTED:
        shutil.rmtree(run / table)
    config = folder / "mep3m.toml"
    text = config.read_text()
    config.write_text(text.replace("contact", f"workers = {workers}\ncontact", 1))
    if at_once:
        script = folder.parent / "stages.py"
        script.write_text(IN_ONE_PROCESS)
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        command = [sys.executable, str(script), str(config), *STAGES]
        subprocess.run(command, check=True, env=environment, cwd=folder)
        return
    for stage in STAGES:
        said = mep3m(stage, "--config", config)
        assert said.status == 0, said.err


def test_recorded_inputs_publish_to_the_same_bytes(demo: DemoRun, tmp_path: Path) -> None:
    published = contents(demo.release)
    assert len(published) >= 5
    for workers, at_once in ((1, False), (3, True)):
        copy = tmp_path / f"workspace-{workers}"
        shutil.copytree(demo.folder, copy)
        recompute(copy, workers, at_once=at_once)
        again = contents(copy / "releases" / demo.release.name)
        assert again.keys() == published.keys()
        assert [name for name in again if again[name] != published[name]] == []


def test_two_demos_with_one_seed_give_the_same_records(demo: DemoRun, tmp_path: Path) -> None:
    other = run_demo(tmp_path / "workspace")
    frames = []
    for run in (demo, other):
        parts = []
        for shard in sorted(run.release.glob("data/*.parquet")):
            part = pandas.read_parquet(shard, columns=STABLE)
            parts.append(part.assign(split=shard.name.split("-")[0]))
        frames.append(pandas.concat(parts).sort_values("record_id").reset_index(drop=True))
    pandas.testing.assert_frame_equal(*frames)
    verdicts = []
    for run in (demo, other):
        files = sorted(run.release.glob("decisions/*.parquet"))
        columns = ["record_id", "stage", "rule", "verdict", "peer_id"]
        frame = pandas.concat(pandas.read_parquet(f, columns=columns) for f in files)
        verdicts.append(frame.sort_values(columns).reset_index(drop=True))
    pandas.testing.assert_frame_equal(*verdicts)
