"""Names of gates: `listings.shop-a` is a site's, `fields.shop-a.title` of one field, `removals`
the release's. A shorter name stands for all that begin with it: `listings` for every site's.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import get_args

from operations.gates.figures import FIELDS
from runtime.config import Gate
from runtime.errors import ConfigError

GATES: tuple[str, ...] = get_args(Gate)
OF_THE_RELEASE = ("removals",)


def accepts(accepted: Collection[str], name: str) -> bool:
    """Whether a gate is among those that were accepted."""
    return any(name == given or name.startswith(f"{given}.") for given in accepted)


def require_gates(names: Collection[str], sites: Collection[str]) -> None:
    """Raise ConfigError for a name that no gate has; gates are of these sites."""
    for name in names:
        gate, *of = name.split(".")
        known = gate in GATES and (not of or (gate not in OF_THE_RELEASE and of[0] in sites))
        if known and len(of) > 1:
            known = gate == "fields" and len(of) == 2 and of[1] in FIELDS
        if not known:
            raise ConfigError(
                f"--accept {name}: expected a gate ({', '.join(GATES)}), alone or with a site "
                f"({', '.join(sorted(sites))}), as in `listings.SITE` or `fields.SITE.title`"
            )
