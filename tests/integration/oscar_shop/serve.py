"""Serve the shop: `SHOP_FOLDER=… python -m tests.integration.oscar_shop.serve`.

Waitress on a free port of loopback, four threads. Prints its port; writes a line for every answer
to `access.jsonl`. Ends on SIGTERM, and when its standard input does: it never outlives a test.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import waitress
from django.core.wsgi import get_wsgi_application

Start = Callable[..., Any]


def logged(
    application: Callable[[dict[str, Any], Start], Iterable[bytes]], log: Path
) -> Callable[[dict[str, Any], Start], Iterable[bytes]]:
    """The application with an access log."""
    stream = log.open("a", encoding="utf-8", buffering=1)
    lock = threading.Lock()

    def answer(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        asked_at = time.monotonic()

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            row = {
                "path": environ["PATH_INFO"], "query": environ["QUERY_STRING"],
                "status": int(status.split()[0]), "asked_at": asked_at,
                "agent": environ.get("HTTP_USER_AGENT", ""),
            }  # fmt: skip
            with lock:
                stream.write(json.dumps(row) + "\n")
            return start_response(status, headers, *rest)

        return application(environ, start)

    return answer


def main() -> None:
    """Serve until told to stop."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.integration.oscar_shop.settings")
    application = logged(get_wsgi_application(), Path(os.environ["SHOP_FOLDER"]) / "access.jsonl")
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a request that waits is no news
    server = waitress.create_server(application, host="127.0.0.1", port=0, threads=4)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    print(server.effective_port, flush=True)
    server.run()


def _stop_with_parent() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
