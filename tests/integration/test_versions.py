"""Another version of the fingerprints: a major release, from the shards' own bytes, and back.

And stages that run again on what they made already, which changes nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cleaning.copies import reindex
from cleaning.hashes import VERSIONS, Mode
from cleaning.images.decoding import DecodedImage, decode
from cleaning.images.fingerprints import fingerprint_batch
from provenance.verify import verify
from release.manifest import read_manifest
from tests.crawler.shop import Shop, running_shop
from tests.integration.test_second_runs import Stall, open_stall, picture

COMPUTED = (
    "cleaned", "labels", "survivors", "decisions/clean", "decisions/map", "decisions/dedupe",
)  # fmt: skip


class Restaged(Stall):
    """A stall whose finished run goes through stages again."""

    def stages(self, *names: str) -> None:
        for name in names:
            said = self.say(name)
            assert said.status == 0, said.err


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with running_shop() as shop:
        yield shop


@pytest.fixture(scope="module")
def first_run(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a release of exact fingerprints."""
    stall = open_stall(shop, tmp_path_factory.mktemp("exact") / "workspace")
    switch(stall, "exact")
    for number in range(10, 16):
        stall.sell(number, f"竹编收纳篮家用加厚 {number}cm", picture(number))
    stall.show(1, 2, 3, *range(10, 16))
    stall.run()
    return stall.folder


@pytest.fixture
def stall(shop: Shop, first_run: Path, tmp_path: Path) -> Restaged:
    shutil.copytree(first_run, tmp_path / "workspace")
    return Restaged(shop, tmp_path / "workspace")


def switch(stall: Stall, mode: Mode) -> None:
    """Configure the version of the fingerprints."""
    config = stall.folder / "mep3m.toml"
    head = config.read_text().partition("\n[clean]")[0]
    config.write_text(f'{head}\n[clean]\nfingerprints = "{mode}"\n')


def release(stall: Stall) -> Path:
    found = stall.workspace.latest_release()
    assert found is not None
    return found


def hashes(folder: Path) -> dict[str, int]:
    """`phash` by record id, as the shards have it."""
    found: dict[str, int] = {}
    for shard in sorted((folder / "data").glob("*.parquet")):
        table = pq.read_table(shard, columns=["record_id", "phash"])
        found.update(zip(table["record_id"].to_pylist(), table["phash"].to_pylist(), strict=True))
    return found


def taken(folder: Path, mode: Mode) -> dict[str, int]:
    """`phash` by record id, as its mode has it of the shards' bytes."""
    found = {}
    for shard in sorted((folder / "data").glob("*.parquet")):
        for row in pq.read_table(shard, columns=["record_id", "image"]).to_pylist():
            decoded = decode(row["image"]["bytes"], mode=mode)
            assert isinstance(decoded, DecodedImage)
            found[row["record_id"]] = int(fingerprint_batch([decoded]).phash[0])
    return found


def pictures(folder: Path) -> dict[str, bytes]:
    rows = [
        row
        for shard in (folder / "data").glob("*.parquet")
        for row in pq.read_table(shard, columns=["record_id", "image"]).to_pylist()
    ]
    return {row["record_id"]: row["image"]["bytes"] for row in rows}


def test_another_version_is_a_major_release_and_back_again(stall: Restaged) -> None:
    exact, before = release(stall), stall.rows()
    assert (exact.name, read_manifest(exact).fingerprint) == ("1.0.0", VERSIONS["exact"])
    switch(stall, "reduced")
    stall.stages("clean", "map", "dedupe", "publish")
    reduced, after = release(stall), stall.rows()
    stall.check()
    assert (reduced.name, read_manifest(reduced).fingerprint) == ("2.0.0", VERSIONS["reduced"])
    assert hashes(reduced) == taken(reduced, "reduced") != hashes(exact)
    index = pq.read_table(reduced / "fingerprints" / "fingerprints.parquet")
    assert dict(zip(index["record_id"].to_pylist(), index["phash"].to_pylist(), strict=True)) == (
        hashes(reduced)
    )
    for path in (*reduced.glob("data/*.parquet"), *reduced.glob("fingerprints/*.parquet")):
        assert pq.read_schema(path).metadata[b"fingerprint"].decode() == VERSIONS["reduced"]
    # Nothing else is another than it was published.
    assert pictures(reduced) == pictures(exact)
    assert after.drop(columns=["image", "phash"]).equals(before.drop(columns=["image", "phash"]))
    lineage = Path("lineage", "lineage.parquet")
    assert (reduced / lineage).read_bytes() == (exact / lineage).read_bytes()
    # Nothing more to do in that version, and the way back gives the first one's hashes.
    stall.stages("dedupe")
    assert stall.say("publish").status == 10
    switch(stall, "exact")
    stall.stages("clean", "map", "dedupe", "publish")
    stall.check()
    assert release(stall).name == "3.0.0"
    assert hashes(release(stall)) == hashes(exact)
    assert verify(exact, stall.workspace, quiet=True) == []


def test_copies_newcomers_and_opt_outs_meet_the_new_version(stall: Restaged) -> None:
    switch(stall, "reduced")
    stall.sell(4, "青瓷茶杯手工釉下彩 200ml 特惠", picture(1, quality=70))
    stall.sell(5, "不锈钢保温壶大容量 0.5L", picture(50))
    stall.sell(2, "不锈钢保温壶大容量 1.5L", picture(2), X_Robots_Tag="noai")
    stall.show(1, 2, 4, 5, *range(10, 16))
    fates = stall.run()  # which verifies the release
    found = release(stall)
    assert (found.name, fates["removed"], fates["duplicate"]) == ("2.0.0", 1, 1)
    told = stall.say("audit", "s:4").out
    assert "duplicate" in told and "s:1" in told
    assert set(hashes(found)) == {"s:1", "s:5", *(f"s:{n}" for n in range(10, 16))}
    assert hashes(found) == taken(found, "reduced")


def test_a_killed_change_of_version_goes_on_where_it_was(
    stall: Restaged, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch(stall, "reduced")
    stall.stages("clean", "map")
    (run,) = stall.workspace.runs()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(reindex, "stale_units", killed)
        assert stall.say("dedupe").status == 130
    made = {name: seal.sha256 for name, seal in run.reprints.seals().items()}
    assert len(made) == len(read_manifest(release(stall)).shards)
    times = {name: run.reprints.path(name).stat().st_mtime_ns for name in made}
    damaged = min(made)
    run.reprints.path(damaged).write_bytes(b"")
    stall.stages("dedupe")
    assert {name: seal.sha256 for name, seal in run.reprints.seals().items()} == made
    again = {name: run.reprints.path(name).stat().st_mtime_ns for name in made}
    assert {name for name in made if again[name] != times[name]} == {damaged}


def test_clean_and_dedupe_again_change_nothing(stall: Restaged) -> None:
    (run,) = stall.workspace.runs()
    before = {path: path.read_bytes() for path in computed(run.folder)}
    moments = {path: path.stat().st_mtime_ns for path in before}
    stall.stages("clean", "map")
    assert {path: path.stat().st_mtime_ns for path in computed(run.folder)} == moments
    # Dedupe compares with the release that the run itself made; that settles after one time.
    stall.stages("dedupe")
    settled = {path: path.read_bytes() for path in computed(run.folder)}
    moments = {path: path.stat().st_mtime_ns for path in settled}
    stall.stages("clean", "map", "dedupe")
    assert {path: path.stat().st_mtime_ns for path in computed(run.folder)} == moments
    # Made from nothing again, the tables are the same bytes.
    for table in COMPUTED:
        shutil.rmtree(run.folder / table)
    stall.stages("clean", "map", "dedupe")
    assert {path: path.read_bytes() for path in computed(run.folder)} == settled


def computed(folder: Path) -> list[Path]:
    return sorted(path for table in COMPUTED for path in (folder / table).rglob("*.parquet"))
