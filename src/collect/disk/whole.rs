//! Tells whole disks from partitions and from devices that are not disks.

use std::collections::HashMap;
use std::path::PathBuf;

use super::rows::Disk;
use crate::linux::name::Name;

/// Remembers what it found out about each name.
pub struct WholeDisks {
    /// `/sys/block` has an entry for each whole disk, and none for partitions.
    block: PathBuf,
    block_is_readable: bool,
    known: HashMap<Name, bool>,
}

impl WholeDisks {
    pub fn new(block: PathBuf) -> Self {
        WholeDisks { block_is_readable: block.is_dir(), block, known: HashMap::new() }
    }

    pub fn takes(&mut self, disk: &Disk, all: &[Disk]) -> bool {
        let name = disk.name.as_str();
        // The list also contains empty drives and unconnected network disks. They are left out until they are used.
        if is_numbered(name, &["sr", "fd", "nbd"]) && !disk.was_used() {
            return false;
        }
        if let Some(known) = self.known.get(&disk.name) {
            return *known;
        }
        if is_numbered(name, &["loop", "ram", "zram"]) {
            self.known.insert(disk.name, false);
            return false;
        }
        let looks_like_partition = is_partition_of_any(name, all);
        let whole = if self.block_is_readable {
            // A `/` in a name (cciss/c0d0) is a `!` in sysfs.
            self.block.join(name.replace('/', "!")).exists()
        } else {
            !looks_like_partition
        };
        // A new disk is listed shortly before it appears in `/sys/block`, so a negative answer is checked again.
        if whole || looks_like_partition {
            self.known.insert(disk.name, whole);
        }
        whole
    }
}

/// One of these words followed by a digit: `loop0`, `loop0p1`.
fn is_numbered(name: &str, words: &[&str]) -> bool {
    words.iter().any(|w| name.strip_prefix(w).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())))
}

/// A disk's name and a number, with a `p` in between if the disk's name ends with a digit: `sda1`, `nvme0n1p1`.
fn is_partition_of_any(name: &str, all: &[Disk]) -> bool {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    if stem.len() == name.len() {
        return false;
    }
    let ends_with_digit = |disk: &&str| disk.ends_with(|c: char| c.is_ascii_digit());
    let disk = stem.strip_suffix('p').filter(ends_with_digit).unwrap_or(stem);
    all.iter().any(|d| d.name.as_str() == disk)
}

#[cfg(test)]
mod tests {
    use super::super::parse::parse;
    use super::super::parse::tests::{line_of, parsed};
    use super::*;
    use proptest::prelude::*;

    fn chosen(choice: &mut WholeDisks, names: &[&str]) -> Vec<String> {
        let all = parsed(&names.iter().map(|n| line_of(n)).collect::<String>()).unwrap();
        all.iter().filter(|d| choice.takes(d, &all)).map(|d| d.name.as_str().to_string()).collect()
    }

    #[test]
    fn sys_block_decides_what_is_a_whole_disk() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["sda", "nvme0n1", "dm-0", "md127", "cciss!c0d0", "xvda1", "loop0", "md_home", "md_home1"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        let mut choice = WholeDisks::new(dir.path().to_path_buf());
        let names = [
            "loop0",
            "loop0p1",
            "ram0",
            "zram0",
            "sda",
            "sda1",
            "nvme0n1",
            "nvme0n1p1",
            "dm-0",
            "md127",
            "md127p1",
            "cciss/c0d0",
            "cciss/c0d0p1",
            "xvda1",
            "md_home",
            "md_home1",
        ];
        let whole = ["sda", "nvme0n1", "dm-0", "md127", "cciss/c0d0", "xvda1", "md_home", "md_home1"];
        assert_eq!(chosen(&mut choice, &names), whole);
        assert_eq!(chosen(&mut choice, &names), whole, "the same from the cache");
    }

    #[test]
    fn a_disk_that_is_plugged_in_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("sda")).unwrap();
        let mut choice = WholeDisks::new(dir.path().to_path_buf());
        assert_eq!(chosen(&mut choice, &["sda", "sda1"]), ["sda"]);
        // Already listed, but not yet in /sys/block.
        assert_eq!(chosen(&mut choice, &["sda", "sda1", "sdb"]), ["sda"]);
        std::fs::create_dir(dir.path().join("sdb")).unwrap();
        assert_eq!(chosen(&mut choice, &["sda", "sda1", "sdb", "sdb1"]), ["sda", "sdb"]);
        assert_eq!(chosen(&mut choice, &["sda", "sda1"]), ["sda"], "and removed again");
    }

    #[test]
    fn without_sys_block_the_names_decide() {
        let mut choice = WholeDisks::new("/nonexistent/block".into());
        let names = [
            "sda",
            "sda1",
            "sda15",
            "sdp",
            "sdp1",
            "hda",
            "hda2",
            "nvme0n1",
            "nvme0n1p1",
            "nvme10n2",
            "mmcblk0",
            "mmcblk0p2",
            "mmcblk0boot0",
            "md0",
            "md1",
            "md0p1",
            "dm-0",
            "dm-12",
            "xvdf1",
            "cciss/c0d0",
            "cciss/c0d0p3",
            "pmem0",
            "pmem0p1",
            "nbd1",
            "sr0",
            "loop3",
            "ram15",
        ];
        let whole = [
            "sda",
            "sdp",
            "hda",
            "nvme0n1",
            "nvme10n2",
            "mmcblk0",
            "mmcblk0boot0",
            "md0",
            "md1",
            "dm-0",
            "dm-12",
            "xvdf1",
            "cciss/c0d0",
            "pmem0",
            "nbd1",
            "sr0",
        ];
        assert_eq!(chosen(&mut choice, &names), whole);
    }

    #[test]
    fn empty_drives_are_left_out_until_they_are_used() {
        let mut choice = WholeDisks::new("/nonexistent/block".into());
        let mut named = |text: &str| {
            let all = parsed(text).unwrap();
            all.iter().filter(|d| choice.takes(d, &all)).map(|d| d.name.as_str().to_string()).collect::<Vec<_>>()
        };
        let unused = "  11 0 sr0 0 0 0 0 0 0 0 0 0 0 0\n   2 0 fd0 0 0 0 0 0 0 0 0 0 0 0\n  43 0 nbd0 0 0 0 0 0 0 0 0 0 0 0\n   8 0 sda 0 0 0 0 0 0 0 0 0 0 0\n";
        assert_eq!(named(unused), ["sda"]);
        assert_eq!(named(&unused.replace("sr0 0", "sr0 7")), ["sr0", "sda"]);
    }

    proptest! {
        #[test]
        fn any_bytes_do_no_harm(bytes: Vec<u8>, text in "[a-z0-9/ \n-]{0,200}") {
            let mut choice = WholeDisks::new("/nonexistent/block".into());
            for text in [&bytes[..], text.as_bytes()] {
                let mut rows = Vec::new();
                let _ = parse(text, &mut rows);
                for row in &rows {
                    choice.takes(row, &rows);
                }
            }
        }
    }
}
