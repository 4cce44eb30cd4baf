#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs tests/guest/system.c in Partita and in other emulators and compares what each case came to.

  system_peers.py [--count N] [--seed N] [--paging] [--peer qemu] [--peer bochs[=ROOT]] [--partita FILE] [--guest system.elf]

system_triage.txt says for each known difference who is right and by which manual; anything else fails. A case that ends the
machine (a shutdown) counts as `died`, and the next one starts a new machine."""
import argparse, os, re, shutil, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
RF_UNKNOWN = {"qemu"}           # pushes RF = 0 for faults (SDM 3B "Resume Flag": 1)


def partita(o, line, scratch):
    return [o.partita, "run", "-m", "64M", "-kernel", o.guest, "-append", line, "-serial", "stdio", "-hv", "off", "-no-reboot",
            "-device", "isa-debug-exit,iobase=0xf4,iosize=4"], None


def qemu(o, line, scratch):
    return ["qemu-system-x86_64", "-cpu", "max", "-m", "64M", "-kernel", o.guest, "-append", line, "-serial", "stdio", "-no-reboot",
            "-display", "none", "-net", "none", "-device", "isa-debug-exit,iobase=0xf4,iosize=4"], None


def bochs(o, line, scratch):
    root = o.bochs
    share, libraries = root + "/usr/share/bochs", root + "/usr/lib/x86_64-linux-gnu"
    os.makedirs(scratch + "/iso/boot/grub", exist_ok=True)
    shutil.copy(o.guest, scratch + "/iso/boot/system.elf")
    with open(scratch + "/iso/boot/grub/grub.cfg", "w") as f:
        f.write(f"set timeout=0\nmenuentry x {{\nmultiboot /boot/system.elf {line}\n}}\n")
    subprocess.run(["grub-mkrescue", "-o", scratch + "/boot.iso", scratch + "/iso"], check=True, capture_output=True)
    with open(scratch + "/bochsrc", "w") as f:
        f.write(f"display_library: rfb, options=\"timeout=0\"\nmemory: guest=64, host=64\nromimage: file={share}/BIOS-bochs-latest\n"
                f"vgaromimage: file={share}/VGABIOS-lgpl-latest\ncpu: model=corei7_haswell_4770, count=1, ips=100000000, "
                f"reset_on_triple_fault=0, ignore_bad_msrs=0\nclock: sync=none\nata0-master: type=cdrom, path={scratch}/boot.iso, status=inserted\n"
                f"boot: cdrom\ncom1: enabled=1, mode=file, dev={scratch}/serial\nlog: {scratch}/log\npanic: action=fatal\n"
                f"error: action=ignore\nspeaker: enabled=0\nsound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy\n")
    with open(scratch + "/commands", "w") as f:
        f.write("continue\n")
    path = root + "/usr/bin/bochs-bin" if os.access(root + "/usr/bin/bochs-bin", os.X_OK) else root + "/usr/bin/bochs"
    argv = [path, "-q", "-f", scratch + "/bochsrc"]
    if root:
        argv = [libraries + "/ld-linux-x86-64.so.2", "--library-path", libraries + ":" + root + "/lib/x86_64-linux-gnu"] + argv
        os.environ.update(LTDL_LIBRARY_PATH=libraries + "/bochs/plugins", BXSHARE=share)
    return argv, scratch + "/serial"


def output(o, name, line):
    """Text of one run. Bochs ends only when it is told to, others may loop for ever after a case that went wild."""
    with tempfile.TemporaryDirectory() as scratch:
        argv, serial = {"partita": partita, "qemu": qemu, "bochs": bochs}[name](o, line, scratch)
        out = open(scratch + "/out", "w+")
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL)
        text, still, step = "", 0, 0.2
        while process.poll() is None and "done" not in text and still < o.stall:
            time.sleep(step)
            now = read(serial or out.name)
            still = still + step if now == text and (now or serial is None) else 0
            text = now
        process.terminate()
        process.wait()
        return read(serial or out.name)


def read(path):
    return open(path, encoding="latin1").read() if os.path.exists(path) else ""


def cases(o, name):
    """{number: line}; a machine that ends early died of the case after its last line."""
    found, seed, end = {}, o.seed, o.seed + o.count
    while seed < end:
        text = output(o, name, f"seed={seed} count={end - seed}" + " paging=1" * o.paging)
        lines = [l.strip() for l in text.replace("\r", "").split("\n") if " | v=" in l and " t=" in l]
        for line in lines:
            found[int(line.split()[0], 16)] = line
        if "done" in text:
            break
        seed = (int(lines[-1].split()[0], 16) if lines else seed - 1) + 1
        found[seed] = f"{seed:06x} died"
        seed += 1
    return found


def fields(line):
    return dict(w.split("=", 1) for w in line.split(" | ")[-1].split() if "=" in w)


def differing(ours, theirs, peer):
    if "died" in (ours.split()[1], theirs.split()[1]):
        return {"died"} if ours.split()[1] != theirs.split()[1] else set()
    a, b = fields(ours), fields(theirs)
    return {k for k in set(a) | set(b) if a.get(k) != b.get(k) and not (k == "rf" and peer in RF_UNKNOWN)}


def read_triage():
    rules = []
    for line in open(HERE + "/system_triage.txt"):
        if line.strip() and not line.startswith("#"):
            peer, pattern, names, _ = [p.strip() for p in line.split(";", 3)]
            rules.append((peer, re.compile(pattern), None if names == "*" else set(names.split(","))))
    return rules


def explained(rules, peer, ours, theirs, names):
    both = ours + " || " + theirs
    return any(p == peer and r.search(both) and (n is None or names <= n) for p, r, n in rules)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--count", type=int, default=3000)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--paging", action="store_true", help="accesses through random page tables")
    p.add_argument("--peer", action="append")
    p.add_argument("--partita", default="build/partita")
    p.add_argument("--guest", required=True)
    p.add_argument("--stall", type=int, default=20, help="host seconds without output after which a machine counts as dead")
    o = p.parse_args()
    rules, bad = read_triage(), 0
    ours = cases(o, "partita")
    for peer in o.peer or ["qemu"]:
        name, _, o.bochs = peer.partition("=")
        theirs, known, count = cases(o, name), 0, 0
        for n in sorted(ours):
            names = differing(ours[n], theirs.get(n, f"{n:06x} died"), name)
            if not names:
                continue
            if explained(rules, name, ours[n], theirs.get(n, "died"), names):
                known += 1
                continue
            count += 1
            if count <= 20:
                print(f"{name} differs in {','.join(sorted(names))}:\n  ours   {ours[n]}\n  theirs {theirs.get(n)}")
        print(f"{name}: {len(ours)} cases, {known} explained differences, {count} unexplained")
        bad += count + (len(ours) != o.count)
    return bad != 0


if __name__ == "__main__":
    sys.exit(main())
