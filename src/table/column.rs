//! The declaration of one column.

use super::formula::Formula;
use super::kind::{Better, Kind, Steadiness, Type, Unit};
use super::value::Value;

/// Where the value of a column comes from.
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
    pub(super) separate: bool,
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
        separate: false,
        began: false,
        per: None,
        rate: None,
        origin,
    }
}

/// An entity column with text: the subject of the row.
pub const fn entity<R>(name: &'static str, doc: &'static str, get: fn(&R) -> Value<'_>) -> Column<R> {
    raw(name, Type::Text, Kind::Entity, Unit::None, doc, get)
}

/// An entity column with a number, such as a CPU.
pub const fn entity_int<R>(name: &'static str, doc: &'static str, get: fn(&R) -> Value<'_>) -> Column<R> {
    raw(name, Type::Int32, Kind::Entity, Unit::None, doc, get)
}

/// A text that is not part of the row's identity.
pub const fn label<R>(name: &'static str, doc: &'static str, get: fn(&R) -> Value<'_>) -> Column<R> {
    raw(name, Type::Text, Kind::Label, Unit::None, doc, get)
}

/// An integer that only distinguishes or orders rows, and is not summarised.
pub const fn label_int<R>(name: &'static str, unit: Unit, doc: &'static str, get: fn(&R) -> Value<'_>) -> Column<R> {
    raw(name, Type::Int64, Kind::Label, unit, doc, get)
}

/// A fractional number that is not summarised.
pub const fn label_float<R>(name: &'static str, unit: Unit, doc: &'static str, get: fn(&R) -> Value<'_>) -> Column<R> {
    raw(name, Type::Float64, Kind::Label, unit, doc, get)
}

/// A boolean that is not part of the row's identity.
pub const fn flag<R>(name: &'static str, doc: &'static str, get: fn(&R) -> Value<'_>) -> Column<R> {
    raw(name, Type::Bool, Kind::Label, Unit::None, doc, get)
}

/// An integer that grows from boot.
pub const fn counter<R>(name: &'static str, unit: Unit, doc: &'static str, get: fn(&R) -> Value<'_>) -> Column<R> {
    raw(name, Type::Int64, Kind::Counter, unit, doc, get)
}

/// An integer value at the tick.
pub const fn gauge<R>(name: &'static str, unit: Unit, doc: &'static str, get: fn(&R) -> Value<'_>) -> Column<R> {
    raw(name, Type::Int64, Kind::Gauge, unit, doc, get)
}

/// A fractional value at the tick.
pub const fn gauge_float<R>(name: &'static str, unit: Unit, doc: &'static str, get: fn(&R) -> Value<'_>) -> Column<R> {
    raw(name, Type::Float64, Kind::Gauge, unit, doc, get)
}

/// A value over the interval, computed from the growth of counters of the same table.
pub const fn derived<R>(name: &'static str, unit: Unit, doc: &'static str, formula: Formula) -> Column<R> {
    column(name, Type::Float64, Kind::Interval, unit, doc, Origin::Derived(formula))
}

impl<R> Column<R> {
    /// Adds a column with the rate of the counter and this name (`NAME_per_sec`, `read_iops`).
    pub const fn with_rate(mut self, name: &'static str) -> Self {
        self.rate = Some(name);
        self
    }
    /// Stored in the journal for formulas, but not in the Parquet files.
    pub const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }
    /// The kernel may decrease this counter slightly (`idle`, `iowait`).
    pub const fn wobbles(mut self) -> Self {
        self.steadiness = Steadiness::Wobbles;
        self
    }
    /// On some machines this counter goes back (`steal`). Sums leave it out where its growth is not known.
    pub const fn unsteady(mut self) -> Self {
        self.steadiness = Steadiness::Unsteady;
        self
    }
    /// If this column changes, the rows are about another entity with the same name.
    pub const fn tells_apart(mut self) -> Self {
        self.tells_apart = true;
        self
    }
    /// The growth of this counter is only known over intervals in which the named raw column did not change.
    pub const fn while_same(mut self, column: &'static str) -> Self {
        self.while_same = Some(column);
        self
    }
    /// Maximum growth of this counter per second, if less than the maximum of its unit.
    pub const fn at_most_per_sec(mut self, most: f64) -> Self {
        self.most_per_sec = most;
        self
    }
    /// The named raw column is the maximum growth of this counter per second.
    pub const fn limited_by(mut self, column: &'static str) -> Self {
        self.limit = Some(column);
        self
    }
    /// The rows of an entity are grouped in the files: for tables with many short-lived entities.
    pub const fn orders(mut self) -> Self {
        self.orders = true;
        self
    }
    /// Not the value at the tick, but one that the source measured over the interval: weighted by `elapsed_s`.
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
    /// Values of entities that differ in this column are neither added nor averaged: events, mount points.
    pub const fn separate(mut self) -> Self {
        self.separate = true;
        self
    }
    /// A part of the entity's name that may change while its counters continue (a process that executes another
    /// program).
    pub const fn may_change(mut self) -> Self {
        self.may_change = true;
        self
    }
    /// Start time of the entity in milliseconds since 1970: distinguishes it from another entity with the same name.
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
