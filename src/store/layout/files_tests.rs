use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;

/// A recording, and a file outside of it that must not change.
fn recording() -> (tempfile::TempDir, Layout, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::new(dir.path().join("run"));
    fs::create_dir(&layout.root).unwrap();
    let victim = dir.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    fs::set_permissions(&victim, PermissionsExt::from_mode(0o640)).unwrap();
    (dir, layout, victim)
}

#[track_caller]
fn is_untouched(victim: &Path) {
    assert_eq!(fs::read_to_string(victim).unwrap(), "precious");
    assert_eq!(fs::metadata(victim).unwrap().mode() & 0o7777, 0o640);
}

#[test]
fn links_instead_of_files_are_not_followed() {
    let (_dir, layout, victim) = recording();
    let path = layout.temporary_manifest();
    symlink(&victim, &path).unwrap();
    assert_eq!(layout.create(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    let said = layout.open(&path).unwrap_err().to_string();
    assert_eq!(said, "a symbolic link, which is not followed inside a recording");
    assert!(layout.open_private(&path).is_err() && layout.read(&path).is_err());
    assert!(!layout.has_file(&path) && layout.bytes_of(&path).is_none());
    // The link is removed, not its target.
    layout.create_anew(&path).unwrap().write_all(b"ours").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "ours");
    is_untouched(&victim);
    // A dangling link does not create a file elsewhere.
    let nowhere = layout.root.with_file_name("nowhere");
    symlink(&nowhere, layout.reserve().with_file_name("x")).unwrap_err();
    symlink(&nowhere, layout.root.join("x")).unwrap();
    assert!(layout.create(&layout.root.join("x")).is_err() && layout.open_private(&layout.root.join("x")).is_err());
    assert!(!nowhere.exists());
}

#[test]
fn links_instead_of_folders_are_not_followed() {
    let (dir, layout, _) = recording();
    let elsewhere = dir.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("20261120T0700Z-0001.parquet"), "").unwrap();
    fs::write(elsewhere.join("left.tmp"), "").unwrap();
    symlink(&elsewhere, layout.table_folder("cpu")).unwrap();
    symlink(&elsewhere, layout.journal_folder()).unwrap();
    layout.sealed_files("cpu").unwrap_err();
    layout.journals().unwrap_err();
    layout.sweep();
    let inside = layout.sealed("cpu", "20261120T0700Z", 1);
    assert!(layout.open(&inside).is_err() && layout.remove(&inside).is_err() && layout.create(&inside).is_err());
    assert!(layout.rename(&inside, &layout.root.join("x")).is_err());
    assert!(
        layout.make_folder(&layout.journal_folder()).is_err() && layout.sync_folder(&layout.journal_folder()).is_err()
    );
    assert!(!layout.has_folder(&layout.journal_folder()));
    assert!(crate::store::layout::Lock::take(&layout).is_err());
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 2);
    let stays = |path: &str| layout.stays_inside(&layout.root.join(path)).is_ok();
    assert!(!stays("cpu") && !stays("cpu/x") && !stays("../elsewhere") && !stays(elsewhere.to_str().unwrap()));
    fs::write(layout.manifest(), "").unwrap();
    assert!(stays("") && stays("nothing/here") && stays("_recording.json"));
}

#[test]
fn the_path_of_the_directory_may_contain_links() {
    let (dir, layout, _) = recording();
    fs::write(layout.manifest(), "{}").unwrap();
    symlink(&layout.root, dir.path().join("alias")).unwrap();
    let alias = Layout::new(dir.path().join("alias"));
    assert_eq!(alias.read(&alias.manifest()).unwrap(), b"{}");
}

#[test]
fn only_plain_files_are_opened() {
    let (_dir, layout, _) = recording();
    let fifo = layout.root.join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let socket = layout.root.join("s");
    let _listener = std::os::unix::net::UnixListener::bind(&socket);
    fs::create_dir(layout.root.join("folder")).unwrap();
    for name in ["fifo", "folder", "s"] {
        assert!(layout.open(&layout.root.join(name)).is_err(), "{name}");
    }
    assert_eq!(layout.open(&fifo).unwrap_err().to_string(), "not a plain file");
    assert_eq!(open_plain(&fifo).unwrap_err().to_string(), "not a plain file");
    assert_eq!(open_plain(Path::new("/dev/zero")).unwrap_err().to_string(), "not a plain file");
    // None of these is a file of the recording.
    for path in [Path::new("/etc/passwd").to_path_buf(), layout.root.join("../victim"), layout.root.clone()] {
        assert!(layout.open(&path).is_err(), "{}", path.display());
    }
}

#[test]
fn texts_are_bounded() {
    let (_dir, layout, _) = recording();
    let file = fs::File::create(layout.manifest()).unwrap();
    file.set_len(MAX_TEXT_BYTES + 1).unwrap();
    assert_eq!(layout.read(&layout.manifest()).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
}

#[test]
fn set_id_bits_are_not_passed_on() {
    let (_dir, layout, victim) = recording();
    fs::write(layout.manifest(), "old").unwrap();
    for (mode, after) in [(0o4755, 0o755), (0o2664, 0o664), (0o1600, 0o600)] {
        fs::set_permissions(layout.manifest(), PermissionsExt::from_mode(mode)).unwrap();
        let file = layout.create_anew(&layout.temporary_manifest()).unwrap();
        layout.make_like(&file, &layout.manifest()).unwrap();
        assert_eq!(file.metadata().unwrap().mode() & 0o7777, after);
    }
    // A second name of another file must not affect who may read ours.
    fs::remove_file(layout.manifest()).unwrap();
    fs::hard_link(&victim, layout.manifest()).unwrap();
    let file = layout.create_anew(&layout.temporary_manifest()).unwrap();
    let mode = file.metadata().unwrap().mode();
    layout.make_like(&file, &layout.manifest()).unwrap();
    assert_eq!(file.metadata().unwrap().mode(), mode);
    is_untouched(&victim);
}

#[test]
fn files_that_root_creates_belong_to_the_owner_of_the_folder() {
    let (_dir, layout, _) = recording();
    fs::set_permissions(&layout.root, PermissionsExt::from_mode(0o2750)).unwrap();
    if std::os::unix::fs::chown(&layout.root, Some(65534), Some(65533)).is_err() {
        eprintln!("skipped: this user cannot give files away");
        return;
    }
    layout.make_folder(&layout.journal_folder()).unwrap();
    layout.make_folder(&layout.journal_folder()).unwrap();
    layout.create(&layout.journal(1)).unwrap();
    drop(layout.open_private(&layout.recorder_lock()).unwrap());
    let of = |path: PathBuf| {
        let m = fs::metadata(path).unwrap();
        (m.uid(), m.gid(), m.mode() & 0o7777)
    };
    let (uid, gid, mode) = of(layout.journal_folder());
    assert_eq!((uid, gid, mode & 0o777), (65534, 65533, 0o750));
    assert_eq!(of(layout.journal(1)), (65534, 65533, 0o640));
    assert_eq!(of(layout.recorder_lock()), (65534, 65533, 0o600));
    let file = layout.create(&layout.temporary_manifest()).unwrap();
    layout.make_like(&file, &layout.journal(1)).unwrap();
    assert_eq!(of(layout.temporary_manifest()), (65534, 65533, 0o640));
}
