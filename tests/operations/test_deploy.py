"""What is shipped for machines that nobody watches: units, crontab, and the page that explains."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

import pipeline
from runtime.exits import PRECEDENCE, Exit
from tests.crawler.shop import running_shop
from tests.integration.test_second_runs import Stall, open_stall

ROOT = Path(__file__).resolve().parents[2]
DEPLOY, PAGE = ROOT / "deploy", ROOT / "docs" / "operations.md"
PROGRAM, WORKSPACE = "/opt/mep3m/.venv/bin/mep3m", "/srv/mep3m"
ENTRY = re.compile(r"^(?:\S+ ){4}\S+ (?P<command>\S.*)$")
Settings = dict[str, dict[str, list[str]]]


def unit(name: str) -> Settings:
    """Sections, and by key all values, as systemd reads them."""
    found: Settings = defaultdict(lambda: defaultdict(list))
    section = ""
    for line in (DEPLOY / name).read_text().splitlines():
        if not line or line.startswith(("#", ";")):
            continue
        if heading := re.fullmatch(r"\[(\w+)\]", line):
            section = heading[1]
            continue
        key, equals, value = line.partition("=")
        assert equals and section and key == key.strip(), line
        found[section][key].append(value)
    return found


def test_the_service_is_hardened() -> None:
    service = {key: values[-1] for key, values in unit("mep3m.service")["Service"].items()}
    expected = {
        "Type": "oneshot", "NoNewPrivileges": "true", "PrivateTmp": "true",
        "ProtectSystem": "strict", "ProtectHome": "true", "ReadWritePaths": WORKSPACE,
        "WorkingDirectory": WORKSPACE, "KillSignal": "SIGTERM", "KillMode": "mixed",
        "TimeoutStartSec": "infinity", "CapabilityBoundingSet": "",
    }  # fmt: skip
    assert {key: service.get(key) for key in expected} == expected
    assert re.fullmatch(r"\d+[MG]", service["MemoryMax"])
    assert re.fullmatch(r"\d+min", service["TimeoutStopSec"])
    assert service["User"] not in ("", "root")


def test_only_statuses_that_need_nobody_are_successes() -> None:
    (told,) = unit("mep3m.service")["Service"]["SuccessExitStatus"]
    assert {Exit(int(status)) for status in told.split()} == {
        Exit.NOTHING_NEW, Exit.STOPPED_EARLY, Exit.LOCKED,
    }  # fmt: skip


def test_the_timer_catches_up_and_is_wanted() -> None:
    timer = unit("mep3m.timer")
    assert timer["Timer"]["Persistent"] == ["true"]
    assert timer["Timer"]["OnCalendar"] == ["*-*-* 03:17:00"]
    assert timer["Install"]["WantedBy"] == ["timers.target"]


def commands() -> list[str]:
    """The commands of unit and crontab, as a shell has them."""
    (started,) = unit("mep3m.service")["Service"]["ExecStart"]
    return [started, *entries()]


def entries() -> list[str]:
    lines = (DEPLOY / "crontab").read_text().splitlines()
    return [match["command"] for line in lines if (match := ENTRY.match(line))
            and not line.startswith("#")]  # fmt: skip


def test_every_command_and_option_that_is_shipped_exists() -> None:
    found = 0
    for line in commands():
        words = line[line.index(PROGRAM) + len(PROGRAM) :].split()
        words = [word for word in words if not word.startswith(">")]
        said = CliRunner().invoke(pipeline.main, [words[0], "--help"])
        assert said.exit_code == 0
        for option in (word for word in words[1:] if word.startswith("--")):
            assert option in said.output, line
            found += 1
    assert found >= 6


@pytest.mark.parametrize("name", ["mep3m.service", "mep3m.timer"])
def test_systemd_accepts_the_units(name: str, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze here (Debian package systemd): only the parsed tests ran")
    program = tmp_path / "mep3m"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for unit_file in ("mep3m.service", "mep3m.timer"):
        text = (DEPLOY / unit_file).read_text().replace(PROGRAM, str(program))
        (tmp_path / unit_file).write_text(text)
    said = subprocess.run(
        [analyze, "verify", "--man=no", "--recursive-errors=no", str(tmp_path / name)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    # Users and units of the machine it is installed on are none of the unit's faults.
    faults = [line for line in said.stderr.splitlines() if str(tmp_path) in line or name in line]
    assert (said.returncode, faults) == (0, []), said.stderr


@pytest.fixture
def stall(tmp_path: Path) -> Iterator[Stall]:
    with running_shop() as shop:
        yield open_stall(shop, tmp_path / "workspace")


def test_the_crontab_works_under_crons_environment(stall: Stall, tmp_path: Path) -> None:
    program = tmp_path / "mep3m"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT / "pipeline.py"} "$@"\n')
    program.chmod(0o755)
    lines = entries()
    assert len(lines) == 2
    statuses = []
    for line in lines:
        assert "%" not in line, "cron would end the line there"
        command = line.replace(PROGRAM, str(program)).replace(WORKSPACE, str(stall.folder))
        said = subprocess.run(
            ["/bin/sh", "-c", command], cwd="/", capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL,
            env={"HOME": str(tmp_path), "LOGNAME": "mep3m", "SHELL": "/bin/sh",
                 "PATH": "/usr/local/bin:/usr/bin:/bin"},
        )  # fmt: skip
        assert (said.stdout, said.stderr) == ("", ""), "nothing to mail"
        statuses.append(said.returncode)
    assert statuses == [Exit.DONE, Exit.DONE]
    assert len(stall.published()) == 2


def test_what_cron_mails_is_what_went_wrong(stall: Stall, tmp_path: Path) -> None:
    program = tmp_path / "mep3m"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT / "pipeline.py"} "$@"\n')
    program.chmod(0o755)
    (stall.folder / "mep3m.toml").write_text("contcat = 1\n")
    command = entries()[0].replace(PROGRAM, str(program)).replace(WORKSPACE, str(stall.folder))
    said = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
    assert said.returncode == Exit.USAGE
    assert "unknown key `contcat`" in said.stderr and len(said.stderr.splitlines()) == 1


def test_the_page_has_every_exit_status_and_no_other() -> None:
    rows = re.findall(r"^\| (\d+) \| ([A-Z_]+) \| (.+?) \| (.+?) \|$", PAGE.read_text(), re.M)
    assert {(int(number), name) for number, name, *_ in rows} == {(e.value, e.name) for e in Exit}
    assert all(len(says) > 5 and len(do) > 5 for *_, says, do in rows)
    (told,) = re.findall(r"the first of ([\d, ]+) is told", PAGE.read_text())
    assert [Exit(int(n)) for n in told.split(", ")] == [e for e in PRECEDENCE if e is not Exit.DONE]


def test_the_page_names_commands_options_and_settings_that_exist() -> None:
    text = PAGE.read_text()
    for name in set(re.findall(r"`(?:mep3m )([a-z]+)", text)):
        assert name in pipeline.main.commands, name
    template = (ROOT / "runtime" / "mep3m.toml").read_text()
    for key in re.findall(r"`(?:log|run|release)\.(?!json)([a-z_]+)", text):
        assert re.search(rf"^(?:# )?{key} =", template, re.M), key
    for key in re.findall(r"`(keep_[a-z_]+)`", text):
        assert re.search(rf"^{key} =", template, re.M), key
    for file in re.findall(r"`(deploy/[a-z0-9.]+)`", text):
        assert (ROOT / file).is_file(), file
