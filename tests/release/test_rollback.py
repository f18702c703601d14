"""Rollback: an earlier release is current again, the next run grows from it, nothing is lost."""

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from provenance.verify import verify
from release.manifest import MANIFEST, read_manifest
from release.rollback import rollback
from runtime.errors import ConfigError, VerificationError
from runtime.exits import Exit
from runtime.storage import read_json, sha256_file, write_json
from runtime.workspace import Workspace
from tests.release.finished_run import START, RunWriter, products, publish_run


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Two releases."""
    made = Workspace(tmp_path_factory.mktemp("rollback") / "workspace")
    made.prepare()
    publish_run(made, RunWriter(made).write(products("shop-a", 8)))
    more = products("shop-a", 8) + products("shop-b", 3)
    publish_run(made, RunWriter(made, START + timedelta(hours=1)).write(more))
    return made


@pytest.fixture
def workspace(grown: Workspace, tmp_path: Path) -> Workspace:
    shutil.copytree(grown.folder, tmp_path / "copy")
    return Workspace(tmp_path / "copy")


def current(workspace: Workspace) -> str:
    latest = workspace.latest_release()
    assert latest is not None
    return latest.name


def test_the_next_run_grows_from_the_release_that_was_gone_back_to(workspace: Workspace) -> None:
    assert current(workspace) == "1.1.0"
    done = rollback(workspace, "1.0.0")
    assert (done.before, done.version, current(workspace)) == ("1.1.0", "1.0.0", "1.0.0")
    assert (workspace.releases / "1.1.0" / MANIFEST).is_file()

    more = products("shop-a", 8) + products("shop-c", 2)
    result = publish_run(workspace, RunWriter(workspace, START + timedelta(hours=2)).write(more))
    assert result.version == "1.2.0" and result.folder is not None  # 1.1.0 is taken for ever
    manifest = read_manifest(result.folder)
    assert manifest.parent is not None and manifest.parent.version == "1.0.0"
    assert manifest.counts.sites == {"shop-a": 8, "shop-c": 2}
    assert verify(result.folder, workspace, quiet=True) == []

    assert rollback(workspace, "1.1.0").before == "1.2.0"
    assert read_json(workspace.releases / "LATEST.json") == {
        "version": "1.1.0",
        "manifest_sha256": sha256_file(workspace.releases / "1.1.0" / MANIFEST),
    }


def test_a_release_without_a_pointer_can_be_gone_back_to(workspace: Workspace) -> None:
    (workspace.releases / "LATEST.json").unlink()
    assert rollback(workspace, "1.0.0").before is None
    assert current(workspace) == "1.0.0"


@pytest.mark.parametrize("version", ["2.0.0", "1.0", "", ".", "..", "../runs", "LATEST.json"])
def test_what_is_no_release_is_refused_with_the_versions_there_are(
    workspace: Workspace, version: str
) -> None:
    with pytest.raises(ConfigError, match=r"name one of 1\.0\.0, 1\.1\.0") as caught:
        rollback(workspace, version)
    assert caught.value.exit_status is Exit.USAGE and current(workspace) == "1.1.0"


def test_an_unfinished_release_is_refused(workspace: Workspace) -> None:
    (workspace.releases / "1.0.0" / MANIFEST).unlink()
    with pytest.raises(ConfigError, match="expected a complete release"):
        rollback(workspace, "1.0.0")


def test_a_withdrawn_release_is_refused_by_its_date_and_reason(workspace: Workspace) -> None:
    path = workspace.releases / "1.0.0" / MANIFEST
    told = {"at": "2026-02-03", "reason": "a takedown"}
    write_json(path, {"format": 1, "version": "1.0.0", "withdrawn": told})
    for folder in ("data", "decisions", "lineage", "fingerprints"):
        shutil.rmtree(path.parent / folder)
    with pytest.raises(ConfigError, match=r"withdrawn on 2026-02-03 \(a takedown\)"):
        rollback(workspace, "1.0.0")
    assert current(workspace) == "1.1.0"


def damaged(path: Path, data: bytes) -> None:
    """Other bytes under the name alone: releases share files by hard links."""
    other = path.with_name("other")
    other.write_bytes(data)
    other.replace(path)


@pytest.mark.parametrize("kind", ["missing file", "shorter shard", "edited lineage"])
def test_a_damaged_release_is_refused_and_the_file_named(workspace: Workspace, kind: str) -> None:
    release = workspace.releases / "1.0.0"
    lineage = release / "lineage" / "lineage.parquet"
    shard = next((release / "data").iterdir())
    broken = shard if kind == "shorter shard" else lineage
    data = broken.read_bytes()
    if kind == "missing file":
        broken.unlink()
    else:
        damaged(broken, data[:-1] if broken == shard else bytes([data[0] ^ 1]) + data[1:])
    with pytest.raises(VerificationError, match=broken.name) as caught:
        rollback(workspace, "1.0.0")
    assert caught.value.exit_status is Exit.VERIFICATION_FAILED and current(workspace) == "1.1.0"


def test_rollback_is_a_command_under_the_lock(workspace: Workspace) -> None:
    from click.testing import CliRunner

    import pipeline
    from runtime.locks import workspace_lock

    config = workspace.folder / "mep3m.toml"
    config.write_text('workspace = "."\n')
    arguments = ["rollback", "1.0.0", "--json", "--config", str(config)]
    with workspace_lock(workspace.folder):
        assert CliRunner().invoke(pipeline.main, arguments).exit_code == Exit.LOCKED
    said = CliRunner().invoke(pipeline.main, arguments)
    assert said.exit_code == 0
    assert json.loads(said.stdout)["before"] == "1.1.0" and current(workspace) == "1.0.0"
