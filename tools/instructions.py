#!/usr/bin/env python3
"""Counts instructions of the cores under callgrind and compares them with stored bounds.

  tools/instructions.py PROGRAM [--bounds FILE] [--update]

PROGRAM is build/bench/instructions_bench. Each of its functions measured_NAME is counted by itself.
FILE has a line `NAME INSTRUCTIONS` for each. More than a tenth above fails; more than a fifth below is told,
so that the bound can be lowered. --update writes what was counted. Counts are the same from run to run on one
machine, however busy; another C library or processor changes them a little.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile

ABOVE = 1.10
BELOW = 0.80
PREFIX = "measured_"
BEGIN = "counting_begins"  # called before each of them


def measured(program):
    """The names of its measured functions. Callgrind also takes patterns, but misses some of what they match."""
    symbols = subprocess.run(["nm", program], stdout=subprocess.PIPE, text=True, check=True).stdout
    return sorted(set(re.findall(rf"^\S+ [tT] ({PREFIX}\w+)$", symbols, re.M)))


def count(program):
    """Instructions of each measured function, by name."""
    counts = {}
    with tempfile.TemporaryDirectory() as directory:
        out = os.path.join(directory, "out")
        run = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}",
             f"--dump-after={BEGIN}", *(f"--dump-after={name}" for name in measured(program)),
             program],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if run.returncode != 0:
            sys.exit(f"{program} under valgrind ended with {run.returncode}\n{run.stdout[-3000:]}")
        for name in sorted(os.listdir(directory)):
            with open(os.path.join(directory, name), encoding="utf-8", errors="replace") as file:
                text = file.read()
            trigger = re.search(r"^desc: Trigger: --dump-after=(\S+)", text, re.M)
            total = re.search(r"^(?:totals|summary): (\d+)", text, re.M)
            if trigger and total and trigger.group(1) != BEGIN:
                counts[trigger.group(1).removeprefix(PREFIX)] = int(total.group(1))
    return counts


def read_bounds(path):
    bounds = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            words = line.split("#")[0].split()
            if words:
                bounds[words[0]] = int(words[1])
    return bounds


def write_bounds(path, counts):
    with open(path, encoding="utf-8") as file:
        head = [line for line in file if line.startswith("#")]
    width = max(len(name) for name in counts)
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(head)
        for name, value in sorted(counts.items()):
            file.write(f"{name:<{width}} {value}\n")


def compare(counts, bounds):
    """Prints a line for each; true if none is above its bound, missing or unknown."""
    good = True
    for name in sorted(set(counts) | set(bounds)):
        if name not in counts or name not in bounds:
            print(f"{name}: {'was not counted' if name not in counts else 'has no bound'}")
            good = False
            continue
        part = counts[name] / bounds[name]
        verdict = ""
        if part > ABOVE:
            verdict = "  TOO MANY: find out why, or say why the bound rises"
            good = False
        elif part < BELOW:
            verdict = "  far below: lower the bound (--update)"
        print(f"{name}: {counts[name]} of {bounds[name]} ({part * 100:.1f} %){verdict}")
    return good


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--bounds", default=os.path.join(os.path.dirname(__file__), "..", "bench",
                                                         "instructions.txt"))
    parser.add_argument("--update", action="store_true")
    options = parser.parse_args()
    counts = count(options.program)
    if not counts:
        sys.exit("nothing was counted")
    if options.update:
        write_bounds(options.bounds, counts)
    elif not compare(counts, read_bounds(options.bounds)):
        sys.exit(1)


if __name__ == "__main__":
    main()
