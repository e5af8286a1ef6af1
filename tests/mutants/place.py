# SPDX-License-Identifier: MIT
"""A tree of its own, in which one mutant at a time is built and run."""

import os
import pathlib
import resource
import shutil
import signal
import subprocess
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
WORK = ROOT / "build" / "mutants"
# Those of single components first: they are small and fast, and get more schedules.
COMPONENTS = {"scenario_parts", "scenario_span", "scenario_crew", "scenario_workqueue"}
PROGRAMS = sorted((p.stem for p in (ROOT / "tests" / "sched").glob("scenario_*.c")),
                  key=lambda name: (name not in COMPONENTS, name))
# What the scheduler does not have: descriptors, forks, diagnosis, real threads that start and end.
ROOMS = ["unit", "contract", "kernel_bugs"]
NOT_FOR_MUTANTS = {"test_cost", "test_cpumask", "test_syscalls"}
TESTS = [p for room in ROOMS for p in sorted((ROOT / "tests" / room).glob("test_*.c"))
         if p.stem not in NOT_FOR_MUTANTS]
TEST_DIR = WORK / "tests"
GCC = ["gcc", "-std=c11", "-w", "-O1", "-g", "-pthread", "-D_GNU_SOURCE", "-Iinclude"]
# A test that hangs is killed by it. Counted while we ran ourselves: neither a machine that is busy nor one that stopped us is
# to be taken for a hang.
TEST_SECONDS = 120
SCHED_CPU_SECONDS = 900


BUILDING = threading.Lock()
# A test that was built before this file changed is built anew.
CHANGED = pathlib.Path(__file__).stat().st_mtime


class DoesNotBuild(Exception):
    pass


def sh(*command):
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace")
    if done.returncode != 0:
        raise DoesNotBuild(done.stdout)


def build_test(path, library):
    """A test on real threads, once: it finds the mutated library when it is started."""
    binary = TEST_DIR / path.stem
    with BUILDING:
        TEST_DIR.mkdir(parents=True, exist_ok=True)
        if not binary.exists() or binary.stat().st_mtime < max(newest(path.parent.parent, "**/*.[ch]"), CHANGED):
            sh(*GCC, "-Isrc", "-Itests", "-o", str(binary), str(path), str(library), "-ldl")
    return binary


def newest(folder, pattern):
    return max(p.stat().st_mtime for p in folder.glob(pattern))


class Place:
    def __init__(self, number):
        self.seed = 1
        self.dir = WORK / f"w{number}"
        self.src = self.dir / "src"
        self.sched = self.dir / "sched"
        self.library = self.dir / "libmutant.so"
        self.src.mkdir(parents=True, exist_ok=True)
        for copy in self.src.iterdir():
            if not (ROOT / "src" / copy.name).exists():
                copy.unlink()
        for path in (ROOT / "src").iterdir():
            copy = self.src / path.name
            if not copy.exists() or copy.read_bytes() != path.read_bytes():
                shutil.copyfile(path, copy)
        self.build_sched(PROGRAMS)

    def build_sched(self, programs):
        sched, src = self.sched.relative_to(ROOT), self.src.relative_to(ROOT)
        sh("make", "-s", "-f", "tests/sched/sched.mk", "WARN=-w", "CC=gcc", f"SCHED_SRC={src}", f"SCHED_BUILD={sched}", *(f"{sched}/{p}" for p in programs))

    def build_library(self):
        # By its name alone, or a test would keep to the place that it was linked in.
        sh(*GCC, f"-I{self.src}", "-fPIC", "-shared", f"-Wl,-soname,{self.library.name}", "-o", str(self.library),
           *map(str, sorted(self.src.glob("*.c"))))

    def change(self, mutant):
        """The library becomes the mutant, until restore()."""
        path = self.src / mutant.file
        kept = path.stat().st_mtime_ns
        self.original = path, path.read_text(), kept
        self.objects = {o: (o.read_bytes(), o.stat().st_mtime_ns) for o in self.sched.glob("**/*.o")}
        path.write_text(mutant.apply(self.original[1]))
        self.built = set()

    def restore(self):
        path, text, kept = self.original
        path.write_text(text)
        os.utime(path, ns=(kept, kept))
        for o, (content, when) in self.objects.items():
            if o.exists() and o.stat().st_mtime_ns == when:
                continue
            o.write_bytes(content)
            os.utime(o, ns=(when, when))
            for program in PROGRAMS:
                (self.sched / program).unlink(missing_ok=True)

    def explore(self, budget, scenario=None):
        """The scenario that found something, or None. budget: random, PCT, exhaustive schedules of each."""
        random, pct, exhaustive = budget
        # Its program first, where a scenario is named.
        for program in [scenario.split("/")[0]] if scenario else PROGRAMS:
            if program not in self.built:
                self.build_sched([program])
                self.built.add(program)
            more = 20 if program in COMPONENTS else 1
            command = [str(self.sched / program), f"--random={random * more}", f"--pct={pct * more}",
                       f"--exhaustive={exhaustive * more}", f"--seed={self.seed}"]
            if scenario:
                command.append("--scenario=" + scenario.split("/")[1])
            run = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True, errors="replace",
                                   preexec_fn=limit_cpu)
            found = None
            for line in run.stdout:
                if line.startswith("not ok "):
                    found = line.split()[2].rstrip(":")
                    run.kill()
                    break
            run.stdout.close()
            status = run.wait()
            if found:
                return f"{program}/{found}"
            if status == 2 and scenario:
                return None  # there is no such scenario any more
            if status != 0:
                return scenario or f"{program}/any, by exit status {status}"
        return None

    def test(self, only=None):
        """The test on real threads that failed, or None."""
        self.build_library()
        for path in TESTS:
            name = f"{path.parent.name}/{path.stem}"
            if only and only != name:
                continue
            run = subprocess.Popen([str(build_test(path, self.library))], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, start_new_session=True,
                                   env={**os.environ, "LD_LIBRARY_PATH": str(self.dir)})
            status = wait_awhile(run)
            try:
                os.killpg(run.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            run.wait()
            if status not in (0, 77):
                return name
        return None


def wait_awhile(run):
    """The exit status, or None when it hangs."""
    for _ in range(TEST_SECONDS):
        try:
            return run.wait(1)
        except subprocess.TimeoutExpired:
            pass
    return None


def limit_cpu():
    resource.setrlimit(resource.RLIMIT_CPU, (SCHED_CPU_SECONDS, SCHED_CPU_SECONDS))
