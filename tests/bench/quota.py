"""A share of a core for what is measured, so that a machine with few cores can offer more than it takes."""
import contextlib
import os
from pathlib import Path

# Short, so that who has used up its share stands still for some milliseconds only.
PERIOD_US = 10_000
V1, V2 = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")


def settings(group, share):
    """The files of a control group of either version, and what to write into them."""
    quota = int(share * PERIOD_US)
    if group.is_relative_to(V1):
        return {"cpu.cfs_period_us": PERIOD_US, "cpu.cfs_quota_us": quota}
    return {"cpu.max": f"{quota} {PERIOD_US}"}


def children(pid):
    mine = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [pid, *(each for child in mine for each in children(child))]


@contextlib.contextmanager
def quota(share, *pids):
    """These processes and what they start have that much of a core between them. Needs root and control groups."""
    group = (V1 if V1.is_dir() else V2) / f"postern-bench-{os.getpid()}"
    group.mkdir()
    try:
        for name, value in settings(group, share).items():
            (group / name).write_text(str(value))
        for pid in (each for top in pids for each in children(top)):
            (group / "cgroup.procs").write_text(str(pid))
        yield
    finally:
        for pid in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                (group.parent / "cgroup.procs").write_text(pid)
        group.rmdir()
