//! What an answer about a range is put together from.

use super::Period;

/// A stretch of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// What it was rolled up to.
    Sealed(Period),
    /// Its rows, from the first millisecond to before the second.
    Rows(i64, i64),
}

/// What is rolled up, in order.
#[derive(Debug, Default)]
pub(super) struct FinalizedSpans {
    pub(super) days: Vec<Period>,
    pub(super) hours: Vec<Period>,
}

impl FinalizedSpans {
    /// Pieces of `[from, until)` in order, without a gap, as large as they can be. None has one of
    /// the `cuts`, which are in order, within it.
    pub(super) fn pieces(&self, from: i64, until: i64, cuts: &[i64]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut at = from;
        for day in fitting(&self.days, from, until, cuts) {
            let (start, end) = day.span();
            self.by_hours(at, start, cuts, &mut pieces);
            pieces.push(Piece::Sealed(day));
            at = end;
        }
        self.by_hours(at, until, cuts, &mut pieces);
        pieces
    }

    /// As [`pieces`](Self::pieces), but no days.
    pub(super) fn by_hours(&self, from: i64, until: i64, cuts: &[i64], pieces: &mut Vec<Piece>) {
        let mut at = from;
        for hour in fitting(&self.hours, from, until, cuts) {
            let (start, end) = hour.span();
            if at < start {
                pieces.push(Piece::Rows(at, start));
            }
            pieces.push(Piece::Sealed(hour));
            at = end;
        }
        if at < until {
            pieces.push(Piece::Rows(at, until));
        }
    }
}

/// Those of the periods that lie within the range, and no cut within them.
fn fitting(periods: &[Period], from: i64, until: i64, cuts: &[i64]) -> impl Iterator<Item = Period> {
    let first = periods.partition_point(|period| period.span().0 < from);
    let inside = periods[first..].iter().copied().take_while(move |period| period.span().1 <= until);
    inside.filter(move |period| {
        let (start, end) = period.span();
        cuts.get(cuts.partition_point(|cut| *cut <= start)).is_none_or(|cut| *cut >= end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::rollups::HOUR;

    #[test]
    fn what_is_summed_up_is_taken_where_it_fits_and_rows_where_it_does_not() {
        let known = FinalizedSpans {
            days: vec![Period::Day(1), Period::Day(3)],
            hours: (24..96).filter(|hour| *hour != 50).map(Period::Hour).collect(),
        };
        let (hour, day) = (|hour| Piece::Sealed(Period::Hour(hour)), |day| Piece::Sealed(Period::Day(day)));
        let hours = |range: std::ops::Range<i64>| range.map(hour);
        let expected: Vec<_> = [Piece::Rows(7, 24 * HOUR), day(1)]
            .into_iter()
            .chain(hours(48..50))
            .chain([Piece::Rows(50 * HOUR, 51 * HOUR)])
            .chain(hours(51..72))
            .chain([day(3), Piece::Rows(96 * HOUR, 96 * HOUR + 1)])
            .collect();
        assert_eq!(known.pieces(7, 96 * HOUR + 1, &[]), expected);
        assert_eq!(
            known.pieces(7, 96 * HOUR + 1, &[24 * HOUR, 72 * HOUR, 96 * HOUR]),
            expected,
            "cuts at the edges of days"
        );

        // A day with a cut in it is put together from hours, an hour with a cut in it from rows.
        let cut: Vec<_> = hours(24..30).chain([Piece::Rows(30 * HOUR, 31 * HOUR)]).chain(hours(31..48)).collect();
        assert_eq!(known.pieces(24 * HOUR, 48 * HOUR, &[30 * HOUR + 1]), cut);
        assert_eq!(known.pieces(24 * HOUR, 48 * HOUR, &[26 * HOUR]), hours(24..48).collect::<Vec<_>>());

        assert_eq!(known.pieces(24 * HOUR + 1, 25 * HOUR + 1, &[]), [Piece::Rows(24 * HOUR + 1, 25 * HOUR + 1)]);
        assert_eq!(known.pieces(5, 5, &[]), []);
        assert_eq!(FinalizedSpans::default().pieces(i64::MIN, i64::MAX, &[0]), [Piece::Rows(i64::MIN, i64::MAX)]);
    }
}
