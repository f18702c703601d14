"""What a release is made from, as one digest: equal digests mean equal bytes.

A run that goes on after a kill recognises by it the release it had finished already.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa

from provenance.ledger import DECIDING_STAGES
from release.adoption import is_adopting
from runtime.keys import digest
from runtime.parts import run_key
from runtime.stages import Context
from runtime.tombstones import load_tombstones

BUILD_VERSION = "8"
NO_INPUT: dict[str, Any] = {
    "workspace": True, "workers": True, "engine": True, "gates": True,
    "release": {"signing_key": True, "trusted_key": True},
}  # fmt: skip
"""Settings that say where, how fast and whether a release is made, or who vouches for it."""


def inputs_digest(context: Context, parent_sha256: str | None) -> str:
    """What decides a release's bytes: recorded parts, settings, code, libraries, parent."""
    run = context.run
    folders = {
        "annotations": run.annotations, "listings": run.listings, "images": run.images,
        "cleaned": run.cleaned, "labels": run.labels, "survivors": run.survivors,
        "reprints": run.reprints, "fingerprints": run.fingerprints,
        **{f"decisions/{s}": run.decisions(s) for s in DECIDING_STAGES if s != "publish"},
    }  # fmt: skip
    inputs = {
        f"{table}/{part}": seal.sha256
        for table, folder in folders.items()
        for part, seal in folder.seals().items()
    }
    inputs["parent"] = parent_sha256 or ""
    inputs["tombstones"] = load_tombstones(context.workspace.folder).digest or ""
    inputs["adopting"] = str(is_adopting(run))
    return run_key("publish", BUILD_VERSION, [config_digest(context), libraries()], inputs)


def config_digest(context: Context) -> str:
    """The configuration as far as it can change a release: not where and how fast it is made."""
    settings = context.config.model_dump(mode="json", exclude=NO_INPUT)
    return digest(json.dumps(settings, sort_keys=True, ensure_ascii=False))


def libraries() -> dict[str, str]:
    """Versions of the libraries that write a release's bytes."""
    return {"numpy": np.__version__, "pyarrow": pa.__version__}
