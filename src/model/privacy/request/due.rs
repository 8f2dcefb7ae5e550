//! The deadline of a request.

use std::time::Duration;

use jiff::{ToSpan, tz::TimeZone};

use crate::time::Timestamp;

/// The time this many calendar months later, in UTC; on the last day of a shorter month.
pub(super) fn months_after(time: Timestamp, months: u8) -> Timestamp {
    let later = jiff::Timestamp::from_millisecond(time.as_millis())
        .map(|time| time.to_zoned(TimeZone::UTC))
        .and_then(|time| time.checked_add(i64::from(months).months()));
    match later {
        Ok(later) => Timestamp::from_millis(later.timestamp().as_millisecond()),
        // The time is outside the calendar.
        Err(_) => time.after(SHORT_MONTH * u32::from(months)),
    }
}

const SHORT_MONTH: Duration = Duration::from_secs(28 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_after_counts_calendar_months() {
        for (from, months, to) in [
            ("2027-01-31T23:59:59.999Z", 1, "2027-02-28T23:59:59.999Z"),
            ("2028-01-31T00:00:00Z", 1, "2028-02-29T00:00:00Z"),
            ("2028-02-29T12:00:00Z", 1, "2028-03-29T12:00:00Z"),
            ("2027-08-31T12:00:00Z", 1, "2027-09-30T12:00:00Z"),
            ("2026-11-30T12:00:00Z", 3, "2027-02-28T12:00:00Z"),
            ("2026-12-31T12:00:00Z", 1, "2027-01-31T12:00:00Z"),
            // The hour is not summer's: UTC has none.
            ("2027-03-15T01:30:00Z", 1, "2027-04-15T01:30:00Z"),
        ] {
            let millis = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond();
            let later = months_after(Timestamp::from_millis(millis(from)), months);
            assert_eq!(later.as_millis(), millis(to), "{from}");
        }
        let end = Timestamp::from_millis(i64::MAX);
        assert_eq!(months_after(end, 1), end);
    }
}
