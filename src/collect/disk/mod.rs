//! Block devices. Source: `/proc/diskstats`, described in the kernel's `admin-guide/iostats`.
//!
//! Reading that one file also shows newly attached disks. Reading `/sys/block/*/stat` of the real disks would be
//! slightly cheaper, but the folder would have to be listed as well to notice new ones.

mod given;
mod parse;
mod rows;
mod whole;

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use super::collector::{CollectError, Collector, Entry, Opened, Setup, Unavailable};
use super::group::Group;
use super::presence::Presence;
use crate::linux::files::HeldFile;
use crate::table::sample::Sample;
use given::Given;
use parse::parse;
use rows::{Disk, TABLE};
use whole::WholeDisks;

pub const ENTRY: Entry = Entry {
    name: "disk",
    doc: "throughput, operations, latency and utilisation of each disk",
    groups: &[Group::Default, Group::Sar],
    tables: &[|| TABLE.def()],
    cadence: Duration::ZERO,
    open,
};

struct Disks {
    file: HeldFile,
    /// `/sys/class/block`
    class: PathBuf,
    /// `None` means every device.
    choice: Option<WholeDisks>,
    presence: Presence<Given>,
    all: Vec<Disk>,
    rows: Vec<Disk>,
}

fn open(setup: &Setup) -> Result<Opened, Unavailable> {
    let file = HeldFile::open(setup.roots.proc("diskstats"))?;
    let choice = (!setup.options.disk.all_disks).then(|| WholeDisks::new(setup.roots.sys("block")));
    let class = setup.roots.sys("class/block");
    let of = class.clone();
    // A `/` in a name (cciss/c0d0) is a `!` in sysfs. A device that is created again has a new folder there.
    let inode = move |name: &str| Some(of.join(name.replace('/', "!")).metadata().ok()?.ino());
    let presence = Presence::new(inode);
    let mut disks = Disks { file, class, choice, presence, all: Vec::new(), rows: Vec::new() };
    let mut first = Vec::new();
    // Damage is reported when it is read at a tick.
    let is_read = disks.file.read().is_ok_and(|text| parse(text, &mut first).is_ok());
    let notes = is_read.then(|| old_kernel(&first)).flatten();
    Ok(Opened::with_notes(disks, notes.into_iter().collect()))
}

/// A note on the columns that this kernel does not fill.
fn old_kernel(disks: &[Disk]) -> Option<String> {
    let lacks = |has: fn(&Disk) -> bool| !disks.is_empty() && !disks.iter().any(has);
    let what = match (lacks(|d| d.discards.is_some()), lacks(|d| d.flushes.is_some())) {
        (true, _) => "discards (from Linux 4.18 on) and flushes (from 5.5 on)",
        (_, true) => "flushes (from Linux 5.5 on)",
        _ => return None,
    };
    Some(format!("this kernel does not count {what}"))
}

impl Collector for Disks {
    fn collect(&mut self, _tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        self.all.clear();
        let parsed = parse(self.file.read()?, &mut self.all);
        parsed.map_err(|error| CollectError::Parse { path: self.file.path().to_path_buf(), error })?;
        self.rows.clear();
        let class = &self.class;
        self.presence.follow(
            &mut self.all,
            |disk| disk.name,
            |disk, present, _| {
                disk.since = present.since;
                disk.given = present.facts.of(class, disk.name.as_str());
            },
        );
        match &mut self.choice {
            None => self.rows.extend_from_slice(&self.all),
            Some(choice) => self.rows.extend(self.all.iter().filter(|d| choice.takes(d, &self.all)).cloned()),
        }
        out.push(&TABLE, &self.rows);
        Ok(())
    }

    fn lasts(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::{DiskOptions, Options};
    use super::*;
    use crate::linux::files::Roots;
    use crate::table::sample::Cell;

    /// dm-3 is removed and another device gets its name: what that device wrote is not growth of the first.
    #[test]
    fn a_device_that_is_created_again_under_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let class = dir.path().join("class/block");
        let put = |lines: &[(&str, u64)]| {
            let line = |(name, n): &(&str, u64)| format!(" 253 3 {name} {n} 0 {n} 1 {n} 0 {n} 1 0 1 1\n");
            std::fs::write(dir.path().join("diskstats"), lines.iter().map(line).collect::<String>()).unwrap();
        };
        for name in ["dm-3", "sda"] {
            std::fs::create_dir_all(class.join(name)).unwrap();
        }
        put(&[("dm-3", 100), ("sda", 7)]);
        let roots = Roots { proc: dir.path().into(), sys: dir.path().into() };
        let options = Options { disk: DiskOptions { all_disks: true }, ..Options::default() };
        let mut opened = (ENTRY.open)(&Setup::new(roots, options)).ok().unwrap();
        let mut reads = || {
            let catalog = [TABLE.def()];
            let mut sample = Sample::new(&catalog);
            opened.collector.collect(0, &mut sample).unwrap();
            let at = |name| catalog[0].raw.iter().position(|c| c.name == name).unwrap();
            let int = |cell| if let Cell::Int(v) = cell { v } else { panic!("{cell:?}") };
            let values = |row: &[_]| ["read_count", "since"].map(|name| int(row[at(name)]));
            sample.cells.chunks(catalog[0].raw.len()).map(values).collect::<Vec<_>>()
        };
        assert_eq!(reads(), [[100, 1], [7, 1]]);
        // Another disk is added and removed: the others keep their identity.
        put(&[("dm-3", 101), ("sda", 8), ("sdb", 1)]);
        assert_eq!(reads(), [[101, 1], [8, 1], [1, 2]]);
        // The kernel lists the newest last.
        std::fs::rename(class.join("dm-3"), dir.path().join("gone")).unwrap();
        std::fs::create_dir(class.join("dm-3")).unwrap();
        put(&[("sda", 9), ("dm-3", 5_000_000)]);
        assert_eq!(reads(), [[9, 1], [5_000_000, 3]]);
        put(&[("sda", 9), ("dm-3", 5_000_001)]);
        assert_eq!(reads(), [[9, 1], [5_000_001, 3]]);
    }

    #[test]
    fn old_kernels_have_a_note() {
        let dir = tempfile::tempdir().unwrap();
        let notes = |line: &str| {
            std::fs::write(dir.path().join("diskstats"), line).unwrap();
            let roots = Roots { proc: dir.path().into(), sys: dir.path().into() };
            (ENTRY.open)(&Setup::new(roots, Options::default())).ok().unwrap().notes
        };
        let base = " 8 0 sda 1 2 3 4 5 6 7 8 9 10 11";
        let both = "this kernel does not count discards (from Linux 4.18 on) and flushes (from 5.5 on)";
        assert_eq!(notes(&format!("{base}\n")), [both]);
        assert_eq!(notes(&format!("{base} 0 0 0 0\n")), ["this kernel does not count flushes (from Linux 5.5 on)"]);
        let none: [&str; 0] = [];
        assert_eq!(notes(&format!("{base} 0 0 0 0 0 0\n")), none);
        assert_eq!(notes(""), none, "no disks");
        assert_eq!(notes("8 0\n"), none, "damage");
    }
}
