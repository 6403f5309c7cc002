"""Measures `reheat import kvm` against a plain scan of the same file, pinned to one processor each."""
import argparse
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
VCPUS = 8


def build_guest(directory):
    image = directory / "guest.elf"
    subprocess.run(["gcc", "-m32", "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=sha1,-Ttext=0x7000,-e,flat_start,-z,noseparate-code",
                    "-o", image, ROOT / "tests/kvm/guest.S"], check=True)
    return image


def chunks():
    """The kept recording, as each of some vCPUs would have told it, again and again with a time that goes on."""
    lines = (ROOT / "tests/Reheat.Loop.Tests/Kvm/recordings/perf-script.txt").read_text().splitlines()
    events = [line.split(":", 1)[1] for line in lines if " kvm:" in line]
    second = 100
    while True:
        for vcpu in range(VCPUS):
            head = f"CPU {vcpu}/KVM {4000 + vcpu} [{vcpu:03}] {second}."
            yield "".join(f"{head}{micro:06}:{event}\n" for micro, event in enumerate(events)).encode(), len(events)
        second += 1


def write(path, lines):
    written = 0
    with open(path, "wb") as file:
        for text, count in chunks():
            file.write(text)
            written += count
            if written >= lines:
                return written


def run(command, **arguments):
    """Wall time, processor time, peak memory in bytes and output of a command on one processor."""
    began = time.monotonic()
    process = subprocess.Popen(["taskset", "-c", str(max(os.sched_getaffinity(0))), *map(str, command)], stdout=subprocess.PIPE, **arguments)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command[0]} ended with {process.returncode}")
    return time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, output


def start_collector(reheat, directory):
    address = pathlib.Path(f"{directory}.url")
    process = subprocess.Popen([reheat, "up", "--data", directory, "--listen", "127.0.0.1:0", "--address-file", address], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(600):
        if address.exists() and (url := address.read_text().strip()):
            return process, url
        time.sleep(0.2)
    process.kill()
    sys.exit("reheat up did not come up")


def import_text(reheat, url, image, text, wedge, **arguments):
    wall, cpu, memory, output = run([reheat, "import", "kvm", text, "--image", image, "--wedge", wedge, "--json", "--collector", url], **arguments)
    found = json.loads(output)
    assert found["not_understood"] == 0 and found["traps_recorded"] == found["traps_stored"], found
    return wall, cpu, memory, found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json")
    parser.add_argument("--lines", type=int, default=4_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pipe-bytes", type=int, default=0, help="also imports so many bytes through a pipe, and tells the peak of memory")
    parser.add_argument("--reheat", type=pathlib.Path, required=True, help="the installed program: what is compiled at its start is no part of the figures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reheat-bench-") as scratch:
        scratch = pathlib.Path(scratch)
        os.chmod(scratch, 0o755)
        image = build_guest(scratch)
        text = scratch / "trace.txt"
        lines = write(text, options.lines)
        size = text.stat().st_size
        collector, url = start_collector(options.reheat, scratch / "data")
        try:
            rows = []
            for turn in range(options.rounds):
                scan, _, _, _ = run(["wc", "-l", text])
                match, _, _, _ = run(["grep", "-c", "kvm_mmio", text], env={**os.environ, "LC_ALL": "C"})
                wall, cpu, memory, found = import_text(options.reheat, url, image, text, f"bench/{turn}")
                start, start_cpu, _, _ = import_text(options.reheat, url, image, text, f"bench/{turn}")  # all of it is counted: what starting and reading cost
                rows.append({"wall": wall, "cpu": cpu, "memory": memory, "wc": scan, "grep": match, "again": start, "start": wall - found["seconds"]})
                print(f"round {turn + 1}: {found['lines']:,} lines, {found['traps_stored']:,} traps in {wall:.2f} s ({cpu:.2f} s of processor); wc {scan:.2f} s, grep {match:.2f} s", file=sys.stderr)
            pipe = None
            if options.pipe_bytes:
                reader, writer = os.pipe()
                if os.fork() == 0:
                    os.close(reader)
                    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
                    left = options.pipe_bytes
                    with os.fdopen(writer, "wb") as out:
                        for piece, _ in chunks():
                            out.write(piece)
                            left -= len(piece)
                            if left <= 0:
                                break
                        out.flush()
                    os._exit(0)
                os.close(writer)
                wall, cpu, memory, found = import_text(options.reheat, url, image, "-", "bench/pipe", stdin=reader)
                pipe = {"bytes": found["bytes"], "lines": found["lines"], "seconds": wall, "peak_memory_bytes": memory}
                os.wait()
        finally:
            collector.send_signal(signal.SIGINT)
            collector.wait()
    best = min(rows, key=lambda row: row["wall"])
    median = statistics.median(row["wall"] for row in rows)
    result = {
        "lines": lines,
        "bytes": size,
        "lines_per_second": round(lines / median),
        "lines_per_second_best": round(lines / best["wall"]),
        "lines_per_processor_second": round(lines / statistics.median(row["cpu"] for row in rows)),
        "seconds_to_start": round(statistics.median(row["start"] for row in rows), 2),
        "megabytes_per_second": round(size / median / 1e6, 1),
        "wc_lines_per_second": round(lines / statistics.median(row["wc"] for row in rows)),
        "grep_lines_per_second": round(lines / statistics.median(row["grep"] for row in rows)),
        "ratio_to_grep": round(statistics.median(row["grep"] for row in rows) / median, 3),
        "peak_memory_bytes": max(row["memory"] for row in rows),
        "pipe": pipe,
    }
    print(json.dumps(result, indent=2))
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
