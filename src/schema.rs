//! What a table is: the one declaration from which the Arrow schema, the rates, the report, `perfwatch schema` and
//! the written column reference all follow.
//!
//! A collector declares a [`Table`] over its own row type `R`; each [`Column`] carries its name, kind, unit, text *and*
//! the way to its value. [`Table::def`] erases `R` and lays the columns out twice:
//!
//! - **raw**: what the collector hands over and the journal keeps, in the order declared;
//! - **stored**: what users read in Parquet: the raw columns that are not hidden, and the derived ones (rates,
//!   percentages, latencies), each of which is one [`Formula`] over raw columns.

use std::fmt;

/// A value as the kernel gave it. `Null` is "no value"; zero means that the kernel said zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    Null,
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(&'a str),
}

impl From<i64> for Value<'_> {
    fn from(v: i64) -> Self {
        Value::Int(v)
    }
}
impl From<i32> for Value<'_> {
    fn from(v: i32) -> Self {
        Value::Int(v.into())
    }
}
impl From<u32> for Value<'_> {
    fn from(v: u32) -> Self {
        Value::Int(v.into())
    }
}
/// Tables hold signed 64-bit integers (Spark reads unsigned ones as decimals): what does not fit has no value.
impl From<u64> for Value<'_> {
    fn from(v: u64) -> Self {
        i64::try_from(v).map_or(Value::Null, Value::Int)
    }
}
/// NaN and the infinities are no measurements, so they have no value.
impl From<f64> for Value<'_> {
    fn from(v: f64) -> Self {
        if v.is_finite() { Value::Float(v) } else { Value::Null }
    }
}
impl From<bool> for Value<'_> {
    fn from(v: bool) -> Self {
        Value::Bool(v)
    }
}
impl<'a> From<&'a str> for Value<'a> {
    fn from(v: &'a str) -> Self {
        Value::Text(v)
    }
}
impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(v: Option<T>) -> Self {
        v.map_or(Value::Null, Into::into)
    }
}

/// A quotient of measurements, rounded to 20 significant bits (a relative 1e-6).
///
/// That is finer than the moment at which a counter is read is known, and halves what a rate or a percentage takes on
/// disk, where digits without meaning do not compress. The counters themselves are stored exactly.
pub fn significant(value: f64) -> f64 {
    const DROPPED: u32 = 52 - 19;
    let half = 1u64 << (DROPPED - 1);
    // Carries into the exponent as it should; infinities and NaN are told apart by those who ask for finite values.
    f64::from_bits(value.to_bits().wrapping_add(half) & !((1u64 << DROPPED) - 1))
}

/// How a column is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Int32,
    Int64,
    Float64,
    Bool,
    /// A dictionary-encoded string.
    Text,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Type::Int32 => "int32",
            Type::Int64 => "int64",
            Type::Float64 => "float64",
            Type::Bool => "bool",
            Type::Text => "string",
        })
    }
}

/// What a column means, which decides how it is summarised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Names what the row is about: a device, a core. Rows of one table and tick differ in it.
    Entity,
    /// A state or text that is not part of the row's identity.
    Label,
    /// Grows from boot on, stored as the kernel said it.
    Counter,
    /// A level at the instant of the tick.
    Gauge,
    /// Over the interval since the entity's previous sample: a rate, a percentage, a latency.
    Interval,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Kind::Entity => "entity",
            Kind::Label => "label",
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Interval => "interval",
        })
    }
}

/// The unit of a column, which also fixes how its name ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Names, states, and pure numbers such as a load average.
    None,
    /// Things counted: packets, operations, faults.
    Count,
    Bytes,
    Kibibytes,
    Pages,
    Percent,
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
    Celsius,
    Megahertz,
    CountPerSec,
    BytesPerSec,
    KibibytesPerSec,
    PagesPerSec,
    MicrosecondsPerSec,
    MillisecondsPerSec,
}

impl Unit {
    /// The unit's word in field metadata and in the column reference; empty where there is none.
    pub const fn word(self) -> &'static str {
        match self {
            Unit::None => "",
            Unit::Count => "count",
            Unit::Bytes => "bytes",
            Unit::Kibibytes => "KiB",
            Unit::Pages => "pages",
            Unit::Percent => "percent",
            Unit::Seconds => "s",
            Unit::Milliseconds => "ms",
            Unit::Microseconds => "us",
            Unit::Nanoseconds => "ns",
            Unit::Celsius => "celsius",
            Unit::Megahertz => "MHz",
            Unit::CountPerSec => "count/s",
            Unit::BytesPerSec => "bytes/s",
            Unit::KibibytesPerSec => "KiB/s",
            Unit::PagesPerSec => "pages/s",
            Unit::MicrosecondsPerSec => "us/s",
            Unit::MillisecondsPerSec => "ms/s",
        }
    }

    /// The unit of the rate of a counter of this unit.
    pub const fn per_sec(self) -> Unit {
        match self {
            Unit::Bytes => Unit::BytesPerSec,
            Unit::Kibibytes => Unit::KibibytesPerSec,
            Unit::Pages => Unit::PagesPerSec,
            Unit::Microseconds => Unit::MicrosecondsPerSec,
            Unit::Milliseconds => Unit::MillisecondsPerSec,
            _ => Unit::CountPerSec,
        }
    }

    /// The endings a column of this unit may have; empty where the unit asks for none.
    pub const fn suffixes(self) -> &'static [&'static str] {
        match self {
            Unit::Bytes => &["_bytes", "bytes_sent", "bytes_recv"],
            Unit::Percent => &["_percent", "_avg10"],
            Unit::Seconds => &["_s"],
            Unit::Milliseconds => &["_ms"],
            Unit::Microseconds => &["_us", "_us_mean", "_us_max"],
            Unit::Nanoseconds => &["_ns"],
            Unit::Celsius => &["_celsius"],
            Unit::Megahertz => &["_mhz"],
            Unit::BytesPerSec | Unit::KibibytesPerSec | Unit::PagesPerSec => &["_per_sec"],
            Unit::CountPerSec => &["_per_sec", "_iops"],
            _ => &[],
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// Which way is good, for those who compare two recordings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    Lower,
    Higher,
}

impl Better {
    pub const fn word(self) -> &'static str {
        match self {
            Better::Lower => "lower",
            Better::Higher => "higher",
        }
    }
}

/// What the growth of the counters above the line is divided by.
#[derive(Clone, Copy, Debug)]
pub enum Over {
    /// The monotonic seconds since the entity's previous sample.
    Elapsed,
    /// The growth of these counters; where they did not grow there is no value.
    Growth(&'static [&'static str]),
}

/// Every derived value is `factor × Σ growth(of) ÷ over`, capped at `cap`, over two samples of one entity.
///
/// It has no value on the first sample, or when one of its counters is null or went back.
#[derive(Clone, Copy, Debug)]
pub struct Formula {
    pub of: &'static [&'static str],
    pub over: Over,
    pub factor: f64,
    pub cap: f64,
}

impl Formula {
    /// Growth per second: `Σ of ÷ elapsed`.
    pub const fn rate(of: &'static [&'static str]) -> Formula {
        Formula { of, over: Over::Elapsed, factor: 1.0, cap: f64::INFINITY }
    }
    /// `100 × Σ of ÷ Σ all`, 0-100: what part of `all` its members `of` were.
    pub const fn share(of: &'static [&'static str], all: &'static [&'static str]) -> Formula {
        Formula { of, over: Over::Growth(all), factor: 100.0, cap: 100.0 }
    }
    /// `Σ of ÷ Σ per`: for instance milliseconds of reading per read.
    pub const fn ratio(of: &'static [&'static str], per: &'static [&'static str]) -> Formula {
        Formula { of, over: Over::Growth(per), factor: 1.0, cap: f64::INFINITY }
    }
    /// The same, multiplied: percent of the elapsed time from milliseconds is `0.1`, from microseconds `0.0001`.
    pub const fn times(mut self, factor: f64) -> Formula {
        self.factor = factor;
        self
    }
    /// The same, never above `cap`.
    pub const fn at_most(mut self, cap: f64) -> Formula {
        self.cap = cap;
        self
    }
}

/// The way to a column's value.
pub enum Origin<R> {
    Raw(fn(&R) -> Value<'_>),
    Derived(Formula),
}

/// One column of a [`Table`], built with [`entity`], [`label`], [`counter`], [`gauge`] or [`derived`].
pub struct Column<R> {
    name: &'static str,
    ty: Type,
    kind: Kind,
    unit: Unit,
    doc: &'static str,
    better: Option<Better>,
    hidden: bool,
    wobbles: bool,
    orders: bool,
    rate: Option<&'static str>,
    origin: Origin<R>,
}

const fn raw<R>(
    name: &'static str,
    ty: Type,
    kind: Kind,
    unit: Unit,
    doc: &'static str,
    get: fn(&R) -> Value<'_>,
) -> Column<R> {
    let origin = Origin::Raw(get);
    Column { name, ty, kind, unit, doc, better: None, hidden: false, wobbles: false, orders: false, rate: None, origin }
}

/// What a row is about, as text.
pub const fn entity<R>(name: &'static str, doc: &'static str, get: fn(&R) -> Value<'_>) -> Column<R> {
    raw(name, Type::Text, Kind::Entity, Unit::None, doc, get)
}

/// What a row is about, as a number (a CPU).
pub const fn entity_int<R>(name: &'static str, doc: &'static str, get: fn(&R) -> Value<'_>) -> Column<R> {
    raw(name, Type::Int32, Kind::Entity, Unit::None, doc, get)
}

/// A text that is not part of the row's identity.
pub const fn label<R>(name: &'static str, doc: &'static str, get: fn(&R) -> Value<'_>) -> Column<R> {
    raw(name, Type::Text, Kind::Label, Unit::None, doc, get)
}

/// An integer that only tells rows apart or orders them, and is nothing to summarise.
pub const fn label_int<R>(name: &'static str, unit: Unit, doc: &'static str, get: fn(&R) -> Value<'_>) -> Column<R> {
    raw(name, Type::Int64, Kind::Label, unit, doc, get)
}

/// A truth value that is not part of the row's identity.
pub const fn flag<R>(name: &'static str, doc: &'static str, get: fn(&R) -> Value<'_>) -> Column<R> {
    raw(name, Type::Bool, Kind::Label, Unit::None, doc, get)
}

/// An integer that grows from boot on.
pub const fn counter<R>(name: &'static str, unit: Unit, doc: &'static str, get: fn(&R) -> Value<'_>) -> Column<R> {
    raw(name, Type::Int64, Kind::Counter, unit, doc, get)
}

/// An integer level.
pub const fn gauge<R>(name: &'static str, unit: Unit, doc: &'static str, get: fn(&R) -> Value<'_>) -> Column<R> {
    raw(name, Type::Int64, Kind::Gauge, unit, doc, get)
}

/// A level with a fraction.
pub const fn gauge_float<R>(name: &'static str, unit: Unit, doc: &'static str, get: fn(&R) -> Value<'_>) -> Column<R> {
    raw(name, Type::Float64, Kind::Gauge, unit, doc, get)
}

/// A value over the interval, from the growth of counters of the same table.
pub const fn derived<R>(name: &'static str, unit: Unit, doc: &'static str, formula: Formula) -> Column<R> {
    Column {
        name,
        ty: Type::Float64,
        kind: Kind::Interval,
        unit,
        doc,
        better: None,
        hidden: false,
        wobbles: false,
        orders: false,
        rate: None,
        origin: Origin::Derived(formula),
    }
}

impl<R> Column<R> {
    /// Follow the counter with its rate in a column of this name (`NAME_per_sec`, `read_iops`).
    pub const fn with_rate(mut self, name: &'static str) -> Self {
        self.rate = Some(name);
        self
    }
    /// Journal it for the formulas of others, but leave it out of the Parquet files.
    pub const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }
    /// The kernel lets this counter step back a little (`idle`, `iowait`): the sums count such a step as no growth.
    pub const fn wobbles(mut self) -> Self {
        self.wobbles = true;
        self
    }
    /// Rows of one such entity lie together in the files: for tables of many entities that come and go.
    pub const fn orders(mut self) -> Self {
        self.orders = true;
        self
    }
    /// Not a level at the tick, but a value that the source itself took over the interval: weighted by `elapsed_s`.
    pub const fn over_interval(mut self) -> Self {
        self.kind = Kind::Interval;
        self
    }
    pub const fn lower_is_better(mut self) -> Self {
        self.better = Some(Better::Lower);
        self
    }
    pub const fn higher_is_better(mut self) -> Self {
        self.better = Some(Better::Higher);
        self
    }
}

/// A table: its name, where its values come from, and its columns.
pub struct Table<R: 'static> {
    pub name: &'static str,
    /// The kernel's file or call, for people: `/proc/diskstats`.
    pub source: &'static str,
    pub doc: &'static str,
    pub columns: &'static [Column<R>],
}

impl<R: 'static> Table<R> {
    /// The table without its row type: what everything behind the collectors works with.
    pub fn def(&self) -> TableDef {
        let raw: Vec<RawColumn> = self
            .columns
            .iter()
            .filter(|c| matches!(c.origin, Origin::Raw(_)))
            .map(|c| RawColumn { name: c.name, ty: c.ty, entity: c.kind == Kind::Entity, wobbles: c.wobbles })
            .collect();
        let index = |name: &str| {
            raw.iter().position(|r| r.name == name).unwrap_or_else(|| {
                // A declaration is compiled in, and the test over all tables walks through here.
                panic!("table {}: a formula names `{name}`, which is no raw column", self.name)
            })
        };
        let resolve = |f: &Formula| {
            StoredOrigin::Derived(ResolvedFormula {
                of: f.of.iter().map(|n| index(n)).collect(),
                over: match f.over {
                    Over::Elapsed => None,
                    Over::Growth(names) => Some(names.iter().map(|n| index(n)).collect()),
                },
                factor: f.factor,
                cap: f.cap,
            })
        };
        let mut stored = Vec::new();
        for c in self.columns {
            if !c.hidden {
                stored.push(StoredColumn {
                    name: c.name,
                    ty: c.ty,
                    kind: c.kind,
                    unit: c.unit,
                    doc: c.doc.to_string(),
                    better: c.better,
                    origin: match &c.origin {
                        Origin::Raw(_) => StoredOrigin::Raw(index(c.name)),
                        Origin::Derived(f) => resolve(f),
                    },
                });
            }
            if let Some(name) = c.rate {
                stored.push(StoredColumn {
                    name,
                    ty: Type::Float64,
                    kind: Kind::Interval,
                    unit: c.unit.per_sec(),
                    doc: format!("Growth of `{}` per second.", c.name),
                    better: c.better,
                    origin: StoredOrigin::Derived(ResolvedFormula {
                        of: vec![index(c.name)],
                        over: None,
                        factor: 1.0,
                        cap: f64::INFINITY,
                    }),
                });
            }
        }
        let order = self.columns.iter().find(|c| c.orders).map(|c| c.name);
        TableDef { name: self.name, source: self.source, doc: self.doc, raw, stored, order }
    }

    /// The getters of the raw columns, in the order of [`TableDef::raw`].
    pub fn getters(&self) -> impl Iterator<Item = fn(&R) -> Value<'_>> {
        self.columns.iter().filter_map(|c| match c.origin {
            Origin::Raw(get) => Some(get),
            Origin::Derived(_) => None,
        })
    }
}

/// A [`Table`] without its row type.
#[derive(Clone, Debug)]
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
}

impl TableDef {
    /// The columns that name what a row is about.
    pub fn entities(&self) -> impl Iterator<Item = &StoredColumn> {
        self.stored.iter().filter(|c| c.kind == Kind::Entity)
    }
    /// The columns that can be summarised: numbers that are no entity.
    pub fn metrics(&self) -> impl Iterator<Item = &StoredColumn> {
        self.stored.iter().filter(|c| matches!(c.kind, Kind::Counter | Kind::Gauge | Kind::Interval))
    }
}

/// A column as the collector hands it over.
#[derive(Clone, Copy, Debug)]
pub struct RawColumn {
    pub name: &'static str,
    pub ty: Type,
    pub entity: bool,
    pub wobbles: bool,
}

/// A column as users read it.
#[derive(Clone, Debug)]
pub struct StoredColumn {
    pub name: &'static str,
    pub ty: Type,
    pub kind: Kind,
    pub unit: Unit,
    pub doc: String,
    pub better: Option<Better>,
    pub origin: StoredOrigin,
}

/// Where a stored column's value comes from, in indices of [`TableDef::raw`].
#[derive(Clone, Debug)]
pub enum StoredOrigin {
    Raw(usize),
    Derived(ResolvedFormula),
}

/// A [`Formula`] whose names became indices of [`TableDef::raw`].
#[derive(Clone, Debug)]
pub struct ResolvedFormula {
    pub of: Vec<usize>,
    /// `None`: the elapsed seconds.
    pub over: Option<Vec<usize>>,
    pub factor: f64,
    pub cap: f64,
}

/// The three columns that every table begins with.
pub const TS: &str = "ts";
pub const ELAPSED_S: &str = "elapsed_s";
pub const PHASE: &str = "phase";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_keeps_what_is_significant() {
        for exact in [0.0, 1.0, 100.0, 0.5, 1024.0, 1_000_000.0, 65_537.0] {
            assert_eq!(significant(exact), exact);
        }
        for value in [1.0 / 3.0, 99.999_999, 123_456_789.123, 1e-9, -2.0 / 3.0, 0.1] {
            let rounded = significant(value);
            assert!(((rounded - value) / value).abs() <= 2f64.powi(-20), "{value} became {rounded}");
            assert_eq!(significant(rounded), rounded);
        }
    }
}
