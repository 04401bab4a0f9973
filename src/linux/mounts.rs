//! Which file systems are mounted, and which of them are worth a row. Source: `/proc/self/mounts`.
//!
//! Printing the list costs the kernel more than reading `/proc/stat`, so it is only read again after `poll` has
//! reported a change.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::files::{SourceError, open, read_records, unescape};
use super::poll::{self, PollFd, PollFlags};

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    pub mountpoint: String,
    pub device: String,
    pub fstype: String,
    /// The mount point as the kernel prints it, which may not be UTF-8.
    pub path: Arc<CStr>,
}

/// The list, held open.
pub struct MountList {
    path: PathBuf,
    file: File,
}

impl MountList {
    /// # Errors
    /// If there is no such file.
    pub fn open(path: PathBuf) -> Result<Self, SourceError> {
        match open(&path) {
            Ok(file) => Ok(MountList { path, file }),
            Err(error) => Err(SourceError { path, error }),
        }
    }

    /// Whether anything was mounted or unmounted since the last call (or since the opening).
    pub fn changed(&self) -> bool {
        let mut fds = [PollFd::new(&self.file, PollFlags::PRI | PollFlags::ERR)];
        // A failure counts as a change, which costs one reading.
        poll::wait(&mut fds, Some(Duration::ZERO)).map_or(true, |changed| changed > 0)
    }

    /// The current list. Lines can be longer than a page (overlays list all their layers), so only the end of the file
    /// ends it.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn read(&self) -> Result<Vec<Mount>, SourceError> {
        let mut text = Vec::new();
        match read_records(&self.file, &mut text) {
            Ok(length) => Ok(parse(text.get(..length).unwrap_or_default())),
            Err(error) => Err(SourceError { path: self.path.clone(), error }),
        }
    }
}

/// Lines of `device mountpoint fstype options 0 0`; other lines are skipped.
///
/// Not parsed with the crate `procfs`: it rejects the whole list if one mount point is not UTF-8, and 0.18 leaves
/// escaped blanks as they are.
fn parse(text: &[u8]) -> Vec<Mount> {
    text.split(|b| *b == b'\n').filter_map(mount).collect()
}

fn mount(line: &[u8]) -> Option<Mount> {
    // One blank between two fields: if the device has no name, the line begins with a blank.
    let mut fields = line.split(|b| *b == b' ').map(unescape);
    let (device, mountpoint, fstype) = (fields.next()?, fields.next()?, fields.next()?);
    if mountpoint.is_empty() || fstype.is_empty() {
        return None;
    }
    Some(Mount {
        device: text(&device),
        mountpoint: text(&mountpoint),
        fstype: text(&fstype),
        path: CString::new(mountpoint).ok()?.into(),
    })
}

/// Bytes that are not UTF-8 are written as `\xe9`, so that different names stay different.
fn text(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text += chunk.valid();
        chunk.invalid().iter().for_each(|byte| text += &format!("\\x{byte:02x}"));
    }
    text
}

/// The mounts that get a row, in the order of the list.
///
/// Each mount point once, because its last mount covers earlier ones; and no `autofs`, because asking would mount it.
/// Unless `all`: only local file systems, and each device once, at its shortest path (bind mounts and subvolumes show
/// the same device at several places).
pub fn select(mounts: &[Mount], all: bool) -> Vec<Mount> {
    let visible =
        |i: usize, m: &Mount| m.fstype != "autofs" && !mounts.iter().skip(i + 1).any(|later| later.path == m.path);
    let candidates: Vec<&Mount> =
        mounts.iter().enumerate().filter(|(i, m)| visible(*i, m) && (all || is_local(m))).map(|(_, m)| m).collect();
    let is_first_of_device = |i: usize, m: &Mount| {
        let rank = |at: usize, m: &Mount| (m.mountpoint.len(), at);
        !candidates.iter().enumerate().any(|(j, other)| other.device == m.device && rank(j, other) < rank(i, m))
    };
    candidates.iter().enumerate().filter(|(i, m)| all || is_first_of_device(*i, m)).map(|(_, m)| (*m).clone()).collect()
}

/// File systems on another machine, or for which another machine or a process answers.
const NETWORK: &[&str] = &[
    "9p",
    "acfs",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "coda",
    "fhgfs",
    "glusterfs",
    "gpfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "ocfs2",
    "orangefs",
    "pvfs2",
    "smb3",
    "smbfs",
];

/// Images that are full from the start and stay full.
const IMAGES: &[&str] = &["cramfs", "erofs", "iso9660", "romfs", "squashfs"];

/// Local file systems whose device is not a path.
const WITHOUT_PATH: &[&str] = &["bcachefs", "ubifs", "virtiofs", "zfs"];

/// File systems of the kernel itself: their usage is in memory, or on a disk that answers or fails.
const PROMPT: &[&str] = &[
    "bcachefs",
    "binfmt_misc",
    "bpf",
    "btrfs",
    "cgroup",
    "cgroup2",
    "configfs",
    "cramfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "erofs",
    "exfat",
    "ext2",
    "ext3",
    "ext4",
    "f2fs",
    "fusectl",
    "hugetlbfs",
    "iso9660",
    "jfs",
    "mqueue",
    "msdos",
    "nilfs2",
    "nsfs",
    "ntfs3",
    "proc",
    "pstore",
    "ramfs",
    "reiserfs",
    "romfs",
    "rootfs",
    "securityfs",
    "selinuxfs",
    "squashfs",
    "sysfs",
    "tmpfs",
    "tracefs",
    "ubifs",
    "udf",
    "vfat",
    "xfs",
    "zfs",
];

/// Whether asking it may have to wait for a server or another process, perhaps forever: it belongs to one, or the path
/// to it leads through one, or its type is unknown. (The path to everything leads through the root.)
pub fn may_wait(mount: &Mount, all: &[Mount]) -> bool {
    let is_above = |above: &Mount| {
        let below = mount.path.to_bytes().strip_prefix(above.path.to_bytes());
        below.is_some_and(|rest| rest.is_empty() || above.mountpoint != "/" && rest.starts_with(b"/"))
    };
    // A container's root is an overlay of layers on a disk; where the layers of other overlays are is not known.
    let is_prompt = |m: &Mount| PROMPT.contains(&m.fstype.as_str()) || m.mountpoint == "/" && m.fstype == "overlay";
    all.iter().filter(|m| is_above(m)).any(|m| !is_prompt(m))
}

/// Whether people would call its space local disk space.
fn is_local(m: &Mount) -> bool {
    let fstype = m.fstype.as_str();
    if m.mountpoint == "/" {
        // Whatever it is (an overlay in a container, 9p or virtiofs in a small VM), it is what fills up.
        return fstype != "rootfs";
    }
    let is_path = m.device.starts_with('/') && !m.device.starts_with("//");
    let is_fuse_of_process = fstype == "fuse" || fstype.starts_with("fuse.");
    if NETWORK.contains(&fstype) || IMAGES.contains(&fstype) {
        return false;
    }
    if is_fuse_of_process {
        return m.device.starts_with("/dev/") && m.device != "/dev/fuse";
    }
    // Pseudo file systems have their own name as their device (`tmpfs`, `cgroup2`, `none`).
    is_path || WITHOUT_PATH.contains(&fstype)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn selected(text: &str, all: bool) -> Vec<String> {
        select(&parse(text.as_bytes()), all).into_iter().map(|m| m.mountpoint).collect()
    }

    #[test]
    fn blanks_in_names_are_octal() {
        let mounts = parse(b"/dev/sdb1 /media/My\\040Disk\\011\\134\\043 ext4 rw 0 0\n");
        assert_eq!(mounts.len(), 1);
        assert_eq!(mounts[0].mountpoint, "/media/My Disk\t\\#");
        assert_eq!(mounts[0].path.to_bytes(), b"/media/My Disk\t\\#");
        // No escapes: too short, or not octal digits.
        assert_eq!(unescape(b"a\\04"), b"a\\04");
        assert_eq!(unescape(b"a\\980b"), b"a\\980b");
    }

    #[test]
    fn a_device_may_have_no_name() {
        let mounts = parse(b" /mnt tmpfs rw 0 0\n");
        assert_eq!((mounts[0].device.as_str(), mounts[0].mountpoint.as_str()), ("", "/mnt"));
        assert_eq!(mounts[0].fstype, "tmpfs");
    }

    #[test]
    fn a_path_that_is_no_utf8_is_kept_as_it_is() {
        let mounts = parse(b"/dev/sdb1 /media/caf\xe9 vfat rw 0 0\n");
        assert_eq!(mounts[0].mountpoint, "/media/caf\\xe9");
        assert_eq!(mounts[0].path.to_bytes(), b"/media/caf\xe9");
    }

    #[test]
    fn two_paths_that_are_no_utf8_are_two_mountpoints() {
        let mounts = parse(b"/dev/sdb1 /media/\xe9 vfat rw 0 0\n/dev/sdc1 /media/\xe8 vfat rw 0 0\n");
        let mountpoints: Vec<_> = select(&mounts, true).into_iter().map(|m| m.mountpoint).collect();
        assert_eq!(mountpoints, ["/media/\\xe9", "/media/\\xe8"]);
    }

    #[test]
    fn who_may_have_to_wait_for_others() {
        let text = b"\
/dev/sda1 / ext4 rw 0 0
tmpfs /tmp tmpfs rw 0 0
server:/export /mnt/nfs nfs4 rw 0 0
/dev/sdb1 /mnt/nfs/disk xfs rw 0 0
/dev/sdc1 /mnt/nfsdisk xfs rw 0 0
/dev/sdd1 /media/stick fuseblk rw 0 0
me@far: /home/me/far fuse.sshfs rw 0 0
share /mnt/share virtiofs rw 0 0
overlay /var/lib/docker/overlay2/0f/merged overlay rw 0 0
x /srv/new somethingnew rw 0 0
";
        let mounts = parse(text);
        let waiting: Vec<_> = mounts.iter().filter(|m| may_wait(m, &mounts)).map(|m| m.mountpoint.as_str()).collect();
        let expected = [
            "/mnt/nfs",
            "/mnt/nfs/disk",
            "/media/stick",
            "/home/me/far",
            "/mnt/share",
            "/var/lib/docker/overlay2/0f/merged",
            "/srv/new",
        ];
        assert_eq!(waiting, expected);
        // Everything below the root of a small VM waits for its host.
        let mounts = parse(b"root / virtiofs rw 0 0\n/dev/vda /data ext4 rw 0 0\noverlay /x overlay rw 0 0\n");
        assert!(may_wait(&mounts[0], &mounts) && !may_wait(&mounts[1], &mounts));
        let container = parse(b"overlay / overlay rw 0 0\n");
        assert!(!may_wait(&container[0], &container));
    }

    #[test]
    fn a_workstation() {
        let text = "\
sysfs /sys sysfs rw 0 0
proc /proc proc rw 0 0
udev /dev devtmpfs rw 0 0
tmpfs /run tmpfs rw 0 0
/dev/mapper/vg-root / ext4 rw 0 0
cgroup2 /sys/fs/cgroup cgroup2 rw 0 0
systemd-1 /proc/sys/fs/binfmt_misc autofs rw 0 0
binfmt_misc /proc/sys/fs/binfmt_misc binfmt_misc rw 0 0
/dev/nvme0n1p2 /boot ext4 rw 0 0
/dev/nvme0n1p1 /boot/efi vfat rw 0 0
/dev/loop3 /snap/core/100 squashfs ro 0 0
/dev/sr0 /media/cdrom iso9660 ro 0 0
tank/home /home zfs rw 0 0
tank/home/anna /home/anna zfs rw 0 0
/dev/sdb1 /media/stick fuseblk rw 0 0
server:/export /mnt/nfs nfs4 rw 0 0
//server/share /mnt/share cifs rw 0 0
anna@server: /home/anna/far fuse.sshfs rw 0 0
portal /run/user/1000/doc fuse.portal rw 0 0
/dev/fuse /run/user/1000/doc2 fuse rw 0 0
overlay /var/lib/docker/overlay2/0f/merged overlay rw 0 0
/dev/md0 /srv xfs rw 0 0
";
        let local = ["/", "/boot", "/boot/efi", "/home", "/home/anna", "/media/stick", "/srv"];
        assert_eq!(selected(text, false), local);
        // All except the autofs, which is also covered by a real mount.
        assert_eq!(selected(text, true).len(), 21);
    }

    #[test]
    fn a_container_has_its_root_and_the_disk_below() {
        let text = "\
overlay / overlay rw,lowerdir=/a:/b 0 0
proc /proc proc rw 0 0
tmpfs /dev tmpfs rw 0 0
/dev/sda2 /etc/resolv.conf ext4 rw 0 0
/dev/sda2 /etc/hostname ext4 rw 0 0
/dev/sda2 /etc/hosts ext4 rw 0 0
/dev/sda2 /data/long/path ext4 rw 0 0
";
        assert_eq!(selected(text, false), ["/", "/etc/hosts"]);
    }

    #[test]
    fn a_device_is_listed_once_at_its_shortest_path() {
        let text = "\
/dev/sda3 /home btrfs rw,subvol=/home 0 0
/dev/sda3 / btrfs rw,subvol=/root 0 0
/dev/sdb1 /data ext4 rw 0 0
/dev/sdb1 /srv2 ext4 rw 0 0
/dev/sdb1 /export/data ext4 rw 0 0
";
        assert_eq!(selected(text, false), ["/", "/data"]);
        assert_eq!(selected(text, true), ["/home", "/", "/data", "/srv2", "/export/data"]);
    }

    #[test]
    fn a_mount_covers_what_was_mounted_there_before() {
        let text =
            "rootfs / rootfs rw 0 0\n/dev/root / ext4 rw 0 0\n/dev/sdb1 /mnt ext4 rw 0 0\ntmpfs /mnt tmpfs rw 0 0\n";
        assert_eq!(selected(text, false), ["/"]);
        let mounts = select(&parse(text.as_bytes()), true);
        assert_eq!(mounts.iter().map(|m| m.fstype.as_str()).collect::<Vec<_>>(), ["ext4", "tmpfs"]);
        assert_eq!(selected("rootfs / rootfs rw 0 0\n", false), [""; 0], "an initramfs");
    }

    #[test]
    fn long_lines_are_read_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mounts");
        let layers = "/layer".repeat(2000);
        std::fs::write(&path, format!("overlay / overlay rw,lowerdir={layers} 0 0\n/dev/sdb1 /data ext4 rw 0 0\n"))
            .unwrap();
        let list = MountList::open(path).unwrap();
        assert_eq!(list.read().unwrap().len(), 2);
        assert!(MountList::open(dir.path().join("none")).is_err());
    }

    #[test]
    fn damaged_lists_lose_the_damaged_lines_only() {
        assert_eq!(parse(b"").len(), 0);
        assert_eq!(
            parse(b"\n/dev/sda1\n/dev/sda1 /\n/dev/sda1 / ext4\n/dev/sda1  ext4 rw\n/dev/sdb /\0x ext4\n").len(),
            1
        );
    }

    #[test]
    fn nothing_was_mounted_while_this_test_ran() {
        let Ok(list) = MountList::open("/proc/self/mounts".into()) else { return };
        // The machine may mount something in between, but not every time.
        assert!((0..20).any(|_| !list.changed()));
    }

    proptest! {
        #[test]
        fn any_bytes_do_no_harm(bytes: Vec<u8>, text in "(/dev/a|/|/mnt| |\\\\0?4?0?|ext4|\n){0,30}") {
            for text in [&bytes[..], text.as_bytes()] {
                let mounts = parse(text);
                assert!(select(&mounts, false).len() <= select(&mounts, true).len());
            }
        }
    }
}
