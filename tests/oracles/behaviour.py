"""Answers about behaviour, reckoned a second time: by DuckDB, in SQL that follows the definitions word by word.

Reads from standard input a line with the questions, then a line for each event in the order in which it was recorded. Writes the
answers as one JSON object, in the form in which the library serialises its own.
"""

import json
import sys

import pandas as pd

from events import LABELS, database, load, matches, numbered, rows, share, text, types_of
from funnels import experiment, funnel

HALF_HOUR = 30 * 60 * 1000
DAY = 24 * 60 * 60 * 1000


# ---- periods


WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


def periods(start, until, period, zone):
    """Beginning and end of each period that the range touches, by the clock of the zone."""
    moment = lambda ms: pd.Timestamp(ms, unit="ms", tz="UTC").tz_convert(zone)
    day = moment(start).normalize()
    period, _, begins = period.partition("_")
    into_week = (day.weekday() - WEEKDAYS.index(begins or "monday")) % 7
    day -= {"week": pd.DateOffset(days=into_week), "month": pd.DateOffset(days=day.day - 1)}.get(period, pd.DateOffset(0))
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
    extra = f", {matches(question['begin'])} AS begins, {matches(question['back'])} AS comes"
    looked_at = types_of(question["begin"], question["back"])
    events = numbered(question["actor"], start, until, extra=extra, looked_at=looked_at)
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
    return {"visits": total, "distinct": len(found), "patterns": listed}


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
    return {"active": active, "distinct": len(found), "features": listed}


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
