//! The declaration of a table as stored in recordings, so that data of an older or a later perfwatch can be read.
//!
//! The header of a journal has it as JSON: name, source and description of the table, and its columns in order, each
//! with name, type and facts. The footer of a Parquet file has the facts by column, without descriptions. A fact is a
//! word or a short text:
//! ```text
//! kind          entity, label, counter, gauge, interval
//! unit          bytes, ms, percent, ...; missing if there is none
//! description   a sentence
//! better        lower, higher; missing if neither is
//! formula       for derived columns: `100 * growth(user_ms + nice_ms) / elapsed_s <= 100`
//! weight        if it does not follow from the kind: `growth of read_count`, `samples`
//! order         "true": the rows of an entity are grouped in the files
//! may_change    "true": part of the entity's name that may change while its counters continue
//! separate      "true": values of entities that differ in it are neither added nor averaged
//! began         "true": start time of the entity, in milliseconds since 1970
//! ```
//!
//! Only in journals, for raw columns: `hidden` ("true": not in the Parquet files), `steadiness`, `tells_apart`,
//! `while_same`, `limit`, `most_per_sec`: see [`RawColumn`].

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::chart::Charts;
use super::def::{Life, RawColumn, ResolvedFormula, StoredColumn, StoredOrigin, TableDef, Weight};
use super::kind::{Better, Kind, Steadiness, Type, Unit};
use super::names::intern;
use super::{ELAPSED_S, IS_NEW, PHASE, TS};

pub const KIND: &str = "kind";
pub const UNIT: &str = "unit";
pub const DESCRIPTION: &str = "description";
const AMOUNT: &str = "amount";
const BETTER: &str = "better";
const FORMULA: &str = "formula";
const WEIGHT: &str = "weight";
const ORDER: &str = "order";
const MAY_CHANGE: &str = "may_change";
const SEPARATE: &str = "separate";
const BEGAN: &str = "began";
const HIDDEN: &str = "hidden";
const STEADINESS: &str = "steadiness";
const TELLS_APART: &str = "tells_apart";
const WHILE_SAME: &str = "while_same";
const LIMIT: &str = "limit";
const MOST_PER_SEC: &str = "most_per_sec";
const TRUE: &str = "true";

/// The facts of a column in addition to its name and type.
pub type Facts = BTreeMap<String, String>;

/// The declaration of a table as text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Declaration {
    pub name: String,
    pub source: String,
    pub description: String,
    pub columns: Vec<DeclaredColumn>,
}

/// The declaration of a column as text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeclaredColumn {
    pub name: String,
    #[serde(rename = "type")]
    pub ty: String,
    #[serde(flatten)]
    pub facts: Facts,
}

impl TableDef {
    /// The declaration: the stored columns, then the hidden ones.
    pub fn declaration(&self) -> Declaration {
        let stored = self.stored.iter().map(|column| {
            let mut facts = self.facts(column);
            if let StoredOrigin::Raw(raw) = column.origin {
                facts.extend(self.raw_facts(&self.raw[raw]));
            }
            DeclaredColumn { name: column.name.into(), ty: column.ty.to_string(), facts }
        });
        let is_hidden = |raw: &&RawColumn| self.stored.iter().all(|column| column.name != raw.name);
        let hidden = self.raw.iter().filter(is_hidden).map(|raw| {
            let kind = match (raw.entity, raw.counter) {
                (true, _) => Kind::Entity,
                (_, true) => Kind::Counter,
                _ => Kind::Gauge,
            };
            let mut facts = self.raw_facts(raw);
            facts.extend([(KIND.into(), kind.to_string()), (HIDDEN.into(), TRUE.into())]);
            facts.extend(unit_fact(raw.unit));
            DeclaredColumn { name: raw.name.into(), ty: raw.ty.to_string(), facts }
        });
        Declaration {
            name: self.name.into(),
            source: self.source.into(),
            description: self.doc.into(),
            columns: stored.chain(hidden).collect(),
        }
    }

    /// The declaration of the stored columns alone, as users read them.
    pub fn lean_declaration(&self) -> Declaration {
        let column = |column: &StoredColumn| DeclaredColumn {
            name: column.name.into(),
            ty: column.ty.to_string(),
            facts: self.facts(column),
        };
        Declaration {
            name: self.name.into(),
            source: self.source.into(),
            description: self.doc.into(),
            columns: self.stored.iter().map(column).collect(),
        }
    }

    /// The facts of the stored columns as the footer of a Parquet file has them: without descriptions.
    pub fn lean_facts(&self) -> BTreeMap<String, Facts> {
        let lean = |column: &StoredColumn| {
            let mut facts = self.facts(column);
            facts.remove(DESCRIPTION);
            (column.name.to_string(), facts)
        };
        self.stored.iter().map(lean).collect()
    }

    /// The facts of a stored column.
    pub fn facts(&self, column: &StoredColumn) -> Facts {
        let mut facts =
            Facts::from([(KIND.to_string(), column.kind.to_string()), (DESCRIPTION.to_string(), column.doc.clone())]);
        let mut put = |key: &str, value: Option<String>| facts.extend(value.map(|value| (key.to_string(), value)));
        put(UNIT, unit_fact(column.unit).map(|(_, unit)| unit));
        put(BETTER, column.better.map(|better| better.word().into()));
        if let StoredOrigin::Derived(formula) = &column.origin {
            put(FORMULA, Some(self.formula(formula)));
        }
        // Left out if it follows from the kind.
        put(WEIGHT, column.weight.word().filter(|_| column.weight != Weight::of(column.kind)));
        let flag = |is: bool| is.then(|| TRUE.to_string());
        put(AMOUNT, flag(column.kind == Kind::Amount));
        put(ORDER, flag(self.order == Some(column.name)));
        put(MAY_CHANGE, flag(self.life.may_change == Some(column.name)));
        put(SEPARATE, flag(self.separate.contains(&column.name)));
        put(BEGAN, flag(self.life.began == Some(column.name)));
        facts
    }

    fn raw_facts(&self, raw: &RawColumn) -> Facts {
        let name = |index: Option<usize>| Some(self.raw.get(index?)?.name.to_string());
        let facts = [
            (STEADINESS, (raw.steadiness != Steadiness::Steady).then(|| raw.steadiness.word().to_string())),
            (TELLS_APART, raw.tells_apart.then(|| TRUE.into())),
            (WHILE_SAME, name(raw.while_same)),
            (LIMIT, name(raw.limit)),
            (MOST_PER_SEC, (raw.most_per_sec != raw.unit.most_per_sec()).then(|| raw.most_per_sec.to_string())),
        ];
        facts.into_iter().filter_map(|(key, value)| Some((key.to_string(), value?))).collect()
    }

    /// `100 * growth(a + b) / growth(c) <= 100`
    fn formula(&self, formula: &ResolvedFormula) -> String {
        let growth = |columns: &[usize]| {
            let names: Vec<&str> = columns.iter().filter_map(|i| Some(self.raw.get(*i)?.name)).collect();
            format!("growth({})", names.join(" + "))
        };
        let over = formula.over.as_ref().map_or_else(|| ELAPSED_S.to_string(), |columns| growth(columns));
        let mut text = String::new();
        if formula.factor != 1.0 {
            let _ = write!(text, "{} * ", formula.factor);
        }
        let _ = write!(text, "{} / {over}", growth(&formula.of));
        if formula.cap.is_finite() {
            let _ = write!(text, " <= {}", formula.cap);
        }
        text
    }
}

fn unit_fact(unit: Unit) -> Option<(String, String)> {
    Some(unit.word()).filter(|word| !word.is_empty()).map(|word| (UNIT.to_string(), word.to_string()))
}

/// A formula with names, which may be those of missing columns.
struct Named<'a> {
    of: Vec<&'a str>,
    over: Option<Vec<&'a str>>,
    factor: f64,
    cap: f64,
}

impl<'a> Named<'a> {
    fn parse(text: &'a str) -> Option<Named<'a>> {
        let (text, cap) = match text.split_once(" <= ") {
            Some((text, cap)) => (text, cap.parse().ok()?),
            None => (text, f64::INFINITY),
        };
        let (text, factor) = match text.split_once(" * ") {
            Some((factor, text)) => (text, factor.parse().ok()?),
            None => (text, 1.0),
        };
        let growth = |text: &'a str| {
            let names = text.strip_prefix("growth(")?.strip_suffix(')')?;
            Some(names.split(" + ").collect::<Vec<_>>())
        };
        let (of, over) = text.split_once(" / ")?;
        let over = if over == ELAPSED_S { None } else { Some(growth(over)?) };
        Some(Named { of: growth(of)?, over, factor, cap })
    }
}

impl Declaration {
    /// The declared table. A column with an unknown type is left out; an unknown word counts as missing. `None` if the
    /// name is not valid for a table.
    pub fn table(&self) -> Option<TableDef> {
        if !is_name(&self.name) {
            return None;
        }
        let mut table = TableDef {
            name: intern(&self.name),
            source: intern(&self.source),
            doc: intern(&self.description),
            raw: Vec::new(),
            stored: Vec::new(),
            order: None,
            life: Life::default(),
            separate: Vec::new(),
            charts: Charts::Unknown,
        };
        let mut seen = HashSet::new();
        let first = self.columns.iter().filter(|column| seen.insert(column.name.as_str()));
        let columns: Vec<(&DeclaredColumn, Type)> = first.filter_map(|column| Some((column, column.ty()?))).collect();
        for (column, ty) in &columns {
            if column.fact(FORMULA).is_none() {
                table.raw.push(column.raw(*ty));
            }
        }
        // A Parquet file does not declare hidden columns, so the names in formulas are added.
        let formulas = columns.iter().filter_map(|(column, _)| Named::parse(column.fact(FORMULA)?));
        for name in formulas.flat_map(|f| f.of.into_iter().chain(f.over.into_iter().flatten())) {
            if is_name(name) && table.raw.iter().all(|raw| raw.name != name) {
                let counter = DeclaredColumn { name: name.into(), ..DeclaredColumn::default() };
                table.raw.push(RawColumn { counter: true, ..counter.raw(Type::Int64) });
            }
        }
        for (column, _) in &columns {
            let index = |key: &str| table.raw.iter().position(|raw| Some(raw.name) == column.fact(key));
            let (while_same, limit) = (index(WHILE_SAME), index(LIMIT));
            if let Some(raw) = table.raw.iter_mut().find(|raw| raw.name == column.name) {
                (raw.while_same, raw.limit) = (while_same, limit);
            }
        }
        for (column, ty) in columns {
            if let Some(stored) = column.stored(ty, &table.raw) {
                let named = |key: &str| column.is(key).then_some(stored.name);
                table.order = table.order.or(named(ORDER));
                table.life.may_change = table.life.may_change.or(named(MAY_CHANGE));
                table.life.began = table.life.began.or(named(BEGAN));
                table.separate.extend(named(SEPARATE));
                if stored.name == IS_NEW && ty == Type::Bool {
                    table.life.is_new = Some(IS_NEW);
                }
                table.stored.push(stored);
            }
        }
        Some(table)
    }
}

/// Is this a valid name for a table or column? Names become folder names, and are printed unescaped.
fn is_name(text: &str) -> bool {
    const LONGEST: usize = 64;
    let is_fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=LONGEST).contains(&text.len()) && text.bytes().all(is_fine)
}

/// Is this a valid unit? Units are printed unescaped.
fn is_unit(text: &str) -> bool {
    const LONGEST: usize = 16;
    (1..=LONGEST).contains(&text.chars().count()) && text.chars().all(|c| c.is_alphanumeric() || "/%°._-".contains(c))
}

impl DeclaredColumn {
    fn fact(&self, key: &str) -> Option<&str> {
        self.facts.get(key).map(String::as_str)
    }

    fn is(&self, key: &str) -> bool {
        self.fact(key) == Some(TRUE)
    }

    /// `None` if the type or name is not one that a column can have.
    fn ty(&self) -> Option<Type> {
        let is_common = [TS, ELAPSED_S, PHASE].contains(&self.name.as_str());
        Type::from_word(&self.ty).filter(|_| is_name(&self.name) && !is_common)
    }

    fn kind(&self) -> Kind {
        match self.fact(KIND).and_then(Kind::from_word) {
            Some(Kind::Interval) if self.is(AMOUNT) => Kind::Amount,
            kind => kind.unwrap_or(Kind::Label),
        }
    }

    fn unit(&self) -> Unit {
        self.fact(UNIT).filter(|word| is_unit(word)).map_or(Unit::None, Unit::from_word)
    }

    fn raw(&self, ty: Type) -> RawColumn {
        let (kind, unit) = (self.kind(), self.unit());
        RawColumn {
            name: intern(&self.name),
            ty,
            entity: kind == Kind::Entity,
            counter: kind == Kind::Counter,
            unit,
            steadiness: self.fact(STEADINESS).and_then(Steadiness::from_word).unwrap_or(Steadiness::Steady),
            tells_apart: self.is(TELLS_APART),
            while_same: None,
            most_per_sec: self.fact(MOST_PER_SEC).and_then(|n| n.parse().ok()).unwrap_or(unit.most_per_sec()),
            limit: None,
        }
    }

    /// `None` if the column is hidden.
    fn stored(&self, ty: Type, raw: &[RawColumn]) -> Option<StoredColumn> {
        let index = |name: &str| raw.iter().position(|column| column.name == name);
        let all = |names: &[&str]| names.iter().map(|name| index(name)).collect::<Option<Vec<_>>>();
        let origin = match self.fact(FORMULA).map(Named::parse) {
            None => StoredOrigin::Raw(index(&self.name)?),
            Some(formula) => {
                let resolved = formula.and_then(|f| {
                    let over = match &f.over {
                        Some(names) => Some(all(names)?),
                        None => None,
                    };
                    Some(ResolvedFormula { of: all(&f.of)?, over, factor: f.factor, cap: f.cap })
                });
                // A formula that cannot be parsed gives no values.
                StoredOrigin::Derived(resolved.unwrap_or(ResolvedFormula {
                    of: Vec::new(),
                    over: Some(Vec::new()),
                    factor: 1.0,
                    cap: f64::INFINITY,
                }))
            }
        };
        let kind = self.kind();
        (!self.is(HIDDEN)).then(|| StoredColumn {
            name: intern(&self.name),
            ty,
            kind,
            unit: self.unit(),
            doc: self.fact(DESCRIPTION).unwrap_or_default().into(),
            better: self.fact(BETTER).and_then(Better::from_word),
            weight: self.fact(WEIGHT).map_or_else(|| Weight::of(kind), Weight::from_word),
            origin,
        })
    }
}
