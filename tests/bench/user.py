"""What an access costs a guest of the user-mode wedge: trapped, rewritten, and to plain memory, in one run; medians of its rounds."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "wedge"))
import check  # noqa: E402

KINDS = ["load", "store", "exchange", "table-entry"]
WAYS = ["memory", "trapped", "rewritten"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json")
    options = parser.parse_args()
    here = os.path.dirname(os.path.abspath(__file__))
    with tempfile.TemporaryDirectory(prefix="reheat-bench-") as out:
        build = os.path.join(out, "build")
        check.run("make", "-C", os.path.join(check.ROOT, "services/wedges/user"), f"OUT={build}")
        guest = os.path.join(out, "guest")
        check.run("gcc", "-O2", "-ffreestanding", "-fno-pic", "-no-pie", "-nostdlib", "-static", "-mgeneral-regs-only", "-Wl,-Ttext-segment=0x100000", "-Wl,-e,start",
                  "-o", guest, os.path.join(here, "user.c"))
        done = subprocess.run([os.path.join(build, "reheat-user"), "--session", os.path.join(out, "session"), guest], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"reheat-user: exit {done.returncode}\n{done.stderr}")
        print(done.stderr.strip())
    seen = {}
    for line in done.stdout.splitlines():
        _, kind, way, accesses, nanoseconds = line.split()
        seen.setdefault((kind, way), []).append(int(nanoseconds) / int(accesses))
    result = {"bench": "user", "rounds": len(seen["load", "memory"])}
    for kind in KINDS:
        memory, trapped, rewritten = (statistics.median(seen[kind, way]) for way in WAYS)
        result[kind] = {"memory_ns": round(memory, 2), "trapped_ns": round(trapped, 1), "rewritten_ns": round(rewritten, 2),
                        "ratio": round(trapped / rewritten, 1)}
        print(f"{kind}: memory {memory:.2f} ns, trapped {trapped:.0f} ns, rewritten {rewritten:.2f} ns: {trapped / rewritten:.0f} times cheaper")
    if options.json:
        with open(options.json, "w") as file:
            json.dump(result, file, indent=1)
            file.write("\n")


main()
