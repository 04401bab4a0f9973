//! The names of sealed files, and which file replaces which.
//!
//! ```text
//! 20261120T0700Z-0001      the window that starts at 07:00, from journal 1
//! 20261120-0001-0024       a day: its rows from the journals 1 to 24
//! ```

use std::fmt;
use std::path::Path;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

const WINDOW: &str = "%Y%m%dT%H%MZ";
const DAY: &str = "%Y%m%d";

/// Journal numbers continue from the highest existing one. A file with a larger number is not ours.
const MAX_NUMBER: u32 = 999_999_999;

/// The number of a journal as we write it: `0001`.
pub(super) fn number(text: &str) -> Option<u32> {
    let number = text.parse().ok().filter(|number| *number <= MAX_NUMBER)?;
    (format!("{number:04}") == text).then_some(number)
}

/// The name of a sealed file, without the extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedName {
    /// Start of the window, UTC.
    pub start: NaiveDateTime,
    /// A whole day, merged from smaller windows.
    pub is_day: bool,
    /// Range of the journals that its rows came from: all journals of this day between these two.
    pub first: u32,
    pub last: u32,
}

impl SealedName {
    pub fn day_of(date: NaiveDate, first: u32, last: u32) -> SealedName {
        SealedName { start: date.and_time(NaiveTime::MIN), is_day: true, first, last }
    }

    /// None for a file that we did not name.
    pub fn from_path(path: &Path) -> Option<SealedName> {
        (path.extension()? == "parquet").then(|| SealedName::parse(path.file_stem()?.to_str()?)).flatten()
    }

    pub fn parse(stem: &str) -> Option<SealedName> {
        let mut parts = stem.split('-');
        let (window, first, last) = (parts.next()?, number(parts.next()?)?, parts.next());
        let name = match last {
            None => {
                let start = NaiveDateTime::parse_from_str(window, WINDOW).ok()?;
                SealedName { start, is_day: false, first, last: first }
            }
            Some(last) => SealedName::day_of(NaiveDate::parse_from_str(window, DAY).ok()?, first, number(last)?),
        };
        // A name that we would write differently is not ours.
        (name.to_string() == stem && name.first <= name.last).then_some(name)
    }

    /// As in the name and the file's metadata: `20261120T0700Z`, `20261120`.
    pub fn window(&self) -> String {
        self.start.format(if self.is_day { DAY } else { WINDOW }).to_string()
    }

    pub fn date(&self) -> NaiveDate {
        self.start.date()
    }

    /// Does the file contain the rows of this journal, if the journal's window is in it?
    pub fn holds(&self, journal: u32) -> bool {
        (self.first..=self.last).contains(&journal)
    }

    /// Does this file contain all rows of the other one? Both may exist for a moment, or after a crash.
    pub fn stands_for(&self, other: &SealedName) -> bool {
        self != other && self.is_day && self.date() == other.date() && self.holds(other.first) && self.holds(other.last)
    }
}

impl fmt::Display for SealedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:04}", self.window(), self.first)?;
        if self.is_day { write!(f, "-{:04}", self.last) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> SealedName {
        SealedName::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for text in ["20261120T0705Z-0001", "20261120-0001-0024", "20261120T2300Z-123456", "19691231-0007-0007"] {
            assert_eq!(name(text).to_string(), text);
        }
        assert_eq!((name("20261120T0705Z-0012").first, name("20261120T0705Z-0012").last), (12, 12));
        assert_eq!((name("20261120-0003-0024").first, name("20261120-0003-0024").last), (3, 24));
    }

    #[test]
    fn foreign_names_are_none() {
        for text in [
            "",
            "20261120",
            "20261120T0700Z",
            "20261120T0700Z-1",
            "20261120T0700Z-0001-0002",
            "20261120-0001",
            "20261120-0024-0001",
            "20261320-0001-0002",
            "2026112-00010-0002",
            "20261120-0001-0002-0003",
            "+20261120T0700Z-0001",
            "20261120T0700Z-+001",
            "part-0",
            "20261120T0700Z-4294967295",
            "20261120-0001-1000000000",
        ] {
            assert_eq!(SealedName::parse(text), None, "{text}");
        }
        assert_eq!(SealedName::from_path(Path::new("cpu/20261120T0700Z-0001.parquet.bak")), None);
        assert!(SealedName::from_path(Path::new("cpu/20261120T0700Z-0001.parquet")).is_some());
    }

    #[test]
    fn a_day_replaces_its_windows_and_smaller_days() {
        let day = name("20261120-0002-0024");
        for covered in ["20261120T0000Z-0002", "20261120T2300Z-0024", "20261120-0003-0020", "20261120-0002-0023"] {
            assert!(day.stands_for(&name(covered)), "{covered}");
        }
        for other in ["20261120T0000Z-0001", "20261120T2355Z-0025", "20261121T0000Z-0010", "20261120-0001-0024"] {
            assert!(!day.stands_for(&name(other)), "{other}");
        }
        assert!(!day.stands_for(&day));
        assert!(!name("20261120T0700Z-0001").stands_for(&name("20261120T0700Z-0001")));
    }

    #[test]
    fn names_sort_by_time() {
        let mut names = ["20261120T0000Z-0030", "20261121-0025-0029", "20261119T2300Z-0001", "20261120-0002-0024"];
        names.sort_unstable();
        assert_eq!(names, ["20261119T2300Z-0001", "20261120-0002-0024", "20261120T0000Z-0030", "20261121-0025-0029"]);
    }
}
