//! What a device is besides its kernel's name: the name of a device-mapper device, the level of an md array.

use std::path::Path;
use std::sync::Arc;

use crate::linux::files::read_once;

/// What is known of a device.
#[derive(Debug, Default)]
pub struct Given {
    text: Option<Arc<str>>,
    asked: u8,
}

/// The kernel lists a device-mapper device shortly before it has the folder with its name.
const MOST_ASKED: u8 = 5;

impl Given {
    /// The text for the device with this name, whose folder is in `class`. It is read when the device appears, so it
    /// costs nothing later; a device that is renamed keeps the text.
    pub fn of(&mut self, class: &Path, name: &str) -> Option<Arc<str>> {
        let is_named = name.starts_with("dm-") || name.starts_with("md");
        if is_named && self.text.is_none() && self.asked < MOST_ASKED {
            self.asked += 1;
            let folder = class.join(name);
            let read = |file: &str| read_once(&folder.join(file)).ok().filter(|text| !text.is_empty());
            self.text = read("dm/name").or_else(|| read("md/level")).map(Arc::from);
        }
        self.text.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(dir: &Path, file: &str, text: &str) {
        let path = dir.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn names_and_levels() {
        let dir = tempfile::tempdir().unwrap();
        let long = "a <\"quoted\"> &".repeat(9);
        for (file, text) in [
            ("dm-0/dm/name", "vg0-home\n"),
            ("dm-1/dm/name", long.as_str()),
            ("dm-2/dm/name", "\n"),
            ("md127/md/level", "raid1\n"),
            ("sda/md/level", "raid1\n"),
        ] {
            put(dir.path(), file, text);
        }
        let of = |name: &str| Given::default().of(dir.path(), name).map(|text| text.to_string());
        assert_eq!(["dm-0", "md127"].map(of), [Some("vg0-home".into()), Some("raid1".into())]);
        assert_eq!(of("dm-1").unwrap(), long.trim());
        assert_eq!(["dm-2", "dm-3", "sda", "sdb", ""].map(of), [const { None }; 5]);
    }

    #[test]
    fn a_folder_that_comes_late_is_found_and_one_that_never_comes_is_not_searched_forever() {
        let dir = tempfile::tempdir().unwrap();
        let mut given = Given::default();
        assert_eq!(given.of(dir.path(), "dm-7"), None);
        put(dir.path(), "dm-7/dm/name", "luks\n");
        assert_eq!(given.of(dir.path(), "dm-7").as_deref(), Some("luks"));
        // Read once.
        put(dir.path(), "dm-7/dm/name", "other\n");
        assert_eq!(given.of(dir.path(), "dm-7").as_deref(), Some("luks"));
        let mut given = Given::default();
        assert!((0..5).all(|_| given.of(dir.path(), "dm-8").is_none()));
        put(dir.path(), "dm-8/dm/name", "late\n");
        assert_eq!(given.of(dir.path(), "dm-8"), None);
    }
}
