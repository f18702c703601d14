from datetime import UTC, datetime
from pathlib import Path

from crawler.sources import sites_of
from runtime.config import parse_config
from runtime.workspace import Workspace
from tests.crawler.shop import SITE_FILE


def test_a_run_asks_the_sites_it_was_started_for_alone(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(SITE_FILE)
    config = parse_config(
        {
            "site": [
                {"key": key, "program": "own.toml", "base_url": f"https://{key}.example"}
                for key in ("daily", "weekly")
            ]
        }
    )
    workspace = Workspace(tmp_path)
    workspace.prepare()
    run = workspace.new_run(datetime(2026, 11, 2, tzinfo=UTC), ["daily"])
    assert [site.config.key for site in sites_of(run, config, tmp_path)] == ["daily"]
