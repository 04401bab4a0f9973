//! Which columns of a table a page draws, and how: declared beside the columns.

use std::sync::{Mutex, PoisonError};

/// The charts of a table.
#[derive(Clone, Copy, Debug)]
pub enum Charts {
    /// In the order of importance. A table with entities has its rows ordered by the first column of the first chart.
    Drawn(&'static [Chart]),
    /// Why it has none.
    Not(&'static str),
    /// The table comes from another build, which did not say.
    Unknown,
}

/// How a table is drawn is no part of what it contains.
impl PartialEq for Charts {
    fn eq(&self, _: &Charts) -> bool {
        true
    }
}

/// One chart. Its columns have the same unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chart {
    pub title: &'static str,
    /// Counters are drawn as their growth per second.
    pub columns: &'static [&'static str],
    pub form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A line per column; with several entities a chart per column, and a line per entity.
    Lines,
    /// Parts of 100 percent, one above the other.
    Shares,
    /// A row per entity, of the first column.
    Heat,
    /// A chart per entity, of which one is shown at a time: each has its own unit, and is drawn by the first column in which
    /// it has values.
    Choice,
}

impl Chart {
    pub const fn lines(title: &'static str, columns: &'static [&'static str]) -> Chart {
        Chart { title, columns, form: Form::Lines }
    }

    pub const fn shares(title: &'static str, columns: &'static [&'static str]) -> Chart {
        Chart { title, columns, form: Form::Shares }
    }

    pub const fn heat(title: &'static str, columns: &'static [&'static str]) -> Chart {
        Chart { title, columns, form: Form::Heat }
    }

    pub const fn choice(title: &'static str, columns: &'static [&'static str]) -> Chart {
        Chart { title, columns, form: Form::Choice }
    }
}

/// A chart of one column.
pub fn chart_of(column: &'static str) -> Chart {
    static KNOWN: Mutex<Vec<&'static [&'static str]>> = Mutex::new(Vec::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let columns = known.iter().copied().find(|columns| *columns == [column]);
    let columns = columns.unwrap_or_else(|| {
        let columns: &'static [&'static str] = Box::leak(Box::new([column]));
        known.push(columns);
        columns
    });
    Chart::lines(column, columns)
}

impl Charts {
    pub fn all(&self) -> &'static [Chart] {
        match self {
            Charts::Drawn(charts) => charts,
            Charts::Not(_) | Charts::Unknown => &[],
        }
    }
}
