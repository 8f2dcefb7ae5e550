"""Funnels and experiments in SQL: who came how far, and in time."""

import itertools
from statistics import NormalDist

from events import database, matches, numbered, only, rows, share, types_of

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
    looked_at = None if question["order"] == "strict" else types_of(*steps, *question["exclude"])
    events = numbered(question["actor"], start, until + window, extra=extra, looked_at=looked_at)
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
    value = f"CASE WHEN json_type(data, '$.{field}') = 'NULL' THEN NULL ELSE data ->> '$.{field}' END"
    branch = f"(SELECT {value} FROM e WHERE e.actor = b.actor AND e.n = b.begin)"
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
    looked_at = types_of(["experiment_viewed"], question["goal"])
    extra += f", CASE WHEN true {only(looked_at)} THEN user IS NOT NULL END AS as_user"
    events = numbered(question["actor"], start, until + window, extra=extra, looked_at=looked_at)
    database.execute(f"CREATE OR REPLACE TEMP TABLE e AS {events}")
    has_changed = "bool_or(as_user) AND NOT bool_and(as_user)" if question["actor"] == "person" else "bool_or(false)"
    subjects = rows(
        f"""WITH subjects AS (
            SELECT actor, min(n) AS n, min(time) AS time, count(DISTINCT coalesce('=' || variant, '')) AS met,
                arg_min(coalesce(variant, ''), n) AS variant
            FROM e WHERE exposed GROUP BY actor)
        SELECT variant, met, EXISTS (SELECT 1 FROM e WHERE e.actor = s.actor AND e.goal AND e.n > s.n AND e.time - s.time <= {window}),
            time + {window} >= {now}, (SELECT {has_changed} FROM e WHERE e.actor = s.actor)
        FROM subjects s"""
    )
    names = [name for name, _ in question["variants"]]
    compared = [row for row in subjects if row[1] == 1 and row[0] in names]
    found = {}
    for name, weight in question["variants"]:
        own = [converted for variant, _, converted, _, _ in compared if variant == name]
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
        "mixed": sum(met > 1 for _, met, _, _, _ in subjects),
        "unknown": sum(met == 1 and variant not in names for variant, met, _, _, _ in subjects),
        "changed_identity": sum(bool(changed) for _, _, _, _, changed in compared),
        "open": sum(is_open and not converted for _, _, converted, is_open, _ in compared),
        "note": "usable" if enough else "too_few",
        "ratio": ratio,
    }
