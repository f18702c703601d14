"""Starts and stops both embedded shops as processes of their own.

A number of products, a seed and a folder for logs come in; the addresses of four hosts go out for
as long as the context lasts.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from demo.pages import ShopAddresses
from demo.server import PORT_IN_USE
from demo.sowing import Shop
from runtime.errors import MepError

_READY_SECONDS = 60.0
_STOP_SECONDS = 3.0
# A last resort: a shop ends with the process that started it.
_MAX_SECONDS = 6 * 3600.0


class ShopError(MepError):
    """An embedded shop did not start."""


@contextlib.contextmanager
def running_shops(
    products: int, seed: int, folder: Path, ports: Mapping[str, int] | None = None
) -> Iterator[ShopAddresses]:
    """Run both shops until the context ends; access logs are appended to in `folder`.

    `ports` may fix the port of any of "shop-a", "outlet", "shop-b" and "images"; the others are
    any free ones. Raises ShopError where a port is in use or a shop does not start within a
    minute, and ValueError for too few products or an unknown host in `ports`.
    """
    wanted = {"shop-a": 0, "outlet": 0, "shop-b": 0, "images": 0}
    unknown = sorted(set(ports or {}) - set(wanted))
    if unknown:
        raise ValueError(f"ports: expected hosts among {', '.join(wanted)}; got {unknown[0]!r}")
    wanted.update(ports or {})
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        # Both start before either is waited for: each spends a second on its imports.
        shop_a = _ShopProcess("shop-a", [wanted["shop-a"], wanted["outlet"]], folder)
        shop_b = _ShopProcess("shop-b", [wanted["shop-b"], wanted["images"]], folder)
        for shop in (shop_a, shop_b):
            shop.start(products, seed)
            stack.callback(shop.stop)
        first_a, second_a = shop_a.wait_ready()
        first_b, second_b = shop_b.wait_ready()
        yield ShopAddresses(
            shop_a=f"http://127.0.0.1:{first_a}",
            outlet=f"http://127.0.0.1:{second_a}",
            shop_b=f"http://127.0.0.1:{first_b}",
            images=f"http://127.0.0.1:{second_b}",
            shop_a_log=shop_a.log,
            shop_b_log=shop_b.log,
        )


class _ShopProcess:
    """One server process and the files it tells about itself in."""

    def __init__(self, shop: Shop, ports: Sequence[int], folder: Path) -> None:
        self._shop = shop
        self._ports = ports
        self._ready = folder / f"{shop}.ready.json"
        self._errors = folder / f"{shop}.stderr.txt"
        self.log = folder / f"{shop}.access.jsonl"

    def start(self, products: int, seed: int) -> None:
        """Start the server; its standard input is ours, so it ends with this process."""
        self._ready.unlink(missing_ok=True)
        root = str(Path(__file__).resolve().parent.parent)
        paths = [root, os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else [root]
        command = [
            sys.executable, "-m", "demo.server", "--shop", self._shop,
            "--products", str(products), "--seed", str(seed),
            "--ports", ",".join(str(port) for port in self._ports),
            "--ready-file", str(self._ready.resolve()), "--log", str(self.log.resolve()),
            "--max-seconds", str(_MAX_SECONDS),
        ]  # fmt: skip
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
                # Ctrl-C is for the pipeline, which then stops the shops in order.
                start_new_session=True,
            )

    def wait_ready(self) -> tuple[int, int]:
        """The ports the server got; raises ShopError where it ends or takes too long."""
        deadline = time.monotonic() + _READY_SECONDS
        while not self._ready.exists():
            status = self._process.poll()
            if status == PORT_IN_USE:
                ports = " or ".join(str(port) for port in self._ports if port)
                raise ShopError(
                    f"{self._shop}: expected port {ports} of 127.0.0.1 to be free, but it is in "
                    "use; stop what listens there or choose another port"
                )
            if status is not None:
                raise ShopError(
                    f"{self._shop}: expected the server to start, but it ended with status "
                    f"{status}; see {self._errors}"
                )
            if time.monotonic() > deadline:
                raise ShopError(
                    f"{self._shop}: expected the server to be ready within {_READY_SECONDS:.0f} s, "
                    f"but it is not; see {self._errors}"
                )
            time.sleep(0.02)
        first, second = json.loads(self._ready.read_text(encoding="utf-8"))["ports"]
        return int(first), int(second)

    def stop(self) -> None:
        """Close the server's standard input, wait for its end, and end it where it goes on.

        A worker forked while the shops ran may hold the other end of the pipe open.
        """
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.terminate()
            self._process.wait()
        self._ready.unlink(missing_ok=True)
