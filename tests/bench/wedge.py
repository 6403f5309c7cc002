"""Boots with and without the QEMU wedge, with page tables and without, interleaved; medians, and their ratios to none. CPU seconds are of QEMU alone and hold
on a machine that others use too; wall seconds do not."""
import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "wedge"))
import check  # noqa: E402
import kernel  # noqa: E402
import session  # noqa: E402

# Alternately, so that what else the machine does falls on all alike.
VARIANTS = {"without": None, "with": "", "writes": ",tables=writes", "all": ",tables=all"}
INSIDE = "inside=0xffffffff80000000-0xffffffffff000000"


def name_of(variant, kind):
    return f"{kind}_ratio" if variant == "with" else f"{variant}_{kind}_ratio"


def boot(arguments, plugin):
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = ["qemu-system-x86_64", "-nodefaults", "-display", "none", "-no-reboot", *plugin, *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600)
    if done.returncode or kernel.find()[1] and b"reheat: done" not in done.stdout:
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
    arguments = kernel.arguments(options.smp, "no_timer_check")   # a busy host must not end a boot early
    with tempfile.TemporaryDirectory(prefix="reheat-bench-") as out:
        build = os.path.join(out, "build")
        check.run("make", "-C", check.SOURCE, f"OUT={build}")
        runs = {variant: [] for variant in VARIANTS}
        traps = {}
        for number in range(options.boots):
            for variant, further in VARIANTS.items():
                directory = os.path.join(out, f"session-{number}-{variant}")
                plugin = f"{build}/libreheat-qemu.so,dir={directory},guest=bench,{INSIDE},capacity=2097152{further}"
                runs[variant].append(boot(arguments, ["-plugin", plugin] if further is not None else []))
                line = f"boot {number}: {variant} {runs[variant][-1][0]:.2f} s ({runs[variant][-1][1]:.2f} CPU)"
                if further is not None:
                    counters = session.Session(build, directory).counters()
                    traps[variant] = counters["counted"]
                    line += f", {counters['records']} records, {counters['dropped-records']} dropped"
                    shutil.rmtree(directory)
                print(line, flush=True)
    median = {f"{variant}_{kind}_seconds": round(statistics.median(run[i] for run in runs[variant]), 3)
              for i, kind in enumerate(("wall", "cpu")) for variant in VARIANTS}
    ratio = {name_of(variant, kind): round(median[f"{variant}_{kind}_seconds"] / median[f"without_{kind}_seconds"], 3)
             for kind in ("wall", "cpu") for variant in VARIANTS if variant != "without"}
    result = {"bench": "wedge", "boots": options.boots, "processors": options.smp, "kernel": os.path.basename(kernel.find()[0]),
              "traps": traps["with"], "writes_traps": traps["writes"], "all_traps": traps["all"], **median, **ratio}
    for kind in "wall", "cpu":
        print(f"{kind}: without {result[f'without_{kind}_seconds']} s; ratio with the wedge {result[name_of('with', kind)]}, "
              f"with writes to page tables {result[name_of('writes', kind)]}, with their reads too {result[name_of('all', kind)]}")
    if options.json:
        with open(options.json, "w") as file:
            json.dump(result, file, indent=1)
            file.write("\n")


main()
