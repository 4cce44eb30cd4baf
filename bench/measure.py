# SPDX-License-Identifier: MIT
"""Runs the workloads on every target in turn, stamps their markers, and prints the table. Started by bench/run.

A stamp is the processor time that the emulator's process has used, in nanoseconds over all its threads, read when the line
of a marker arrives on its serial port. On the host itself the program's own account counts, which includes its children."""
import argparse
import collections
import json
import math
import os
import platform
import re
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

MARK = re.compile(rb"@(kernel|shell|begin|end|skip|done)\b ?([^\r\n\x1b]*)")
QUIET_SECONDS = 900         # no marker for so long: something hangs

Result = collections.namedtuple("Result", "cpu wall check")


def cpu_seconds(pid):
    """clock_getcpuclockid(3): the clock of a whole process is the complement of its number, then CPUCLOCK_SCHED."""
    return time.clock_gettime((~pid << 3) | 2)


class Target:
    """One way to run the workloads. `start` gives the process and the descriptor its markers come from."""
    name, version = "", ""

    def missing(self):
        return None

    def start(self, scratch):
        raise NotImplementedError

    @staticmethod
    def launch(argv, **more):
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0, **more)
        return process, process.stdout.fileno()


class Native(Target):
    def __init__(self, options):
        self.name, self.version = "native", platform.processor() or platform.machine()
        self.argv = [options.work + "/workloads", "--scale", options.scale, *options.names]
        for line in open("/proc/cpuinfo"):
            if line.startswith("model name"):
                self.version = line.split(":")[1].strip()

    def start(self, scratch):
        env = dict(os.environ, BENCH_BUSYBOX=shutil.which("busybox") or "/bin/busybox")
        return self.launch(self.argv, env=env)


def direct_or_iso(options):
    if options.boot == "iso":
        return ["-cdrom", options.work + "/boot.iso"]
    return ["-kernel", options.kernel, "-initrd", options.work + "/initrd", "-append", options.append]


def first_line(argv):
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout.split("\n")[0]


class Partita(Target):
    def __init__(self, options, name, path, engine):
        self.name, self.path = name, path
        self.argv = [path, "run", "-m", "512M", "-smp", "1", "-accel", engine, "-clock", "virtual", "-serial", "stdio",
                     "-no-reboot", *direct_or_iso(options)]
        if not self.missing():
            self.version = f"{first_line([path, '--version'])}, -accel {engine}"

    def missing(self):
        return None if os.access(self.path, os.X_OK) else f"{self.path} is not built"

    def start(self, scratch):
        return self.launch(self.argv)


class Qemu(Target):
    def __init__(self, options):
        self.name, self.path = "qemu", "qemu-system-x86_64"
        self.argv = [self.path, "-accel", "tcg", "-cpu", "max", "-m", "512", "-smp", "1", "-display", "none",
                     "-monitor", "none", "-nic", "none", "-serial", "stdio", "-no-reboot", *direct_or_iso(options)]
        if not self.missing():
            self.version = first_line([self.path, "--version"]) + ", -accel tcg -cpu max"

    def missing(self):
        return None if shutil.which(self.path) else "qemu-system-x86_64 is not installed (Debian: qemu-system-x86)"

    def start(self, scratch):
        return self.launch(self.argv)


BOCHSRC = """\
display_library: {display}
memory: guest=512, host=512
romimage: file={share}/BIOS-bochs-latest
vgaromimage: file={share}/VGABIOS-lgpl-latest
cpu: model={model}, count=1, ips=100000000, reset_on_triple_fault=0, ignore_bad_msrs=1
clock: sync=none, time0=1767225600
ata0-master: type=cdrom, path={iso}, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev={serial}
sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
speaker: enabled=0
log: {scratch}/log
panic: action=fatal
error: action=ignore
info: action=ignore
debug: action=ignore
"""


class Bochs(Target):
    """The installed one, or the one unpacked at `root` with its own libraries. It knows no direct boot."""
    def __init__(self, options):
        root, self.name, self.options, self.env = options.bochs or "", "bochs", options, dict(os.environ)
        self.path, self.share = root + "/usr/bin/bochs-bin", root + "/usr/share/bochs"
        if not os.access(self.path, os.X_OK):
            self.path = root + "/usr/bin/bochs"
        self.argv = [self.path]
        if root:
            libraries = root + "/usr/lib/x86_64-linux-gnu"
            self.argv = [libraries + "/ld-linux-x86-64.so.2", "--library-path",
                         libraries + ":" + root + "/lib/x86_64-linux-gnu", self.path]
            self.env.update(LTDL_LIBRARY_PATH=libraries + "/bochs/plugins", BXSHARE=self.share)
        if not self.missing():
            self.version = self.banner()

    def missing(self):
        if not os.access(self.path, os.X_OK):
            return "bochs is not installed (Debian: bochs bochsbios vgabios)"
        for rom in "BIOS-bochs-latest", "VGABIOS-lgpl-latest":
            if not os.path.exists(f"{self.share}/{rom}"):
                return f"{self.share}/{rom} is missing (Debian: bochsbios vgabios)"
        if not os.path.exists(self.options.work + "/boot.iso"):
            return "its CD needs grub-mkrescue (Debian: grub-common grub-pc-bin xorriso mtools)"
        return None

    def ask(self, *what):
        return subprocess.run([*self.argv, "--help", *what], env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True).stdout

    def banner(self):
        usage, models = self.ask(), self.ask("cpu")
        found = re.search(r"Bochs x86 Emulator [0-9.]+", models)
        self.model = next((m for m in ("corei7_haswell_4770", "bx_generic") if m in models), "bx_generic")
        # 2.7 built with its debugger always starts in it; 3.0 only when told to
        self.prompts = "-rc filename" in usage and "-debugger" not in usage
        return (found.group(0) if found else "Bochs") + (", debugger build" if "-rc filename" in usage else "") + \
            f", cpu model {self.model}"

    def start(self, scratch):
        serial = scratch + "/serial"
        os.mkfifo(serial)
        reader = os.open(serial, os.O_RDONLY | os.O_NONBLOCK)
        with open(scratch + "/bochsrc", "w") as rc:
            rc.write(BOCHSRC.format(share=self.share, iso=self.options.work + "/boot.iso", serial=serial, scratch=scratch,
                                    model=self.model, display="rfb, options=\"timeout=0\""))
        with open(scratch + "/commands", "w") as commands:
            commands.write("continue\n")
        more = ["-rc", scratch + "/commands"] if self.prompts else []
        out = open(scratch + "/out", "w")
        process = subprocess.Popen([*self.argv, "-q", "-f", scratch + "/bochsrc", *more], env=self.env,
                                   stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        return process, reader


class Stamps:
    """Turns the markers of one run into results by workload, and `boot`."""
    def __init__(self, target):
        self.target, self.results, self.open, self.kernel, self.finished = target, {}, None, None, False
        self.skipped = {}
        self.started = time.monotonic()

    def add(self, kind, text, cpu, wall):
        words = text.decode("ascii", "replace").split()
        if kind == b"kernel":
            self.kernel = (cpu, wall)
        elif kind == b"shell":
            since = self.kernel or (0.0, self.started)
            self.results["boot"] = Result(cpu - since[0], wall - since[1], "")
            self.results["start"] = Result(cpu, wall - self.started, "")
        elif kind == b"begin":
            self.open = (words[0], cpu, wall)
        elif kind == b"end" and self.open is not None and len(words) == 3:
            name, cpu0, wall0 = self.open
            seconds = int(words[2]) / 1e6 if self.target.name == "native" else cpu - cpu0
            self.results[name] = Result(seconds, wall - wall0, words[1])
        elif kind == b"skip":
            self.skipped[words[0]] = " ".join(words[1:])
        elif kind == b"done":
            self.finished = True


def run_once(target):
    """One run from start to the last marker; ends the process then."""
    scratch = tempfile.mkdtemp(prefix="partita-bench-")
    stamps, rest = Stamps(target), b""
    process, source = target.start(scratch)
    last = time.monotonic()
    try:
        while not stamps.finished and time.monotonic() - last < QUIET_SECONDS:
            ready, _, _ = select.select([source], [], [], 1.0)
            if not ready and process.poll() is None:
                continue
            data = os.read(source, 65536)
            if not data:
                if process.poll() is not None:
                    break
                time.sleep(0.05)        # a FIFO that nobody has opened for writing yet
                continue
            cpu, wall = cpu_seconds(process.pid) if process.poll() is None else 0.0, time.monotonic()
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                for mark in MARK.finditer(line):
                    stamps.add(mark.group(1), mark.group(2), cpu, wall)
                    last = wall
        if target.name == "native":
            stamps.finished = process.wait() == 0
        if not stamps.finished:
            where = f" in {stamps.open[0]}" if stamps.open and stamps.open[0] not in stamps.results else ""
            say(f"{target.name}: ended or hung{where} before its last marker")
    finally:
        process.kill()
        process.wait()
        os.close(source) if process.stdout is None else process.stdout.close()
        shutil.rmtree(scratch, ignore_errors=True)
    return stamps


def say(text):
    print(text, file=sys.stderr, flush=True)


def gmean(values):
    return math.exp(statistics.fmean(map(math.log, values))) if values else None


def make_targets(options):
    out = []
    for word in options.targets.split(","):
        label, _, rest = word.partition("=")
        path, _, engine = rest.partition("@")
        if rest:
            target = Partita(options, label, path, engine or options.accel)
        elif label == "partita":
            target = Partita(options, label, options.partita, options.accel)
        elif label in ("native", "qemu", "bochs"):
            target = {"native": Native, "qemu": Qemu, "bochs": Bochs}[label](options)
        else:
            sys.exit(f"bench/run: unknown target '{word}': native, partita, qemu, bochs or LABEL=PATH[@ENGINE]")
        why = target.missing()
        if why:
            say(f"SKIP {target.name}: {why}")
        else:
            say(f"{target.name}: {target.version}")
            out.append(target)
    return out


class Table:
    """Medians of all rounds (or the least of them) by target and workload, and what follows from them."""
    def __init__(self, targets, groups, runs, of):
        self.names = [t.name for t in targets]
        self.groups = groups                                    # (group, workload) in order
        self.runs = runs                                        # (round, target, workload, Result)
        cells = collections.defaultdict(list)
        for _, target, workload, result in runs:
            cells[target, workload].append(result.cpu)
        self.figure = {key: of(values) for key, values in cells.items()}
        self.spread = {key: (max(values) - min(values)) / statistics.median(values) for key, values in cells.items()
                       if statistics.median(values) > 0}
        self.emulators = [n for n in self.names if n != "native"]
        ours = [t.name for t in targets if isinstance(t, Partita)]
        self.ours = ours[0] if ours else None
        self.peers = [n for n in self.emulators if n != self.ours] if self.ours else []

    def ratio(self, target, base, workload):
        a, b = self.figure.get((target, workload)), self.figure.get((base, workload))
        return a / b if a and b else None

    def row(self, title, seconds, times, peers):
        def cell(value, form, width):
            return ("-" if value is None else format(value, form)).rjust(width)
        out = title.ljust(14)
        if "native" in self.names:
            out += cell(seconds.get("native"), ".3f", 9)
        for name in self.emulators:
            out += cell(seconds.get(name), ".3f", 11) + (cell(times.get(name), ".1f", 8) if "native" in self.names else "")
        return out + "".join(cell(peers.get(p), ".2f", 15) for p in self.peers)

    def header(self):
        out = "workload".ljust(14) + ("native s".rjust(9) if "native" in self.names else "")
        for name in self.emulators:
            out += f"{name} s".rjust(11) + ("x".rjust(8) if "native" in self.names else "")
        return out + "".join(f"{p}/{self.ours}".rjust(15) for p in self.peers)

    def workload_row(self, workload):
        return self.row(workload, {n: self.figure.get((n, workload)) for n in self.names},
                        {n: self.ratio(n, "native", workload) for n in self.emulators},
                        {p: self.ratio(p, self.ours, workload) for p in self.peers})

    def means(self, workloads):
        """Geometric means over the workloads that both sides have run."""
        def over(pairs):
            return {n: gmean([r for r in (self.ratio(n, base, w) for w in workloads) if r]) for n, base in pairs}
        return over((n, "native") for n in self.emulators), over((p, self.ours) for p in self.peers)

    def lines(self):
        out = [self.header()]
        for boot in "boot", "start":
            if any((n, boot) in self.figure for n in self.emulators):
                out.append(self.workload_row(boot))
        for group in dict.fromkeys(g for g, _ in self.groups):
            workloads = [w for g, w in self.groups if g == group]
            out += ["", *(self.workload_row(w) for w in workloads)]
            out.append(self.row(f"= {group}", {}, *self.means(workloads)))
        out += ["", self.row("= all", {}, *self.means([w for _, w in self.groups]))]
        return out

    def spread_line(self):
        (name, workload), worst = max(self.spread.items(), key=lambda item: item[1])
        usual = statistics.median(self.spread.values())
        return (f"spread over the rounds, largest less smallest over the median: {usual:.0%} as a rule, "
                f"{worst:.0%} at worst ({workload} on {name})")

    def disagreements(self):
        sums = collections.defaultdict(set)
        for _, target, workload, result in self.runs:
            sums[workload].add((result.check, target))
        return [f"CHECKSUMS DIFFER {workload}: " + ", ".join(f"{t} {c}" for c, t in sorted(found))
                for workload, found in sums.items() if len({c for c, _ in found}) > 1]


def write_files(options, targets, table, runs, skipped):
    with open(options.out + ".tsv", "w") as tsv:
        print("round", "target", "workload", "cpu_s", "wall_s", "checksum", sep="\t", file=tsv)
        for number, target, workload, r in runs:
            print(number, target, workload, f"{r.cpu:.6f}", f"{r.wall:.6f}", r.check, sep="\t", file=tsv)
    groups = dict.fromkeys(g for g, _ in table.groups)
    summary = {
        "host": platform.platform(), "rounds": options.rounds, "scale": options.scale, "boot": options.boot,
        "load": os.getloadavg(), "append": options.append, "targets": {t.name: t.version for t in targets},
        "skipped": skipped,
        "least_s" if options.least else "median_s": {w: {n: table.figure[n, w] for n in table.names if (n, w) in table.figure}
                     for w in ["boot", "start", *(w for _, w in table.groups)]},
        "spread": {w: {n: round(table.spread[n, w], 3) for n in table.names if (n, w) in table.spread}
                   for w in ["boot", "start", *(w for _, w in table.groups)]},
        "times_native": {g: table.means([w for h, w in table.groups if h == g])[0] for g in groups},
        "times_ours": {g: table.means([w for h, w in table.groups if h == g])[1] for g in groups},
    }
    with open(options.out + ".json", "w") as out:
        json.dump(summary, out, indent=1)
        out.write("\n")


def parse_options():
    p = argparse.ArgumentParser()
    for name in "work", "kernel", "append", "boot", "partita", "targets", "scale":
        p.add_argument("--" + name, required=True)
    p.add_argument("--accel", default="jit")
    p.add_argument("--bochs")
    p.add_argument("--out")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--least", action="store_true")
    p.add_argument("names", nargs="*")
    options = p.parse_args()
    options.out = options.out or options.work + "/result"
    return options


def main():
    options = parse_options()
    targets = make_targets(options)
    listed = subprocess.run([options.work + "/workloads", "--list", *options.names], stdout=subprocess.PIPE, text=True)
    groups = [tuple(line.split()) for line in listed.stdout.splitlines()]
    runs, skipped, complete = [], {}, True
    for number in range(1, options.rounds + 1):
        for target in targets:
            began = time.monotonic()
            stamps = run_once(target)
            complete = complete and stamps.finished
            runs += [(number, target.name, workload, result) for workload, result in stamps.results.items()]
            if stamps.skipped:
                skipped[target.name] = stamps.skipped
            say(f"round {number} {target.name}: {len(stamps.results)} results in {time.monotonic() - began:.0f} s")
    table = Table(targets, groups, runs, min if options.least else statistics.median)
    print("\n".join(table.lines()))
    if options.rounds > 1 and table.spread:
        print(table.spread_line())
    for name, why in skipped.items():
        print(f"skipped on {name}: " + "; ".join(f"{w} {text}" for w, text in why.items()))
    wrong = table.disagreements()
    print("\n".join(wrong) if wrong else "all checksums agree")
    write_files(options, targets, table, runs, skipped)
    return 1 if wrong or not complete else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
