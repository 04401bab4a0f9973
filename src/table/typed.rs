//! The declaration of a table, and its conversion to a [`TableDef`].

use super::IS_NEW;
use super::chart::Charts;
use super::column::{Column, Origin};
use super::def::{Life, RawColumn, ResolvedFormula, StoredColumn, StoredOrigin, TableDef, Weight};
use super::formula::{Formula, Over};
use super::kind::{Kind, Type};
use super::value::Value;

/// A table: its name, the source of its values, and its columns.
pub struct Table<R: 'static> {
    pub name: &'static str,
    /// The kernel's file or call, as text: `/proc/diskstats`.
    pub source: &'static str,
    pub doc: &'static str,
    /// What a page draws of it.
    pub charts: Charts,
    pub columns: &'static [Column<R>],
}

impl<R: 'static> Table<R> {
    /// The table without its row type: what everything behind the collectors works with.
    ///
    /// # Panics
    /// If a formula names a column that does not exist. Declarations are compiled in, and a test checks all of them.
    #[allow(clippy::panic, reason = "a declaration is compiled in, and the test over all tables walks through here")]
    pub fn def(&self) -> TableDef {
        let is_raw = |c: &&Column<R>| matches!(c.origin, Origin::Raw(_));
        let index = |name: &str| {
            self.columns
                .iter()
                .filter(is_raw)
                .position(|c| c.name == name)
                .unwrap_or_else(|| panic!("table {}: a formula names `{name}`, which is no raw column", self.name))
        };
        let of_raw = |c: &Column<R>| RawColumn {
            name: c.name,
            ty: c.ty,
            entity: c.kind == Kind::Entity,
            counter: c.kind == Kind::Counter,
            unit: c.unit,
            steadiness: c.steadiness,
            tells_apart: c.tells_apart,
            while_same: c.while_same.map(index),
            most_per_sec: c.most_per_sec,
            limit: c.limit.map(index),
        };
        let raw: Vec<RawColumn> = self.columns.iter().filter(is_raw).map(of_raw).collect();
        let resolve = |f: &Formula| {
            StoredOrigin::Derived(ResolvedFormula {
                of: f.of.iter().map(|n| index(n)).collect(),
                over: match f.over {
                    Over::Elapsed => None,
                    Over::Time(names) | Over::Growth(names) => Some(names.iter().map(|n| index(n)).collect()),
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
                    doc: format!("{}{}", c.doc, weight(c).sentence()),
                    better: c.better,
                    weight: weight(c),
                    origin: match &c.origin {
                        Origin::Raw(_) => StoredOrigin::Raw(index(c.name)),
                        Origin::Derived(f) => resolve(f),
                    },
                });
            }
            if let Some(name) = c.rate {
                stored.push(rate(c, name, index(c.name)));
            }
        }
        let named = |is: fn(&Column<R>) -> bool| self.columns.iter().find(|c| is(c)).map(|c| c.name);
        let order = named(|c| c.orders);
        let life = Life {
            is_new: named(|c| c.name == IS_NEW && c.ty == Type::Bool),
            may_change: named(|c| c.may_change),
            began: named(|c| c.began),
        };
        let separate = self.columns.iter().filter(|c| c.separate).map(|c| c.name).collect();
        TableDef {
            name: self.name,
            source: self.source,
            doc: self.doc,
            raw,
            stored,
            order,
            life,
            separate,
            charts: self.charts,
        }
    }

    /// The getters of the raw columns, in the order of [`TableDef::raw`].
    pub fn getters(&self) -> impl Iterator<Item = fn(&R) -> Value<'_>> {
        self.columns.iter().filter_map(|c| match c.origin {
            Origin::Raw(get) => Some(get),
            Origin::Derived(_) => None,
        })
    }
}

/// The column with the growth per second of a counter, which is this raw column.
fn rate<R>(counter: &Column<R>, name: &'static str, raw: usize) -> StoredColumn {
    let formula = ResolvedFormula { of: vec![raw], over: None, factor: 1.0, cap: f64::INFINITY };
    StoredColumn {
        name,
        ty: Type::Float64,
        kind: Kind::Interval,
        unit: counter.unit.per_sec(),
        doc: format!("Growth of `{}` per second.", counter.name),
        better: counter.better,
        weight: Weight::Elapsed,
        origin: StoredOrigin::Derived(formula),
    }
}

/// The weight of a value of this column, from its formula or its kind.
fn weight<R>(column: &Column<R>) -> Weight {
    match (&column.origin, column.per) {
        (_, Some(count)) => Weight::Count(count),
        (Origin::Derived(Formula { over: Over::Growth(names), .. }), _) => Weight::Growth(names.to_vec()),
        _ => Weight::of(column.kind),
    }
}
