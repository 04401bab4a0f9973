//! Ticks are encoded and decoded again.

use proptest::prelude::*;

use super::*;
use crate::store::journal::Header;
use crate::table::sample::{Cell, Sample, Stamp, Texts};
use crate::table::{Charts, Table, Unit, counter, entity, flag, gauge_float};

type Row = (Option<String>, Option<i64>, Option<f64>, Option<bool>);

static TABLE: Table<Row> = Table {
    name: "t",
    source: "",
    doc: "",
    charts: Charts::Unknown,
    columns: &[
        entity("name", "", |r: &Row| r.0.as_deref().into()),
        counter("count", Unit::Count, "", |r: &Row| r.1.into()),
        gauge_float("level", Unit::None, "", |r: &Row| r.2.into()),
        flag("on", "", |r: &Row| r.3.into()),
    ],
};

fn cells(row: &Row, texts: &Texts) -> Vec<String> {
    let text = row.0.as_deref().map_or("null".into(), |t| format!("{t:?}"));
    let _ = texts;
    let float = row.2.filter(|f| f.is_finite());
    vec![text, format!("{:?}", row.1), format!("{:?}", float.map(f64::to_bits)), format!("{:?}", row.3)]
}

fn show(cell: &Cell, column: usize, texts: &Texts) -> String {
    match (cell, column) {
        (Cell::Null, 0) => "null".into(),
        (Cell::Null, 1) => format!("{:?}", None::<i64>),
        (Cell::Null, 2) => format!("{:?}", None::<u64>),
        (Cell::Null, _) => format!("{:?}", None::<bool>),
        (Cell::Int(v), _) => format!("{:?}", Some(v)),
        (Cell::Float(v), _) => format!("{:?}", Some(v.to_bits())),
        (Cell::Bool(v), _) => format!("{:?}", Some(v)),
        (Cell::Text(id), _) => format!("{:?}", texts.get(*id).unwrap()),
    }
}

fn row() -> impl Strategy<Value = Row> {
    let int = prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX), 0..9i64];
    (prop::option::of("[a-c]{0,2}"), prop::option::of(int), prop::option::of(any::<f64>()), any::<Option<bool>>())
}

proptest! {
    #[test]
    fn decoding_returns_what_was_encoded(
        ticks in prop::collection::vec(
            (any::<i64>(), any::<u64>(), prop::collection::vec(row(), 1..6), any::<Option<i64>>()), 1..8)
    ) {
        let catalog = [TABLE.def()];
        let mut sample = Sample::new(&catalog);
        let mut encoder = Encoder::new(&catalog);
        let mut decoder = Decoder::new(&Header::new("w".into(), 1, &catalog));
        let mut decoded = Decoded::default();
        for (number, (ts_us, mono_ns, rows, own)) in ticks.into_iter().enumerate() {
            sample.clear();
            match own {
                Some(ts_us) => sample.push_at(&TABLE, Stamp { ts_us, elapsed_s: Some(1.5) }, &rows),
                None => sample.push(&TABLE, &rows),
            }
            let stamp = TickStamp { number: number as u64, ts_us, mono_ns };
            let phase = (number % 2 == 1).then(|| sample.texts.intern("warm up"));
            let mut payload = Vec::new();
            encoder.encode(stamp, phase, &sample, &mut payload);
            decoder.decode(&payload, |_| true, &mut decoded).unwrap();
            prop_assert_eq!(decoded.stamp, stamp);
            prop_assert_eq!(decoded.phase.and_then(|id| decoder.texts.get(id)), phase.map(|_| "warm up"));
            prop_assert_eq!(decoded.blocks[0].stamp, own.map(|ts_us| Stamp { ts_us, elapsed_s: Some(1.5) }));
            for (read, row) in decoded.cells.chunks(4).zip(&rows) {
                let read: Vec<_> = read.iter().enumerate().map(|(i, c)| show(c, i, &decoder.texts)).collect();
                prop_assert_eq!(read, cells(row, &decoder.texts));
            }
        }
    }

    #[test]
    fn no_bytes_cause_a_panic_or_a_large_allocation(payload in prop::collection::vec(any::<u8>(), 0..200)) {
        let catalog = [TABLE.def()];
        let mut decoder = Decoder::new(&Header::new("w".into(), 1, &catalog));
        let mut decoded = Decoded::default();
        let _ = decoder.decode(&payload, |_| true, &mut decoded);
        prop_assert!(decoded.cells.len() <= payload.len());
    }
}

#[test]
fn the_next_tick_is_readable_if_one_was_not_written() {
    let catalog = [TABLE.def()];
    let mut sample = Sample::new(&catalog);
    let mut encoder = Encoder::new(&catalog);
    let mut decoder = Decoder::new(&Header::new("w".into(), 1, &catalog));
    let mut decoded = Decoded::default();
    for number in 0..6u64 {
        sample.clear();
        sample.push(&TABLE, &[(Some(format!("row {number}")), Some(1000 + number as i64), Some(0.5), None)]);
        let mut payload = Vec::new();
        encoder.encode(TickStamp { number, ts_us: 5, mono_ns: 5 }, None, &sample, &mut payload);
        if number % 3 == 1 {
            encoder.restart();
            continue;
        }
        decoder.decode(&payload, |_| true, &mut decoded).unwrap();
        assert_eq!(decoded.stamp.ts_us, 5);
        assert_eq!(decoded.cells[1], Cell::Int(1000 + number as i64));
        assert_eq!(show(&decoded.cells[0], 0, &decoder.texts), format!("\"row {number}\""));
    }
}

#[test]
fn an_unchanged_value_takes_a_byte() {
    let catalog = [TABLE.def()];
    let mut sample = Sample::new(&catalog);
    let mut encoder = Encoder::new(&catalog);
    sample.push(&TABLE, &[(Some("sda".to_string()), Some(123_456_789), Some(0.1), Some(true))]);
    let mut first = Vec::new();
    encoder.encode(TickStamp { number: 1, ts_us: 1, mono_ns: 1 }, None, &sample, &mut first);
    let mut second = Vec::new();
    encoder.encode(TickStamp { number: 2, ts_us: 2, mono_ns: 2 }, None, &sample, &mut second);
    // No restart, tick 2, both steps 1, no phase, no texts, one block: table 0, no flags, 1 row, 4 bytes for
    // unchanged values.
    assert_eq!(second, [0, 2, 2, 2, 0, 0, 1, 0, 0, 1, 4, 1, 1, 1, 1]);
    assert!(first.len() > second.len());
}
