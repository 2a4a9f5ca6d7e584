#!/usr/bin/env python3
"""Asks `event_counts` random statements, and SQLite the same of the events themselves.

    auditql serve --data DIR --listen 127.0.0.1:8080 &
    tests/counts_fuzz.py http://127.0.0.1:8080 [--rounds N] [--seed N] [--newest N]

Reads the newest events column by column into a table of Python's SQLite, where `event_counts` is a
subquery that groups by the columns that a statement says it names. Every statement must give the same
rows on both sides. Prints the first that does not, with its seed, and exits with 1.
"""

import argparse
import json
import random
import sqlite3
import sys
import urllib.error
import urllib.request

TEXTS = (
    "cluster stage level verb user impersonated_user effective_user source_ip client_ip user_agent path"
    " api_group resource subresource namespace name outcome decision"
).split()
GROUPS = TEXTS + ["code", "dry_run"]
ERROR = "code between 400 and 599"
SHORT = f"(verb = 'watch' and code is not null and not ({ERROR}) and latency_us < 60000000)"
# What a group says, as an aggregate of its events.
AMOUNTS = {
    "events": "count(*)",
    "succeeded": "coalesce(sum(outcome in ('success', 'upgraded')), 0)",
    "refused": "coalesce(sum(outcome glob 'denied_*'), 0)",
    "answered": "count(code)",
    "errors": f"coalesce(sum({ERROR}), 0)",
    "client_errors": "coalesce(sum(code between 400 and 499), 0)",
    "server_errors": "coalesce(sum(code between 500 and 599), 0)",
    "watches": "coalesce(sum(verb = 'watch'), 0)",
    "failed_watches": f"coalesce(sum(verb = 'watch' and {ERROR}), 0)",
    "short_watches": f"coalesce(sum({SHORT}), 0)",
    "broken_watches": f"coalesce(sum({SHORT} or verb = 'watch' and {ERROR}), 0)",
    "lists": "coalesce(sum(verb = 'list'), 0)",
    "raw_bytes": "sum(raw_bytes)",
    "users": "count(distinct user)",
}
MEASURES = AMOUNTS | {
    "first_time": "min(time)",
    "last_time": "max(time)",
    "last_error": f"max(case when {ERROR} then time end)",
    "top_users": "top(user)",
    "mean_watch_us": "cast(floor(avg(case when verb = 'watch' then latency_us end) + 0.5) as integer)",
}
HOUR = "substr(time, 1, 13) || ':00:00.000000Z'"


class Top:
    """The five texts that came most often, ties by text."""

    def __init__(self):
        self.counts = {}

    def step(self, text):
        if text is not None:
            self.counts[text] = self.counts.get(text, 0) + 1

    def finalize(self):
        most = sorted(self.counts, key=lambda text: (-self.counts[text], text.encode()))[:5]
        return json.dumps(most, ensure_ascii=False, separators=(",", ":"))


def ask(base, statement):
    body = json.dumps({"sql": statement, "limit": 0}).encode()
    request = urllib.request.Request(
        f"{base}/api/v1/sql", body, {"content-type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request) as reply:
            return json.load(reply)["rows"]
    except urllib.error.HTTPError as error:
        return error.read().decode()


class Statements:
    """Random ones, each in the words of both tables."""

    def __init__(self, rng, values, times):
        self.rng, self.values, self.times = rng, values, times

    def value(self, column):
        value = self.rng.choice(self.values[column] or ["nothing"])
        return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"

    def condition(self, depth=0):
        rng, column = self.rng, self.rng.choice(GROUPS)
        kind = rng.randrange(9 if depth < 2 else 6)
        if kind < 2:
            sign = rng.choice(["=", "<>", "<", ">=", "is", "is not"])
            return f"{column} {sign} {self.value(column)}"
        if kind == 2:
            return f"{column} is {rng.choice(['', 'not '])}null"
        if kind == 3:
            values = ", ".join(self.value(column) for _ in range(rng.randrange(1, 5)))
            return f"{column} {rng.choice(['', 'not '])}in ({values})"
        if kind == 4:
            column = rng.choice(TEXTS)
            return f"substr({column}, 1, {rng.randrange(1, 9)}) = substr({self.value(column)}, 1, 4)"
        if kind == 5:
            inner = f"{column} > {self.value(column)} and time >= '{self.times[0]}'"
            return f"{column} in (select {column} from TABLE where {inner})"
        if kind == 6:
            return f"not ({self.condition(depth + 1)})"
        word = rng.choice(["and", "or"])
        return f"({self.condition(depth + 1)} {word} {self.condition(depth + 1)})"

    def having(self):
        while self.rng.randrange(2):
            sign = self.rng.choice([">", ">=", "=", "<", "<=", "<>"])
            number = self.rng.choice(["0", "1", "2", "3.5", "7", "30", "2000", "-1", "'2'", "null"])
            yield self.rng.choice(sorted(AMOUNTS)), f"{sign} {number}"

    def groups(self):
        """The columns of some groups, those among them that tell the groups apart, and both selects."""
        rng = self.rng
        conditions = [self.condition() for _ in range(rng.randrange(3))]
        by = set(rng.sample(GROUPS, rng.randrange(5)))
        by |= {"user"} if rng.randrange(2) else set()
        # A column that SQLite tests makes groups; which it does is not known here, so all do.
        by |= {column for column in GROUPS if any(column in text for text in conditions)}
        keys = sorted(by) + ["hour"] * (rng.randrange(4) == 0)
        measures = ["events"] + rng.sample(sorted(set(MEASURES) - {"events"}), rng.randrange(4))
        edges = rng.sample(self.times, 2) if rng.randrange(2) else self.times[:1]
        conditions.append(f"time >= '{min(edges)}'")
        if len(edges) > 1:
            conditions.append(f"time < '{max(edges)}'")
        if rng.randrange(3) == 0:
            words = [verb for verb in self.values["verb"] if verb and rng.randrange(3) == 0]
            conditions.append(f"verb match '{','.join(words) or 'none'}'")
        where, shown, having = " and ".join(conditions), ", ".join(keys + measures), [*self.having()]
        counted = "".join(f" and {amount} {test}" for amount, test in having)
        counted = f"select {shown} from event_counts where {where}{counted}"
        terms = [HOUR if key == "hour" else key for key in keys]
        named = [f"{term} as {key}" for term, key in zip(terms, keys)]
        named += [f"{aggregate} as {name}" for name, aggregate in MEASURES.items()]
        events = f"select {', '.join(named)} from events where {where}"
        events += f" group by {', '.join(terms) or 'null'}"
        tests = " and ".join(f"cast({amount} as integer) {test}" for amount, test in having)
        events = f"select {shown} from ({events}) where {tests or 1}"
        return keys, measures, (counted, events)

    def statement(self):
        """Both, and whether their rows are in order."""
        rng = self.rng
        keys, measures, both = self.groups()
        kind = rng.randrange(4)
        if kind == 0:
            return both, False
        if kind == 1:
            order = rng.sample(keys + measures, len(keys + measures))
            order = [column + rng.choice(["", " desc"]) for column in order]
            if rng.randrange(2):
                # Those with the most of something first, as most questions want them.
                order = [f"{rng.choice([name for name in measures if name in AMOUNTS])} desc"] + order
            order = ", ".join(order)
            limit = rng.choice(["", " limit 7", " limit 50 offset 3"])
            return [f"{groups} order by {order}{limit}" for groups in both], True
        if kind == 2:
            key = rng.choice(keys) if keys else "1"
            amounts = [name for name in measures if name in AMOUNTS]
            sums = ", ".join(f"sum({name})" for name in amounts)
            tail = rng.choice(["", f" having sum({amounts[-1]}) > 2"])
            return [f"select {key}, count(*), {sums} from ({groups}) group by 1{tail}" for groups in both], False
        other_keys, _, others = self.groups()
        shared = sorted(set(keys) & set(other_keys) - {"hour"})
        if not shared:
            return others, False
        key = rng.choice(shared)
        joined = "select a.{key}, a.events, count(*), sum(b.events) from ({a}) as a {join} ({b}) as b"
        joined += " on a.{key} is b.{key} group by a.{key}, a.events"
        join = rng.choice(["join", "left join"])
        return [joined.format(key=key, a=a, b=b, join=join) for a, b in zip(both, others)], False


def ordered(rows):
    return sorted((list(row) for row in rows), key=lambda row: json.dumps(row))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("server")
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--newest", type=int, default=20000, help="events to compare, about")
    args = parser.parse_args()
    base = args.server.rstrip("/")
    last = f"select time from events order by time desc limit 1 offset {args.newest}"
    since = (ask(base, last) or [["1970-01-01T00:00:00.000000Z"]])[0][0]
    columns = GROUPS + ["latency_us", "time", "raw_bytes"]
    rows = ask(base, f"select {', '.join(columns)} from events where time >= '{since}'")
    database = sqlite3.connect(":memory:")
    database.create_aggregate("top", 1, Top)
    database.create_function("match", 2, lambda words, value: value in words.split(","))
    database.execute(f"create table events ({', '.join(columns)})")
    database.executemany(f"insert into events values ({', '.join('?' * len(columns))})", rows)
    values = {
        column: sorted({row[at] for row in rows} - {None}) for at, column in enumerate(GROUPS)
    }
    rng = random.Random(args.seed)
    sample = [row[-2] for row in rng.sample(rows, min(len(rows), 50))]
    statements = Statements(rng, values, [since] + sorted(sample))
    found = refused = 0
    for number in range(args.rounds):
        (counted, events), in_order = statements.statement()
        counted = counted.replace("TABLE", "event_counts")
        events = events.replace("TABLE", "events")
        ours = ask(base, counted)
        # SQLite may choose to put a count per term of an `or` together, which is refused.
        if isinstance(ours, str) and ("has no value of time" in ours or "no rowid" in ours):
            refused += 1
            continue
        theirs = [list(row) for row in database.execute(events)]
        if isinstance(ours, str) or (ours if in_order else ordered(ours)) != (
            theirs if in_order else ordered(theirs)
        ):
            print(f"seed {args.seed}, statement {number}:\n{counted}\n{ours}\n{events}\n{theirs}")
            sys.exit(1)
        found += len(ours)
    print(
        f"seed {args.seed}: {args.rounds - refused} statements over {len(rows)} events gave the same"
        f" {found} rows, {refused} were refused"
    )


if __name__ == "__main__":
    main()
