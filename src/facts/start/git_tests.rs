//! Tests against repositories made by `git` itself, compared with the output of git.

use std::fs;

use super::*;

/// Runs git without the user's settings.
fn run(folder: &Path, args: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "protocol.file.allow=always"]);
    command.args(args).current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    let output = command.output().ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_string())
}

/// A folder with a repository on branch `main`, with one commit; `None` if git is not installed.
fn repository() -> Option<tempfile::TempDir> {
    let dir = tempfile::tempdir().unwrap();
    if run(dir.path(), &["init", "-q"]).is_none() {
        eprintln!("skipped: no git");
        return None;
    }
    run(dir.path(), &["symbolic-ref", "HEAD", "refs/heads/main"]).unwrap();
    fs::write(dir.path().join("file"), "one").unwrap();
    run(dir.path(), &["add", "file"]).unwrap();
    run(dir.path(), &["commit", "-q", "-m", "one"]).unwrap();
    Some(dir)
}

/// Waits long enough for a busy machine.
fn detect(folder: &Path) -> Option<Git> {
    GitSearch::with_patience(folder.to_path_buf(), Duration::from_secs(30)).end()
}

fn says(folder: &Path, args: &[&str]) -> Option<String> {
    run(folder, args).filter(|text| !text.is_empty())
}

/// Compares with the output of git for this folder.
#[track_caller]
fn agrees(folder: &Path, dirty: bool) {
    let expected = Git {
        root: says(folder, &["rev-parse", "--show-toplevel"]),
        commit: says(folder, &["rev-parse", "--quiet", "--verify", "HEAD"]),
        branch: says(folder, &["symbolic-ref", "--quiet", "--short", "HEAD"]),
        dirty: Some(dirty),
        problem: None,
    };
    let tracked = says(folder, &["status", "--porcelain", "--untracked-files=no"]);
    assert_eq!(tracked.is_some(), dirty, "{tracked:?}");
    assert_eq!(detect(&folder.canonicalize().unwrap()), Some(expected));
}

#[test]
fn clean_changed_staged_and_untracked() {
    let Some(dir) = repository() else { return };
    let root = dir.path();
    agrees(root, false);
    fs::create_dir(root.join("deep")).unwrap();
    fs::write(root.join("deep/new"), "").unwrap();
    agrees(&root.join("deep"), false);
    fs::write(root.join("file"), "two").unwrap();
    agrees(root, true);
    run(root, &["add", "file"]).unwrap();
    agrees(&root.join("deep"), true);
    run(root, &["commit", "-q", "-m", "two"]).unwrap();
    run(root, &["pack-refs", "--all"]).unwrap();
    agrees(root, false);
    fs::remove_file(root.join("file")).unwrap();
    agrees(root, true);
}

#[test]
fn no_branch_no_commit_and_no_repository() {
    let Some(dir) = repository() else { return };
    run(dir.path(), &["checkout", "-q", "--detach"]).unwrap();
    agrees(dir.path(), false);
    assert_eq!(detect(dir.path()).unwrap().branch, None);
    run(dir.path(), &["checkout", "-q", "--orphan", "topic/new"]).unwrap();
    agrees(dir.path(), true);
    let git = detect(dir.path()).unwrap();
    assert_eq!((git.commit, git.branch.as_deref()), (None, Some("topic/new")));
    let outside = tempfile::tempdir().unwrap();
    if run(outside.path(), &["rev-parse"]).is_none() {
        assert_eq!(detect(outside.path()), None);
    }
    assert_eq!(detect(Path::new("/no/such/place")), None);
}

#[test]
fn linked_trees_submodules_and_other_kinds_of_references() {
    let Some(dir) = repository() else { return };
    let root = dir.path();
    let outside = tempfile::tempdir().unwrap();
    let tree = outside.path().join("tree");
    run(root, &["worktree", "add", "-q", "-b", "other", tree.to_str().unwrap()]).unwrap();
    fs::write(tree.join("file"), "other").unwrap();
    agrees(&tree, true);
    agrees(root, false);

    let outer = tempfile::tempdir().unwrap();
    run(outer.path(), &["init", "-q"]).unwrap();
    run(outer.path(), &["submodule", "add", "-q", root.to_str().unwrap(), "inner"]).unwrap();
    run(outer.path(), &["commit", "-q", "-m", "with a submodule"]).unwrap();
    agrees(&outer.path().join("inner"), false);
    agrees(outer.path(), false);
    fs::write(outer.path().join("inner/file"), "changed").unwrap();
    agrees(outer.path(), true);

    let tables = tempfile::tempdir().unwrap();
    if run(tables.path(), &["init", "-q", "--ref-format=reftable"]).is_some() {
        run(tables.path(), &["commit", "-q", "--allow-empty", "-m", "in a table"]).unwrap();
        agrees(tables.path(), false);
        assert!(detect(tables.path()).unwrap().commit.is_some());
    }
}

#[test]
fn nothing_is_written() {
    let Some(dir) = repository() else { return };
    let index = dir.path().join(".git/index");
    // The same text with another time: `git status` would note this in the index.
    fs::write(dir.path().join("file"), "one").unwrap();
    let before = (fs::read(&index).unwrap(), fs::metadata(&index).unwrap().modified().unwrap());
    agrees_only_ours(dir.path());
    let after = (fs::read(&index).unwrap(), fs::metadata(&index).unwrap().modified().unwrap());
    assert!(before == after);
    assert!(!dir.path().join(".git/index.lock").exists());
}

fn agrees_only_ours(folder: &Path) {
    assert_eq!(detect(folder).unwrap().dirty, Some(false));
}

#[test]
fn a_directory_of_another_user() {
    let Some(dir) = repository() else { return };
    let commit = run(dir.path(), &["rev-parse", "HEAD"]).unwrap();
    if std::os::unix::fs::chown(dir.path(), Some(65534), None).is_err() {
        eprintln!("skipped: not root");
        return;
    }
    if run(dir.path(), &["status"]).is_some() {
        eprintln!("skipped: a git that trusts everybody");
        return;
    }
    let git = detect(dir.path()).unwrap();
    assert_eq!((git.commit.as_ref(), git.branch.as_deref(), git.dirty), (Some(&commit), Some("main"), None));
    assert!(git.problem.as_ref().unwrap().contains("dubious ownership"), "{git:?}");
}

/// A pipe without a writer is as silent as a file server that is gone.
#[test]
fn a_folder_that_does_not_answer() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join(".git")).unwrap();
    fs::write(dir.path().join(".git/HEAD"), "ref: refs/heads/main").unwrap();
    let (pipe, mode) = (dir.path().join(".git/commondir"), rustix::fs::Mode::from(0o600));
    rustix::fs::mknodat(rustix::fs::CWD, pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let git = GitSearch::with_patience(dir.path().to_path_buf(), Duration::from_millis(50)).end().unwrap();
    let expected = Git { problem: Some("the working directory does not answer".into()), ..Git::default() };
    assert_eq!(git, expected);
}
