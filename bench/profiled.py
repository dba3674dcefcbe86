"""Run a module under the profiler, counting processor time alone: `python -m bench.profiled FILE MODULE`.

A service waits most of the time; by the wall clock, waiting would fill the profile.
"""

from __future__ import annotations

import cProfile
import runpy
import sys
import time


def main(file: str, module: str) -> None:
    """Run `module` as a program and write its profile when it ends."""
    sys.argv = [module]
    profiler = cProfile.Profile(time.thread_time)
    try:
        profiler.runcall(runpy.run_module, module, run_name="__main__", alter_sys=True)
    finally:
        profiler.dump_stats(file)


if __name__ == "__main__":
    main(*sys.argv[1:])
