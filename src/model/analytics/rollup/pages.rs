//! [`RolledPages`]: page views and viewers.

use super::{
    codec::{Reader, Writer},
    people::IdSet,
};
use crate::{error::Result, model::analytics::Names};

/// Page views, by the number of the page's name.
#[derive(Debug, Default)]
pub(super) struct RolledPages(Vec<RolledPage>);

/// Views of one page.
#[derive(Debug, Default)]
pub(super) struct RolledPage {
    pub(super) views: u64,
    /// Total time on the page, in milliseconds, of the views with a known time.
    pub(super) time: u64,
    pub(super) timed: u64,
    pub(super) users: IdSet,
    pub(super) visitors: IdSet,
}

impl RolledPages {
    pub(super) fn page(&mut self, number: u32) -> &mut RolledPage {
        let index = number as usize;
        if self.0.len() <= index {
            self.0.resize_with(index + 1, RolledPage::default);
        }
        &mut self.0[index]
    }

    /// Adds the time of one view.
    pub(super) fn add_time(&mut self, number: u32, millis: u64) {
        let page = self.page(number);
        page.time += millis;
        page.timed += 1;
    }

    pub(super) fn add(&mut self, mut reader: Reader<'_>, names: &mut Names) -> Result<()> {
        if reader.is_empty() {
            return Ok(());
        }
        for _ in 0..reader.count()? {
            let page = self.page(names.number(reader.text()?)?);
            page.views += reader.amount()?;
            page.time += reader.amount()?;
            page.timed += reader.amount()?;
            page.users.add(reader.set()?);
            page.visitors.add(reader.set()?);
        }
        Ok(())
    }

    /// Returns the pages with views, by number.
    pub(super) fn viewed(&self) -> impl Iterator<Item = (u32, &RolledPage)> {
        (0..).zip(&self.0).filter(|(_, page)| page.views > 0)
    }

    pub(super) fn write(&self, names: &Names) -> Vec<u8> {
        let mut pages: Vec<_> = self.viewed().map(|(number, page)| (names.name(number), page)).collect();
        pages.sort_unstable_by_key(|(name, _)| *name);
        let mut writer = Writer::default();
        if !pages.is_empty() {
            writer.number(pages.len() as u64);
            for (name, page) in pages {
                writer.text(name);
                writer.number(page.views);
                writer.number(page.time);
                writer.number(page.timed);
                writer.set(&page.users.all());
                writer.set(&page.visitors.all());
            }
        }
        writer.finish()
    }
}
