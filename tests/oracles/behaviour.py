"""Answers about behaviour, reckoned a second time: by DuckDB, in SQL that follows the definitions word by word.

Reads from standard input a line with the questions, then a line for each event in the order in which it was recorded. Writes the
answers as one JSON object, in the form in which the library serialises its own.
"""

import itertools
import json
import sys
from statistics import NormalDist

import duckdb
import pandas as pd

HALF_HOUR = 30 * 60 * 1000
DAY = 24 * 60 * 60 * 1000

database = duckdb.connect()


def rows(sql):
    return database.execute(sql).fetchall()


def text(value):
    return "'" + value.replace("'", "''") + "'"


def share(part, whole):
    return part / whole if whole else None


def load(events):
    frame = pd.DataFrame(
        {
            "sequence": range(len(events)),
            "time": [event["time"] for event in events],
            "type": [event["type"] for event in events],
            "user": pd.array([event["user"] for event in events], dtype="string"),
            "visitor": pd.array([event["visitor"] for event in events], dtype="string"),
            "session": pd.array([event["session"] for event in events], dtype="string"),
            "route": pd.array([event["route"] for event in events], dtype="string"),
            "data": pd.array([json.dumps(event["data"]) if event["data"] else None for event in events], dtype="string"),
        }
    )
    database.execute("CREATE TABLE events AS SELECT * REPLACE (data::JSON AS data) FROM frame")
    database.execute(
        """ALTER TABLE events ADD COLUMN page VARCHAR;
        UPDATE events SET page = coalesce(
            CASE WHEN json_type(data, '$.page') = 'VARCHAR' THEN data ->> '$.page' END, route)"""
    )


# What makes events those of one actor.
ACTORS = {
    "person": "coalesce('user ' || user, 'visitor ' || visitor)",
    "user": "user",
    "visitor": "visitor",
    "session": "session",
}

LABELS = {
    "types": "type",
    "pages": "CASE WHEN type = 'page_view' AND page IS NOT NULL THEN type || ':' || page ELSE type END",
    "places": "CASE WHEN page IS NOT NULL THEN type || ':' || page ELSE type END",
    "page": "page",
}


def matches(step):
    """A condition: the event is of the type, and its data passes the filter."""
    if step is None:
        return "true"
    kind, field, value = step
    condition = f"type = {text(kind)}"
    if field is not None:
        # A text equals a text, a number a number.
        condition += f" AND coalesce(json_extract(data, '$.{field}')::VARCHAR = {text(json.dumps(value))}, false)"
    return f"({condition})"


def numbered(actor, start, until, types=None, label="NULL", extra=""):
    """The events of each actor with their places in the order of time and sequence."""
    of_types = f"AND type IN ({', '.join(map(text, types))})" if types else ""
    return f"""SELECT {ACTORS[actor]} AS actor, time, sequence, type, data, {label} AS label {extra},
            row_number() OVER (PARTITION BY {ACTORS[actor]} ORDER BY time, sequence) AS n
        FROM events
        WHERE {ACTORS[actor]} IS NOT NULL AND time >= {start} AND time < {until} {of_types}"""


# ---- funnels


def chains(order, permutation, window, start, until):
    """From each beginning the chain whose steps are as early as can be: none is longer, none ends earlier."""
    steps = len(permutation)
    sql = f"SELECT actor, n AS n1, time AS t1, n AS begin FROM e WHERE m{permutation[0]} AND time >= {start} AND time < {until}"
    for place in range(2, steps + 1):
        after = f"e.n = c.n{place - 1} + 1" if order == "strict" else f"e.n > c.n{place - 1}"
        sql = f"""SELECT c.*, min(e.n) AS n{place}, arg_min(e.time, e.n) AS t{place} FROM ({sql}) c
            LEFT JOIN e ON e.actor = c.actor AND {after} AND e.m{permutation[place - 1]} AND e.time - c.t1 <= {window}
            GROUP BY ALL"""
    return sql


def funnel(question, start, until, now):
    steps, window = question["steps"], question["window"]
    extra = "".join(f", {matches(step)} AS m{place}" for place, step in enumerate(steps, 1))
    extra += ", " + (" OR ".join(map(matches, question["exclude"])) or "false") + " AS excluded"
    events = numbered(question["actor"], start, until + window, extra=extra)
    if question["order"] != "strict":
        meant = " OR ".join(f"m{place}" for place in range(1, len(steps) + 1))
        events = f"SELECT * FROM ({events}) WHERE {meant} OR excluded"
    database.execute(f"CREATE OR REPLACE TEMP TABLE e AS {events}")
    places = range(1, len(steps) + 1)
    orders = [tuple(places)] if question["order"] != "any" else itertools.permutations(places)
    every = " UNION ALL ".join(chains(question["order"], order, window, start, until) for order in orders)
    length = " + ".join(f"(n{place} IS NOT NULL)::INT" for place in places)
    # Of the longest the first that is complete; of those the one that began last; of those the later steps, from the last, earliest.
    earliest = ", ".join(f"n{place}" for place in reversed(places))
    entering = "m1" if question["order"] != "any" else " OR ".join(f"m{place}" for place in places)
    field = question["breakdown"]
    branch = f"(SELECT CASE WHEN json_type(data, '$.{field}') = 'NULL' THEN NULL ELSE data ->> '$.{field}' END FROM e WHERE e.actor = b.actor AND e.n = b.begin)"
    best = rows(
        f"""WITH best AS (
            SELECT *, {length} AS length, greatest({', '.join(f'n{place}' for place in places)}) AS finish FROM ({every})
            QUALIFY row_number() OVER (PARTITION BY actor ORDER BY length DESC, finish, begin DESC, {earliest}) = 1
        )
        SELECT length, [{', '.join(f't{place}' for place in places)}],
            EXISTS (SELECT 1 FROM e WHERE e.actor = b.actor AND e.excluded AND e.n > b.begin AND e.n < b.finish
                AND NOT coalesce(list_contains([{', '.join(f'n{place}' for place in places)}], e.n), false)),
            (SELECT max(time) FROM e WHERE e.actor = b.actor AND ({entering}) AND time >= {start} AND time < {until}) + {window} >= {now},
            {branch if field else 'NULL'}
        FROM best b"""
    )
    branches = []
    if field:
        values = {row[4] for row in best}
        for value in values:
            of_value = [row for row in best if row[4] == value]
            branches.append({"value": value, **counted(steps, of_value)})
        branches.sort(key=lambda branch: (-branch["stages"][0]["actors"], branch["value"] is None, branch["value"] or ""))
    return {"range": {"from": start, "until": until}, **counted(steps, best), "branches": branches}


def counted(steps, best):
    stages = []
    stayed = [(length, times, is_open) for length, times, excluded, is_open, _ in best if not excluded]
    counts = [sum(length > place for length, *_ in stayed) for place in range(len(steps))]
    for place, (kind, *_) in enumerate(steps):
        gaps = sorted(times[place] - times[place - 1] for length, times, _ in stayed if place and length > place)
        half = [gap for gap in gaps if 2 * sum(other <= gap for other in gaps) >= len(gaps)]
        stages.append(
            {
                "event_type": kind,
                "actors": counts[place],
                "dropped": counts[place - 1] - counts[place] if place else 0,
                "from_previous": share(counts[place], counts[place - 1]) if place else None,
                "from_first": share(counts[place], counts[0]),
                "median_ms": half[0] if half else None,
                "mean_ms": sum(gaps) / len(gaps) if gaps else None,
            }
        )
    return {
        "stages": stages,
        "excluded": sum(bool(excluded) for _, _, excluded, _, _ in best),
        "open": sum(bool(is_open) and length < len(steps) for length, _, is_open in stayed),
    }


# ---- periods


def periods(start, until, period, zone):
    """Beginning and end of each period that the range touches, by the clock of the zone."""
    moment = lambda ms: pd.Timestamp(ms, unit="ms", tz="UTC").tz_convert(zone)
    day = moment(start).normalize()
    day -= {"week": pd.DateOffset(days=day.weekday()), "month": pd.DateOffset(days=day.day - 1)}.get(period, pd.DateOffset(0))
    step = {"day": pd.DateOffset(days=1), "week": pd.DateOffset(weeks=1), "month": pd.DateOffset(months=1)}[period]
    millis = lambda day: day.value // 1_000_000
    found = []
    while millis(day) < until:
        found.append((millis(day), millis(day + step)))
        day += step
    return found


def with_periods(found):
    database.execute("CREATE OR REPLACE TEMP TABLE periods (index INTEGER, first BIGINT, last BIGINT)")
    database.executemany("INSERT INTO periods VALUES (?, ?, ?)", [(index, *period) for index, period in enumerate(found)])


def is_complete(period, start, until, now):
    return start <= period[0] and period[1] <= min(until, now)


def cohorts(question, start, until, now, zone):
    found = periods(start, until, question["period"], zone)
    with_periods(found)
    events = numbered(
        question["actor"], start, until, extra=f", {matches(question['begin'])} AS begins, {matches(question['back'])} AS comes"
    )
    first = "" if question["recurring"] else "QUALIFY row_number() OVER (PARTITION BY actor ORDER BY index) = 1"
    database.execute(
        f"""CREATE OR REPLACE TEMP TABLE seen AS
            SELECT actor, index, bool_or(begins) AS begins, bool_or(comes) AS comes
            FROM ({events}) JOIN periods ON time >= first AND time < last GROUP BY actor, index;
        CREATE OR REPLACE TEMP TABLE members AS SELECT actor, index FROM seen WHERE begins {first}"""
    )
    when = ">=" if question["unbounded"] else "="
    cells = dict(
        ((cohort, cell), actors)
        for cohort, cell, actors in rows(
            f"""SELECT c.index, p.index, (SELECT count(*) FROM members m WHERE m.index = c.index AND (p.index = c.index OR
                EXISTS (SELECT 1 FROM seen s WHERE s.actor = m.actor AND s.comes AND s.index {when} p.index)))
            FROM periods c, periods p WHERE p.index >= c.index"""
        )
    )
    answer = []
    for cohort, period in enumerate(found):
        size = cells[cohort, cohort]
        row = [
            {
                "actors": cells[cohort, cell],
                "share": share(cells[cohort, cell], size),
                "complete": is_complete(found[cell], start, until, now),
            }
            for cell in range(cohort, len(found))
        ]
        answer.append({"from": period[0], "size": size, "cells": row})
    return {"cohorts": answer}


def adoption(question, start, until, now, zone):
    found = periods(start, until, question["period"], zone)
    with_periods(found)
    events = numbered(question["actor"], start, until, extra=f", {matches(question['feature'])} AS used")
    uses = f"SELECT actor, min(time) FILTER (used) AS time FROM ({events}) GROUP BY actor"
    counts = dict(rows(f"SELECT index, count(time) FROM periods LEFT JOIN ({uses}) ON time >= first AND time < last GROUP BY index"))
    ((active,),) = rows(f"SELECT count(*) FROM ({uses})")
    total, answer = 0, []
    for index, period in enumerate(found):
        total += counts[index]
        answer.append(
            {"from": period[0], "adopters": counts[index], "total": total, "complete": is_complete(period, start, until, now)}
        )
    return {"active": active, "adopters": total, "share": share(total, active), "periods": answer}


# ---- visits


def visits(actor, label, start, until, types=None):
    """Makes `visits`: events with the number of their visit, event by event, as a visit's end hangs on its beginning."""
    events = numbered(actor, start, until, types, label, extra="")
    database.execute(
        f"""CREATE OR REPLACE TEMP TABLE events_in_order AS
            SELECT actor, time, label, row_number() OVER (PARTITION BY actor ORDER BY time, sequence) AS n
            FROM ({events}) WHERE label IS NOT NULL;
        CREATE OR REPLACE TEMP TABLE visits AS
        WITH RECURSIVE walked AS (
            SELECT actor, n, time, label, 1 AS visit, time AS first FROM events_in_order WHERE n = 1
            UNION ALL
            SELECT e.actor, e.n, e.time, e.label,
                CASE WHEN e.time - w.time > {HALF_HOUR} OR e.time - w.first > {DAY} THEN w.visit + 1 ELSE w.visit END,
                CASE WHEN e.time - w.time > {HALF_HOUR} OR e.time - w.first > {DAY} THEN e.time ELSE w.first END
            FROM walked w JOIN events_in_order e ON e.actor = w.actor AND e.n = w.n + 1
        ) SELECT * FROM walked"""
    )
    ((count,),) = rows("SELECT count(*) FROM (SELECT DISTINCT actor, visit FROM visits)")
    return count


def without_repeats():
    database.execute(
        """CREATE OR REPLACE TEMP TABLE visits AS SELECT * FROM visits
        QUALIFY label IS DISTINCT FROM lag(label) OVER (PARTITION BY actor, visit ORDER BY n)"""
    )


def patterns(question, start, until):
    total = visits(question["actor"], LABELS[question["labels"]], start, until, question["types"])
    if question["merge"]:
        without_repeats()
    grams = []
    for length in range(2, question["longest"] + 1):
        if question["gapped"]:
            tables = ", ".join(f"visits v{place}" for place in range(length))
            joined = " AND ".join(
                f"v{place}.actor = v0.actor AND v{place}.visit = v0.visit AND v{place}.n > v{place - 1}.n" for place in range(1, length)
            )
            labels = ", ".join(f"v{place}.label" for place in range(length))
            grams.append(f"SELECT DISTINCT v0.actor, v0.visit, [{labels}] AS labels FROM {tables} WHERE {joined}")
        else:
            grams.append(
                f"""SELECT DISTINCT actor, visit, labels FROM (
                    SELECT actor, visit, list(label) OVER
                        (PARTITION BY actor, visit ORDER BY n ROWS BETWEEN CURRENT ROW AND {length - 1} FOLLOWING) AS labels
                    FROM visits) WHERE len(labels) = {length}"""
            )
    found = rows(
        f"""SELECT labels, count(*) AS support FROM ({' UNION ALL '.join(grams)}) GROUP BY labels
        HAVING support >= {question['gapped'] or 1} ORDER BY support DESC, len(labels) DESC, labels"""
    )
    listed = [
        {"labels": labels, "visits": support, "percent": 100 * support / total} for labels, support in found[: question["limit"]]
    ]
    return {"visits": total, "different": len(found), "patterns": listed}


def transitions(question, start, until):
    total_visits = visits(question["actor"], LABELS["page"], start, until, ["page_view"])
    found = rows(
        f"""SELECT label, next, count(*) AS count, avg(next_time - time) FROM (
            SELECT label, time, lead(label) OVER visit AS next, lead(time) OVER visit AS next_time FROM visits
            WINDOW visit AS (PARTITION BY actor, visit ORDER BY n))
        WHERE next IS NOT NULL {'' if question['loops'] else 'AND next <> label'}
        GROUP BY label, next ORDER BY count DESC, label, next"""
    )
    total = sum(count for _, _, count, _ in found)
    listed = [
        {"from": before, "to": after, "count": count, "mean_ms": mean} for before, after, count, mean in found[: question["limit"]]
    ]
    other = total - sum(transition["count"] for transition in listed)
    return {"visits": total_visits, "total": total, "transitions": listed, "other": other}


def neighbours(question, start, until):
    visits(question["actor"], LABELS["page"], start, until, ["page_view"])
    page, limit = question["page"], question["limit"]
    database.execute(
        f"""CREATE OR REPLACE TEMP TABLE around AS SELECT * FROM (
            SELECT label, lag(label) OVER visit AS before, lead(label) OVER visit AS after FROM visits
            WINDOW visit AS (PARTITION BY actor, visit ORDER BY n)) WHERE label = {text(page)}"""
    )
    ((views, entries, exits, loops),) = rows(
        "SELECT count(*), count(*) FILTER (before IS NULL), count(*) FILTER (after IS NULL), count(*) FILTER (before = label) FROM around"
    )
    answer = {"page": page, "views": views, "entries": entries, "exits": exits, "loops": loops}
    for side, name in (("before", "previous"), ("after", "next")):
        found = rows(f"SELECT {side}, count(*) AS count FROM around WHERE {side} <> label GROUP BY ALL ORDER BY count DESC, {side}")
        answer[name] = [{"page": other, "count": count, "share": share(count, views)} for other, count in found[:limit]]
        answer[f"other_{name}"] = sum(count for _, count in found[limit:])
    return answer


def paths(question, start, until):
    visits(question["actor"], LABELS["page"], start, until, ["page_view"])
    if not question["loops"]:
        without_repeats()
    page, depth, width = question["page"], question["depth"], question["width"]
    order = "n DESC" if question["backward"] else "n"
    views = "SELECT list(label ORDER BY %s) AS views FROM visits GROUP BY actor, visit" % order
    if page is None:
        path = f"SELECT views AS path FROM ({views})"
    else:
        path = f"SELECT views[list_position(views, {text(page)}) + 1:] AS path FROM ({views}) WHERE list_contains(views, {text(page)})"

    def place(prefix):
        """Of the paths that begin so: how many, how many end there, and where the others go on."""
        begins = f"SELECT path FROM ({path}) WHERE path[1:{len(prefix)}] = [{', '.join(map(text, prefix))}]::VARCHAR[]"
        ((count, ends),) = rows(f"SELECT count(*), count(*) FILTER (len(path) = {len(prefix)}) FROM ({begins})")
        following = []
        if len(prefix) < depth:
            following = rows(
                f"""SELECT path[{len(prefix) + 1}] AS page, count(*) AS visits FROM ({begins}) WHERE len(path) > {len(prefix)}
                GROUP BY page ORDER BY visits DESC, page LIMIT {width}"""
            )
        below = [{"page": page, **place([*prefix, page])} for page, _ in following]
        other = count - ends - sum(next["visits"] for next in below)
        return {"visits": count, "ends": ends, "other": other, "next": below}

    return {"page": page, "backward": question["backward"], **place([])}


def features(question, start, until):
    events = numbered(question["actor"], start, until, question["types"], LABELS[question["labels"]])
    ((active,),) = rows(f"SELECT count(DISTINCT actor) FROM ({events})")
    found = rows(
        f"""SELECT label, count(*) AS events, count(DISTINCT actor) AS actors, min(time), max(time) FROM ({events})
        GROUP BY label ORDER BY actors DESC, events DESC, label"""
    )
    listed = [
        {"label": label, "events": count, "actors": actors, "share": share(actors, active), "first": first, "last": last}
        for label, count, actors, first, last in found[: question["limit"]]
    ]
    return {"active": active, "different": len(found), "features": listed}


# ---- experiments

Z = NormalDist().inv_cdf(0.975)
# The 99.9th percentiles of chi-squared with one and two degrees of freedom.
CRITICAL = {1: 10.828, 2: 13.816}


def wilson(part, whole):
    """The shares that are Z standard errors from the one that was found."""
    if not whole:
        return None
    p = part / whole
    middle, spread = p + Z * Z / (2 * whole), Z * ((p * (1 - p) + Z * Z / (4 * whole)) / whole) ** 0.5
    return {"low": max(0.0, (middle - spread) / (1 + Z * Z / whole)), "high": min(1.0, (middle + spread) / (1 + Z * Z / whole))}


def experiment(question, start, until, now):
    window = question["window"]
    exposure = matches(["experiment_viewed", "experiment", question["name"]])
    extra = f", {exposure} AND time < {until} AS exposed, {matches(question['goal'])} AS goal, data ->> '$.variant' AS variant"
    database.execute(f"CREATE OR REPLACE TEMP TABLE e AS {numbered(question['actor'], start, until + window, extra=extra)}")
    subjects = rows(
        f"""WITH subjects AS (
            SELECT actor, min(n) AS n, min(time) AS time, count(DISTINCT coalesce('=' || variant, '')) AS met, arg_min(coalesce(variant, ''), n) AS variant
            FROM e WHERE exposed GROUP BY actor)
        SELECT variant, met, EXISTS (SELECT 1 FROM e WHERE e.actor = s.actor AND e.goal AND e.n > s.n AND e.time - s.time <= {window}),
            time + {window} >= {now}
        FROM subjects s"""
    )
    names = [name for name, _ in question["variants"]]
    compared = [row for row in subjects if row[1] == 1 and row[0] in names]
    found = {}
    for name, weight in question["variants"]:
        own = [converted for variant, _, converted, _ in compared if variant == name]
        found[name] = (len(own), sum(own), weight)
    variants = []
    (n1, x1, _), one = found[names[0]], wilson(found[names[0]][1], found[names[0]][0])
    for index, name in enumerate(names):
        n, x, weight = found[name]
        own = wilson(x, n)
        difference = interval = None
        if index and n and n1:
            difference = x / n - x1 / n1
            low = ((x / n - own["low"]) ** 2 + (one["high"] - x1 / n1) ** 2) ** 0.5
            high = ((own["high"] - x / n) ** 2 + (x1 / n1 - one["low"]) ** 2) ** 0.5
            interval = {"low": difference - low, "high": difference + high}
        variants.append(
            {
                "name": name,
                "weight": weight,
                "subjects": n,
                "conversions": x,
                "rate": share(x, n),
                "interval": own,
                "difference": difference,
                "difference_interval": interval,
            }
        )
    total, weights = sum(n for n, _, _ in found.values()), sum(weight for _, weight in question["variants"])
    ratio = None
    if total >= 100:
        squared = sum((n - total * weight / weights) ** 2 / (total * weight / weights) for n, _, weight in found.values())
        ratio = {"chi_squared": squared, "mismatch": squared > CRITICAL[len(found) - 1]}
    enough = all(n >= 100 and x >= 10 and n - x >= 10 for n, x, _ in found.values())
    return {
        "range": {"from": start, "until": until},
        "variants": variants,
        "mixed": sum(met > 1 for _, met, _, _ in subjects),
        "unknown": sum(met == 1 and variant not in names for variant, met, _, _ in subjects),
        "open": sum(is_open and not converted for _, _, converted, is_open in compared),
        "note": "usable" if enough else "too_few",
        "ratio": ratio,
    }


def main():
    question, *events = [json.loads(line) for line in sys.stdin if line.strip()]
    load([event for event in events if event["type"] not in question["except_types"]])
    span, now, zone = (question["from"], question["until"]), question["now"], question["zone"]
    answers = {
        "funnels": [funnel(asked, *span, now) for asked in question["funnels"]],
        "cohorts": [cohorts(asked, *span, now, zone) for asked in question["cohorts"]],
        "adoption": [adoption(asked, *span, now, zone) for asked in question["adoption"]],
        "patterns": [patterns(asked, *span) for asked in question["patterns"]],
        "transitions": [transitions(asked, *span) for asked in question["transitions"]],
        "neighbours": [neighbours(asked, *span) for asked in question["neighbours"]],
        "paths": [paths(asked, *span) for asked in question["paths"]],
        "features": [features(asked, *span) for asked in question["features"]],
        "experiments": [experiment(asked, *span, now) for asked in question["experiments"]],
    }
    json.dump(answers, sys.stdout)


main()
