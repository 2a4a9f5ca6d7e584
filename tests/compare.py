#!/usr/bin/env python3
"""Asks AuditQL, ClickHouse (chdb) and DuckDB the same questions about the same events, in one run.

    python3 -m venv venv && venv/bin/pip install chdb duckdb
    cargo build --release
    venv/bin/python tests/compare.py target/release/auditql EVENTS.jsonl

EVENTS.jsonl holds one audit event per line, for example of `auditql generate --events 1000000`. One
that ends in .zst is read through zstd(1) and never unpacked to disk: of ten million events (24 GB)
no more than one batch of lines is there at a time. Each store is filled in its usual bulk way and
answers from its own process (AuditQL over HTTP, the others within a child of this one, which spares
them HTTP). Every question is asked once to warm up and then --repeat times; the medians are printed as
a table, and answers that differ from a plain pass over the lines end the run. Files go to a
temporary directory (--tmp) and are removed; --memory bounds what a peer may take, in GB.

With --keep DIR the filled stores and the right answers stay there, and the next run with it asks them
again; seconds of filling are those of the first. With --store the import is left out: AuditQL serves that directory as it
is, which must hold exactly these events, sealed.
"""

import argparse
import array
import collections
import concurrent.futures
import contextlib
import json
import multiprocessing
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

# Lines that a peer sorts and loads at once: 1.2 GB of them.
BATCH_LINES = 500_000

WRITES = ("create", "update", "patch", "delete", "deletecollection")

# Columns of both peers: name, type in ClickHouse, where the value stands in the event.
COLUMNS = [
    ("time", "DateTime64(6, 'UTC')", ("stageTimestamp",)),
    ("audit_id", "String", ("auditID",)),
    ("stage", "LowCardinality(String)", ("stage",)),
    ("verb", "LowCardinality(String)", ("verb",)),
    ("user", "LowCardinality(String)", ("user", "username")),
    # The hop that no client can forge.
    ("source_ip", "LowCardinality(String)", ("sourceIPs", -1)),
    ("resource", "LowCardinality(String)", ("objectRef", "resource")),
    ("namespace", "LowCardinality(String)", ("objectRef", "namespace")),
    ("name", "String", ("objectRef", "name")),
    ("code", "Int32", ("responseStatus", "code")),
]


def dig(event, path):
    for step in path:
        try:
            event = event[step]
        except (KeyError, IndexError, TypeError):
            return None
    return event


def clickhouse_schema():
    columns = ", ".join(f"{name} {kind}" for name, kind, _ in COLUMNS)
    # In order of what look-ups name; a token filter for texts in the events.
    return (
        f"create table events ({columns}, raw String codec(ZSTD(3)), "
        "index audit_ids audit_id type bloom_filter(0.001) granularity 1, "
        "index users user type set(1000) granularity 1, "
        "index texts raw type tokenbf_v1(32768, 3, 0) granularity 1) "
        "engine = MergeTree order by (resource, namespace, name, time)"
    )


def clickhouse_load(path, memory):
    def value(where, kind):
        steps = ", ".join(repr(step) if isinstance(step, str) else str(step) for step in where)
        if kind.startswith("DateTime"):
            return f"parseDateTime64BestEffort(JSONExtractString(line, {steps}), 6)"
        return f"JSONExtract{'Int' if kind == 'Int32' else 'String'}(line, {steps})"

    values = ", ".join(value(where, kind) for _, kind, where in COLUMNS)
    lines = f"file('{path}', LineAsString, 'line String', 'auto')"
    bounds = f"settings max_memory_usage = {memory}, max_insert_threads = 1"
    return f"insert into events select {values}, line from {lines} {bounds}"


def duckdb_load(path):
    def value(name, kind, where):
        dotted = "$" + "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in where)
        text = f"json_extract_string(line, '{dotted}')"
        if kind.startswith("DateTime"):
            return f"cast({text} as timestamp) as {name}"
        return f"cast({text} as integer) as {name}" if kind == "Int32" else f'{text} as "{name}"'

    values = ", ".join(value(*column) for column in COLUMNS)
    lines = f"read_csv('{path}', columns = {{'line': 'varchar'}}, delim = '\\x01', quote = '', escape = '', max_line_size = 4194304)"
    return f"insert into events select {values}, line from {lines} order by 7, 8, 9, 1"


def duckdb_schema():
    kinds = {"DateTime64(6, 'UTC')": "timestamp", "Int32": "integer"}
    columns = ", ".join(f'"{name}" {kinds.get(kind, "varchar")}' for name, kind, _ in COLUMNS)
    return f"create table events ({columns}, raw varchar using compression zstd)"


@contextlib.contextmanager
def lines_of(path):
    """The lines of a file, as bytes."""
    if not path.endswith(".zst"):
        with open(path, "rb") as lines:
            yield lines
        return
    with subprocess.Popen(["zstd", "-dcq", path], stdout=subprocess.PIPE) as unpacking:
        yield unpacking.stdout
    if unpacking.returncode != 0:
        sys.exit(f"{path}: zstd ended with {unpacking.returncode}")


def batches(path, directory):
    """Files of at most BATCH_LINES lines each; each is removed before the next is written."""
    batch = os.path.join(directory, "batch.jsonl")
    with lines_of(path) as lines:
        more = True
        while more:
            count = 0
            with open(batch, "wb") as out:
                for count, line in enumerate(lines, 1):
                    out.write(line)
                    if count == BATCH_LINES:
                        break
            more = count == BATCH_LINES
            if count:
                yield batch
            os.remove(batch)


class Column:
    """The values of all events, each once, and their numbers."""

    def __init__(self):
        self.numbers, self.of = {}, array.array("i")

    def add(self, value):
        self.of.append(self.numbers.setdefault(value, len(self.numbers)))

    def number(self, value):
        return self.numbers.get(value, -1)

    def counts(self, keep=None):
        counts = collections.Counter(self.of if keep is None else (n for n, k in zip(self.of, keep) if k))
        values = list(self.numbers)
        return [(values[number], count) for number, count in counts.most_common()]


class Truth:
    """The questions with their answers, from a plain pass. Some 60 bytes of each event are held."""

    def __init__(self, path):
        names = ("user", "verb", "code", "object", "hour", "address", "namespace", "what")
        held = {name: Column() for name in names}
        # Hashes of 64 bits stand for ids and for what they begin with.
        ids, beginnings, hours = array.array("q"), array.array("q"), collections.Counter()
        with lines_of(path) as lines:
            for line in lines:
                event = json.loads(line)
                row = {name: dig(event, where) for name, _, where in COLUMNS}
                reads = row["resource"] == "secrets" and row["verb"] in ("get", "list", "watch")
                writes = row["verb"] in WRITES and row["stage"] == "ResponseComplete"
                whole = row["namespace"] is not None and row["name"] is not None
                values = {
                    "user": row["user"],
                    "verb": row["verb"],
                    "code": row["code"],
                    "object": (row["resource"], row["namespace"], row["name"]) if whole else None,
                    "hour": row["time"][:13],
                    "address": row["source_ip"],
                    "namespace": row["namespace"],
                    "what": reads,
                }
                for name, column in held.items():
                    column.add(values[name])
                if writes:
                    hours[row["time"][:13]] += 1
                ids.append(hash(row["audit_id"]))
                beginnings.append(hash(row["audit_id"][:20]))
                if len(ids) & (len(ids) - 1) == 0:
                    middle = row
                last = row
        of = {name: held[name].of for name in names}
        delete, secrets = held["verb"].number("delete"), held["what"].number(True)
        deleted = held["object"].counts(verb == delete for verb in of["verb"])
        self.object, deletions = next(found for found in deleted if found[0] is not None)
        people = [user for user, _ in held["user"].counts() if user and not user.startswith("system:")]
        self.user = people[0]
        read = held["namespace"].counts(what == secrets for what in of["what"])
        self.namespace, reading = read[len(read) // 2]
        # The last event whose number is a power of two: somewhere in the latter half.
        self.audit_id, self.hour = middle["audit_id"], middle["time"][:13]
        self.needle = last["audit_id"][:20]
        refused = held["code"].number(403)
        user, hour = held["user"].number(self.user), held["hour"].number(self.hour)
        by_user = sum(each == user for each in of["user"])
        self.answers = {
            "who deleted an object": deletions,
            "all by a user in an hour": sum(u == user and h == hour for u, h in zip(of["user"], of["hour"])),
            "who read secrets in a namespace": reading,
            "count by verb": len(held["verb"].numbers),
            "top 20 users by 403": min(20, len(held["user"].counts(code == refused for code in of["code"]))),
            "hourly histogram of writes": len(hours),
            "one event by auditID, with its body": ids.count(hash(self.audit_id)),
            "distinct source IPs of a user": len({ip for ip, u in zip(of["address"], of["user"]) if u == user}),
            "full export of a user": by_user,
            "a text anywhere in the events": beginnings.count(hash(self.needle)),
        }
        self.count = len(ids)


def truth_of(args):
    """The questions with their answers, those of an earlier run if it kept them for the same file."""
    if not args.keep:
        return Truth(args.events)
    kept, file = os.path.join(args.keep, "truth.json"), os.stat(args.events)
    identity = [file.st_size, file.st_mtime_ns]
    with contextlib.suppress(FileNotFoundError), open(kept) as answers:
        held = json.load(answers)
        if held.pop("file") == identity:
            truth = Truth.__new__(Truth)
            vars(truth).update(held)
            return truth
    truth = Truth(args.events)
    os.makedirs(args.keep, exist_ok=True)
    with open(kept, "w") as answers:
        json.dump(dict(vars(truth), file=identity), answers)
    return truth


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def peer_sql(truth, hour_of, contains):
    resource, namespace, name = map(quoted, truth.object)
    user = quoted(truth.user)
    writes = ", ".join(map(quoted, WRITES))
    shown = 'time, audit_id, "user", verb, source_ip'
    hour = truth.hour.replace("T", " ")
    return {
        "who deleted an object": f"select {shown} from events where verb = 'delete' and resource = {resource} and namespace = {namespace} and name = {name} order by time desc",
        "all by a user in an hour": f"select {shown} from events where \"user\" = {user} and time >= '{hour}:00:00' and time < '{hour}:59:59.999999' order by time desc",
        "who read secrets in a namespace": f"select {shown} from events where verb in ('get', 'list', 'watch') and resource = 'secrets' and namespace = {quoted(truth.namespace)} order by time desc",
        "count by verb": "select verb, count(*) from events group by verb order by 2 desc",
        "top 20 users by 403": 'select "user", count(*) from events where code = 403 group by "user" order by 2 desc limit 20',
        "hourly histogram of writes": f"select {hour_of}, count(*) from events where verb in ({writes}) and stage = 'ResponseComplete' group by 1 order by 1",
        "one event by auditID, with its body": f"select raw from events where audit_id = {quoted(truth.audit_id)}",
        "distinct source IPs of a user": f'select distinct source_ip from events where "user" = {user}',
        "full export of a user": f'select raw from events where "user" = {user} order by time desc',
        "a text anywhere in the events": f"select {shown} from events where {contains}",
    }


def auditql_calls(truth):
    resource, namespace, name = truth.object
    hour = truth.hour
    end = f"{hour}:59:59.999999Z"
    shown = {"columns": "time,audit_id,user,verb,source_ip", "limit": 0}
    return {
        "who deleted an object": ("events", dict(shown, verb="delete", resource=resource, namespace=namespace, name=name)),
        "all by a user in an hour": ("events", dict(shown, user=truth.user, since=f"{hour}:00:00Z", until=end)),
        "who read secrets in a namespace": ("events", dict(shown, verb="get,list,watch", resource="secrets", namespace=truth.namespace)),
        "count by verb": ("top/verb", {"limit": 0}),
        "top 20 users by 403": ("top/user", {"code": 403, "limit": 20}),
        "hourly histogram of writes": ("histogram", {"step": "1h", "verb": ",".join(WRITES), "stage": "ResponseComplete"}),
        "one event by auditID, with its body": ("events", {"audit_id": truth.audit_id, "format": "raw"}),
        "distinct source IPs of a user": ("top/source_ip", {"user": truth.user, "limit": 0}),
        "full export of a user": ("events", {"user": truth.user, "format": "raw", "limit": 0}),
        "a text anywhere in the events": ("events", dict(shown, contains=truth.needle)),
    }


def measured(store, truth, asks, repeat):
    """Medians in milliseconds; the answers' rows must be as many as they are."""
    medians = {}
    for name, ask in asks.items():
        times = []
        for _ in range(repeat + 1):
            begin = time.perf_counter()
            rows = ask()
            times.append((time.perf_counter() - begin) * 1000)
            if rows != truth.answers[name]:
                sys.exit(f"{store}: {name}: {rows} rows instead of {truth.answers[name]}")
        medians[name] = statistics.median(times[1:])
    return medians


def filled(directory, fill):
    """Seconds that filling a store took, now or in the run that did it."""
    mark = os.path.join(directory, "seconds")
    if not os.path.exists(mark):
        begin = time.perf_counter()
        took = fill() or time.perf_counter() - begin
        with open(mark, "w") as file:
            file.write(str(took))
    with open(mark) as file:
        return float(file.read())


def size(path):
    return sum(os.path.getsize(os.path.join(at, file)) for at, _, files in os.walk(path) for file in files)


def auditql(args, directory, truth):
    program, data = args.program, args.store or os.path.join(directory, "auditql")
    took = None

    def fill():
        subprocess.run([program, "import", "--data", data, args.events], check=True, stderr=subprocess.DEVNULL)

    if not args.store:
        took = filled(directory, fill)
        subprocess.run([program, "seal", "--data", data], check=True, stderr=subprocess.DEVNULL)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([program, "serve", "--data", data, "--listen", f"127.0.0.1:{port}"], stderr=subprocess.DEVNULL)
    base = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                urllib.request.urlopen(base + "/readyz").read()
                break
            except OSError:
                if server.poll() is not None:
                    sys.exit("auditql serve ended")
        def call(path, params):
            params = dict(params, timeout_ms=0)
            url = f"{base}/api/v1/{path}?{urllib.parse.urlencode(params)}"
            def ask():
                answer = urllib.request.urlopen(url)
                if params.get("format") == "raw":
                    return sum(piece.count(b"\n") for piece in iter(lambda: answer.read(1 << 20), b""))
                rows = json.loads(answer.read())["rows"]
                return sum(row[1] > 0 for row in rows) if path == "histogram" else len(rows)
            return ask
        calls = {name: call(*what) for name, what in auditql_calls(truth).items()}
        stats = json.load(urllib.request.urlopen(base + "/api/v1/stats"))
        if stats["events"] != truth.count:
            sys.exit(f"{data} holds {stats['events']} events instead of {truth.count}")
        medians = measured("auditql", truth, calls, args.repeat)
    finally:
        server.terminate()
        server.wait()
    return took, size(data), medians


def clickhouse(args, directory, truth):
    from chdb import session

    data = os.path.join(directory, "clickhouse")
    db = session.Session(data)
    memory = int(args.memory * 1e9)
    db.query("create database if not exists a engine = Atomic")
    db.query("use a")
    db.query(f"set max_memory_usage = {memory}")

    def fill():
        db.query(clickhouse_schema())
        db.query(clickhouse_load(args.events, memory))

    took = filled(directory, fill)
    db.query("optimize table events final")
    sql = peer_sql(truth, "toStartOfHour(time)", f"position(raw, {quoted(truth.needle)}) > 0")

    def ask(text):
        # Bodies come piece by piece: all of a user's may be gigabytes.
        if " raw " not in text:
            return lambda: str(db.query(text, "TSV")).count("\n")
        return lambda: sum(piece.data().count("\n") for piece in db.send_query(text, "TSVRaw"))

    asks = {name: ask(text) for name, text in sql.items()}
    medians = measured("clickhouse", truth, asks, args.repeat)
    parts = "select sum(bytes_on_disk) from system.parts where active and table = 'events'"
    stored = int(str(db.query(parts, "TSV")))
    db.close()
    return took, stored, medians


def duck(args, directory, truth):
    import duckdb

    data = os.path.join(directory, "duck.db")
    db = duckdb.connect(data)
    db.execute(f"set memory_limit = '{args.memory}GB'")
    db.execute(f"set temp_directory = '{directory}'")

    def fill():
        db.execute(duckdb_schema())
        took = 0
        for batch in batches(args.events, directory):
            begin = time.perf_counter()
            db.execute(duckdb_load(batch))
            db.execute("checkpoint")
            took += time.perf_counter() - begin
        return took

    took = filled(directory, fill)
    sql = peer_sql(truth, "date_trunc('hour', time)", f"contains(raw, {quoted(truth.needle)})")

    def ask(text):
        def rows():
            answer = db.execute(text)
            return sum(len(piece) for piece in iter(lambda: answer.fetchmany(10_000), []))

        return rows

    asks = {name: ask(text) for name, text in sql.items()}
    medians = measured("duckdb", truth, asks, args.repeat)
    db.close()
    return took, os.path.getsize(data), medians


@contextlib.contextmanager
def room(args, name):
    """A directory for a store: kept, or gone before the next store's is made."""
    if not args.keep:
        with tempfile.TemporaryDirectory(dir=args.tmp) as directory:
            yield directory
        return
    directory = os.path.join(args.keep, name.lower())
    if not os.path.exists(os.path.join(directory, "seconds")):
        # Whatever is there was not filled to its end.
        shutil.rmtree(directory, ignore_errors=True)
        os.makedirs(directory)
    yield directory


def apart(store, *given):
    """Asks a store in a process of its own, whose memory is free before the next begins."""
    forked = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=forked) as child:
        return child.submit(store, *given).result()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=os.path.abspath, help="the auditql binary")
    parser.add_argument("events", type=os.path.abspath, help="the events, .jsonl or .jsonl.zst")
    parser.add_argument("--store", type=os.path.abspath, help="an AuditQL directory that holds them already")
    parser.add_argument("--repeat", type=int, default=7, help="how often each question is timed (default 7)")
    parser.add_argument("--memory", type=float, default=4, help="what a peer may take, in GB (default 4)")
    parser.add_argument("--keep", type=os.path.abspath, help="keep the stores in this directory, and use them again")
    parser.add_argument("--tmp", help="where the stores are made (default: the system's)")
    return parser.parse_args()


def main():
    args = arguments()
    truth = truth_of(args)
    print(f"{truth.count:,} events read", file=sys.stderr)
    results = {}
    for name, store in (("AuditQL", auditql), ("ClickHouse", clickhouse), ("DuckDB", duck)):
        with room(args, name) as directory:
            results[name] = apart(store, args, directory, truth)
        print(f"{name} answered", file=sys.stderr)
    print(f"| {truth.count:,} events | " + " | ".join(results) + " |")
    print("|---|" + "---:|" * len(results))
    loads = " | ".join("-" if took is None else f"{truth.count / took:,.0f}" for took, _, _ in results.values())
    print(f"| loaded, events/s | {loads} |")
    sizes = " | ".join(f"{stored / truth.count:,.0f}" for _, stored, _ in results.values())
    print(f"| stored, bytes/event | {sizes} |")
    for name in truth.answers:
        cells = " | ".join(f"{medians[name]:,.1f}" for _, _, medians in results.values())
        print(f"| {name}, ms | {cells} |")


if __name__ == "__main__":
    main()
