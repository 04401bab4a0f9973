//! The revision of a working directory, read from git's own files. This needs no `git`, and works even if git refuses
//! because the directory belongs to another user.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// A working tree and the location of its history.
#[derive(Debug, PartialEq)]
pub struct Repository {
    /// The folder that contains `.git`.
    pub root: PathBuf,
    /// `.git`, or the target if this is a file, as in a linked working tree and in a submodule.
    folder: PathBuf,
}

/// What is checked out.
#[derive(Debug, Default, PartialEq)]
pub struct Head {
    /// Null before the first commit.
    pub commit: Option<String>,
    /// Null if a commit without a branch is checked out.
    pub branch: Option<String>,
    /// The references are stored in another format, which only git reads.
    pub is_hidden: bool,
}

/// Maximum number of references that lead to references.
const MOST_STEPS: usize = 5;
/// Longer files are not references.
const LONGEST_REFERENCE: u64 = 4096;
const LONGEST_LIST: u64 = 256 << 20;

impl Repository {
    /// The repository that the folder belongs to: its own or that of a parent folder on the same file system.
    pub fn around(folder: &Path) -> Option<Repository> {
        let device = fs::metadata(folder).ok()?.dev();
        let same_device = |f: &&Path| fs::metadata(f).is_ok_and(|m| m.dev() == device);
        folder.ancestors().take_while(same_device).find_map(Repository::at)
    }

    fn at(root: &Path) -> Option<Repository> {
        let git = root.join(".git");
        let folder =
            if git.is_dir() { git } else { root.join(text(&git, LONGEST_REFERENCE)?.strip_prefix("gitdir:")?.trim()) };
        folder.join("HEAD").is_file().then(|| Repository { root: root.to_path_buf(), folder })
    }

    pub fn head(&self) -> Head {
        let Some(head) = text(&self.folder.join("HEAD"), LONGEST_REFERENCE) else { return Head::default() };
        let Some(name) = head.strip_prefix("ref:").map(str::trim) else {
            return Head { commit: commit(&head), ..Head::default() };
        };
        if name == "refs/heads/.invalid" {
            return Head { is_hidden: true, ..Head::default() };
        }
        let branch = name.strip_prefix("refs/heads/").unwrap_or(name);
        Head { commit: self.resolve(name), branch: Some(branch.to_string()), is_hidden: false }
    }

    fn resolve(&self, name: &str) -> Option<String> {
        // A linked working tree has its own references, and shares the others.
        let common = text(&self.folder.join("commondir"), LONGEST_REFERENCE);
        let common = common.map_or_else(|| self.folder.clone(), |path| self.folder.join(path));
        let mut name = name.to_string();
        for _ in 0..MOST_STEPS {
            if !Path::new(&name).components().all(|c| matches!(c, Component::Normal(_))) {
                return None;
            }
            let loose = [&self.folder, &common].into_iter().find_map(|f| text(&f.join(&name), LONGEST_REFERENCE));
            match loose {
                Some(found) => match found.strip_prefix("ref:") {
                    Some(next) => name = next.trim().to_string(),
                    None => return commit(&found),
                },
                None => {
                    let packed = text(&common.join("packed-refs"), LONGEST_LIST)?;
                    let line = |l: &str| l.split_once(' ').filter(|(_, n)| *n == name).and_then(|(c, _)| commit(c));
                    return packed.lines().find_map(line);
                }
            }
        }
        None
    }
}

/// The text without surrounding white space; `None` if there is no such file.
#[allow(clippy::disallowed_methods, reason = "a file of a user's repository")]
fn text(path: &Path, longest: u64) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(longest).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).trim().to_string())
}

/// The name of an object: SHA-1 or SHA-256 in hexadecimal digits.
fn commit(text: &str) -> Option<String> {
    let is_name = matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit());
    is_name.then(|| text.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "1111111111111111111111111111111111111111";
    const TWO: &str = "2222222222222222222222222222222222222222";

    fn put(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn head_of(folder: &Path) -> Head {
        Repository::around(folder).unwrap().head()
    }

    fn on(commit: Option<&str>, branch: Option<&str>) -> Head {
        Head { commit: commit.map(str::to_string), branch: branch.map(str::to_string), is_hidden: false }
    }

    #[test]
    fn references_of_every_kind() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        put(root, ".git/HEAD", "ref: refs/heads/main\n");
        fs::create_dir_all(root.join("src/deep")).unwrap();
        let repository = Repository::around(&root.join("src/deep")).unwrap();
        assert_eq!(repository.root, root);
        assert_eq!(repository.head(), on(None, Some("main")), "before the first commit");
        put(root, ".git/packed-refs", &format!("# pack-refs with: peeled\n{ONE} refs/heads/main\n^{TWO}\n"));
        assert_eq!(repository.head(), on(Some(ONE), Some("main")));
        put(root, ".git/refs/heads/main", &format!("{TWO}\n"));
        assert_eq!(repository.head(), on(Some(TWO), Some("main")), "a loose reference is newer than a packed one");
        put(root, ".git/HEAD", &format!("{ONE}\n"));
        assert_eq!(repository.head(), on(Some(ONE), None), "no branch");
        put(root, ".git/HEAD", "ref: refs/heads/.invalid\n");
        assert!(repository.head().is_hidden);
    }

    #[test]
    fn misleading_references() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir(root.join(".git")).unwrap();
        assert_eq!(Repository::around(root).filter(|r| r.root == root), None, "without HEAD it is not a repository");
        for (head, is) in [
            ("", on(None, None)),
            ("rubbish", on(None, None)),
            ("ref: ../../etc/passwd", on(None, Some("../../etc/passwd"))),
            ("ref: /dev/zero", on(None, Some("/dev/zero"))),
            ("ref: refs/heads/round", on(None, Some("round"))),
        ] {
            put(root, ".git/HEAD", head);
            put(root, ".git/refs/heads/round", "ref: refs/heads/round\n");
            assert_eq!(head_of(root), is, "{head}");
        }
        let inner = root.join("inner");
        put(&inner, ".git", "gitdir: ../nowhere\n");
        assert_eq!(Repository::around(&inner).unwrap().root, root);
    }
}
