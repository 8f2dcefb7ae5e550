//! Plans how to cover a range with rollups and rows.

use super::Period;

/// A piece of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A rollup.
    Finalized(Period),
    /// Rows, from the first millisecond to before the second.
    Rows(i64, i64),
}

/// The existing rollups, in order.
#[derive(Debug, Default)]
pub(super) struct FinalizedSpans {
    pub(super) days: Vec<Period>,
    pub(super) hours: Vec<Period>,
}

impl FinalizedSpans {
    /// Returns the pieces of `[from, until)` in order, without gaps, as large as possible. No piece
    /// contains one of the `cuts`, which are in order.
    pub(super) fn pieces(&self, from: i64, until: i64, cuts: &[i64]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut at = from;
        for day in fitting(&self.days, from, until, cuts) {
            let (start, end) = day.span();
            self.by_hours(at, start, cuts, &mut pieces);
            pieces.push(Piece::Finalized(day));
            at = end;
        }
        self.by_hours(at, until, cuts, &mut pieces);
        pieces
    }

    /// Like [`pieces`](Self::pieces), without days.
    pub(super) fn by_hours(&self, from: i64, until: i64, cuts: &[i64], pieces: &mut Vec<Piece>) {
        let mut at = from;
        for hour in fitting(&self.hours, from, until, cuts) {
            let (start, end) = hour.span();
            if at < start {
                pieces.push(Piece::Rows(at, start));
            }
            pieces.push(Piece::Finalized(hour));
            at = end;
        }
        if at < until {
            pieces.push(Piece::Rows(at, until));
        }
    }
}

/// Returns the periods that lie within the range and contain no cut.
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
    fn pieces_use_rollups_where_they_fit_and_rows_elsewhere() {
        let known = FinalizedSpans {
            days: vec![Period::Day(1), Period::Day(3)],
            hours: (24..96).filter(|hour| *hour != 50).map(Period::Hour).collect(),
        };
        let (hour, day) = (|hour| Piece::Finalized(Period::Hour(hour)), |day| Piece::Finalized(Period::Day(day)));
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

        // A day with a cut is covered by hours, an hour with a cut by rows.
        let cut: Vec<_> = hours(24..30).chain([Piece::Rows(30 * HOUR, 31 * HOUR)]).chain(hours(31..48)).collect();
        assert_eq!(known.pieces(24 * HOUR, 48 * HOUR, &[30 * HOUR + 1]), cut);
        assert_eq!(known.pieces(24 * HOUR, 48 * HOUR, &[26 * HOUR]), hours(24..48).collect::<Vec<_>>());

        assert_eq!(known.pieces(24 * HOUR + 1, 25 * HOUR + 1, &[]), [Piece::Rows(24 * HOUR + 1, 25 * HOUR + 1)]);
        assert_eq!(known.pieces(5, 5, &[]), []);
        assert_eq!(FinalizedSpans::default().pieces(i64::MIN, i64::MAX, &[0]), [Piece::Rows(i64::MIN, i64::MAX)]);
    }
}
