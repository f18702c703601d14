"""What the documents say exists, and every command explains itself."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import pipeline

ROOT = Path(__file__).resolve().parents[2]


def test_the_readme_lists_every_command_and_no_other() -> None:
    table = re.search(r"^## Commands$(.*?)^## ", (ROOT / "README.md").read_text(), re.M | re.S)
    assert table is not None
    rows = [row.split("|")[1] for row in table[1].splitlines() if row.startswith("| `")]
    named = {word for row in rows for word in re.findall(r"`(?:mep3m )?([a-z]+)", row)}
    assert named == set(pipeline.main.commands)


@pytest.mark.parametrize("name", sorted(pipeline.main.commands))
def test_every_command_and_option_has_help(name: str) -> None:
    said = CliRunner().invoke(pipeline.main, [name, "--help"])
    assert said.exit_code == 0
    assert "--json" in said.output
    command = pipeline.main.commands[name]
    assert command.help
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, option.name


def test_every_file_that_the_architecture_names_exists() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    named = re.findall(r"`((?:[a-z_]+/)+(?:[a-z_0-9]+\.(?:py|toml))?|pipeline\.py)`", text)
    assert len(named) > 20
    for name in named:
        assert (ROOT / name).exists(), name


def test_every_dependency_has_its_reason() -> None:
    setup = (ROOT / "setup.cfg").read_text()
    block = re.search(r"install_requires =\n((?:    .*\n)+)", setup)
    assert block is not None
    names = [re.split(r"[ <>=]", line.strip())[0] for line in block[1].splitlines()]
    text = (ROOT / "ARCHITECTURE.md").read_text()
    reasons = text[text.index("## Dependencies") :].casefold()
    for name in names:
        assert name.casefold() in reasons, name
