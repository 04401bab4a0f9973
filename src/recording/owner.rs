//! Whose files are: what root writes into the recording of another user, a service's for instance, is that user's as well.
//! Otherwise the recorder, which is that user, could neither read nor write them any more.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::Path;

/// Makes a folder of a recording, unless it is there: its owner's who has the folder around it.
///
/// # Errors
/// When it cannot be made.
pub fn make_folder(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Ok(()) => {
            as_around(path);
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// A new file or folder gets the owner of the folder that it lies in, and lets others do what that does. Nothing changes
/// for whoever is that owner.
pub fn as_around(path: &Path) {
    let Some(around) = path.parent().and_then(|parent| fs::metadata(parent).ok()) else { return };
    let is_folder = path.is_dir();
    take(path, &around, if is_folder { 0o777 } else { 0o666 });
}

/// A file that takes the place of another gets its owner, and lets others do what that did.
pub fn as_before(path: &Path, before: &Metadata) {
    take(path, before, 0o777);
    let _ = fs::set_permissions(path, Permissions::from_mode(before.mode() & 0o7777));
}

/// Who may not give files away keeps them.
fn take(path: &Path, model: &Metadata, mask: u32) {
    let Ok(own) = fs::symlink_metadata(path) else { return };
    if (own.uid(), own.gid()) != (model.uid(), model.gid())
        && lchown(path, Some(model.uid()), Some(model.gid())).is_ok()
        && own.uid() != model.uid()
    {
        let _ = fs::set_permissions(path, Permissions::from_mode(model.mode() & mask));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_root_makes_in_the_folder_of_another_is_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("run");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o750)).unwrap();
        if lchown(&folder, Some(65534), Some(65533)).is_err() {
            eprintln!("skipped: this user cannot give files away");
            return;
        }
        let file = folder.join("inside/file");
        make_folder(&folder.join("inside")).unwrap();
        make_folder(&folder.join("inside")).unwrap();
        fs::write(&file, "").unwrap();
        as_around(&file);
        let of = |path: &Path| {
            let m = fs::metadata(path).unwrap();
            (m.uid(), m.gid(), m.mode() & 0o7777)
        };
        assert_eq!(of(&folder.join("inside")), (65534, 65533, 0o750));
        assert_eq!(of(&file), (65534, 65533, 0o640));
        let new = dir.path().join("new");
        fs::write(&new, "").unwrap();
        as_before(&new, &fs::metadata(&file).unwrap());
        assert_eq!(of(&new), (65534, 65533, 0o640));
    }
}
