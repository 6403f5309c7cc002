"""Boots with and without the QEMU wedge, interleaved; medians, and their ratio. CPU seconds are of QEMU alone and hold
on a machine that others use too; wall seconds do not."""
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "wedge"))
import check  # noqa: E402
import kernel  # noqa: E402
import session  # noqa: E402

INSIDE = "inside=0xffffffff80000000-0xffffffffff000000"


def boot(arguments, plugin):
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = ["qemu-system-x86_64", "-nodefaults", "-display", "none", "-no-reboot", *plugin, *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout.decode(errors='replace')[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (time.monotonic() - start,
            after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json")
    parser.add_argument("--boots", type=int, default=5)
    parser.add_argument("--smp", type=int, default=1)
    options = parser.parse_args()
    arguments = kernel.arguments(options.smp)
    with tempfile.TemporaryDirectory(prefix="reheat-bench-") as out:
        build = os.path.join(out, "build")
        check.run("make", "-C", check.SOURCE, f"OUT={build}")
        without, with_wedge = [], []
        traps = 0
        for number in range(options.boots):
            directory = os.path.join(out, f"session-{number}")
            plugin = f"{build}/libreheat-qemu.so,dir={directory},guest=bench,{INSIDE},capacity=1048576"
            without.append(boot(arguments, []))
            with_wedge.append(boot(arguments, ["-plugin", plugin]))
            counters = session.Session(build, directory).counters()
            traps = counters["counted"]
            print(f"boot {number}: without {without[-1][0]:.2f} s ({without[-1][1]:.2f} CPU), "
                  f"with {with_wedge[-1][0]:.2f} s ({with_wedge[-1][1]:.2f} CPU), {counters['records']} records, "
                  f"{counters['dropped-records']} dropped", flush=True)
    median = {f"{name}_{kind}_seconds": round(statistics.median(run[i] for run in runs), 3)
              for i, kind in enumerate(("wall", "cpu")) for name, runs in (("without", without), ("with", with_wedge))}
    result = {"bench": "wedge", "boots": options.boots, "processors": options.smp,
              "kernel": os.path.basename(kernel.find()[0]), "traps": traps, **median,
              "wall_ratio": round(median["with_wall_seconds"] / median["without_wall_seconds"], 3),
              "cpu_ratio": round(median["with_cpu_seconds"] / median["without_cpu_seconds"], 3)}
    for kind in "wall", "cpu":
        print(f"{kind}: without {result[f'without_{kind}_seconds']} s, with {result[f'with_{kind}_seconds']} s, "
              f"ratio {result[f'{kind}_ratio']}")
    if options.json:
        with open(options.json, "w") as file:
            json.dump(result, file, indent=1)
            file.write("\n")


main()
