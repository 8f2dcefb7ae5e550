"""The questions of `--bin analytics` in DuckDB, over the Parquet files that the binary wrote.

Started by it with `--peer`: reads a question a line, writes an answer a line with the time it took. The rows are loaded into a
table first, with types, routes and ids as numbers or enums, as one would who means to ask often.
"""

import json
import sys
import time

import duckdb

DAY = 24 * 60 * 60 * 1000
HALF_HOUR = 30 * 60 * 1000
STEPS = ["product_viewed", "cart_added", "checkout_started", "payment_entered", "purchase"]

directory, end = sys.argv[1], int(sys.argv[2])
database = duckdb.connect()
database.execute("SET threads = 2")


def load():
    begin = time.perf_counter()
    files = f"read_parquet('{directory}/*/*.parquet')"
    database.execute(f"CREATE TYPE kind AS ENUM (SELECT DISTINCT event_type FROM {files} ORDER BY 1)")
    database.execute(f"CREATE TYPE path AS ENUM (SELECT DISTINCT route FROM {files} WHERE route IS NOT NULL ORDER BY 1)")
    database.execute(f"CREATE TEMP TABLE visitors AS SELECT DISTINCT visitor_id FROM {files} WHERE visitor_id IS NOT NULL")
    database.execute(
        f"""CREATE TABLE events AS
        SELECT sequence, epoch_ms(time) AS time, event_type::kind AS event_type, user_id::BIGINT AS user,
            v.rowid AS visitor, route::path AS route, event_data
        FROM {files} e LEFT JOIN visitors v USING (visitor_id) ORDER BY sequence"""
    )
    (rows,) = database.execute("SELECT count(*) FROM events").fetchone()
    # A visit ends after a day at the latest, which no window function can say: there must be none that long.
    visits = f"SELECT max(time) - min(time) AS length FROM ({numbered(7, False)}) GROUP BY person, visit"
    (longest,) = database.execute(f"SELECT max(length) FROM ({visits})").fetchone()
    assert longest < DAY, "somebody was here for a day"
    return {"version": duckdb.__version__, "rows": rows, "seconds": round(time.perf_counter() - begin, 1)}


# Events of persons, each with the number of its visit. A person is a user, or else a visitor.
NUMBERED = """
    SELECT *, sum((gap IS NULL OR gap > %d)::INT) OVER (PARTITION BY person ORDER BY time, sequence) AS visit
    FROM (
        SELECT *, time - lag(time) OVER (PARTITION BY person ORDER BY time, sequence) AS gap
        FROM (
            SELECT sequence, time, event_type, coalesce(user * 2, visitor * 2 + 1) AS person,
                coalesce(CASE WHEN event_data LIKE '%%"page"%%' THEN event_data ->> '$.page' END, route::VARCHAR) AS page
            FROM events WHERE time >= {from_} AND time < {until} {type}
        ) WHERE person IS NOT NULL
    )""" % HALF_HOUR


def numbered(days, only_pages):
    kinds = "AND event_type = 'page_view'" if only_pages else ""
    return NUMBERED.format(from_=end - days * DAY, until=end, type=kinds)


def daily_users():
    rows = database.execute(
        f"""SELECT d, count(DISTINCT user) FROM range(30) r(d)
        LEFT JOIN (SELECT (time - {end - 30 * DAY}) // {DAY} AS d, user FROM events
            WHERE time >= {end - 30 * DAY} AND time < {end}) USING (d)
        GROUP BY d ORDER BY d"""
    ).fetchall()
    return [users for _, users in rows]


def pages():
    rows = database.execute(
        f"""SELECT page, count(*) AS views, count(DISTINCT person) AS people FROM (
            SELECT coalesce(user * 2, visitor * 2 + 1) AS person,
                coalesce(CASE WHEN event_data LIKE '%"page"%' THEN event_data ->> '$.page' END, route::VARCHAR) AS page
            FROM events WHERE event_type = 'page_view' AND time >= {end - 7 * DAY} AND time < {end}
        ) WHERE page IS NOT NULL GROUP BY page ORDER BY views DESC, page LIMIT 1000"""
    ).fetchall()
    return [list(row) for row in rows]


def funnel():
    """For each event the latest beginning of a chain that it ends: if any beginning is near enough, that one is."""
    window = 14 * DAY
    sql = f"""
        WITH e1 AS (
            SELECT coalesce(user * 2, visitor * 2 + 1) AS person, time, sequence, event_type,
                CASE WHEN event_type = '{STEPS[0]}' AND time < {end} THEN time END AS begin1
            FROM events
            WHERE event_type IN {tuple(STEPS)} AND time >= {end - 30 * DAY} AND time < {end + window}
        )"""
    for step, name in enumerate(STEPS[1:], 2):
        before = f"max(begin{step - 1}) OVER before"
        sql += f""", e{step} AS (
            SELECT *, CASE WHEN event_type = '{name}' AND time - {before} <= {window} THEN {before} END AS begin{step}
            FROM e{step - 1}
            WINDOW before AS (PARTITION BY person ORDER BY time, sequence ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
        )"""
    counts = ", ".join(f"count(DISTINCT person) FILTER (begin{step} IS NOT NULL)" for step in range(1, len(STEPS) + 1))
    return list(database.execute(f"{sql} SELECT {counts} FROM e{len(STEPS)} WHERE person IS NOT NULL").fetchone())


def two_grams():
    visits, different, patterns = database.execute(
        f"""WITH labelled AS (
            SELECT person, visit, time, sequence,
                CASE WHEN event_type = 'page_view' AND page IS NOT NULL THEN 'page_view:' || page ELSE event_type::VARCHAR END AS label
            FROM ({numbered(7, False)})
        ), pairs AS (
            SELECT DISTINCT person, visit, label, lead(label) OVER (PARTITION BY person, visit ORDER BY time, sequence) AS next
            FROM labelled
        ), counted AS (SELECT label, next, count(*) AS visits FROM pairs WHERE next IS NOT NULL GROUP BY label, next)
        SELECT (SELECT count(*) FROM (SELECT DISTINCT person, visit FROM labelled)), (SELECT count(*) FROM counted),
            (SELECT list([label, next, visits::VARCHAR]) FROM
                (SELECT * FROM counted ORDER BY visits DESC, label, next LIMIT 1000))"""
    ).fetchone()
    return {"visits": visits, "different": different, "patterns": [[a, b, int(visits)] for a, b, visits in patterns]}


def paths():
    rows = database.execute(
        f"""WITH paths AS (
            SELECT list(page ORDER BY time, sequence) AS path FROM ({numbered(7, True)}) WHERE page IS NOT NULL
            GROUP BY person, visit
        ), places AS (
            SELECT path[1:depth] AS place, count(*) AS visits, count(*) FILTER (len(path) = depth) AS ends
            FROM paths, range(6) r(depth) WHERE depth <= len(path) GROUP BY place
        )
        SELECT * FROM places QUALIFY
            row_number() OVER (PARTITION BY len(place), place[1:len(place) - 1] ORDER BY visits DESC, place[-1]) <= 10
        ORDER BY len(place), visits DESC, place[-1]"""
    ).fetchall()
    return rows


def tree(rows):
    """The places below each other."""
    places = {}
    for place, visits, ends in rows:
        node = [place[-1] if place else None, visits, ends, visits - ends, []]
        if place:
            above = places.get(tuple(place[:-1]))
            if above is None:
                continue
            above[3] -= visits
            above[4].append(node)
        places[tuple(place)] = node
    return places[()]


for line in sys.stdin:
    name = line.strip()
    if name == "load":
        print(json.dumps(load()), flush=True)
        continue
    begin = time.perf_counter()
    answer = globals()[name]()
    millis = (time.perf_counter() - begin) * 1000
    if name == "paths":
        answer = tree(answer)
    print(json.dumps({"ms": millis, "answer": answer}), flush=True)
