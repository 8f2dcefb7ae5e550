"""The events as a table of DuckDB, and how they are numbered."""

import json

import duckdb
import pandas as pd

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
    # Followed across the login: `linked` is the first user seen together with the visitor.
    "person": "coalesce('user ' || user, 'user ' || linked, 'visitor ' || visitor)",
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


def types_of(*steps):
    """The types that a question about these steps looks at; none if a step is every event."""
    return None if None in steps else sorted({step[0] for step in steps})


def only(types):
    return f"AND type IN ({', '.join(map(text, types))})" if types else ""


def numbered(actor, start, until, types=None, label="NULL", extra="", looked_at=None):
    """The events of each actor with their places in the order of time and sequence."""
    of_types = only(types)
    links = f"""SELECT visitor, arg_min(user, sequence) AS linked FROM events
        WHERE user IS NOT NULL AND visitor IS NOT NULL AND time >= {start} AND time < {until} {only(looked_at or types)}
        GROUP BY visitor"""
    return f"""SELECT {ACTORS[actor]} AS actor, time, sequence, type, data, {label} AS label {extra},
            row_number() OVER (PARTITION BY {ACTORS[actor]} ORDER BY time, sequence) AS n
        FROM events LEFT JOIN ({links}) AS links USING (visitor)
        WHERE {ACTORS[actor]} IS NOT NULL AND time >= {start} AND time < {until} {of_types}"""
