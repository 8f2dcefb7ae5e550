"""Answers about events, reckoned a third time: by pandas, and by DuckDB where windows over rows say it best.

Reads and writes the same as `analytics.py`.
"""

import json
import sys

import duckdb
import pandas as pd

HALF_HOUR = 30 * 60 * 1000
DAY = 24 * 60 * 60 * 1000


def local(times, zone):
    """What the clock of the zone shows, without the zone."""
    return pd.to_datetime(times, unit="ms", utc=True).dt.tz_convert(zone).dt.tz_localize(None)


def most(counts, limit, name="name", count="count"):
    """The most frequent first, then by name."""
    frame = counts.rename(count).rename_axis(name).reset_index()
    frame = frame.sort_values([count, name], ascending=[False, True]).head(limit)
    return [{name: key, count: int(number)} for key, number in zip(frame[name], frame[count])]


def whole(number):
    return None if pd.isna(number) else int(number)


def lengths(runs):
    """Of runs: see `runs_of`."""
    if runs.empty:
        return dict.fromkeys(
            ["bounce_rate", "average_ms", "average_without_bounces_ms", "median_ms", "p95_ms"]
        ) | {"count": 0, "bounces": 0}
    # From the first thing that somebody did to the last; without any, from the first event to the last.
    did = runs["views"] + runs["interactions"] > 0
    length = (runs["did_last"] - runs["did_first"]).where(did, runs["last"] - runs["first"]).astype("int64")
    is_bounce = (runs["views"] == 1) & (runs["interactions"] == 0)
    longer = length[~is_bounce]
    bounces = int(is_bounce.sum())
    return {
        "count": len(runs),
        "bounces": bounces,
        "bounce_rate": bounces / len(runs),
        "average_ms": int(length.sum()) // len(runs),
        "average_without_bounces_ms": int(longer.sum()) // len(longer) if len(longer) else None,
        "median_ms": at_most(length, 50),
        "p95_ms": at_most(length, 95),
    }


def runs_of(frame, key):
    """First and last event of each, and of those that somebody did: views of pages and interactions."""
    return frame.groupby(key).agg(
        first=("time", "min"),
        last=("time", "max"),
        did_first=("did", "min"),
        did_last=("did", "max"),
        views=("is_view", "sum"),
        interactions=("is_interaction", "sum"),
    )


def at_most(length, percent):
    """Returns a percentile (nearest rank)."""
    shares = length.value_counts().sort_index().cumsum() * 100
    return int(shares[shares >= percent * len(length)].index[0])


def visits(events):
    """Each event with its stream, the gap to the next one of the stream, and the number of its visit."""
    return duckdb.sql(
        f"""WITH RECURSIVE streams AS (
            SELECT *, coalesce('s' || session, 'u' || user, 'v' || visitor) AS stream FROM events
        ), ordered AS (
            SELECT *, row_number() OVER w AS n, lead(time) OVER w - time AS gap FROM streams WHERE stream IS NOT NULL
            WINDOW w AS (PARTITION BY stream ORDER BY time, "order")
        ), walked AS (
            SELECT stream, n, time, 1 AS visit, time AS first FROM ordered WHERE n = 1
            UNION ALL
            SELECT o.stream, o.n, o.time,
                w.visit + (o.time - w.time > {HALF_HOUR} OR o.time - w.first > {DAY})::INT,
                CASE WHEN o.time - w.time > {HALF_HOUR} OR o.time - w.first > {DAY} THEN o.time ELSE w.first END
            FROM walked w JOIN ordered o ON o.stream = w.stream AND o.n = w.n + 1
        ) SELECT ordered.*, visit FROM ordered JOIN walked USING (stream, n) ORDER BY stream, n"""
    ).df()


def times_on_pages(stays):
    """Of each named view the time to the next view without a gap between, or else to the last thing done before one."""
    return duckdb.sql(
        f"""WITH runs AS (
            SELECT *, coalesce(sum((before > {HALF_HOUR})::INT) OVER (PARTITION BY stream ORDER BY n), 0) AS run
            FROM (SELECT *, time - lag(time) OVER (PARTITION BY stream ORDER BY n) AS before FROM stays)
        ), views AS (
            SELECT *, lead(time) OVER (PARTITION BY stream, run ORDER BY n) AS following FROM runs WHERE is_view = 1
        ), ends AS (SELECT stream, run, max(did) AS until FROM runs GROUP BY stream, run)
        SELECT name, coalesce(following, until)::BIGINT - time AS spent FROM views JOIN ends USING (stream, run)
        WHERE name IS NOT NULL AND (following IS NOT NULL OR until > time)"""
    ).df()


def overview(events, start, end, zone, limit, passive):
    events = events[(events["time"] >= start) & (events["time"] < end)].copy()
    events["is_view"] = (events["type"] == "page_view").astype("int64")
    events["is_interaction"] = ((events["is_view"] == 0) & ~events["type"].isin(passive)).astype("int64")
    events["did"] = events["time"].where(events["is_view"] + events["is_interaction"] > 0)
    stays = visits(events)
    runs = runs_of
    by_visit = runs(stays, ["stream", "visit"])
    of_sessions = stays[stays["session"].notna()]
    sessions = pd.concat(
        [runs(of_sessions, "session").reset_index(drop=True), runs(stays[stays["session"].isna()], ["stream", "visit"]).reset_index(drop=True)]
    )
    views = events[(events["type"] == "page_view") & events["name"].notna()]
    person = ("u" + views["user"]).fillna("v" + views["visitor"])
    stayed = stays[(stays["type"] == "page_view") & stays["name"].notna()]
    gaps = times_on_pages(stays).groupby("name")["spent"].agg(["sum", "size"])
    people = person.groupby(views["name"]).nunique()
    pages = most(views["name"].value_counts(), limit, "page", "views")
    for page in pages:
        timed = gaps.loc[page["page"]] if page["page"] in gaps.index else None
        page["unique_users"] = int(people.get(page["page"], 0))
        page["average_time_ms"] = None if timed is None else int(timed["sum"]) // int(timed["size"])
    ends = stayed.groupby(["stream", "visit"])["name"]
    clock = local(events["time"], zone)
    hours = clock.dt.hour.value_counts()
    strangers = events[events["user"].isna()]
    users = events["user"].dropna()
    return {
        "range": {"from": start, "until": end},
        "events": len(events),
        "active_users": int(users.nunique()),
        "visitors": int(strangers["visitor"].nunique()),
        "first_activity": whole(events["time"].min()),
        "last_activity": whole(events["time"].max()),
        "days_active": int(clock.dt.normalize().nunique()),
        "event_breakdown": {name: int(count) for name, count in events["type"].value_counts().items()},
        "popular_pages": pages,
        "entry_pages": most(ends.first().value_counts(), limit),
        "exit_pages": most(ends.last().value_counts(), limit),
        "referrers": most(events["referrer"].value_counts(), limit),
        "devices": most(events["device"].value_counts(), limit),
        "top_users": most(users.value_counts(), limit, "user_id", "events"),
        "activity_by_hour": [int(hours.get(hour, 0)) for hour in range(24)],
        "visits": lengths(by_visit),
        "sessions": lengths(sessions),
    }


WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


def starts(start, end, zone, period):
    """Beginnings of the periods that the range touches."""
    if period == "hour":
        return list(range(start // 3_600_000 * 3_600_000, end, 3_600_000))
    first = pd.Timestamp(start, unit="ms", tz="UTC").tz_convert(zone).normalize()
    period, _, begins = period.partition("_")
    into_week = (first.weekday() - WEEKDAYS.index(begins or "monday")) % 7
    first -= {"week": pd.DateOffset(days=into_week), "month": pd.DateOffset(days=first.day - 1)}.get(period, pd.DateOffset(0))
    found = []
    while first.value // 1_000_000 < end:
        found.append(first.value // 1_000_000)
        first += {"day": pd.DateOffset(days=1), "week": pd.DateOffset(weeks=1), "month": pd.DateOffset(months=1)}[period]
    return found


def series(events, start, end, zone, period):
    edges = starts(start, end, zone, period)
    events = events[(events["time"] >= start) & (events["time"] < end)]
    bucket = pd.cut(events["time"], [*edges, float("inf")], right=False, labels=range(len(edges)))
    counts, users = events.groupby(bucket, observed=False).size(), events.groupby(bucket, observed=False)["user"].nunique()
    buckets = [
        {"start": begin, "events": int(counts[index]), "active_users": int(users[index])} for index, begin in enumerate(edges)
    ]
    shown = {"week_from": period.removeprefix("week_")} if period.startswith("week_") else period
    return {"range": {"from": start, "until": end}, "period": shown, "zone": zone, "buckets": buckets}


def active(events, start, end, zone):
    seen = events[events["user"].notna() & (events["time"] < end)].copy()
    seen["day"] = local(seen["time"], zone).dt.normalize()
    days = []
    for begin in starts(start, end, zone, "day"):
        day = local(pd.Series([begin]), zone).dt.normalize()[0]
        within = lambda length: seen[(seen["day"] > day - pd.Timedelta(days=length)) & (seen["day"] <= day)]["user"].nunique()
        days.append({"start": begin, "daily": within(1), "weekly": within(7), "monthly": within(30)})
    monthly = sum(day["monthly"] for day in days)
    stickiness = sum(day["daily"] for day in days) / monthly if monthly else None
    return {"range": {"from": start, "until": end}, "zone": zone, "days": days, "stickiness": stickiness}


def summary(events, user, passive):
    own = overview(events[events["user"] == user], -(2**62), 2**62, "UTC", 0, passive)
    return {
        "user_id": user,
        "total_activities": own["events"],
        "total_sessions": own["sessions"]["count"],
        "average_session_ms": own["sessions"]["average_ms"],
        "first_seen": own["first_activity"],
        "last_activity": own["last_activity"],
        "days_active": own["days_active"],
        "event_breakdown": own["event_breakdown"],
    }


def main():
    question, *lines = [json.loads(line) for line in sys.stdin if line.strip()]
    names = ["time", "type", "user", "session", "visitor", "page", "route", "referrer", "device"]
    events = pd.DataFrame(lines, columns=names).astype({name: "string" for name in names[1:]})
    events["order"] = range(len(events))
    events["name"] = events["page"].fillna(events["route"])
    events = events[~events["type"].isin(question["except_types"])]
    span, zone, now = (question["from"], question["until"]), question["zone"], question["until"]
    within = lambda days: events[(events["time"] >= now - days * DAY) & (events["time"] < now)]["user"].nunique()
    answers = {
        "overview": overview(events, *span, zone, question["limit"], question["passive_types"]),
        "series": {period: series(events, *span, zone, period) for period in question["periods"]},
        "active": active(events, *span, zone),
        "windows": [within(days) for days in question["windows"]],
        "summaries": [summary(events, user, question["passive_types"]) for user in question["users"]],
    }
    json.dump(answers, sys.stdout)


main()
