"""Answers about events, reckoned a second time: slowly, by other means, from the definitions alone.

Reads from standard input a line with the questions, then a line for each event in the order in which it was recorded.
Writes the answers as one JSON object. Needs nothing but Python with the time zones of the system; ends with 3 without them.
"""

import json
import sys
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta, timezone

try:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError
except ImportError:
    sys.exit(3)

HALF_HOUR = 30 * 60 * 1000
DAY = 24 * 60 * 60 * 1000
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def clock(ms, zone):
    """What the clock of the zone shows."""
    return (EPOCH + timedelta(milliseconds=ms)).astimezone(zone)


def midnight(day, zone):
    """When a day begins; the zones here change their clocks at other times."""
    there = datetime(day.year, day.month, day.day, tzinfo=zone)
    return (there.astimezone(timezone.utc) - EPOCH) // timedelta(milliseconds=1)


def whose(event):
    for name in ("session", "user", "visitor"):
        if event.get(name) is not None:
            return (name, event[name])
    return None


def page(event):
    if event["type"] != "page_view":
        return None
    return event.get("page") or event.get("route")


def streams(events):
    """Events of one session, user or visitor, ordered by time and then as they were recorded."""
    found = defaultdict(list)
    for event in events:
        if whose(event):
            found[whose(event)].append(event)
    return {key: sorted(value, key=lambda event: (event["time"], event["order"])) for key, value in found.items()}


def split(stream):
    visits = []
    for event in stream:
        if visits and event["time"] - visits[-1][-1]["time"] <= HALF_HOUR and event["time"] - visits[-1][0]["time"] <= DAY:
            visits[-1].append(event)
        else:
            visits.append([event])
    return visits


def active(run, passive):
    """What somebody did themselves: views of pages and interactions."""
    return [event for event in run if event["type"] == "page_view" or event["type"] not in passive]


def is_bounce(run, passive):
    did = active(run, passive)
    return len(did) == 1 and did[0]["type"] == "page_view"


def length(run, passive):
    run = active(run, passive) or run
    return run[-1]["time"] - run[0]["time"]


def times_on_pages(stream, passive):
    """Each page that was followed by something, with the time until then."""
    while stream:
        end = 1
        while end < len(stream) and stream[end]["time"] - stream[end - 1]["time"] <= HALF_HOUR:
            end += 1
        run, stream = stream[:end], stream[end:]
        for place, event in enumerate(run):
            if page(event) is None:
                continue
            views = [later for later in run[place + 1 :] if later["type"] == "page_view"]
            later = active(run[place + 1 :], passive)
            if views:
                yield page(event), views[0]["time"] - event["time"]
            elif later and later[-1]["time"] > event["time"]:
                yield page(event), later[-1]["time"] - event["time"]


def durations(runs, passive):
    lengths = sorted(length(run, passive) for run in runs)
    bounces = sum(is_bounce(run, passive) for run in runs)
    rest = len(runs) - bounces

    def at_most(percent):
        """Returns a percentile (nearest rank)."""
        for length in lengths:
            if 100 * sum(other <= length for other in lengths) >= percent * len(lengths):
                return length
        return None

    return {
        "count": len(runs),
        "bounces": bounces,
        "bounce_rate": bounces / len(runs) if runs else None,
        "average_ms": sum(lengths) // len(runs) if runs else None,
        "average_without_bounces_ms": sum(lengths) // rest if rest else None,
        "median_ms": at_most(50),
        "p95_ms": at_most(95),
    }


def most(counts, limit, name="name", count="count"):
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [{name: key, count: value} for key, value in ordered[:limit]]


def overview(events, start, end, zone, limit, passive):
    events = [event for event in events if start <= event["time"] < end]
    by_stream = streams(events)
    visits = [visit for stream in by_stream.values() for visit in split(stream)]
    sessions = [stream for key, stream in by_stream.items() if key[0] == "session"]
    sessions += [visit for key, stream in by_stream.items() if key[0] != "session" for visit in split(stream)]

    views, people, stays = Counter(), defaultdict(set), defaultdict(list)
    for event in events:
        if page(event) is not None:
            views[page(event)] += 1
            person = ("user", event["user"]) if event.get("user") else ("visitor", event.get("visitor"))
            if person[1] is not None:
                people[page(event)].add(person)
    for stream in by_stream.values():
        for name, time in times_on_pages(stream, passive):
            stays[name].append(time)
    entries, exits = Counter(), Counter()
    for visit in visits:
        pages = [page(event) for event in visit if page(event) is not None]
        if pages:
            entries[pages[0]] += 1
            exits[pages[-1]] += 1

    hours = Counter(clock(event["time"], zone).hour for event in events)
    times = [event["time"] for event in events]
    users = Counter(event["user"] for event in events if event.get("user"))
    pages = [
        {
            "page": name["page"],
            "views": name["views"],
            "unique_users": len(people[name["page"]]),
            "average_time_ms": sum(stays[name["page"]]) // len(stays[name["page"]]) if stays[name["page"]] else None,
        }
        for name in most(views, limit, "page", "views")
    ]
    return {
        "range": {"from": start, "until": end},
        "events": len(events),
        "active_users": len(users),
        "visitors": len({event["visitor"] for event in events if not event.get("user") and event.get("visitor")}),
        "first_activity": min(times, default=None),
        "last_activity": max(times, default=None),
        "days_active": len({clock(time, zone).date() for time in times}),
        "event_breakdown": Counter(event["type"] for event in events),
        "popular_pages": pages,
        "entry_pages": most(entries, limit),
        "exit_pages": most(exits, limit),
        "referrers": most(Counter(event["referrer"] for event in events if event.get("referrer")), limit),
        "devices": most(Counter(event["device"] for event in events if event.get("device")), limit),
        "top_users": most(users, limit, "user_id", "events"),
        "activity_by_hour": [hours[hour] for hour in range(24)],
        "visits": durations(visits, passive),
        "sessions": durations(sessions, passive),
    }


WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


def first_of(period, day):
    if period.startswith("week"):
        # `week` begins on Monday, `week_sunday` on Sunday.
        first = WEEKDAYS.index(period.removeprefix("week_")) if "_" in period else 0
        return day - timedelta(days=(day.weekday() - first) % 7)
    return day.replace(day=1) if period == "month" else day


def following(period, day):
    if period == "month":
        return date(day.year + day.month // 12, day.month % 12 + 1, 1)
    return day + timedelta(days=7 if period.startswith("week") else 1)


def series(events, start, end, zone, period):
    # The zones here are whole hours from UTC, so their hours are those of UTC.
    length = {"minute": 60 * 1000, "hour": 60 * 60 * 1000}.get(period)
    starts = []
    if length:
        starts = list(range(start // length * length, end, length))
    elif start < end:
        day = first_of(period, clock(start, zone).date())
        while midnight(day, zone) < end:
            starts.append(midnight(day, zone))
            day = following(period, day)
    buckets = []
    for index, begin in enumerate(starts):
        stop = min(end, starts[index + 1] if index + 1 < len(starts) else end)
        inside = [event for event in events if max(begin, start) <= event["time"] < stop]
        users = {event["user"] for event in inside if event.get("user")}
        buckets.append({"start": begin, "events": len(inside), "active_users": len(users)})
    shown = {"week_from": period.removeprefix("week_")} if period.startswith("week_") else period
    return {"range": {"from": start, "until": end}, "period": shown, "zone": str(zone), "buckets": buckets}


def active_days(events, start, end, zone):
    users = defaultdict(set)
    for event in events:
        if event.get("user") and event["time"] < end:
            users[clock(event["time"], zone).date()].add(event["user"])

    def until(day, length):
        return len(set().union(*(users[day - timedelta(days=back)] for back in range(length))))

    days, day = [], clock(start, zone).date()
    while midnight(day, zone) < end:
        counts = {"daily": until(day, 1), "weekly": until(day, 7), "monthly": until(day, 30)}
        days.append({"start": midnight(day, zone), **counts})
        day += timedelta(days=1)
    monthly = sum(day["monthly"] for day in days)
    stickiness = sum(day["daily"] for day in days) / monthly if monthly else None
    return {"range": {"from": start, "until": end}, "zone": str(zone), "days": days, "stickiness": stickiness}


def window(events, now, days):
    return len({event["user"] for event in events if event.get("user") and now - days * DAY <= event["time"] < now})


def summary(events, user, passive):
    own = [event for event in events if event.get("user") == user]
    own = overview(own, -(2**63), 2**63, timezone.utc, 0, passive)
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
    question, *events = [json.loads(line) for line in sys.stdin if line.strip()]
    for order, event in enumerate(events):
        event["order"] = order
    try:
        zone = ZoneInfo(question["zone"])
    except ZoneInfoNotFoundError:
        sys.exit(3)
    span = (question["from"], question["until"])
    counted = [event for event in events if event["type"] not in question["except_types"]]
    passive = question["passive_types"]
    answers = {
        "overview": overview(counted, *span, zone, question["limit"], passive),
        "series": {period: series(counted, *span, zone, period) for period in question["periods"]},
        "active": active_days(counted, *span, zone),
        "windows": [window(counted, span[1], days) for days in question["windows"]],
        "summaries": [summary(counted, user, passive) for user in question["users"]],
    }
    json.dump(answers, sys.stdout)


main()
