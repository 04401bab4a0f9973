//! A table without its row type, as all code outside of the collectors uses it.

use super::ELAPSED_S;
use super::chart::Charts;
use super::kind::{Better, Kind, Steadiness, Type, Unit};
use super::names::intern;

/// A [`Table`](super::Table) without its row type.
#[derive(Clone, Debug, PartialEq)]
pub struct TableDef {
    pub name: &'static str,
    pub source: &'static str,
    pub doc: &'static str,
    /// The columns in the journal.
    pub raw: Vec<RawColumn>,
    /// The columns in Parquet after `ts`, `elapsed_s` and `phase`.
    pub stored: Vec<StoredColumn>,
    /// The entity by which rows are grouped in the files; None: rows are in order of time.
    pub order: Option<&'static str>,
    pub life: Life,
    /// Entity columns of which values are neither added nor averaged over different entities: events, mount points.
    pub separate: Vec<&'static str>,
    /// What a page draws of it.
    pub charts: Charts,
}

/// When the counters of an entity start, and when they continue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// A flag that is true if the counters in this row have grown from zero: [`IS_NEW`](super::IS_NEW).
    pub is_new: Option<&'static str>,
    /// The entity column that may change while the counters continue.
    pub may_change: Option<&'static str>,
    /// The column with the start time of the entity in milliseconds since 1970.
    pub began: Option<&'static str>,
}

impl TableDef {
    /// The columns that identify the subject of a row.
    pub fn entities(&self) -> impl Iterator<Item = &StoredColumn> {
        self.stored.iter().filter(|c| c.kind == Kind::Entity)
    }
    /// The columns that can be summarised: numbers other than entities.
    pub fn metrics(&self) -> impl Iterator<Item = &StoredColumn> {
        self.stored.iter().filter(|c| c.kind.is_metric())
    }
}

/// A column as the collector provides it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RawColumn {
    pub name: &'static str,
    pub ty: Type,
    pub entity: bool,
    pub counter: bool,
    pub unit: Unit,
    pub steadiness: Steadiness,
    /// A different value means a different entity with the same name.
    pub tells_apart: bool,
    /// The raw column that must not change for this counter's growth to be known.
    pub while_same: Option<usize>,
    /// Maximum growth of this counter per second.
    pub most_per_sec: f64,
    /// The raw column with the maximum growth of this counter per second.
    pub limit: Option<usize>,
}

/// A column as in the files.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredColumn {
    pub name: &'static str,
    pub ty: Type,
    pub kind: Kind,
    pub unit: Unit,
    pub doc: String,
    pub better: Option<Better>,
    pub weight: Weight,
    pub origin: StoredOrigin,
}

/// The weight of a value in means and percentiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Weight {
    /// All rows have the same weight: a value at the tick.
    Row,
    /// The length of the interval: a rate, a share of time.
    Elapsed,
    /// The growth of these stored counters in the interval, by which the value was divided; the mean is then the
    /// quotient of the sums.
    Growth(Vec<&'static str>),
    /// The value of this column of the row, which is the number of items of a mean.
    Count(&'static str),
}

/// Prefix of [`Weight::word`] for counters.
const GROWTH_OF: &str = "growth of ";

impl Weight {
    /// The default weight for this kind.
    pub fn of(kind: Kind) -> Weight {
        if matches!(kind, Kind::Interval | Kind::Amount) { Weight::Elapsed } else { Weight::Row }
    }

    /// The weight of this [word](Weight::word).
    pub fn from_word(word: &str) -> Weight {
        match word.strip_prefix(GROWTH_OF) {
            Some(names) => Weight::Growth(names.split(" + ").map(intern).collect()),
            None if word == ELAPSED_S => Weight::Elapsed,
            None => Weight::Count(intern(word)),
        }
    }

    /// For programs: the column, or the growth of columns; None if every row has the same weight.
    pub fn word(&self) -> Option<String> {
        match self {
            Weight::Row => None,
            Weight::Elapsed => Some(ELAPSED_S.into()),
            Weight::Growth(names) => Some(GROWTH_OF.to_string() + &names.join(" + ")),
            Weight::Count(name) => Some((*name).into()),
        }
    }

    /// An addition to the column's text, if the weight does not follow from the kind.
    pub fn sentence(&self) -> String {
        match self {
            Weight::Row | Weight::Elapsed => String::new(),
            Weight::Growth(names) => {
                format!(" Over several rows: weighted by the growth of `{}`.", names.join("` + `"))
            }
            Weight::Count(name) => format!(" Over several rows: weighted by `{name}`."),
        }
    }
}

/// Where the value of a stored column comes from, in indices of [`TableDef::raw`].
#[derive(Clone, Debug, PartialEq)]
pub enum StoredOrigin {
    Raw(usize),
    Derived(ResolvedFormula),
}

/// A [`Formula`](super::Formula) with indices of [`TableDef::raw`] instead of names.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedFormula {
    pub of: Vec<usize>,
    /// `None`: the elapsed seconds.
    pub over: Option<Vec<usize>>,
    pub factor: f64,
    pub cap: f64,
}
