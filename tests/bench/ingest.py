"""Fleet ingest on one machine, every part a process of its own: what a collector commits, beside a bare gRPC stream of the same payload that is thrown
away, and beside plain COPY of one row a record. PostgreSQL is as it is installed: fsync, full_page_writes and synchronous_commit are on."""
import argparse
import glob
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "wedge"))
import check  # noqa: E402

BENCH = os.path.join(HERE, "ingest/bin/Release/net10.0/Reheat.IngestBench")
COLLECTOR = os.path.join(check.ROOT, "services/collector/bin/Release/net10.0/Reheat.Collector")
REHEAT = os.path.join(check.ROOT, "services/cli/bin/Release/net10.0/reheat")
TICKS = os.sysconf("SC_CLK_TCK")



class Server:
    """A process that says one line when it is ready, if told what that line begins with, and lives until it is stopped."""

    def __init__(self, *command, log, stdin=True, env=None):
        self.log = open(log, "w")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE if stdin else subprocess.DEVNULL, stdout=subprocess.PIPE if stdin else self.log,
                                        stderr=self.log, text=True, env={**os.environ, **(env or {})})
        line = self.process.stdout.readline() if stdin else "null"
        if not line:
            with open(log) as file:
                sys.exit(f"{command[:2]} did not start: {file.read()[-3000:]}")
        self.said = json.loads(line)

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        if self.process.stdin:
            self.process.stdin.close()
        else:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self.log.close()


def cpu_seconds(pid):
    """Processor time of a process and of its ended children."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return sum(int(f) for f in fields[11:13]) / TICKS


def peak_bytes(pid):
    with open(f"/proc/{pid}/status") as file:
        return int(next(line for line in file if line.startswith("VmHWM")).split()[1]) * 1024


def tree(pid):
    children = subprocess.run(["ps", "--ppid", str(pid), "-o", "pid="], capture_output=True, text=True).stdout.split()
    return [pid, *[p for child in children for p in tree(int(child))]]


class Database:
    """The cluster, its processes and its questions."""

    def __init__(self, directory):
        self.server = Server(BENCH, "cluster", directory, log=os.path.join(directory + ".log"))
        self.connection = self.server.said["connection"]
        self.psql = [os.path.join(max(glob.glob("/usr/lib/postgresql/*/bin")), "psql"), "-XAtq", "-h", self.server.said["socket"], "-U", "reheat"]
        with open(os.path.join(directory, "data", "postmaster.pid")) as file:
            self.pid = int(file.readline())

    def make(self, name):
        check.run(*self.psql, "-d", "postgres", "-c", f"CREATE DATABASE {name}")
        return self.connection.replace("Database=reheat", f"Database={name}")

    def ask(self, name, sql):
        return check.run(*self.psql, "-d", name, "-c", sql).strip()

    def cpu(self):
        """Of all backends that live, and of those that have ended: the postmaster waited for them."""
        total = 0
        for pid in tree(self.pid):
            try:
                with open(f"/proc/{pid}/stat") as file:
                    fields = file.read().rsplit(")", 1)[1].split()
                total += sum(int(f) for f in fields[11:13 if pid != self.pid else 15]) / TICKS
            except FileNotFoundError:
                pass
        return total


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def collector(connection, out, **settings):
    port = free_port()
    server = Server(COLLECTOR, f"--Collector:Database={connection}", f"--Collector:Listen=127.0.0.1:{port}", "--Logging:LogLevel:Default=Warning",
                    *[f"--Collector:{name}={value}" for name, value in settings.items()], log=os.path.join(out, f"collector-{port}.log"), stdin=False)
    for _ in range(600):
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return server, f"http://127.0.0.1:{port}"
        if server.process.poll() is not None:
            break
        time.sleep(0.1)
    with open(server.log.name) as file:
        sys.exit(f"the collector did not start: {file.read()[-2000:]}")


def load(address, sites, **options):
    arguments = [a for name, value in options.items() if value is not False
                 for a in ([f"--{name}"] if value is True else [f"--{name}", str(value)])]
    done = subprocess.run([BENCH, "load", "--collector", address, "--sites", sites, *arguments], capture_output=True, text=True)
    if not done.stdout:
        sys.exit(f"the load failed: {done.stderr[-3000:]}")
    return json.loads(done.stdout)


class Measured:
    """Processor time of the collector and of the database while something runs."""

    def __init__(self, server, database):
        self.server, self.database = server, database

    def __enter__(self):
        self.before = cpu_seconds(self.server.pid), self.database.cpu()
        return self

    def __exit__(self, *_):
        self.collector_cpu = cpu_seconds(self.server.pid) - self.before[0]
        self.database_cpu = self.database.cpu() - self.before[1]
        self.peak = peak_bytes(self.server.pid)


def stored(database, name):
    return int(database.ask(name, "SELECT coalesce(sum(stored_traps), 0) FROM reheat_data.marks"))


def unfolded(database, out, sites, options):
    """(b): the collector alone, fed with unfolded columns; the bare stream and COPY beside it."""
    bare = Server(BENCH, "bare", log=os.path.join(out, "bare.log"))
    rounds = []
    connection = database.make("unfolded")
    server, address = collector(connection, out)
    load(address, sites, wedges=options.wedges, records=options.records, seconds=2, prefix="warm")
    load(bare.said["address"], sites, wedges=options.wedges, records=options.records, seconds=2, bare=True)
    for i in range(options.rounds):
        base = load(bare.said["address"], sites, wedges=options.wedges, records=options.records, seconds=options.seconds, bare=True)
        before = stored(database, "unfolded")
        with Measured(server, database) as measured:
            ours = load(address, sites, wedges=options.wedges, records=options.records, seconds=options.seconds, prefix=f"round{i}")
        if stored(database, "unfolded") - before != ours["records"]:
            sys.exit(f"{ours['records']} records acknowledged, {stored(database, 'unfolded') - before} stored")
        copy = json.loads(check.run(BENCH, "copy", "--database", connection, "--sites", sites, "--rows", options.records, "--seconds", options.seconds))
        million = ours["records"] / 1e6
        rounds.append({"committed_per_second": round(ours["per_second"]), "bare_per_second": round(base["per_second"]), "copy_per_second": round(copy["per_second"]),
                       "to_bare": round(ours["per_second"] / base["per_second"], 3), "to_copy": round(ours["per_second"] / copy["per_second"], 1),
                       "bytes_per_record": round(ours["bytes_per_record"], 3), "ack_p50_ms": ours["ack_p50_ms"], "ack_p99_ms": ours["ack_p99_ms"],
                       "collector_cpu_per_million": round(measured.collector_cpu / million, 4), "database_cpu_per_million": round(measured.database_cpu / million, 4),
                       "load_cpu_per_million": round(ours["cpu_seconds"] / million, 4), "collector_peak_bytes": measured.peak, "load_peak_bytes": ours["peak_bytes"],
                       "count_rows": int(database.ask("unfolded", "SELECT count(*) FROM reheat_data.counts"))})
    folded = load(address, sites, wedges=options.wedges, records=options.records, seconds=2, prefix="folded", folded=True)
    server.stop()
    bare.stop()
    best = sorted(rounds, key=lambda r: r["to_bare"])[len(rounds) // 2]
    return {**best, "rounds": rounds, "bytes_per_row_folded": round(folded["bytes_per_row"], 3), "folded_committed_per_second": round(folded["per_second"])}


def chain(database, out, sites, options):
    """(a): ring, agent, collector, commit."""
    feed = os.path.join(out, "feed")
    check.run("gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-I", os.path.join(check.ROOT, "services/wedges/include"), "-o", feed,
              os.path.join(HERE, "ingest/feed.c"))
    connection = database.make("chain")
    server, address = collector(connection, out)
    shared = tempfile.mkdtemp(prefix="reheat-chain-", dir="/dev/shm" if os.path.isdir("/dev/shm") else out)
    try:
        session = os.path.join(shared, "session")
        producer = subprocess.Popen([feed, session, str(options.ring), sites, str(options.chain_records), str(options.rings)], stdout=subprocess.PIPE, text=True)
        producer.stdout.readline()
        with Measured(server, database) as measured:
            began = time.monotonic()
            agent = subprocess.Popen([REHEAT, "agent", "--session", session, "--wedge", "chain", "--image", options.image, "--collector", address],
                                     stdout=subprocess.DEVNULL, stderr=open(os.path.join(out, "agent.log"), "w"))
            usage = os.wait4(agent.pid, 0)
            took = time.monotonic() - began
        if usage[1] != 0:
            with open(os.path.join(out, "agent.log")) as file:
                sys.exit(f"the agent ended with {usage[1]}: {file.read()[-2000:]}")
        account = json.loads(producer.stdout.readline())
        producer.wait()
    finally:
        shutil.rmtree(shared)
    server.stop()
    records = stored(database, "chain")
    if records != account["pushed"]:
        sys.exit(f"{account['pushed']} records pushed, {records} stored")
    return {"records": records, "seconds": round(took, 2), "committed_per_second": round(records / took), "agent_cpu_seconds": round(usage[2].ru_utime + usage[2].ru_stime, 2),
            "agent_peak_bytes": usage[2].ru_maxrss * 1024, "collector_cpu_seconds": round(measured.collector_cpu, 2), "database_cpu_seconds": round(measured.database_cpu, 2),
            "collector_peak_bytes": measured.peak, "rows": int(database.ask("chain", "SELECT count(*) FROM reheat_data.counts"))}


def fleet(database, out, sites, options):
    """Many streams, each quiet but for a batch now and then; then twice as many wedges on the same sites."""
    database.make("fleet")
    connection = database.connection.replace("Database=reheat", "Database=fleet")
    server, address = collector(connection, out)
    result = {}
    for name, wedges in (("half", options.streams // 2), ("full", options.streams)):
        with Measured(server, database) as measured:
            said = load(address, sites, wedges=wedges, records=options.fleet_records, folded=True, interval=options.interval, seconds=options.fleet_seconds,
                        prefix="fleet", connections=4)
        marks = database.ask("fleet", "SELECT n_tup_upd || ' ' || n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'marks'").split()
        result[name] = {"wedges": wedges, "batches": said["batches"], "records": said["records"], "ack_p50_ms": said["ack_p50_ms"], "ack_p99_ms": said["ack_p99_ms"],
                        "refusals": said["refusals"], "collector_peak_bytes": measured.peak, "load_peak_bytes": said["peak_bytes"],
                        "database_cpu_seconds": round(measured.database_cpu, 2), "collector_cpu_seconds": round(measured.collector_cpu, 2),
                        "site_rows": int(database.ask("fleet", "SELECT count(*) FROM reheat_data.site_totals")),
                        "rows_a_bucket": int(database.ask("fleet", "SELECT coalesce(max(n), 0) FROM (SELECT count(*) n FROM reheat_data.counts GROUP BY bucket) b")),
                        "mark_updates": int(marks[0]), "hot_mark_updates": int(marks[1])}
    server.stop()
    result["marks"] = json.loads(check.run(BENCH, "marks", "--database", connection))
    return result


def verdicts(result):
    """One line for each figure that has a limit."""
    a, b, fleet_result = result.get("chain"), result.get("unfolded"), result.get("fleet")
    figures = []
    if a:
        figures += [("ring to commit, records/s", a["committed_per_second"], "at least", 5e6)]
    if b:
        figures += [("unfolded columns, records/s", b["committed_per_second"], "at least", 5e6), ("… to the bare stream", b["to_bare"], "at least", 0.3),
                    ("… to COPY", b["to_copy"], "at least", 5), ("bytes on the wire a record, unfolded", b["bytes_per_record"], "at most", 1.5),
                    ("bytes on the wire a row, folded", b["bytes_per_row_folded"], "at most", 6)]
    if fleet_result:
        full, half = fleet_result["full"], fleet_result["half"]
        figures += [(f"{full['wedges']} streams, peak bytes of the collector", full["collector_peak_bytes"], "at most", 700e6),
                    ("… acknowledged in ms, p99", full["ack_p99_ms"], "at most", 2000), ("… refusals", full["refusals"], "at most", 0),
                    ("rows of twice the wedges to rows before", full["rows_a_bucket"] / half["rows_a_bucket"], "at most", 1),
                    ("database's processor time a mark, us", fleet_result["marks"]["cpu_us_per_mark"], "at most", 10)]
    for name, value, kind, limit in figures:
        met = value >= limit if kind == "at least" else value <= limit
        yield f"{name}: {value:,.3f} ({kind} {limit:,g}: {'met' if met else 'NOT met'})"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json")
    parser.add_argument("--image", help="a vmlinux whose code the sites are taken from; default: the tiny kernel of deploy/guests/linux/build.sh")
    parser.add_argument("--sites", type=int, default=2000)
    parser.add_argument("--wedges", type=int, default=4)
    parser.add_argument("--records", type=int, default=10_000, help="of a batch")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ring", type=int, default=1 << 22, help="records of the ring")
    parser.add_argument("--rings", type=int, default=1)
    parser.add_argument("--chain-records", type=int, default=100_000_000)
    parser.add_argument("--streams", type=int, default=10_000)
    parser.add_argument("--interval", type=float, default=10)
    parser.add_argument("--fleet-seconds", type=float, default=40)
    parser.add_argument("--fleet-records", type=int, default=500)
    parser.add_argument("--only", choices=["unfolded", "chain", "fleet"], action="append")
    options = parser.parse_args()
    cache = os.environ.get("REHEAT_CACHE") or os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "reheat")
    options.image = options.image or next(iter(glob.glob(os.path.join(cache, "guests/linux-tiny-*/linux/vmlinux"))), None) or sys.exit(
        "no vmlinux: build one with deploy/guests/linux/build.sh --variant tiny, or name one with --image")
    result = {"bench": "ingest", "processors": os.cpu_count()}
    with tempfile.TemporaryDirectory(prefix="reheat-ingest-") as out:
        os.chmod(out, 0o755)  # PostgreSQL does not run as root
        sites = os.path.join(out, "sites")
        check.run(BENCH, "sites", options.image, "--count", options.sites, "--output", sites)
        database = Database(os.path.join(out, "cluster"))
        try:
            for name, run in (("unfolded", unfolded), ("chain", chain), ("fleet", fleet)):
                if not options.only or name in options.only:
                    result[name] = run(database, out, sites, options)
                    print(json.dumps({name: result[name]}, indent=1), flush=True)
        finally:
            database.server.stop()
    for line in verdicts(result):
        print(line)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(result, file, indent=1)


main()
