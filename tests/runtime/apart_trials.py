"""Trials for a process apart: items that end their process in the ways that pictures do."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime.allowance import limited_memory, limited_time

MIB = 1024**2


def crash() -> None:
    """A real segmentation fault: reading at address 0."""
    ctypes.string_at(0)


def spin() -> None:
    while True:
        pass


@dataclass(frozen=True)
class Words:
    """The words of a list, judged by doing what they say; the judgement tells the process."""

    words: Sequence[str]
    folder: Path

    def read(self, rows: Sequence[int]) -> Iterator[str]:
        for row in rows:
            if self.words[row] == "unreadable":
                raise FileNotFoundError("expected a file, got none")
            if self.words[row] == "dies while read":
                os._exit(3)
            yield self.words[row]

    def judge(self, item: str) -> tuple[str, int]:
        with (self.folder / "judged.log").open("a") as log:
            log.write(f"{item}\n")
        match item:
            case "crashes":
                crash()
            case "aborts":
                os.abort()
            case "exits":
                os._exit(7)
            case "spins":
                with limited_time(0.05):
                    spin()
            case "eats":
                with limited_memory(64 * MIB):
                    return item, len(bytearray(256 * MIB))
            case "crashes second":
                # As after damage to the heap by an earlier item.
                if self._was_alive("first"):
                    crash()
            case "is killed once":
                marker = self.folder / "killed"
                if marker.stat().st_size < 2 if marker.exists() else True:
                    with marker.open("a") as file:
                        file.write("x")
                    os.kill(os.getpid(), signal.SIGKILL)
            case "is always killed":
                os.kill(os.getpid(), signal.SIGKILL)
            case "is wrong":
                raise LookupError("expected a picture")
            case "sleeps":
                (self.folder / "pid").write_text(str(os.getpid()))
                time.sleep(60)
            case "first":
                (self.folder / "first").write_text(str(os.getpid()))
        return item, os.getpid()

    def _was_alive(self, word: str) -> bool:
        marker = self.folder / word
        return marker.exists() and marker.read_text() == str(os.getpid())


def main() -> None:
    """Judge words apart and print where the process is, for a test that kills this one."""
    from runtime.apart import judged_apart

    for row, judged in judged_apart(Words(sys.argv[2:], Path(sys.argv[1])), range(len(sys.argv))):
        print(row, judged, flush=True)


if __name__ == "__main__":
    main()
