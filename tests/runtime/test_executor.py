"""The worker pool: order kept, dead workers replaced, the unit that kills named, no orphans."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from runtime.errors import WorkerDiedError
from runtime.executor import WorkerPool
from tests.runtime.worker_functions import Risk, take_risk

ROOT = Path(__file__).resolve().parents[2]


def square(number: int) -> int:
    time.sleep(0.002 * (5 - number % 5))
    return number * number


def die_once(unit: tuple[Path, int]) -> int:
    marker, number = unit
    if number == 3 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die_always(number: int) -> int:
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def fail(number: int) -> int:
    if number == 4:
        raise ValueError("unit 4")
    return number


def test_results_come_in_the_order_of_the_units() -> None:
    with WorkerPool(2) as pool:
        assert list(pool.map(square, range(30))) == [n * n for n in range(30)]


def test_a_worker_that_dies_costs_nothing(tmp_path: Path) -> None:
    with WorkerPool(2) as pool:
        units = [(tmp_path / "died", n) for n in range(8)]
        assert list(pool.map(die_once, units)) == list(range(8))
        assert list(pool.map(square, [2])) == [4]


def test_the_unit_that_always_kills_is_named() -> None:
    with WorkerPool(2) as pool:
        results = pool.map(die_always, range(5))
        assert next(results) == 0
        with pytest.raises(WorkerDiedError, match=r"times on 2:"):
            list(results)


def with_care(unit: Risk) -> Risk:
    return replace(unit, careful=True)


def tries(folder: Path) -> list[str]:
    return (folder / "tries.log").read_text().split("\n")[:-1]


def test_what_was_in_flight_at_a_death_runs_again_with_care_and_nothing_else(
    tmp_path: Path,
) -> None:
    units = [Risk(n, tmp_path, kills=n == 2, after=1) for n in range(12)]
    with WorkerPool(2) as pool:
        results = list(pool.map(take_risk, units, with_care))
    assert [number for number, _ in results] == list(range(12))
    careful = {number for number, is_careful in results if is_careful}
    assert 2 in careful
    assert careful <= set(range(6))  # 0 and 1 had ended or were in flight, 6 was not yet
    # The killer is tried once as it is and once with care; what had ended is not done again.
    assert tries(tmp_path).count("2") == tries(tmp_path).count("2 with care") == 1
    for number in set(range(12)) - careful:
        assert tries(tmp_path).count(f"{number}") == 1
        assert f"{number} with care" not in tries(tmp_path)


def test_two_killers_that_fly_together_cost_one_death(tmp_path: Path) -> None:
    units = [Risk(n, tmp_path, kills=n in (0, 1), after=1 - n) for n in range(4)]
    with WorkerPool(2) as pool:
        results = list(pool.map(take_risk, units, with_care))
    assert results == [(n, True) for n in range(4)]
    assert tries(tmp_path)[-4:] == [f"{n} with care" for n in range(4)]  # one at a time


def test_units_are_suspected_only_until_they_ran_alone(tmp_path: Path) -> None:
    units = [Risk(n, tmp_path, kills=n in (0, 9), after=n) for n in range(12)]
    with WorkerPool(1) as pool:
        results = list(pool.map(take_risk, units, with_care))
    assert [number for number, _ in results] == list(range(12))
    assert [number for number, is_careful in results if is_careful] == [0, 1, 9, 10]


def test_an_error_of_a_unit_comes_through() -> None:
    with WorkerPool(1) as pool, pytest.raises(ValueError, match="unit 4"):
        list(pool.map(fail, range(9)))


_PARENT = """
import sys
sys.path.insert(0, sys.argv[1])
from tests.runtime.test_executor import report
from runtime.executor import WorkerPool
if __name__ == "__main__":
    with WorkerPool(2) as pool:
        list(pool.map(report, [sys.argv[2] + "/a", sys.argv[2] + "/b"]))
"""


def report(path: str) -> None:
    Path(path).write_text(str(os.getpid()))
    time.sleep(60)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(_PARENT)
    parent = subprocess.Popen([sys.executable, str(script), str(ROOT), str(tmp_path)], cwd=ROOT)
    files = [tmp_path / "a", tmp_path / "b"]
    deadline = time.monotonic() + 60
    while not all(file.is_file() and file.read_text() for file in files):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    pids = [int(file.read_text()) for file in files]
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 30
    while any(map(alive, pids)):
        assert time.monotonic() < deadline, "a worker outlived its parent"
        time.sleep(0.05)


LOOK = """
import sys
sys.path.insert(0, {root!r})
from runtime.executor import WorkerPool
from tests.runtime.worker_functions import loaded
if __name__ == "__main__":
    with WorkerPool(1, preload={preload!r}) as pool:
        print(*pool.map(loaded, ["cleaning.hashes"]))
"""


@pytest.mark.parametrize("preload", [["cleaning.hashes"], []])
def test_workers_import_what_their_parent_does_wherever_it_runs(
    tmp_path: Path, preload: list[str]
) -> None:
    script, folder = tmp_path / "look.py", tmp_path / "elsewhere"
    folder.mkdir()
    for name in ("cleaning", "runtime", "tests"):
        (folder / f"{name}.py").write_text("raise SystemExit('the current folder is no place')")
    script.write_text(LOOK.format(root=str(ROOT), preload=preload))
    said = subprocess.run([sys.executable, script], cwd=folder, capture_output=True, text=True)
    expected = str(ROOT / "cleaning" / "hashes.py") if preload else "None"
    assert (said.stdout, said.stderr) == (f"{expected}\n", "")
