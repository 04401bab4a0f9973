//! Free memory by the size of its blocks. Source: `/proc/buddyinfo`, described in the kernel's `filesystems/proc`.

use std::time::Duration;

use super::collector::{Entry, FileCollector, Opened};
use crate::linux::name::Name;
use crate::linux::scan::{ParseError, lines, number, words};
use crate::table::Unit::{Bytes, Count};
use crate::table::{Chart, Charts, Table, entity, entity_int, gauge};

pub const ENTRY: Entry = Entry {
    name: "buddy",
    doc: "free memory by the size of its blocks: whether large blocks are left",
    groups: &[],
    tables: &[|| TABLE.def()],
    // Some thirty rows per node, which change slowly.
    cadence: Duration::from_secs(10),
    open: |setup| Ok(Opened::complete(FileCollector::open(setup.roots.proc("buddyinfo"), &TABLE, parse)?)),
};

static TABLE: Table<Blocks> = Table {
    name: "buddy",
    source: "/proc/buddyinfo",
    doc: "Free memory by the size of its blocks: one row per node, zone and size every 10 s. Only on request \
          (`--collectors +buddy`).",
    charts: Charts::Drawn(&[Chart::lines("Free memory in blocks of a size", &["free_bytes"])]),
    columns: &[
        entity_int("node", "The memory node.", |b: &Blocks| b.node.into()),
        entity("zone", "The zone of the node: `DMA`, `DMA32`, `Normal`, `Movable`.", |b: &Blocks| {
            b.zone.as_str().into()
        }),
        entity_int("page_order", "The size of a block: two to the power of this many pages.", |b: &Blocks| {
            b.order.into()
        }),
        gauge("free_blocks", Count, "Free blocks of this size.", |b: &Blocks| b.blocks.into()),
        gauge("free_bytes", Bytes, "Free memory in blocks of this size.", |b: &Blocks| b.bytes().into()),
    ],
};

/// The free blocks of one size.
#[derive(Clone, Debug, PartialEq)]
struct Blocks {
    node: i32,
    zone: Name,
    order: i32,
    blocks: u64,
}

impl Blocks {
    fn bytes(&self) -> Option<u64> {
        let pages = 1u64.checked_shl(self.order.try_into().ok()?)?;
        self.blocks.checked_mul(pages)?.checked_mul(procfs::page_size())
    }
}

/// Lines like `Node 0, zone   Normal   2744   7662   5428`: the blocks of 1, 2, 4 pages.
fn parse(text: &[u8], rows: &mut Vec<Blocks>) -> Result<(), ParseError> {
    for (i, line) in lines(text).enumerate() {
        let wrong = || ParseError { line: i + 1, what: "expected `Node N, zone NAME` and numbers".into() };
        let mut words = words(line);
        let node = match (words.next(), words.next(), words.next()) {
            (Some(b"Node"), Some(node), Some(b"zone")) => node.strip_suffix(b",").and_then(number),
            _ => None,
        };
        let node = node.and_then(|node| node.try_into().ok()).ok_or_else(wrong)?;
        let zone = words.next().and_then(Name::new).ok_or_else(wrong)?;
        for (order, word) in (0..).zip(words) {
            let blocks = number(word).ok_or_else(wrong)?;
            rows.push(Blocks { node, zone, order, blocks });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<Blocks>, ParseError> {
        let mut rows = Vec::new();
        parse(text.as_bytes(), &mut rows).map(|()| rows)
    }

    #[test]
    fn two_nodes() {
        let rows = parsed(
            "Node 0, zone      DMA      0      0      1 \nNode 0, zone   Normal   2744   7662   5428 \n\
             Node 1, zone  Movable      7      0     12 \n",
        )
        .unwrap();
        let named = |b: &Blocks| (b.node, b.zone.as_str().to_string(), b.order, b.blocks);
        let found: Vec<_> = rows.iter().map(named).collect();
        assert_eq!(found.len(), 9);
        assert_eq!(found[2], (0, "DMA".into(), 2, 1));
        assert_eq!(found[4], (0, "Normal".into(), 1, 7662));
        assert_eq!(found[8], (1, "Movable".into(), 2, 12));
        // 12 blocks of 4 pages.
        assert_eq!(rows[8].bytes(), Some(48 * procfs::page_size()));
    }

    #[test]
    fn damage_is_named() {
        assert_eq!(parsed("").unwrap(), []);
        for bad in ["Node", "Node 0, zone", "Node 0 zone DMA 1", "Node x, zone DMA 1", "Node 0, zone DMA 1 -1", "x\n"] {
            let error = parsed(bad).unwrap_err();
            assert_eq!(error.to_string(), "line 1: expected `Node N, zone NAME` and numbers", "{bad:?}");
        }
        let many = Blocks { node: 0, zone: Name::UNKNOWN, order: 70, blocks: 1 };
        assert_eq!((many.bytes(), Blocks { order: 40, blocks: 1 << 30, ..many }.bytes()), (None, None));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text: Vec<u8>, lines in "(Node|[0-9], |zone|DMA| |[0-9]{1,30}|\n){0,30}") {
            for text in [&text[..], lines.as_bytes()] {
                let mut rows = Vec::new();
                let _ = parse(text, &mut rows);
                rows.iter().for_each(|row| { row.bytes(); });
            }
        }
    }
}
