#!/usr/bin/env python3
"""Asks AuditQL, ClickHouse (chdb) and DuckDB the same questions about the same events, in one run.

    python3 -m venv venv && venv/bin/pip install chdb duckdb
    cargo build --release
    venv/bin/python tests/compare.py target/release/auditql EVENTS.jsonl

EVENTS.jsonl holds one audit event per line, for example of `auditql generate --events 1000000`. Each
store is filled from it in its usual bulk way and answers from its own process (AuditQL over HTTP, the
others within this one, which spares them HTTP). Every question is asked once to warm up and then
seven times; the medians are printed as a table, and answers that differ from a plain pass over the
lines end the run. Files go to a temporary directory and are removed.
"""

import collections
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

REPEAT = 7
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


def clickhouse_load(path):
    def value(where, kind):
        steps = ", ".join(repr(step) if isinstance(step, str) else str(step) for step in where)
        if kind.startswith("DateTime"):
            return f"parseDateTime64BestEffort(JSONExtractString(line, {steps}), 6)"
        return f"JSONExtract{'Int' if kind == 'Int32' else 'String'}(line, {steps})"

    values = ", ".join(value(where, kind) for _, kind, where in COLUMNS)
    return f"insert into events select {values}, line from file('{path}', LineAsString, 'line String')"


def duckdb_load(path):
    def value(name, kind, where):
        dotted = "$" + "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in where)
        text = f"json_extract_string(line, '{dotted}')"
        if kind.startswith("DateTime"):
            return f"cast({text} as timestamp) as {name}"
        return f"cast({text} as integer) as {name}" if kind == "Int32" else f'{text} as "{name}"'

    values = ", ".join(value(*column) for column in COLUMNS)
    lines = f"read_csv('{path}', columns = {{'line': 'varchar'}}, delim = '\\x01', quote = '', escape = '', max_line_size = 67108864)"
    return f"insert into events select {values}, line from {lines} order by 7, 8, 9, 1"


def duckdb_schema():
    kinds = {"DateTime64(6, 'UTC')": "timestamp", "Int32": "integer"}
    columns = ", ".join(f'"{name}" {kinds.get(kind, "varchar")}' for name, kind, _ in COLUMNS)
    return f"create table events ({columns}, raw varchar using compression zstd)"


class Truth:
    """The questions with their answers, from a plain pass."""

    def __init__(self, path):
        by_verb, users403 = collections.Counter(), collections.Counter()
        writes, deleted, users = collections.Counter(), collections.Counter(), collections.Counter()
        secrets = collections.Counter()
        events = []
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                event = json.loads(line)
                row = {name: dig(event, where) for name, _, where in COLUMNS}
                events.append(row)
                by_verb[row["verb"]] += 1
                users[row["user"]] += 1
                if row["code"] == 403:
                    users403[row["user"]] += 1
                if row["verb"] in WRITES and row["stage"] == "ResponseComplete":
                    writes[row["time"][:13]] += 1
                if row["verb"] == "delete" and row["name"] and row["namespace"]:
                    deleted[(row["resource"], row["namespace"], row["name"])] += 1
                if row["resource"] == "secrets" and row["verb"] in ("get", "list", "watch"):
                    secrets[row["namespace"]] += 1
                last = event, line
        self.object = deleted.most_common(1)[0][0]
        people = [user for user, _ in users.most_common() if user and not user.startswith("system:")]
        self.user = people[0]
        self.namespace = secrets.most_common()[len(secrets) // 2][0]
        middle = events[len(events) // 2]
        self.audit_id = middle["audit_id"]
        self.hour = middle["time"][:13]
        self.needle = last[0]["auditID"][:20]
        of = lambda **want: sum(all(e[k] == v for k, v in want.items()) for e in events)
        resource, namespace, name = self.object
        self.answers = {
            "who deleted an object": of(resource=resource, namespace=namespace, name=name, verb="delete"),
            "all by a user in an hour": sum(e["user"] == self.user and e["time"][:13] == self.hour for e in events),
            "who read secrets in a namespace": sum(
                e["resource"] == "secrets" and e["namespace"] == self.namespace and e["verb"] in ("get", "list", "watch")
                for e in events
            ),
            "count by verb": len(by_verb),
            "top 20 users by 403": min(20, len(users403)),
            "hourly histogram of writes": len(writes),
            "one event by auditID, with its body": of(audit_id=self.audit_id),
            "distinct source IPs of a user": len({e["source_ip"] for e in events if e["user"] == self.user}),
            "full export of a user": of(user=self.user),
            "a text anywhere in the events": sum(e["audit_id"].startswith(self.needle) for e in events),
        }
        self.count = len(events)


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


def measured(store, truth, asks):
    """Medians in milliseconds; the answers' rows must be as many as they are."""
    medians = {}
    for name, ask in asks.items():
        times = []
        for _ in range(REPEAT + 1):
            begin = time.perf_counter()
            rows = ask()
            times.append((time.perf_counter() - begin) * 1000)
            if rows != truth.answers[name]:
                sys.exit(f"{store}: {name}: {rows} rows instead of {truth.answers[name]}")
        medians[name] = statistics.median(times[1:])
    return medians


def size(path):
    return sum(os.path.getsize(os.path.join(at, file)) for at, _, files in os.walk(path) for file in files)


def auditql(program, path, directory, truth):
    data = os.path.join(directory, "auditql")
    begin = time.perf_counter()
    subprocess.run([program, "import", "--data", data, path], check=True, stderr=subprocess.DEVNULL)
    took = time.perf_counter() - begin
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
            url = f"{base}/api/v1/{path}?{urllib.parse.urlencode(params)}"
            def ask():
                answer = urllib.request.urlopen(url).read()
                if params.get("format") == "raw":
                    return answer.count(b"\n")
                rows = json.loads(answer)["rows"]
                return sum(row[1] > 0 for row in rows) if path == "histogram" else len(rows)
            return ask
        calls = {name: call(*what) for name, what in auditql_calls(truth).items()}
        medians = measured("auditql", truth, calls)
    finally:
        server.terminate()
        server.wait()
    return took, size(data), medians


def clickhouse(path, directory, truth):
    from chdb import session

    data = os.path.join(directory, "clickhouse")
    db = session.Session(data)
    db.query("create database a engine = Atomic")
    db.query("use a")
    begin = time.perf_counter()
    db.query(clickhouse_schema())
    db.query(clickhouse_load(path))
    took = time.perf_counter() - begin
    db.query("optimize table events final")
    sql = peer_sql(truth, "toStartOfHour(time)", f"position(raw, {quoted(truth.needle)}) > 0")
    ask = lambda text: lambda: str(db.query(text, "TSVRaw" if " raw " in text else "TSV")).count("\n")
    medians = measured("clickhouse", truth, {name: ask(text) for name, text in sql.items()})
    parts = "select sum(bytes_on_disk) from system.parts where active and table = 'events'"
    stored = int(str(db.query(parts, "TSV")))
    db.close()
    return took, stored, medians


def duck(path, directory, truth):
    import duckdb

    data = os.path.join(directory, "duck.db")
    db = duckdb.connect(data)
    begin = time.perf_counter()
    db.execute(duckdb_schema())
    db.execute(duckdb_load(path))
    db.execute("checkpoint")
    took = time.perf_counter() - begin
    sql = peer_sql(truth, "date_trunc('hour', time)", f"contains(raw, {quoted(truth.needle)})")
    ask = lambda text: lambda: len(db.execute(text).fetchall())
    medians = measured("duckdb", truth, {name: ask(text) for name, text in sql.items()})
    db.close()
    return took, os.path.getsize(data), medians


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    program, path = map(os.path.abspath, sys.argv[1:])
    truth = Truth(path)
    with tempfile.TemporaryDirectory() as directory:
        results = {
            "AuditQL": auditql(program, path, directory, truth),
            "ClickHouse": clickhouse(path, directory, truth),
            "DuckDB": duck(path, directory, truth),
        }
    print(f"| {truth.count:,} events | " + " | ".join(results) + " |")
    print("|---|" + "---:|" * len(results))
    loads = " | ".join(f"{truth.count / took:,.0f}" for took, _, _ in results.values())
    print(f"| loaded, events/s | {loads} |")
    sizes = " | ".join(f"{stored / truth.count:,.0f}" for _, stored, _ in results.values())
    print(f"| stored, bytes/event | {sizes} |")
    for name in truth.answers:
        cells = " | ".join(f"{medians[name]:,.1f}" for _, _, medians in results.values())
        print(f"| {name}, ms | {cells} |")


if __name__ == "__main__":
    main()
