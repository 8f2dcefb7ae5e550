//! Storing a batch of events.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, params};

use super::{BLOCK_SHIFT, SEGMENT_SHIFT, places, type_bit};
use crate::{
    error::{Error, ErrorKind, Result},
    model::{
        activity::{Campaign, Entry, Event, EventData, EventId, Origin},
        client::TruncatedAddress,
    },
    store::sqlite::{
        database::Database,
        rollups::{self, Changed, Lateness},
        sql::Sql,
    },
    time::Timestamp,
};

const TAKE_SEQUENCES: &str = "UPDATE counters SET value = value + ?1 WHERE name = 'activities' RETURNING value";
const INSERT: &str = "
    INSERT INTO activities (sequence, time, type, user, session, route, agent, network, status, latency, bytes, outcome,
        visitor, client_time, referrer, campaign, data, origin)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)";
// Most rows have no other columns, and binding NULL takes time, too.
const INSERT_PLAIN: &str = "
    INSERT INTO activities (sequence, time, type, user, session, route, agent, network, status, latency, bytes, outcome)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
const WIDEN_BLOCK: &str = "
    INSERT INTO activity_blocks (block, min_time, max_time, types, personal) VALUES (?1, ?2, ?3, ?4, ?4)
    ON CONFLICT (block) DO UPDATE SET
        min_time = min(min_time, excluded.min_time),
        max_time = max(max_time, excluded.max_time),
        types = types | excluded.types,
        personal = personal | excluded.types";

// If the places of older rows are unknown, those of new rows would be incomplete.
const ADD_USER: &str = "
    INSERT INTO activity_user_blocks (segment, user, block, places) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (segment, user, block) DO UPDATE SET places = CAST(places || excluded.places AS BLOB)
        WHERE places IS NOT NULL";
const ADD_SESSION: &str = "INSERT INTO activity_session_blocks (session, block) VALUES (?1, ?2) ON CONFLICT DO NOTHING";

/// Users, sessions, times and types in one block.
struct Block {
    /// Users with the places of their rows.
    users: BTreeMap<i64, Vec<u8>>,
    sessions: BTreeSet<i64>,
    min_time: i64,
    max_time: i64,
    types: i64,
}

pub(in crate::store::sqlite) fn append(database: &Database, entries: &[Entry]) -> Result<Vec<Option<u64>>> {
    let is_new = claim(database, entries)?;
    let count = is_new.iter().filter(|new| **new).count();
    if count == 0 {
        return Ok(vec![None; entries.len()]);
    }
    let mut take = database.prepare_cached(TAKE_SEQUENCES).sql()?;
    let last: i64 = take.query_row([count as i64], |row| row.get(0)).sql()?;
    let mut sequence = last - count as i64;

    let mut interned = database.interned()?;
    let mut insert = database.prepare_cached(INSERT).sql()?;
    let mut insert_plain = database.prepare_cached(INSERT_PLAIN).sql()?;
    let (mut blocks, mut changed) = (BTreeMap::new(), Changed::default());
    let lateness = Lateness::of(database)?;
    let mut sequences = Vec::with_capacity(entries.len());
    for (entry, is_new) in entries.iter().zip(is_new) {
        if !is_new {
            sequences.push(None);
            continue;
        }
        let user = entry.event.user.as_ref();
        let user = match user.map(|user| interned.user(database, user)).transpose()? {
            // Erased or restricted.
            Some(None) => {
                sequences.push(None);
                continue;
            }
            user => user.flatten(),
        };
        if let (None, Some(visitor)) = (user, &entry.event.visitor)
            && interned.is_restricted(database, visitor)?
        {
            sequences.push(None);
            continue;
        }
        sequence += 1;
        sequences.push(Some(sequence as u64));
        let Event { event_type, time, client_time, user: _, session, visitor, origin, data, request, response } =
            &entry.event;
        let event_type = interned.event_type(database, event_type)?;
        let session = session.as_ref().map(|session| interned.session(database, session)).transpose()?;
        let visitor = visitor.as_ref().map(|visitor| interned.visitor(database, visitor)).transpose()?;
        let request = request.as_ref();
        let route = request.map(|request| interned.route(database, request)).transpose()?;
        let agent = request.map(|request| interned.agent(database, &request.agent)).transpose()?;
        let campaign = request.and_then(|request| request.campaign.as_deref()).map(campaign_json).transpose()?;
        let network = request.and_then(|request| request.network).map(TruncatedAddress::to_number);
        let (status, outcome) = (response.map(|response| response.status), response.map(|end| end.outcome.code()));
        let (latency, bytes) = (response.map(|end| end.latency as i64), response.map(|end| end.bytes as i64));
        let referrer = request.and_then(|request| request.referrer.as_deref());
        let data = data.as_ref().map(EventData::as_json);
        let origin = (*origin == Origin::Client).then_some(1);
        let time = time.as_millis();
        let is_plain = visitor.is_none() && client_time.is_none() && referrer.is_none() && campaign.is_none();
        if !is_plain || data.is_some() || origin.is_some() {
            let client_time = client_time.map(Timestamp::as_millis);
            let row = params![
                sequence,
                time,
                event_type,
                user,
                session,
                route,
                agent,
                network,
                status,
                latency,
                bytes,
                outcome,
                visitor,
                client_time,
                referrer,
                campaign,
                data,
                origin
            ];
            insert.execute(row).sql()?;
        } else {
            let row = params![
                sequence, time, event_type, user, session, route, agent, network, status, latency, bytes, outcome
            ];
            insert_plain.execute(row).sql()?;
        }
        let block = blocks.entry(sequence >> BLOCK_SHIFT).or_insert_with(|| Block::at(time));
        if let Some(user) = user {
            places::push(block.users.entry(user).or_default(), sequence);
        }
        block.sessions.extend(session);
        block.min_time = block.min_time.min(time);
        block.max_time = block.max_time.max(time);
        block.types |= type_bit(event_type);
        lateness.look(time, &mut changed);
    }
    rollups::invalidate(database, &changed)?;
    let mut widen = database.prepare_cached(WIDEN_BLOCK).sql()?;
    let mut add_user = database.prepare_cached(ADD_USER).sql()?;
    let mut add_session = database.prepare_cached(ADD_SESSION).sql()?;
    for (number, block) in blocks {
        widen.execute(params![number, block.min_time, block.max_time, block.types]).sql()?;
        for (user, places) in block.users {
            add_user.execute(params![number >> SEGMENT_SHIFT, user, number, places]).sql()?;
        }
        for session in block.sessions {
            add_session.execute([session, number]).sql()?;
        }
    }
    Ok(sequences)
}

impl Block {
    /// Creates an empty block with a time.
    fn at(time: i64) -> Self {
        Self { users: BTreeMap::new(), sessions: BTreeSet::new(), min_time: time, max_time: time, types: 0 }
    }
}

/// Returns whether each entry is new, and records it as known.
fn claim(database: &Connection, entries: &[Entry]) -> Result<Vec<bool>> {
    let mut is_new = Vec::with_capacity(entries.len());
    let mut rest = entries;
    while let Some(first) = rest.first() {
        let run = rest.iter().zip(0..).take_while(|(entry, index)| {
            entry.id.origin == first.id.origin && entry.id.number.checked_sub(*index) == Some(first.id.number)
        });
        let (run, after) = rest.split_at(run.count());
        claim_run(database, first.id, run.len() as u64, &mut is_new)?;
        rest = after;
    }
    Ok(is_new)
}

const NEAR: &str = "
    SELECT first, last FROM recorded_events WHERE origin = ?1 AND first <= ?2 + 1 ORDER BY first DESC";
const DELETE_RANGE: &str = "DELETE FROM recorded_events WHERE origin = ?1 AND first = ?2";
const ADD_RANGE: &str = "
    INSERT INTO recorded_events (origin, first, last) VALUES (?1, ?2, ?3)
    ON CONFLICT (origin, first) DO UPDATE SET last = excluded.last";

/// Claims `count` numbers from `id` on: marks the new ones, and merges them with adjacent ranges.
fn claim_run(database: &Connection, id: EventId, count: u64, is_new: &mut Vec<bool>) -> Result<()> {
    let number = |number| {
        i64::try_from(number)
            .map_err(|error| Error::new(ErrorKind::InvalidInput, "an event number is too large").with_source(error))
    };
    let origin = id.origin as i64;
    let (first, last) = (number(id.number)?, number(id.number.saturating_add(count - 1))?);
    let mut near = Vec::new();
    let mut statement = database.prepare_cached(NEAR).sql()?;
    let mut rows = statement.query([origin, last]).sql()?;
    while let Some(row) = rows.next().sql()? {
        let range: (i64, i64) = (row.get(0).sql()?, row.get(1).sql()?);
        if range.1 < first - 1 {
            break;
        }
        near.push(range);
    }
    is_new.extend((first..=last).map(|number| !near.iter().any(|(first, last)| (first..=last).contains(&&number))));
    let merged = near.iter().fold((first, last), |merged, range| (merged.0.min(range.0), merged.1.max(range.1)));
    let mut evict = database.prepare_cached(DELETE_RANGE).sql()?;
    for (range, _) in near.iter().filter(|(range, _)| *range != merged.0) {
        evict.execute([origin, *range]).sql()?;
    }
    database.prepare_cached(ADD_RANGE).sql()?.execute([origin, merged.0, merged.1]).sql()?;
    Ok(())
}

fn campaign_json(campaign: &Campaign) -> Result<String> {
    serde_json::to_string(campaign)
        .map_err(|error| Error::new(ErrorKind::Internal, "a campaign is JSON").with_source(error))
}
