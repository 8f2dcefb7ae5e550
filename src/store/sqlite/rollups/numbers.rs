//! The names of a query as numbers.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::{
    super::{
        activities::{find_user, find_visitor},
        sql::Sql,
    },
    rows::small,
};
use crate::{
    error::Result,
    model::{
        activity::EventType,
        analytics::{
            Slice,
            rollup::{ExcludedEvents, Only, Part, Persons},
        },
    },
    store::AggregateQuery,
};

/// Returns the ids of everything that does not count. Names that were never stored have none.
pub(super) fn excluded(database: &Connection, counting: &AggregateQuery) -> Result<ExcludedEvents> {
    let types = types(database)?;
    let of = |matches: &dyn Fn(&EventType) -> bool| -> BTreeSet<u32> {
        types.iter().filter(|(_, event_type)| matches(event_type)).map(|(number, _)| *number).collect()
    };
    let mut excluded = ExcludedEvents::new(of(&|event_type| counting.except_types.contains(event_type)));
    excluded.passive_types = of(&|event_type| counting.passive_types.contains(event_type));
    for exclusion in &counting.exclusion {
        let mut persons = Persons::default();
        for user in &exclusion.users {
            persons.users.extend(find_user(database, user)?.map(small).transpose()?);
        }
        for visitor in &exclusion.visitors {
            persons.visitors.extend(find_visitor(database, visitor)?.map(small).transpose()?);
        }
        excluded.exclude(persons, &of(&|event_type| exclusion.has_type(event_type)));
    }
    Ok(excluded)
}

// An application has a few dozen types.
const TYPES: &str = "SELECT id, name FROM event_types ORDER BY id";

fn types(database: &Connection) -> Result<Vec<(u32, EventType)>> {
    let mut statement = database.prepare_cached(TYPES).sql()?;
    let types = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?))).sql()?;
    types.map(|row| row.sql().and_then(|(number, name)| Ok((small(number)?, EventType::new(&name)?)))).collect()
}

/// Returns the ids that a query selects, if it selects only some events.
pub(super) fn only(database: &Connection, counting: &AggregateQuery) -> Result<Option<Only>> {
    let numbers = |sql: &str, name: &str| -> Result<Vec<u32>> {
        let mut statement = database.prepare_cached(sql).sql()?;
        let numbers = statement.query_map([name], |row| row.get(0)).sql()?;
        numbers.map(|number| number.sql().and_then(small)).collect()
    };
    Ok(match &counting.only {
        None => None,
        Some(Slice::Type(event_type)) => {
            Some(Only { part: Part::Types, numbers: numbers(TYPE_NUMBER, event_type.as_str())? })
        }
        Some(Slice::Route(route)) => Some(Only { part: Part::Routes, numbers: numbers(ROUTE_NUMBERS, route)? }),
        Some(Slice::Device(device)) => Some(Only::device(*device)),
    })
}

const TYPE_NUMBER: &str = "SELECT id FROM event_types WHERE name = ?1";
// One for each method of the route. Routes are bounded, and few.
const ROUTE_NUMBERS: &str = "SELECT id FROM routes WHERE template = ?1 ORDER BY id";
