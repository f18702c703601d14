"""The whole demo with its workspace on a real S3 server, and every kind of command on it."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pandas
import pytest

from runtime.config import load_config
from runtime.opening import workspace_folder
from tests.integration.commands import DEMO_PRODUCTS, DemoRun, mep3m, signal_when, start
from tests.integration.test_reproducible import COMPUTED, STAGES, contents
from tests.runtime.stores import BUCKET, Server, running_store


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_store(tmp_path_factory.mktemp("store")) as server:
        yield server


def elsewhere(config: Path, folder: Path) -> Path:
    """The same configuration on another machine, which has no copy of the workspace."""
    folder.mkdir()
    return Path(shutil.copy(config, folder / "mep3m.toml"))


def copy_of(config: Path) -> Path:
    return workspace_folder(load_config(config), config.parent)


def test_the_whole_demo_and_its_commands_from_another_machine(
    server: Server, tmp_path: Path
) -> None:
    here, url = tmp_path / "here", f"s3://{BUCKET}/demo"
    said = mep3m(
        "demo", "--products", str(DEMO_PRODUCTS), "--seed", "7", "--json", "--workspace", here,
        "--store", url, "--endpoint-url", server.endpoint,
    )  # fmt: skip
    assert said.status == 0, said.err
    release = said.json["release"]
    there = elsewhere(here / "mep3m.toml", tmp_path / "there")
    assert mep3m("verify", "--config", there).status == 0
    folder = copy_of(there) / "releases" / release
    assert contents(folder) == contents(copy_of(here / "mep3m.toml") / "releases" / release)
    fates = mep3m("status", "--config", there, "--json").json
    assert [run["status"] for run in fates["runs"]] == ["published"]
    # A takedown from there leaves nothing of the record in the bucket.
    row = pandas.read_parquet(folder / "data").sort_values("record_id").iloc[0]
    record = row["record_id"]
    said = mep3m("forget", "--record", record, "--yes", "--config", there)
    assert said.status == 0, said.err
    told = mep3m("audit", record, "--config", here / "mep3m.toml")
    assert "removed on" in told.out
    assert mep3m("verify", "--config", here / "mep3m.toml").status == 0
    picture = bytes(row["image"]["bytes"])
    files = server.files
    for name in files.find(f"{BUCKET}/demo"):
        body = files.cat_file(name)
        assert picture not in body and record.encode() not in body, name


@pytest.fixture
def recorded(demo: DemoRun, server: Server, request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The configuration of a workspace in the bucket with what a demo recorded."""
    prefix = f"{BUCKET}/{abs(hash(request.node.name))}"
    source = tmp_path / "recorded"
    shutil.copytree(demo.folder, source)
    shutil.rmtree(source / "releases")
    for table in COMPUTED:
        shutil.rmtree(next((source / "runs").iterdir()) / table)
    for path in sorted((source / "runs").rglob("*")):
        if (
            path.is_file()
            and path.parent.name != "frontier"
            and not path.name.endswith(("-wal", "-shm"))
        ):
            server.files.put_file(str(path), f"{prefix}/{path.relative_to(source).as_posix()}")
    folder = tmp_path / "here"
    folder.mkdir()
    text = demo.config.read_text().replace('workspace = "."', f'workspace = "s3://{prefix}"')
    storage = f'[storage]\nendpoint_url = "{server.endpoint}"\nlock_seconds = 2.0\n'
    (folder / "mep3m.toml").write_text(f"{text}\n{storage}save_seconds = 1.0\n")
    return folder / "mep3m.toml"


@pytest.mark.soak
def test_the_bytes_are_those_of_a_local_workspace(demo: DemoRun, recorded: Path) -> None:
    for stage in STAGES:
        said = mep3m(stage, "--config", recorded)
        assert said.status == 0, said.err
    assert contents(copy_of(recorded) / "releases" / "1.0.0") == contents(demo.release)


@pytest.mark.soak
def test_another_machine_goes_on_with_a_run_that_was_killed(
    demo: DemoRun, recorded: Path, tmp_path: Path
) -> None:
    """Killed in every stage on a machine that is then gone, finished on the next one."""
    config = recorded
    for number, (stage, table) in enumerate(
        (("merge", "listings"), ("clean", "cleaned"), ("map", "labels"), ("dedupe", "survivors"),
         ("publish", "decisions/publish"))
    ):  # fmt: skip
        process = start(stage, "--config", config)
        seals = f"runs/*/{table}/*.json"
        signal_when(process, lambda c=config, s=seals: any(copy_of(c).glob(s)), signal.SIGKILL)  # type: ignore[misc]
        process.communicate(timeout=60)
        config = elsewhere(config, tmp_path / f"machine-{number}")
        while (said := mep3m(stage, "--config", config)).status == 75:
            assert "held by process" in said.err
        assert said.status == 0, said.err
        if stage == "merge":
            assert mep3m("fetch", "--config", config).status == 0
    assert contents(copy_of(config) / "releases" / "1.0.0") == contents(demo.release)
