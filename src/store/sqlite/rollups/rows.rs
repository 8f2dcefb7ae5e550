//! The rows of a span, in the form that is counted.

use std::{
    cell::RefCell,
    collections::HashMap,
    rc::Rc,
    sync::atomic::{AtomicBool, Ordering},
};

use foldhash::fast::RandomState;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::{activities::BLOCK_SHIFT, sql::Sql};
use crate::{
    error::{Error, ErrorKind, Result},
    model::{
        activity::EventType,
        analytics::{page_in, rollup::Counted},
        client::DeviceClass,
    },
};

/// Reads rows. Names are looked up once, when they are needed.
pub(super) struct Rows<'a> {
    database: &'a Connection,
    /// Set when the caller has left.
    stopped: &'a AtomicBool,
    page_view: Option<i64>,
    routes: RefCell<HashMap<i64, Rc<str>, RandomState>>,
    devices: RefCell<HashMap<i64, DeviceClass, RandomState>>,
}

/// Times of the rows of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub(super) number: i64,
    pub(super) min_time: i64,
    pub(super) max_time: i64,
}

const TYPE: &str = "SELECT id FROM event_types WHERE name = ?1";
// There is one row for 1,024 events, so there is no limit.
const BLOCKS: &str = "
    SELECT block, min_time, max_time FROM activity_blocks WHERE max_time >= ?1 AND min_time < ?2 ORDER BY block";

/// Returns the blocks with rows of a span.
pub(super) fn blocks(database: &Connection, from: i64, until: i64) -> Result<Vec<Block>> {
    let mut statement = database.prepare_cached(BLOCKS).sql()?;
    let block = |row: &Row<'_>| Ok(Block { number: row.get(0)?, min_time: row.get(1)?, max_time: row.get(2)? });
    statement.query_map([from, until], block).sql()?.collect::<rusqlite::Result<_>>().sql()
}

// The rows of adjacent blocks: a bounded range, so it needs no limit.
const ROWS: &str = "
    SELECT sequence, time, type, user, session, visitor, route, agent, referrer, iif(type = ?3, data, NULL)
    FROM activities WHERE sequence BETWEEN ?1 AND ?2 ORDER BY sequence";
const ROUTE: &str = "SELECT template FROM routes WHERE id = ?1";
const DEVICE: &str = "SELECT device FROM agents WHERE id = ?1";

impl<'a> Rows<'a> {
    pub(super) fn new(database: &'a Connection, stopped: &'a AtomicBool) -> Result<Self> {
        let mut statement = database.prepare_cached(TYPE).sql()?;
        let page_view = statement.query_row([EventType::PAGE_VIEW.as_str()], |row| row.get(0)).optional().sql()?;
        let (routes, devices) = Default::default();
        Ok(Self { database, stopped, page_view, routes, devices })
    }

    /// Calls `each` for the rows of `[from, until)`, in order of sequence numbers. `blocks` are
    /// those of this span, and possibly more.
    pub(super) fn each(
        &self,
        blocks: &[Block],
        from: i64,
        until: i64,
        mut each: impl FnMut(&Counted<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut statement = self.database.prepare_cached(ROWS).sql()?;
        let mut wanted = blocks.iter().filter(|block| block.max_time >= from && block.min_time < until).peekable();
        while let Some(first) = wanted.next() {
            let mut last = first.number;
            while let Some(next) = wanted.next_if(|next| next.number == last + 1) {
                last = next.number;
            }
            let sequences = [first.number << BLOCK_SHIFT, ((last + 1) << BLOCK_SHIFT) - 1];
            let mut rows = statement.query(params![sequences[0], sequences[1], self.page_view]).sql()?;
            while let Some(row) = rows.next().sql()? {
                if self.stopped.load(Ordering::Relaxed) {
                    return Err(Error::new(ErrorKind::Timeout, "the caller has left"));
                }
                let time: i64 = row.get(1).sql()?;
                if (from..until).contains(&time) {
                    self.show(row, time, &mut each)?;
                }
            }
        }
        Ok(())
    }

    fn show(&self, row: &Row<'_>, time: i64, each: &mut impl FnMut(&Counted<'_>) -> Result<()>) -> Result<()> {
        let number = |column: usize| row.get::<_, Option<i64>>(column).sql()?.map(small).transpose();
        let event_type: i64 = row.get(2).sql()?;
        let route: Option<i64> = row.get(6).sql()?;
        let agent: Option<i64> = row.get(7).sql()?;
        let referrer = row.get_ref(8).sql()?.as_str_or_null();
        let referrer = referrer.map_err(|error| damaged("a referrer is no text").with_source(error))?;
        let (mut page, mut template) = (None, None);
        if Some(event_type) == self.page_view {
            let data = row.get_ref(9).sql()?.as_str_or_null();
            page = data.map_err(|error| damaged("data is no text").with_source(error))?.and_then(page_in);
            if let (None, Some(route)) = (&page, route) {
                template = Some(self.route(route)?);
            }
        }
        each(&Counted {
            sequence: row.get::<_, i64>(0).sql()? as u64,
            time,
            event_type: small(event_type)?,
            user: number(3)?,
            session: number(4)?,
            visitor: number(5)?,
            is_view: Some(event_type) == self.page_view,
            page: page.as_deref().or(template.as_deref()),
            route: route.map(small).transpose()?,
            // A request whose agent was deleted is still a request.
            device: route.map(|_| agent.map_or(Ok(DeviceClass::Other), |agent| self.device(agent))).transpose()?,
            referrer,
        })
    }

    fn route(&self, route: i64) -> Result<Rc<str>> {
        if let Some(known) = self.routes.borrow().get(&route) {
            return Ok(known.clone());
        }
        let template: String = self.one(ROUTE, route)?.ok_or_else(|| damaged("an activity has no route"))?;
        let template: Rc<str> = template.into();
        self.routes.borrow_mut().insert(route, template.clone());
        Ok(template)
    }

    fn device(&self, agent: i64) -> Result<DeviceClass> {
        if let Some(known) = self.devices.borrow().get(&agent) {
            return Ok(*known);
        }
        let name: String = self.one(DEVICE, agent)?.ok_or_else(|| damaged("an activity has no agent"))?;
        let device = DeviceClass::from_name(&name);
        self.devices.borrow_mut().insert(agent, device);
        Ok(device)
    }

    fn one(&self, sql: &str, id: i64) -> Result<Option<String>> {
        self.database.prepare_cached(sql).sql()?.query_row([id], |row| row.get(0)).optional().sql()
    }
}

/// Rollups have room for ids up to four billion.
pub(super) fn small(number: i64) -> Result<u32> {
    u32::try_from(number).map_err(|error| {
        let context = "more than four billion users, visitors or sessions cannot be rolled up";
        Error::new(ErrorKind::TooLarge, context).with_source(error)
    })
}

pub(super) fn damaged(what: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, what)
}
