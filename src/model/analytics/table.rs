//! Answers as plain text, for people.

use std::fmt;

use crate::time::Timestamp;

/// Rows below a title; the first column to the left, the others to the right.
pub(super) struct Table<'a> {
    pub(super) title: &'a str,
    /// What the columns are; empty where that needs no word.
    pub(super) head: &'a [&'a str],
    pub(super) rows: Vec<Vec<String>>,
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title)?;
        if self.rows.is_empty() {
            return writeln!(f, "  none");
        }
        let head = self.head.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let lines: Vec<Vec<String>> = std::iter::once(&head)
            .filter(|head| !head.is_empty())
            .chain(&self.rows)
            .map(|line| line.iter().map(|cell| printable(cell)).collect())
            .collect();
        let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = lines.iter().filter_map(|line| line.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<_> = (0..columns).map(width).collect();
        for line in &lines {
            for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
                match column {
                    0 => write!(f, "  {cell:<width$}")?,
                    _ => write!(f, "  {cell:>width$}")?,
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// A moment in UTC, as in RFC 3339.
pub(super) fn moment(time: Timestamp) -> String {
    let moment = jiff::Timestamp::from_millisecond(time.as_millis());
    moment.map_or_else(|_| format!("{} ms", time.as_millis()), |moment| moment.to_string())
}

/// Hours, minutes and seconds; a dash where there is nothing.
pub(super) fn length(millis: Option<u64>) -> String {
    let Some(seconds) = millis.map(|millis| millis / 1_000) else { return "-".to_owned() };
    format!("{}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// Names come from applications and their clients: none may write a line of its own, or tell the
/// terminal what to do.
fn printable(text: &str) -> String {
    let harmless = |character: char| match character {
        // What turns the direction of writing is no control character to `char`.
        '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
        character if character.is_control() => char::REPLACEMENT_CHARACTER,
        character => character,
    };
    text.chars().map(harmless).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_break_out_of_its_cell() {
        let rows = vec![vec!["/a\nroot  1\u{1b}[2J\u{202e}".to_owned(), "7".to_owned()]];
        let text = Table { title: "Pages", head: &["page", "views"], rows }.to_string();
        assert_eq!(text.lines().count(), 3);
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text:?}");
    }

    #[test]
    fn times_are_written_as_people_read_them() {
        assert_eq!(moment(Timestamp::from_millis(0)), "1970-01-01T00:00:00Z");
        assert_eq!(moment(Timestamp::from_millis(i64::MAX)), "9223372036854775807 ms");
        assert_eq!((length(Some(3_725_999)), length(None)), ("1:02:05".to_owned(), "-".to_owned()));
    }
}
