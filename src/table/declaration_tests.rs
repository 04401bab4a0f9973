use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::*;
use crate::collect::catalog;

/// Raw columns sorted by name, because their order only matters in the journal.
fn by_name(table: &TableDef) -> Vec<(RawColumn, Option<&'static str>, Option<&'static str>)> {
    let name = |index: Option<usize>| index.map(|i| table.raw[i].name);
    let mut all: Vec<_> = table
        .raw
        .iter()
        .map(|raw| (RawColumn { while_same: None, limit: None, ..*raw }, name(raw.while_same), name(raw.limit)))
        .collect();
    all.sort_by_key(|(raw, ..)| raw.name);
    all
}

/// A column with names instead of indices.
fn named(table: &TableDef, column: &StoredColumn) -> (StoredColumn, Vec<&'static str>, Option<Vec<&'static str>>) {
    let names = |of: &[usize]| of.iter().map(|i| table.raw[*i].name).collect::<Vec<_>>();
    match &column.origin {
        StoredOrigin::Raw(i) => (StoredColumn { origin: StoredOrigin::Raw(0), ..column.clone() }, names(&[*i]), None),
        StoredOrigin::Derived(f) => {
            let bare = ResolvedFormula { of: vec![], over: None, ..f.clone() };
            let column = StoredColumn { origin: StoredOrigin::Derived(bare), ..column.clone() };
            (column, names(&f.of), f.over.as_ref().map(|over| names(over)))
        }
    }
}

#[test]
fn every_table_is_the_same_after_writing_and_reading() {
    for table in catalog::tables() {
        let json = serde_json::to_string(&table.declaration()).unwrap();
        let read = serde_json::from_str::<Declaration>(&json).unwrap().table().unwrap();
        assert_eq!((read.name, read.source, read.doc), (table.name, table.source, table.doc));
        assert_eq!((read.order, read.life), (table.order, table.life), "{}", table.name);
        assert_eq!(by_name(&read), by_name(table), "{}", table.name);
        let columns = |table: &TableDef| table.stored.iter().map(|c| named(table, c)).collect::<Vec<_>>();
        assert_eq!(columns(&read), columns(table), "{}", table.name);
    }
}

/// Name, type and facts.
type Said<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

fn declared(columns: &[Said<'_>]) -> TableDef {
    let columns = columns.iter().map(|(name, ty, facts)| DeclaredColumn {
        name: (*name).into(),
        ty: (*ty).into(),
        facts: facts.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
    });
    Declaration { name: "t".into(), columns: columns.collect(), ..Declaration::default() }.table().unwrap()
}

#[test]
fn columns_of_another_perfwatch_are_kept_as_far_as_possible() {
    let table = declared(&[
        ("device", "string", &[("kind", "entity")]),
        ("fuel_l", "float64", &[("kind", "gauge"), ("unit", "litres"), ("better", "sideways")]),
        ("mood", "string", &[("kind", "feeling")]),
        ("picture", "blob", &[("kind", "gauge")]),
        ("odd", "float64", &[("kind", "interval"), ("formula", "sqrt(fuel_l)")]),
    ]);
    let columns: Vec<_> = table.stored.iter().map(|c| (c.name, c.kind, c.unit.word(), c.better)).collect();
    assert_eq!(
        columns,
        [
            ("device", Kind::Entity, "", None),
            ("fuel_l", Kind::Gauge, "litres", None),
            ("mood", Kind::Label, "", None),
            ("odd", Kind::Interval, "", None),
        ]
    );
}

#[test]
fn formulas_may_name_columns_that_are_not_in_the_file() {
    let formula = "100 * growth(a + b) / growth(c) <= 100";
    let table = declared(&[("a", "int64", &[("kind", "counter")]), ("share", "float64", &[("formula", formula)])]);
    assert_eq!(
        table.raw.iter().map(|raw| (raw.name, raw.counter)).collect::<Vec<_>>(),
        [("a", true), ("b", true), ("c", true)]
    );
    let share = ResolvedFormula { of: vec![0, 1], over: Some(vec![2]), factor: 100.0, cap: 100.0 };
    assert_eq!(table.stored[1].origin, StoredOrigin::Derived(share));
    assert_eq!(table.facts(&table.stored[1])["formula"], formula);
    let rate = declared(&[("r", "float64", &[("formula", "growth(a) / elapsed_s")])]);
    let formula = ResolvedFormula { of: vec![0], over: None, factor: 1.0, cap: f64::INFINITY };
    assert_eq!(rate.stored[0].origin, StoredOrigin::Derived(formula));
}

/// Known words, words cut and combined, and arbitrary text.
fn word() -> impl Strategy<Value = String> {
    let known = [
        "kind",
        "unit",
        "formula",
        "weight",
        "hidden",
        "while_same",
        "limit",
        "order",
        "counter",
        "gauge",
        "interval",
        "label",
        "entity",
        "true",
        "int64",
        "int32",
        "float64",
        "bool",
        "string",
        "a",
        "b",
        "ts",
        "is_new",
        "bytes",
        "100 * growth(a + b) / growth(c) <= 100",
        "growth(a) / elapsed_s",
        "growth()",
        "growth of a + b",
        "1e999 * ",
    ];
    prop_oneof![4 => proptest::sample::select(known.to_vec()).prop_map(String::from), 1 => ".{0,12}"]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn any_declaration_gives_a_valid_table_or_none(
        name in word(),
        columns in vec((word(), word(), btree_map(word(), word(), 0..6)), 0..8),
    ) {
        let columns = columns.into_iter().map(|(name, ty, facts)| DeclaredColumn { name, ty, facts }).collect();
        let declaration = Declaration { name, columns, ..Declaration::default() };
        let Some(table) = declaration.table() else { return Ok(()) };
        let is_raw = |i: &usize| *i < table.raw.len();
        for column in &table.stored {
            let is_whole = match &column.origin {
                StoredOrigin::Raw(i) => is_raw(i),
                StoredOrigin::Derived(f) => f.of.iter().chain(f.over.iter().flatten()).all(is_raw),
            };
            prop_assert!(is_whole, "{column:?}");
        }
        prop_assert!(table.raw.iter().all(|raw| raw.while_same.iter().chain(&raw.limit).all(is_raw)));
        let names: std::collections::BTreeSet<_> = table.stored.iter().map(|c| c.name).collect();
        prop_assert_eq!(names.len(), table.stored.len(), "a column twice");
        // Combined with a table that has some of the columns.
        let disk = catalog::table("disk").unwrap();
        for both in [disk.with_columns_of(&table), table.with_columns_of(disk)].into_iter().flatten() {
            let again = both.declaration().table().unwrap();
            prop_assert_eq!(again.stored.len(), both.stored.len());
        }
    }
}
