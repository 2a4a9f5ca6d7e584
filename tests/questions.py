#!/usr/bin/env python3
"""Times every question of the library on a running server, over its default range.

    auditql serve --data DIR --listen 127.0.0.1:8080 &
    tests/questions.py http://127.0.0.1:8080 [--runs N] [--only NAME,...] [--set PARAMETER=VALUE]...

Default ranges count back from the newest event, so that a store that gets no more events is asked
what it would have been asked then. Parameters that a question needs are those of the newest deletion,
unless they are set. Prints each question's median, rows, and the work that it took, as it goes; then
all by time. Beside a median of more than 50 ms stands a mark.
"""

import argparse
import json
import statistics
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime, timedelta, timezone

MOST_MS = 50
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def get(url):
    with urllib.request.urlopen(url) as reply:
        return reply.read()


def sql(base, statement):
    body = json.dumps({"sql": statement}).encode()
    request = urllib.request.Request(
        f"{base}/api/v1/sql", body, {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request) as reply:
        answer = json.load(reply)
    names = [column["name"] for column in answer["columns"]]
    return dict(zip(names, answer["rows"][0])) if answer["rows"] else {}


def seconds(duration):
    return float(duration[:-1]) * UNITS[duration[-1]]


def given(question, newest, known):
    """The parameters to ask with: what is required, and default ranges moved to the newest event."""
    params = {}
    for parameter in question["params"]:
        name, default = parameter["name"], parameter.get("default")
        if parameter.get("required") or name in question["one_of"][:1]:
            params[name] = known.get(name) or "x"
        elif name == "since" and default and default != "all":
            since = newest - timedelta(seconds=seconds(default))
            params[name] = since.isoformat().replace("+00:00", "Z")
    return params


def ask(url, runs):
    times, answer, status = [], b"", 200
    for _ in range(runs + 1):
        begun = time.perf_counter()
        try:
            answer = get(url)
        except urllib.error.HTTPError as error:
            answer, status = error.read(), error.code
        times.append((time.perf_counter() - begun) * 1000)
        if times[0] > 5000:
            break
    return statistics.median(times[1:] or times), status, answer


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("server")
    parser.add_argument("--runs", type=int, default=5, help="after the first, which is not counted")
    parser.add_argument("--only", default="", help="these questions")
    parser.add_argument("--set", action="append", default=[], metavar="PARAMETER=VALUE")
    args = parser.parse_args()
    base = args.server.rstrip("/")
    coverage = json.loads(get(f"{base}/api/v1/count"))["coverage"]
    newest = datetime.fromisoformat(coverage["newest"]).astimezone(timezone.utc)
    known = sql(
        base,
        "select name, user, namespace, resource, source_ip, user_agent, audit_id,"
        " user_groups ->> '$[0]' as \"group\" from events"
        " where verb = 'delete' and name is not null order by time desc limit 1",
    )
    person = "select user as person from events where user not like 'system:%' order by time desc limit 1"
    known.update(sql(base, person))
    known.update(pair.split("=", 1) for pair in args.set)
    only = set(filter(None, args.only.split(",")))
    questions = json.loads(get(f"{base}/api/v1/queries"))["queries"]
    done = []
    for question in questions:
        name = question["name"]
        if only and name not in only:
            continue
        params = urllib.parse.urlencode(given(question, newest, known))
        median, status, answer = ask(f"{base}/api/v1/queries/{name}?{params}", args.runs)
        if status == 200:
            answer = json.loads(answer)
            work = answer["stats"]
            said = f"{len(answer['rows'])} rows; {work['rows_visited']} visited"
            said += f", {work['blocks_read']} blocks, {work['rollup_entries']} entries of rollups"
        else:
            said = f"HTTP {status}: {answer[:120].decode(errors='replace')}"
        slow = "  SLOW" if median > MOST_MS or status != 200 else ""
        print(f"{median:9.1f} ms  {name:28} {said}{slow}", flush=True)
        done.append((median, name, status))
    done.sort(reverse=True)
    medians = [median for median, _, status in done if status == 200]
    slow = [name for median, name, status in done if median > MOST_MS or status != 200]
    if medians:
        print(
            f"\n{len(done)} questions: median {statistics.median(medians):.1f} ms, "
            f"slowest {medians[0]:.1f} ms; above {MOST_MS} ms: {', '.join(slow) or 'none'}"
        )
    sys.exit(bool(slow))


if __name__ == "__main__":
    main()
