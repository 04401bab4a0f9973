//! Parses `/proc/diskstats`.

use super::rows::Disk;
use crate::linux::name::Name;
use crate::linux::scan::{ParseError, lines, number, words};

pub fn parse(text: &[u8], rows: &mut Vec<Disk>) -> Result<(), ParseError> {
    for (i, line) in lines(text).enumerate() {
        rows.push(disk(line).map_err(|what| ParseError { line: i + 1, what })?);
    }
    Ok(())
}

/// Parses `major minor name` followed by 11 numbers; 15 since Linux 4.18 (discards), 17 since 5.5 (flushes). Before
/// 2.6.25 a partition had only four.
fn disk(line: &[u8]) -> Result<Disk, String> {
    let mut words = words(line);
    let name = words.nth(2).and_then(Name::new).ok_or("no device name")?;
    let mut fields = [None; 17];
    let mut found = 0;
    for word in words {
        if let Some(field) = fields.get_mut(found) {
            *field = number(word);
        }
        found += 1;
    }
    if found == 4 {
        let [reads, sectors_read, writes, sectors_written, ..] = fields;
        return Ok(Disk { name, reads, sectors_read, writes, sectors_written, ..Disk::default() });
    }
    if found < 11 {
        return Err(format!("expected at least 14 fields, found {}", found + 3));
    }
    let [reads, read_merges, sectors_read, read_ms, writes, write_merges, sectors_written, write_ms, rest @ ..] =
        fields;
    let [in_flight, busy_ms, weighted_ms, discards, _, sectors_discarded, discard_ms, flushes, flush_ms] = rest;
    Ok(Disk {
        name,
        reads,
        read_merges,
        sectors_read,
        read_ms,
        writes,
        write_merges,
        sectors_written,
        write_ms,
        in_flight,
        busy_ms,
        weighted_ms,
        discards,
        sectors_discarded,
        discard_ms,
        flushes,
        flush_ms,
        ..Disk::default()
    })
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::linux::files::read_records;
    use crate::linux::files::tests::Pieces;

    pub fn parsed(text: &str) -> Result<Vec<Disk>, ParseError> {
        let mut rows = Vec::new();
        parse(text.as_bytes(), &mut rows).map(|()| rows)
    }

    pub fn line_of(name: &str) -> String {
        format!("   8       0 {name} 1 0 8 1 1 0 8 1 0 1 1\n")
    }

    #[test]
    fn each_number_finds_its_column_on_every_kernel() {
        let sda = Disk {
            name: Name::new(b"sda").unwrap(),
            reads: Some(101),
            read_merges: Some(102),
            sectors_read: Some(103),
            read_ms: Some(104),
            writes: Some(105),
            write_merges: Some(106),
            sectors_written: Some(107),
            write_ms: Some(108),
            in_flight: Some(109),
            busy_ms: Some(110),
            weighted_ms: Some(111),
            ..Disk::default()
        };
        let with_discards =
            Disk { discards: Some(112), sectors_discarded: Some(114), discard_ms: Some(115), ..sda.clone() };
        let with_flushes = Disk { flushes: Some(116), flush_ms: Some(117), ..with_discards.clone() };
        let base = "   8       0 sda 101 102 103 104 105 106 107 108 109 110 111";
        for (kernel, more, expected) in [
            ("2.6.32, 3.10, 4.4", "", sda),
            ("4.18", " 112 113 114 115", with_discards),
            ("5.5, 6.x", " 112 113 114 115 116 117", with_flushes.clone()),
            ("a later one", " 112 113 114 115 116 117 118 119", with_flushes),
        ] {
            assert_eq!(parsed(&format!("{base}{more}\n")).unwrap(), [expected], "Linux {kernel}");
        }
    }

    #[test]
    fn partitions_of_early_2_6_have_four_numbers() {
        let rows = parsed("   3    0 hda 446216 784926 9550688 4382310 424847 312726 5922052 19310380 0 3376340 23705160\n   3    1 hda1 35486 38030 38031 38032\n").unwrap();
        let hda1 = &rows[1];
        assert_eq!(hda1.name.as_str(), "hda1");
        assert_eq!(
            (hda1.reads, hda1.sectors_read, hda1.writes, hda1.sectors_written),
            (Some(35486), Some(38030), Some(38031), Some(38032))
        );
        assert_eq!((hda1.read_merges, hda1.flushes, hda1.discards), (None, None, None));
        assert_eq!((hda1.read_ms, hda1.busy_ms, hda1.weighted_ms, hda1.in_flight), (None, None, None, None));
    }

    /// Three unused devices, then a disk with 75 partitions. The disk is one record of the kernel and does not fit into
    /// the rest of the first page.
    #[test]
    fn a_disk_of_75_partitions_is_read_whole() {
        let unused = |name: &str| format!("   7       0 {name} 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n");
        let head: String = ["loop0", "loop1", "loop2"].map(unused).concat();
        let disk: String =
            std::iter::once(line_of("vda")).chain((1..=75).map(|i| line_of(&format!("vda{i}")))).collect();
        let text = format!("{head}{disk}{}", line_of("vdb"));
        let pieces = Pieces::new(text.as_bytes(), &[head.len(), disk.len(), line_of("vdb").len()]);
        let mut buffer = Vec::new();
        let length = read_records(&pieces, &mut buffer).unwrap();
        let mut rows = Vec::new();
        parse(&buffer[..length], &mut rows).unwrap();
        assert_eq!(rows.len(), 3 + 76 + 1);
        assert_eq!(rows[3].name.as_str(), "vda");
        assert_eq!(rows[79].name.as_str(), "vdb");
    }

    #[test]
    fn damage_is_named() {
        assert_eq!(parsed("").unwrap(), [], "a machine without block devices");
        let error = parsed("   8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n   8 16 sdb 1 2 3 4 5\n").unwrap_err();
        assert_eq!(error.to_string(), "line 2: expected at least 14 fields, found 8");
        assert_eq!(parsed("   8 0\n").unwrap_err().what, "no device name");
        // Some drivers let the number in flight fall below zero.
        let rows = parsed("   8 0 sda 1 2 3 4 5 6 7 8 -1 10 11\n").unwrap();
        assert_eq!((rows[0].in_flight, rows[0].busy_ms), (None, Some(10)));
    }
}
