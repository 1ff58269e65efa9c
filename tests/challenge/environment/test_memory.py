"""Free memory, read from the files of made-up machines and containers."""

from __future__ import annotations

from pathlib import Path

import pytest

from challenge.environment.memory import GIB, free_memory

MEMINFO = f"MemTotal: {8 * GIB // 1024} kB\nMemAvailable: {{}} kB\nSwapFree: {{}} kB\n"


def machine(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def meminfo(gib: float, swap_gib: float = 0) -> str:
    return MEMINFO.format(int(gib * GIB / 1024), int(swap_gib * GIB / 1024))


def group(most: object, used: int, files: int, version: int) -> dict[str, str]:
    if version == 2:
        return {"max": str(most), "current": str(used), "stat": f"anon 1\ninactive_file {files}\n"}
    stat = f"inactive_file 1\ntotal_inactive_file {files}\n"
    return {"limit_in_bytes": str(most), "usage_in_bytes": str(used), "stat": stat}


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("place", ["slurm/job_7/", "slurm/", ""])
def test_the_least_of_machine_and_groups_counts(tmp_path: Path, version: int, place: str) -> None:
    top = "sys/fs/cgroup/" + ("memory/" if version == 1 else "")
    line = "5:cpu,memory:/slurm/job_7" if version == 1 else "0::/slurm/job_7"
    values = group(3 * GIB, 2 * GIB, GIB // 2, version)
    files = {f"{top}{place}memory.{key}": text for key, text in values.items()}
    files |= {"proc/self/cgroup": f"3:pids:/x\n{line}\n", "proc/meminfo": meminfo(6)}
    assert free_memory(machine(tmp_path, files)) == GIB + GIB // 2
    (tmp_path / "proc/meminfo").write_text(meminfo(1))
    assert free_memory(tmp_path) == GIB


@pytest.mark.parametrize("most", ["max", str(2**63 - 4096)])
def test_a_group_without_a_limit_takes_nothing_away(tmp_path: Path, most: str) -> None:
    version = 2 if most == "max" else 1
    top = "sys/fs/cgroup/" + ("memory/" if version == 1 else "")
    files = {f"{top}memory.{k}": v for k, v in group(most, GIB, 0, version).items()}
    line = "0::/" if version == 2 else "5:memory:/"
    files |= {"proc/self/cgroup": line, "proc/meminfo": meminfo(6, swap_gib=1)}
    assert free_memory(machine(tmp_path, files)) == 7 * GIB


def test_a_system_that_does_not_tell(tmp_path: Path) -> None:
    assert free_memory(tmp_path) is None


def test_this_machine_has_some() -> None:
    if Path("/proc/meminfo").exists():
        free = free_memory()
        assert free is not None and 0 < free < 2**50
