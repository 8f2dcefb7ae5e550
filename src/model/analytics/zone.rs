//! [`Zone`], [`Period`] and [`Weekday`]: calendar periods in a time zone.

use std::{fmt, str::FromStr};

#[cfg(feature = "sqlite")]
use jiff::civil::Date;
use jiff::{
    Zoned,
    tz::{TimeZone, TimeZoneDatabase},
};
use serde::{Serialize, Serializer};

use crate::{
    error::{Error, ErrorKind, Result},
    time::Timestamp,
};

/// A time zone of the IANA database, for example `Europe/Berlin`. The default is UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// A period of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Period {
    /// One minute.
    Minute,
    /// One hour.
    Hour,
    /// One day: 23 or 25 hours when the clock changes.
    Day,
    /// One week, from Monday (ISO 8601).
    Week,
    /// One week, from this day: Sunday in the United States, Saturday in Egypt.
    WeekFrom(Weekday),
    /// One month.
    Month,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl Zone {
    /// Coordinated Universal Time.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// Returns the zone with this name in the IANA database. Case is ignored.
    ///
    /// The database is that of the operating system (`TZDIR`, or `/usr/share/zoneinfo`). Small
    /// container images have none: install the package `tzdata`, or compile one in with the feature
    /// `tzdb`. `UTC`, `Etc/UTC`, `GMT` and `Etc/GMT` need no database.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_guestbook::{ErrorKind, analytics::Zone};
    ///
    /// assert_eq!(Zone::named("UTC")?, Zone::UTC);
    /// assert_eq!(Zone::named("Mars/Olympus").unwrap_err().kind(), ErrorKind::InvalidInput);
    /// # Ok::<(), tower_guestbook::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) if the database has no zone of this name;
    /// [`Configuration`](ErrorKind::Configuration) if there is no database.
    pub fn named(name: &str) -> Result<Self> {
        Self::named_in(jiff::tz::db(), name)
    }

    fn named_in(database: &TimeZoneDatabase, name: &str) -> Result<Self> {
        let error = match database.get(name) {
            Ok(zone) => return Ok(Self(zone)),
            Err(_) if ALWAYS_KNOWN.iter().any(|known| known.eq_ignore_ascii_case(name)) => return Ok(Self::UTC),
            Err(error) => error,
        };
        let name: String = name.chars().take(64).collect();
        let (kind, context) = match database.is_definitively_empty() {
            true => (
                ErrorKind::Configuration,
                format!(
                    "the time zone {name:?} is unknown because no time zone database was found: \
                     install tzdata, or compile one in with the feature `tzdb`"
                ),
            ),
            false => (ErrorKind::InvalidInput, format!("there is no time zone {name:?}")),
        };
        Err(Error::new(kind, context).with_source(error))
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// Returns the start of the period that contains `time`.
    pub fn start_of(&self, period: Period, time: Timestamp) -> Timestamp {
        let Some(there) = self.there(time) else { return time };
        let start = match period {
            // An hour may occur twice when the clock goes back: the offset is kept.
            Period::Minute => there.with().second(0).subsec_nanosecond(0).build(),
            Period::Hour => there.with().minute(0).second(0).subsec_nanosecond(0).build(),
            Period::Day => there.start_of_day(),
            Period::Week => start_of_week(&there, Weekday::Monday),
            Period::WeekFrom(first) => start_of_week(&there, first),
            Period::Month => there.first_of_month().and_then(|first| first.start_of_day()),
        };
        start.map_or(time, |start| here(&start))
    }

    /// Returns the start of the period after the one that contains `time`.
    pub fn next(&self, period: Period, time: Timestamp) -> Timestamp {
        let start = self.start_of(period, time);
        let Some(there) = self.there(start) else { return time };
        // Where a clock goes back by half an hour, an hour has 90 minutes: one span later may still
        // be in the same period.
        let mut nexts = (1..=2).map(|count: i64| {
            let span = match period {
                Period::Minute => jiff::Span::new().minutes(count),
                Period::Hour => jiff::Span::new().hours(count),
                Period::Day => jiff::Span::new().days(count),
                Period::Week | Period::WeekFrom(_) => jiff::Span::new().weeks(count),
                Period::Month => jiff::Span::new().months(count),
            };
            there.checked_add(span).map_or(time, |next| self.start_of(period, here(&next)))
        });
        nexts.find(|next| *next > start).unwrap_or(time)
    }

    /// Returns the hour of the local time, 0 to 23.
    pub(super) fn hour_of_day(&self, time: Timestamp) -> usize {
        self.there(time).map_or(0, |there| usize::from(there.hour().unsigned_abs()))
    }

    /// Returns the local date and hour.
    #[cfg(feature = "sqlite")]
    pub(super) fn shown(&self, time: Timestamp) -> Option<(Date, usize)> {
        let there = self.there(time)?;
        Some((there.date(), usize::from(there.hour().unsigned_abs())))
    }

    fn there(&self, time: Timestamp) -> Option<Zoned> {
        let moment = jiff::Timestamp::from_millisecond(time.as_millis()).ok()?;
        Some(moment.to_zoned(self.0.clone()))
    }
}

/// Names of UTC that need no database.
const ALWAYS_KNOWN: [&str; 4] = ["UTC", "Etc/UTC", "GMT", "Etc/GMT"];

fn start_of_week(there: &Zoned, first: Weekday) -> Result<Zoned, jiff::Error> {
    let days = there.weekday().since(first.into());
    there.checked_sub(jiff::Span::new().days(i64::from(days))).and_then(|first| first.start_of_day())
}

fn here(moment: &Zoned) -> Timestamp {
    Timestamp::from_millis(moment.timestamp().as_millisecond())
}

impl From<Weekday> for jiff::civil::Weekday {
    fn from(day: Weekday) -> Self {
        match day {
            Weekday::Monday => Self::Monday,
            Weekday::Tuesday => Self::Tuesday,
            Weekday::Wednesday => Self::Wednesday,
            Weekday::Thursday => Self::Thursday,
            Weekday::Friday => Self::Friday,
            Weekday::Saturday => Self::Saturday,
            Weekday::Sunday => Self::Sunday,
        }
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self::UTC
    }
}

impl FromStr for Zone {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::named(name)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn at(text: &str) -> Timestamp {
        Timestamp::from_millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    #[test]
    fn day_has_23_hours_in_spring_and_25_in_autumn() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        for (day, hours) in [("2026-03-29T10:00:00Z", 23), ("2026-10-25T10:00:00Z", 25), ("2026-06-01T10:00:00Z", 24)] {
            let (start, end) = (berlin.start_of(Period::Day, at(day)), berlin.next(Period::Day, at(day)));
            assert_eq!(end.as_millis() - start.as_millis(), hours * HOUR, "{day}");
            // The hours of the day add up to the same count.
            let (mut hour, mut count) = (start, 0);
            while hour < end {
                assert_eq!(berlin.start_of(Period::Hour, hour), hour);
                (hour, count) = (berlin.next(Period::Hour, hour), count + 1);
            }
            assert_eq!((hour, count), (end, hours));
        }
    }

    #[test]
    fn start_of_week_and_month_follow_the_local_calendar() {
        let tokyo = Zone::named("Asia/Tokyo").unwrap();
        // Sunday evening in London is Monday morning in Tokyo.
        assert_eq!(tokyo.start_of(Period::Week, at("2026-11-22T20:00:00Z")), at("2026-11-22T15:00:00Z"));
        assert_eq!(Zone::UTC.start_of(Period::Week, at("2026-11-22T20:00:00Z")), at("2026-11-16T00:00:00Z"));
        assert_eq!(tokyo.next(Period::Month, at("2026-02-10T00:00:00Z")), at("2026-02-28T15:00:00Z"));
    }

    #[test]
    fn week_from_begins_on_each_day_of_the_week_in_turn() {
        use Weekday::{Friday, Monday, Saturday, Sunday, Thursday, Tuesday, Wednesday};
        // A Wednesday in Berlin, three days after the clock went forward.
        let (berlin, noon) = (Zone::named("Europe/Berlin").unwrap(), at("2026-04-01T10:00:00Z"));
        for (first, start) in [
            (Monday, "2026-03-29T22:00:00Z"),
            (Tuesday, "2026-03-30T22:00:00Z"),
            (Wednesday, "2026-03-31T22:00:00Z"),
            (Thursday, "2026-03-25T23:00:00Z"),
            (Friday, "2026-03-26T23:00:00Z"),
            (Saturday, "2026-03-27T23:00:00Z"),
            (Sunday, "2026-03-28T23:00:00Z"),
        ] {
            assert_eq!(berlin.start_of(Period::WeekFrom(first), noon), at(start), "{first:?}");
            let next = berlin.next(Period::WeekFrom(first), noon);
            assert_eq!(berlin.start_of(Period::WeekFrom(first), next), next, "{first:?}");
            let days = (next.as_millis() - at(start).as_millis()) as f64 / (24 * HOUR) as f64;
            assert!((6.9..7.1).contains(&days), "{first:?}: {days}");
        }
        assert_eq!(berlin.start_of(Period::Week, noon), berlin.start_of(Period::WeekFrom(Monday), noon));
    }

    #[test]
    fn next_hour_advances_when_the_clock_goes_back_half_an_hour() {
        let island = Zone::named("Australia/Lord_Howe").unwrap();
        let hours = ["2026-04-04T14:00:00Z", "2026-04-04T15:30:00Z", "2026-04-04T16:30:00Z"].map(at);
        assert_eq!(hours.map(|hour| island.start_of(Period::Hour, hour)), hours);
        assert_eq!(hours.map(|hour| island.next(Period::Hour, hour))[..2], hours[1..]);
    }

    #[test]
    fn named_names_an_unknown_zone_in_its_error() {
        let error = Zone::named("Mars/Olympus").unwrap_err();
        assert_eq!((error.kind(), error.to_string().contains("Mars/Olympus")), (ErrorKind::InvalidInput, true));
    }
    #[test]
    fn named_knows_utc_without_a_database() {
        let none = TimeZoneDatabase::none();
        for name in ["UTC", "utc", "Etc/UTC", "GMT", "Etc/GMT"] {
            assert_eq!(Zone::named_in(&none, name).unwrap(), Zone::UTC, "{name}");
        }
        let error = Zone::named_in(&none, "Europe/Berlin").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        for words in ["Europe/Berlin", "no time zone database", "tzdb"] {
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
