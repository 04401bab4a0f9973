//! All tables, in the order in which users see them.

use std::sync::OnceLock;

use super::{REGISTRY, health};
use crate::mark;
use crate::table::TableDef;

/// All tables: first the recorder's own, then those of the collectors, then the marks.
pub fn tables() -> &'static [TableDef] {
    static TABLES: OnceLock<Vec<TableDef>> = OnceLock::new();
    TABLES.get_or_init(|| {
        let collected = REGISTRY.iter().flat_map(|c| c.tables.iter().map(|table| table()));
        health::tables().into_iter().chain(collected).chain([mark::table::TABLE.def()]).collect()
    })
}

/// The table with this name.
pub fn table(name: &str) -> Option<&'static TableDef> {
    tables().iter().find(|t| t.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::table::{Charts, ELAPSED_S, Form, Kind, PHASE, StoredColumn, StoredOrigin, TS, Type, Unit, Weight};

    #[test]
    fn every_column_follows_the_naming_rules() {
        let mut names = HashSet::new();
        for table in tables() {
            assert!(names.insert(table.name), "two tables named {}", table.name);
            assert!(!table.doc.is_empty() && !table.source.is_empty(), "{}", table.name);
            let mut columns = HashSet::from([TS, ELAPSED_S, PHASE, "host"]);
            for c in &table.stored {
                let at = format!("{}.{}", table.name, c.name);
                assert!(columns.insert(c.name), "{at} is declared twice, or is a reserved name");
                assert!(c.doc.ends_with('.'), "{at}: the text must be a sentence: {:?}", c.doc);
                let suffixes = c.unit.suffixes();
                assert!(
                    suffixes.is_empty() || suffixes.iter().any(|s| c.name.ends_with(s)),
                    "{at}: unit {:?}, but the name ends with none of {suffixes:?}",
                    c.unit
                );
                if matches!(c.kind, Kind::Interval | Kind::Amount) {
                    assert_eq!(c.ty, Type::Float64, "{at}");
                }
            }
        }
    }

    /// A new table has a page for free, and somebody thought about what matters in it.
    #[test]
    fn every_table_says_what_is_drawn() {
        for table in tables() {
            match table.charts {
                Charts::Drawn(charts) => assert!(!charts.is_empty(), "{}", table.name),
                Charts::Not(why) => assert!(why.len() > 20, "{}: why is nothing drawn?", table.name),
                Charts::Unknown => panic!("{}: what is drawn?", table.name),
            }
            for chart in table.charts.all() {
                assert!(!chart.title.is_empty() && !chart.columns.is_empty(), "{}: {chart:?}", table.name);
                for name in chart.columns {
                    let column = table.stored.iter().find(|c| c.name == *name);
                    let column = column.unwrap_or_else(|| panic!("{}.{name} is drawn and does not exist", table.name));
                    assert!(column.kind.is_metric(), "{}.{name}", table.name);
                    if chart.form == Form::Shares {
                        assert_eq!(column.unit, Unit::Percent, "{}.{name}", table.name);
                    }
                }
            }
        }
    }

    fn weight(table: &str, column: &str) -> Weight {
        let table = super::table(table).unwrap();
        table.stored.iter().find(|c| c.name == column).unwrap().weight.clone()
    }

    /// Readers of the files, and the report, need the column that another column is weighted by.
    #[test]
    fn weighting_columns_are_stored() {
        for table in tables() {
            let stored = |name: &str| table.stored.iter().find(|c| c.name == name);
            for c in &table.stored {
                let at = format!("{}.{}", table.name, c.name);
                let of = |c: &StoredColumn| (c.kind, matches!(c.origin, StoredOrigin::Raw(_)));
                match &c.weight {
                    Weight::Row => assert!(!matches!(c.kind, Kind::Interval | Kind::Amount), "{at}"),
                    Weight::Elapsed => assert!(matches!(c.kind, Kind::Interval | Kind::Amount), "{at}"),
                    Weight::Growth(names) => {
                        assert!(!names.is_empty(), "{at}");
                        for name in names {
                            assert_eq!(stored(name).map(of), Some((Kind::Counter, true)), "{at}: {name}");
                        }
                    }
                    Weight::Count(name) => assert!(stored(name).is_some(), "{at}: {name}"),
                }
            }
        }
    }

    #[test]
    fn means_are_weighted_by_their_count_and_shares_of_time_by_time() {
        assert_eq!(weight("disk", "read_latency_ms"), Weight::Growth(vec!["read_count"]));
        assert_eq!(weight("disk", "write_latency_ms"), Weight::Growth(vec!["write_count"]));
        assert_eq!(weight("cgroup", "throttled_percent"), Weight::Growth(vec!["periods"]));
        assert_eq!(weight("collector", "collect_us_mean"), Weight::Count("samples"));
        for (table, column) in [
            ("cpu", "usage_percent"),
            ("cpu_core", "iowait_percent"),
            ("disk", "util_percent"),
            ("disk", "queue_length"),
            ("disk", "read_iops"),
            ("process", "usage_percent"),
            ("perf", "running_percent"),
        ] {
            assert_eq!(weight(table, column), Weight::Elapsed, "{table}.{column}");
        }
        for (table, column) in [("memory", "usage_percent"), ("cpu", "load1"), ("pressure", "some_avg10")] {
            assert_eq!(weight(table, column), Weight::Row, "{table}.{column}");
        }
    }
}
