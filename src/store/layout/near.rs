//! Suggestions for a path that is not a recording.

use std::path::{Path, PathBuf};

use super::{INDEX, Layout, MANIFEST};
use crate::text::nearest::did_you_mean;
use crate::text::words::quoted;

/// Maximum number of folders to check, and of recordings to name.
const MAX_FOLDERS: usize = 200;
const MAX_NAMED: usize = 3;

/// A suggestion to append to a message; empty if there is none.
pub fn hint(path: &Path) -> String {
    if let Some(hint) = in_pack(path) {
        return hint;
    }
    container(path).or_else(|| contained(path)).or_else(|| similar(path)).unwrap_or_default()
}

fn is_recording(path: &Path) -> bool {
    path.join(MANIFEST).is_file() || path.join(INDEX).is_file()
}

/// The path is or leads into a pack that has recordings in other places.
fn in_pack(path: &Path) -> Option<String> {
    let layout = Layout::new(path);
    let inside = layout.pack().ok()??;
    if inside.pack.entry(&inside.folder).is_some_and(|_| !inside.folder.is_empty()) {
        return Some("; it is a file in a packed recording, and packs in packs are not read: unpack it".into());
    }
    let root = layout.root.ancestors().find(|path| path.is_file())?;
    let folders = inside.pack.below("").filter_map(|(name, _)| name.strip_suffix(&format!("/{MANIFEST}")));
    let named: Vec<String> = folders.take(MAX_NAMED).map(|name| root.join(name).display().to_string()).collect();
    Some(match named.is_empty() {
        true => "; there is no recording in this archive".into(),
        false => format!("; it contains recordings: {}", named.join(", ")),
    })
}

/// The path is a part of a recording.
fn container(path: &Path) -> Option<String> {
    let mut parents =
        path.ancestors().skip(1).take(2).map(|p| if p.as_os_str().is_empty() { Path::new(".") } else { p });
    let root = parents.find(|parent| parent.join(MANIFEST).is_file())?;
    let first = path.strip_prefix(root).unwrap_or(path).components().next()?;
    let name = first.as_os_str().to_string_lossy().into_owned();
    let is_table = !name.starts_with('.') && root.join(&name).is_dir();
    let (root, word) = (root.display(), quoted(&root.to_string_lossy()));
    Some(if is_table {
        format!(
            "; it is in table {name} of the recording {root}: name {root} (`perfwatch report {word} --table {name}`)"
        )
    } else {
        format!("; it is in the recording {root}: name {root}")
    })
}

/// The path contains recordings.
fn contained(path: &Path) -> Option<String> {
    let level =
        |folders: &[PathBuf]| -> Vec<PathBuf> { folders.iter().flat_map(|folder| folders_of(folder)).collect() };
    let mut folders = level(&[path.to_path_buf()]);
    for below in ["/*", "/*/*"] {
        let found: Vec<&PathBuf> = folders.iter().filter(|folder| is_recording(folder)).collect();
        if !found.is_empty() {
            let named: Vec<String> = found.iter().take(MAX_NAMED).map(|path| path.display().to_string()).collect();
            let more =
                if found.len() > MAX_NAMED { format!(" and {} more", found.len() - MAX_NAMED) } else { String::new() };
            let path = path.display().to_string();
            let all = format!("{}{below}", path.trim_end_matches('/'));
            return Some(format!("; it contains recordings: {}{more}; choose one, or all: {all}", named.join(", ")));
        }
        folders = level(&folders);
    }
    None
}

/// The recording with the most similar name in the same folder, if the path does not exist.
fn similar(path: &Path) -> Option<String> {
    if path.exists() {
        return None;
    }
    let name = path.file_name()?.to_string_lossy().into_owned();
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let names: Vec<String> = folders_of(folder)
        .into_iter()
        .filter(|path| is_recording(path))
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect();
    Some(did_you_mean(&name, names.iter().map(String::as_str)))
}

/// The folders in it, sorted; at most [`MAX_FOLDERS`] entries are read.
fn folders_of(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten().take(MAX_FOLDERS);
    let mut folders: Vec<PathBuf> =
        entries.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).map(|e| e.path()).collect();
    folders.sort();
    folders
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn suggestions_for_paths_that_are_not_recordings() {
        let dir = tempfile::tempdir().unwrap();
        let fleet = dir.path().join("fleet");
        for name in ["host=a", "host=b"] {
            fs::create_dir_all(fleet.join(name).join("cpu")).unwrap();
            fs::write(fleet.join(name).join(MANIFEST), "{}").unwrap();
        }
        let a = fleet.join("host=a");
        let said = hint(&fleet);
        assert!(said.contains("host=a") && said.contains("host=b") && said.contains("fleet/*"), "{said}");
        let said = hint(dir.path());
        assert!(said.contains("fleet/host=a") && said.ends_with("/*/*"), "{said}");
        for part in ["cpu", "cpu/20261120T0700Z-0001.parquet"] {
            let said = hint(&a.join(part));
            assert!(said.contains(&format!("`perfwatch report {} --table cpu`", a.display())), "{said}");
        }
        let said = hint(&a.join(MANIFEST));
        assert!(said.ends_with(&format!("name {}", a.display())), "{said}");
        assert_eq!(hint(&fleet.join("host=aa")), " (did you mean `host=a`?)");
        assert_eq!(hint(&dir.path().join("nothing")), "");
        fs::create_dir(dir.path().join("empty")).unwrap();
        assert_eq!(hint(&dir.path().join("empty")), "");
    }
}
