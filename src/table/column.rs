//! The declaration of one column.

use super::formula::Formula;
use super::kind::{Better, Kind, Steadiness, Type, Unit};
use super::value::Value;

/// The way to a column's value.
pub enum Origin<R> {
    Raw(fn(&R) -> Value<'_>),
    Derived(Formula),
}

/// One column of a [`Table`](super::Table), built with [`entity`], [`label`], [`counter`], [`gauge`] or [`derived`].
pub struct Column<R> {
    pub(super) name: &'static str,
    pub(super) ty: Type,
    pub(super) kind: Kind,
    pub(super) unit: Unit,
    pub(super) doc: &'static str,
    pub(super) better: Option<Better>,
    pub(super) hidden: bool,
    pub(super) steadiness: Steadiness,
    pub(super) tells_apart: bool,
    pub(super) while_same: Option<&'static str>,
    pub(super) limit: Option<&'static str>,
    pub(super) most_per_sec: f64,
    pub(super) orders: bool,
    pub(super) may_change: bool,
    pub(super) began: bool,
    pub(super) per: Option<&'static str>,
    pub(super) rate: Option<&'static str>,
    pub(super) origin: Origin<R>,
}

const fn raw<R>(
    name: &'static str,
    ty: Type,
    kind: Kind,
    unit: Unit,
    doc: &'static str,
    get: fn(&R) -> Value<'_>,
) -> Column<R> {
    column(name, ty, kind, unit, doc, Origin::Raw(get))
}

const fn column<R>(
    name: &'static str,
    ty: Type,
    kind: Kind,
    unit: Unit,
    doc: &'static str,
    origin: Origin<R>,
) -> Column<R> {
    Column {
        name,
        ty,
        kind,
        unit,
        doc,
        better: None,
        hidden: false,
        steadiness: Steadiness::Steady,
        tells_apart: false,
        while_same: None,
        limit: None,
        most_per_sec: unit.most_per_sec(),
        orders: false,
        may_change: false,
        began: false,
        per: None,
        rate: None,
        origin,
    }
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
    column(name, Type::Float64, Kind::Interval, unit, doc, Origin::Derived(formula))
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
    /// The kernel lets this counter step back a little (`idle`, `iowait`).
    pub const fn wobbles(mut self) -> Self {
        self.steadiness = Steadiness::Wobbles;
        self
    }
    /// Some machines let this counter go back (`steal`): sums do without it where its growth is not known.
    pub const fn unsteady(mut self) -> Self {
        self.steadiness = Steadiness::Unsteady;
        self
    }
    /// Rows of one entity that differ in this column are about two things of one name.
    pub const fn tells_apart(mut self) -> Self {
        self.tells_apart = true;
        self
    }
    /// The growth of this counter is known only over intervals in which that raw column stayed the same.
    pub const fn while_same(mut self, column: &'static str) -> Self {
        self.while_same = Some(column);
        self
    }
    /// This counter cannot grow by more per second, which is less than others of its unit.
    pub const fn at_most_per_sec(mut self, most: f64) -> Self {
        self.most_per_sec = most;
        self
    }
    /// This counter cannot grow by more per second than that raw column says.
    pub const fn limited_by(mut self, column: &'static str) -> Self {
        self.limit = Some(column);
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
    /// What happened in the interval: its values can be summed, and divided by `elapsed_s`.
    pub const fn amount(mut self) -> Self {
        self.kind = Kind::Amount;
        self
    }
    /// A mean that the source itself took, over as many as this column of the row says: weighted by it.
    pub const fn mean_of(mut self, count: &'static str) -> Self {
        self.kind = Kind::Interval;
        self.per = Some(count);
        self
    }
    /// Part of the entity's name that may change while its counters go on (a process that executes another program).
    pub const fn may_change(mut self) -> Self {
        self.may_change = true;
        self
    }
    /// When the entity began, in milliseconds since 1970: tells it from another of the same name.
    pub const fn began(mut self) -> Self {
        self.began = true;
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
