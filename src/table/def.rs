//! A table as everything behind the collectors works with it.

use super::ELAPSED_S;
use super::kind::{Better, Kind, Steadiness, Type, Unit};
use super::names::intern;

/// A [`Table`](super::Table) without its row type.
#[derive(Clone, Debug, PartialEq)]
pub struct TableDef {
    pub name: &'static str,
    pub source: &'static str,
    pub doc: &'static str,
    /// What the journal keeps.
    pub raw: Vec<RawColumn>,
    /// What Parquet keeps behind `ts`, `elapsed_s` and `phase`.
    pub stored: Vec<StoredColumn>,
    /// The entity whose rows lie together in the files; none: rows come in the order of time.
    pub order: Option<&'static str>,
    pub life: Life,
}

/// How the counters of an entity begin, and to whom they belong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// The flag of a row in which all counters are growth from zero: [`IS_NEW`](super::IS_NEW).
    pub is_new: Option<&'static str>,
    /// The entity column that may change while the counters go on.
    pub may_change: Option<&'static str>,
    /// The column that tells when the entity began, in milliseconds since 1970.
    pub began: Option<&'static str>,
}

impl TableDef {
    /// The columns that name what a row is about.
    pub fn entities(&self) -> impl Iterator<Item = &StoredColumn> {
        self.stored.iter().filter(|c| c.kind == Kind::Entity)
    }
    /// The columns that can be summarised: numbers that are no entity.
    pub fn metrics(&self) -> impl Iterator<Item = &StoredColumn> {
        self.stored.iter().filter(|c| c.kind.is_metric())
    }
}

/// A column as the collector hands it over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RawColumn {
    pub name: &'static str,
    pub ty: Type,
    pub entity: bool,
    pub counter: bool,
    pub unit: Unit,
    pub steadiness: Steadiness,
    /// Another value: another thing of the same name.
    pub tells_apart: bool,
    /// The raw column that must stay the same for this counter's growth to be known.
    pub while_same: Option<usize>,
    /// By how much this counter can grow per second at most.
    pub most_per_sec: f64,
    /// The raw column that says by how much this counter can grow per second.
    pub limit: Option<usize>,
}

/// A column as users read it.
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

/// What a value of a column weighs in means and percentiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Weight {
    /// As much as any other: a level.
    Row,
    /// As long as its interval was: a rate, a share of time.
    Elapsed,
    /// As much as these stored counters grew in its interval, by which it was divided: so that the mean is the quotient of sums.
    Growth(Vec<&'static str>),
    /// As much as this column of its row says, for it is a mean over so many.
    Count(&'static str),
}

/// How [`Weight::word`] begins where it names counters.
const GROWTH_OF: &str = "growth of ";

impl Weight {
    /// What a value weighs where nothing else is declared.
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

    /// For programs: the column, or the growth of which; nothing where every row weighs the same.
    pub fn word(&self) -> Option<String> {
        match self {
            Weight::Row => None,
            Weight::Elapsed => Some(ELAPSED_S.into()),
            Weight::Growth(names) => Some(GROWTH_OF.to_string() + &names.join(" + ")),
            Weight::Count(name) => Some((*name).into()),
        }
    }

    /// For the text of the column, where the kind alone does not tell it.
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

/// Where a stored column's value comes from, in indices of [`TableDef::raw`].
#[derive(Clone, Debug, PartialEq)]
pub enum StoredOrigin {
    Raw(usize),
    Derived(ResolvedFormula),
}

/// A [`Formula`](super::Formula) whose names became indices of [`TableDef::raw`].
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedFormula {
    pub of: Vec<usize>,
    /// `None`: the elapsed seconds.
    pub over: Option<Vec<usize>>,
    pub factor: f64,
    pub cap: f64,
}
