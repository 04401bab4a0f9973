//! Used and free space of file systems. Sources: `/proc/self/mounts` and `statvfs(2)`.

use std::ffi::CStr;
use std::sync::Arc;
use std::time::Duration;

use super::collector::{CollectError, Collector, Entry, Opened, Setup, Unavailable};
use super::group::Group;
use crate::linux::mounts::{Mount, MountList, may_wait, select};
use crate::linux::possible::part;
use crate::linux::statvfs::helper::{self, Remote, Start};
use crate::linux::statvfs::{Answer, Ask, DEADLINE, FilesystemUsage, Prober, statvfs};
use crate::table::Unit::{Bytes, Count, Percent};
use crate::table::sample::Sample;
use crate::table::{Chart, Charts, Table, entity, gauge, gauge_float, significant};

pub const ENTRY: Entry = Entry {
    name: "filesystem",
    doc: "space and inodes of each local file system",
    groups: &[Group::Default, Group::Sar],
    tables: &[|| TABLE.def()],
    // Space changes over minutes, and the calls are not free.
    cadence: Duration::from_secs(5),
    open,
};

static TABLE: Table<FileSystem> = Table {
    name: "filesystem",
    source: "/proc/self/mounts, statvfs(2)",
    doc: "File systems: one row per mounted file system every 5 s, each device once; pseudo and network file systems \
          and read-only images only with `--all-filesystems`.",
    charts: Charts::Drawn(&[Chart::lines("Space in use", &["usage_percent"])]),
    columns: &[
        entity("mountpoint", "Where it is mounted.", |f: &FileSystem| f.mount.mountpoint.as_str().into()).separate(),
        entity("device", "What is mounted, for example `/dev/sda1`.", |f: &FileSystem| f.mount.device.as_str().into()),
        entity("fstype", "Its type, for example `ext4`.", |f: &FileSystem| f.mount.fstype.as_str().into()),
        gauge("total_bytes", Bytes, "Its size.", |f: &FileSystem| f.usage.total_bytes.into()),
        gauge("used_bytes", Bytes, "total - free.", |f: &FileSystem| f.used_bytes().into()).lower_is_better(),
        gauge(
            "free_bytes",
            Bytes,
            "Free space for root, including the space reserved for root (f_bfree of statvfs). psutil's `free` is \
             available_bytes.",
            |f: &FileSystem| part(f.usage.free_bytes, f.usage.total_bytes).into(),
        ),
        gauge(
            "available_bytes",
            Bytes,
            "Free space for all users (f_bavail of statvfs): `Avail` of df, `free` of psutil.",
            |f: &FileSystem| part(f.usage.available_bytes, f.usage.total_bytes).into(),
        ),
        gauge_float("usage_percent", Percent, "used / (used + available), the same as in `df`.", |f: &FileSystem| {
            f.usage_percent().into()
        })
        .lower_is_better(),
        gauge("inodes_total", Count, "Number of inodes; zero if not limited.", |f: &FileSystem| {
            f.usage.inodes_total.into()
        }),
        gauge("inodes_free", Count, "Inodes not in use.", |f: &FileSystem| f.inodes_free().into()),
    ],
};

/// One row.
struct FileSystem {
    mount: Arc<Mount>,
    usage: FilesystemUsage,
}

impl FileSystem {
    fn used_bytes(&self) -> Option<u64> {
        self.usage.total_bytes?.checked_sub(self.usage.free_bytes?)
    }

    fn inodes_free(&self) -> Option<u64> {
        let total = Some(self.usage.inodes_total).filter(|n| *n > 0);
        part(Some(self.usage.inodes_free), total)
    }

    fn usage_percent(&self) -> Option<f64> {
        let used = self.used_bytes()?;
        let for_everyone = used.checked_add(self.usage.available_bytes?).filter(|n| *n > 0)?;
        Some(significant(100.0 * used as f64 / for_everyone as f64))
    }
}

fn open(setup: &Setup) -> Result<Opened, Unavailable> {
    if !setup.roots.are_live() {
        return Err(Unavailable::new(format!(
            "statvfs only knows this machine, not the one of {}",
            setup.roots.proc.display()
        )));
    }
    let list = MountList::open(setup.roots.proc("self/mounts"))?;
    let mut collector = FileSystems::new(
        list,
        setup.options.filesystem.all_filesystems,
        Arc::new(statvfs),
        Box::new(helper::start),
        DEADLINE,
    );
    // Done now because there is less time at a tick. A failure here is reported at the tick.
    if collector.follow_the_list().is_ok() && collector.may_wait.contains(&true) {
        let _ = collector.far.prepare(PATIENCE);
    }
    Ok(Opened::complete(collector))
}

/// Time for the helper to start: starting a program takes a few milliseconds.
const PATIENCE: Duration = Duration::from_millis(500);

struct FileSystems {
    list: MountList,
    all: bool,
    /// The mounts to query, and their paths; `false` until the list was read.
    listed: bool,
    mounts: Vec<Arc<Mount>>,
    paths: Vec<Arc<CStr>>,
    /// Which of them may have to wait for a server or another process.
    may_wait: Vec<bool>,
    near: Prober,
    far: Remote,
    rows: Vec<FileSystem>,
}

impl FileSystems {
    fn new(list: MountList, all: bool, ask: Ask, start: Start, deadline: Duration) -> Self {
        FileSystems {
            list,
            all,
            listed: false,
            mounts: Vec::new(),
            paths: Vec::new(),
            may_wait: Vec::new(),
            near: Prober::new(ask, deadline),
            far: Remote::new(start, deadline),
            rows: Vec::new(),
        }
    }

    fn follow_the_list(&mut self) -> Result<(), CollectError> {
        // Checked before reading, so that changes during the reading are noticed the next time.
        let changed = self.list.changed();
        if changed || !self.listed {
            self.listed = false;
            let all = self.list.read()?;
            self.mounts = select(&all, self.all).into_iter().map(Arc::new).collect();
            self.may_wait = self.mounts.iter().map(|mount| may_wait(mount, &all)).collect();
            self.paths = self.mounts.iter().map(|m| m.path.clone()).collect();
            self.listed = true;
        }
        Ok(())
    }
}

impl FileSystems {
    /// Queries either the mounts that may wait, or the others. Returns their indexes, the answers, and whether each was
    /// late before.
    fn ask(&mut self, may_wait: bool, out: &mut Sample) -> Vec<(usize, Answer, bool)> {
        let places: Vec<usize> = (0..self.paths.len()).filter(|i| self.may_wait[*i] == may_wait).collect();
        let paths: Vec<Arc<CStr>> = places.iter().map(|i| self.paths[*i].clone()).collect();
        let was_late = |path: &Arc<CStr>| match may_wait {
            true => self.far.is_unpunctual(path),
            false => self.near.is_unpunctual(path),
        };
        let late: Vec<bool> = paths.iter().map(was_late).collect();
        let answers = if may_wait { self.far.ask(&paths) } else { self.near.ask(&paths) };
        match answers {
            Ok(answers) => {
                places.into_iter().zip(answers).zip(late).map(|((i, answer), late)| (i, answer, late)).collect()
            }
            Err(error) => {
                out.warn(format!("cannot call statvfs for {} file systems: {error}", paths.len()));
                Vec::new()
            }
        }
    }
}

impl Collector for FileSystems {
    fn collect(&mut self, _tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        self.follow_the_list()?;
        self.rows.clear();
        let mut answers = self.ask(false, out);
        answers.extend(self.ask(true, out));
        answers.sort_by_key(|(place, ..)| *place);
        for (place, answer, known) in answers {
            let mount = &self.mounts[place];
            match answer {
                // No size: nothing is stored there.
                Answer::Usage(usage) if usage.total_bytes == Some(0) && !self.all => {}
                Answer::Usage(usage) => self.rows.push(FileSystem { mount: mount.clone(), usage }),
                Answer::Failed(error) => out.warn(format!("{}: statvfs failed: {error}", mount.mountpoint)),
                Answer::Late if !known => out.warn(format!(
                    "{} ({} on {}) does not answer statvfs: left out until it does",
                    mount.mountpoint, mount.fstype, mount.device
                )),
                Answer::Late | Answer::NotAsked => {}
            }
        }
        out.push(&TABLE, &self.rows);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::Options;
    use super::*;
    use crate::linux::files::Roots;
    use crate::table::sample::Cell;
    use std::sync::mpsc::{Sender, TryRecvError, channel};

    const USAGE: FilesystemUsage = FilesystemUsage {
        total_bytes: Some(1000),
        free_bytes: Some(400),
        available_bytes: Some(200),
        inodes_total: 50,
        inodes_free: 20,
    };

    fn file_system(usage: FilesystemUsage) -> FileSystem {
        let mount =
            Mount { mountpoint: "/".into(), device: "/dev/sda1".into(), fstype: "ext4".into(), path: c"/".into() };
        FileSystem { mount: Arc::new(mount), usage }
    }

    #[test]
    fn percent_is_that_of_df() {
        // 600 used of the 800 that are not reserved.
        let full = file_system(USAGE);
        assert_eq!((full.used_bytes(), full.usage_percent()), (Some(600), Some(75.0)));
        let empty = FilesystemUsage { total_bytes: Some(0), free_bytes: Some(0), available_bytes: Some(0), ..USAGE };
        assert_eq!(file_system(empty).usage_percent(), None);
        let odd = file_system(FilesystemUsage { free_bytes: Some(2000), ..USAGE });
        assert_eq!((odd.used_bytes(), odd.usage_percent()), (None, None));
        let overfull = file_system(FilesystemUsage { available_bytes: None, ..USAGE });
        assert_eq!((overfull.used_bytes(), overfull.usage_percent()), (Some(600), None));
        let inodes = |inodes_total, inodes_free| {
            file_system(FilesystemUsage { inodes_total, inodes_free, ..USAGE }).inodes_free()
        };
        assert_eq!([inodes(50, 20), inodes(0, 0), inodes(50, u64::from(u32::MAX))], [Some(20), Some(0), None]);
    }

    /// A helper that is a thread of this process.
    fn over_threads(ask: Ask) -> Start {
        Box::new(move || {
            let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
            let ask = ask.clone();
            std::thread::spawn(move || helper::serve(&theirs, ask));
            Ok(helper::Connection::over(ours))
        })
    }

    /// A collector with a given list of mounts; `/hung` hangs until the sender is dropped.
    fn collector(text: &str, all: bool) -> (FileSystems, Sender<()>, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mounts");
        std::fs::write(&path, text).unwrap();
        let (door, closed) = channel::<()>();
        let closed = std::sync::Mutex::new(closed);
        let ask: Ask = Arc::new(move |path| match path.to_bytes() {
            path if path.starts_with(b"/hung") => {
                // All waiting calls return when the sender is dropped.
                while let Err(TryRecvError::Empty) = closed.lock().unwrap().try_recv() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Ok(USAGE)
            }
            b"/denied" => Err(std::io::ErrorKind::PermissionDenied.into()),
            b"/proc" => Ok(FilesystemUsage { total_bytes: Some(0), ..USAGE }),
            _ => Ok(USAGE),
        });
        (
            FileSystems::new(
                MountList::open(path).unwrap(),
                all,
                ask.clone(),
                over_threads(ask),
                Duration::from_millis(50),
            ),
            door,
            dir,
        )
    }

    /// The mountpoints that have a row, and the warnings.
    fn collect(collector: &mut FileSystems) -> (Vec<String>, Vec<String>) {
        let catalog = [TABLE.def()];
        let mut sample = Sample::new(&catalog);
        collector.collect(1, &mut sample).unwrap();
        let rows = sample.blocks.first().map_or(&[][..], |b| sample.cells_of(b)).chunks(catalog[0].raw.len());
        let mountpoints = rows.map(|row| match row[0] {
            Cell::Text(id) => sample.texts.get(id).unwrap().to_string(),
            ref other => panic!("{other:?}"),
        });
        (mountpoints.collect(), sample.warnings)
    }

    #[test]
    fn a_dead_mount_is_named_once_and_comes_back() {
        let text = "/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 /hung ext4 rw 0 0\n/dev/sdc1 /data xfs rw 0 0\n";
        let (mut collector, door, _dir) = collector(text, false);
        let (rows, warnings) = collect(&mut collector);
        assert_eq!(rows, ["/"]);
        assert_eq!(warnings, ["/hung (ext4 on /dev/sdb1) does not answer statvfs: left out until it does"]);
        for _ in 0..3 {
            assert_eq!(collect(&mut collector), (vec!["/".into(), "/data".into()], vec![]));
        }
        drop(door);
        let back = (0..200).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            collect(&mut collector).0 == ["/", "/hung", "/data"]
        });
        assert!(back);
    }

    /// Twenty servers are gone. The other mounts do not wait for them, wherever they are in the list.
    #[test]
    fn dead_servers_do_not_block_other_mounts() {
        let dead = |range: std::ops::Range<u32>| -> String {
            range.map(|n| format!("server{n}:/x /hung{n} nfs4 rw 0 0\n")).collect()
        };
        let text = dead(0..10)
            + "server:/y /far nfs4 rw 0 0\n/dev/sda1 / ext4 rw 0 0\n"
            + &dead(10..20)
            + "far: /ssh fuse.sshfs rw 0 0\n";
        let (mut collector, door, _dir) = collector(&text, true);
        let healthy = ["/far", "/", "/ssh"];
        // Under load a thread may need more than the deadline for its first answer.
        let found = (0..200).any(|_| collect(&mut collector).0 == healthy);
        assert!(found);
        assert_eq!(collect(&mut collector), (healthy.map(str::to_string).to_vec(), vec![]), "each is named once");
        drop(door);
        let back = (0..200).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            collect(&mut collector).0.len() == 23
        });
        assert!(back);
    }

    /// It is reported, and another one is started.
    #[test]
    fn a_helper_that_ends_is_replaced() {
        let (mut collector, _door, _dir) = collector("/dev/sda1 / ext4 rw 0 0\nserver:/y /far nfs4 rw 0 0\n", true);
        let all = ["/", "/far"].map(str::to_string);
        assert!((0..200).any(|_| collect(&mut collector).0 == all));
        collector.far.end_process();
        let (rows, warnings) = collect(&mut collector);
        assert_eq!(rows, ["/"]);
        assert!(warnings[0].starts_with("cannot call statvfs for 1 file systems: "), "{warnings:?}");
        assert!((0..200).any(|_| collect(&mut collector).0 == all));
    }

    #[test]
    fn a_refusal_is_reported_and_the_others_keep_their_rows() {
        let (mut collector, _door, _dir) = collector("/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 /denied ext4 rw 0 0\n", false);
        let (rows, warnings) = collect(&mut collector);
        assert_eq!(rows, ["/"]);
        assert_eq!(warnings, ["/denied: statvfs failed: permission denied"]);
    }

    #[test]
    fn all_file_systems_are_shown_on_request_including_zero_sizes() {
        let text = "proc /proc proc rw 0 0\n/dev/sda1 / ext4 rw 0 0\n/dev/sda1 /bind ext4 rw 0 0\n";
        assert_eq!(collect(&mut collector(text, true).0).0, ["/proc", "/", "/bind"]);
        assert_eq!(collect(&mut collector(text, false).0).0, ["/"]);
    }

    #[test]
    fn another_root_is_not_this_machine() {
        let roots = Roots { proc: "/captured/proc".into(), sys: "/sys".into() };
        let unavailable = open(&Setup::new(roots, Options::default())).err().unwrap();
        assert_eq!(unavailable.reason, "statvfs only knows this machine, not the one of /captured/proc");
    }
}
