//! Where control groups are: the hierarchies that are mounted, and which group of each this process is in.
//!
//! Source: `/proc/self/mountinfo` and `/proc/self/cgroup`, described in `proc(5)` and `cgroups(7)`. Version 2 has one
//! hierarchy for all controllers; in version 1 each controller, or a few together, have their own. Both may be mounted
//! (*hybrid*); a controller is then in one of them.

pub mod account;
pub mod container;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use super::files::{Roots, read_once, unescape};

/// The kernel's two interfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    One,
    Two,
}

/// A folder of a control group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    pub path: PathBuf,
    pub version: Version,
}

/// The control group that was made for a command: a folder in each hierarchy that counts something, or none at all.
#[derive(Clone, Debug, Default)]
pub struct Own {
    pub folders: Vec<Folder>,
    /// Why there is none, or which parts are missing.
    pub notes: Vec<String>,
}

/// Prefix of the names of groups that recorders make.
pub const PREFIX: &str = "perfwatch-";
/// Suffix of the name of a group that a recorder moved to, to make room for the group of its command. The recorder's
/// own group then means the parent of this one.
pub const ASIDE: &str = "-aside";

/// A hierarchy that is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    pub mount: PathBuf,
    pub version: Version,
    /// For version 1, for example `cpu` and `cpuacct`.
    pub controllers: Vec<String>,
    /// The group that this process is in, below the mount: `/` is the mount itself. `None` if it is outside of what is
    /// mounted.
    pub own: Option<String>,
}

/// All hierarchies, version 2 first.
#[derive(Clone, Debug, Default)]
pub struct Hierarchies(Vec<Hierarchy>);

impl Hierarchies {
    /// Empty if nothing is mounted, or the kernel does not say.
    pub fn read(roots: &Roots) -> Hierarchies {
        let mounts = read_once(&roots.proc("self/mountinfo")).unwrap_or_default();
        let own = read_once(&roots.proc("self/cgroup")).unwrap_or_default();
        let mut all: Vec<Hierarchy> = mounts.lines().filter_map(|line| hierarchy(line, &own)).collect();
        // If a host's /sys is mounted elsewhere, the hierarchies there are meant.
        all.sort_by_key(|h| (h.version == Version::One, !h.mount.starts_with(&roots.sys)));
        let mut found: Vec<Hierarchy> = Vec::new();
        for next in all {
            // A hierarchy may be mounted at several places.
            if !found.iter().any(|f| (f.version, &f.controllers) == (next.version, &next.controllers)) {
                found.push(next);
            }
        }
        Hierarchies(found)
    }

    pub fn all(&self) -> &[Hierarchy] {
        &self.0
    }

    /// The hierarchy of version 2.
    pub fn unified(&self) -> Option<&Hierarchy> {
        self.0.iter().find(|h| h.version == Version::Two)
    }

    /// The hierarchy of version 1 that has this controller.
    pub fn with(&self, controller: &str) -> Option<&Hierarchy> {
        self.0.iter().find(|h| h.controllers.iter().any(|c| c == controller))
    }
}

impl Hierarchy {
    /// The folder of a group by its path below the mount.
    pub fn folder(&self, group: &str) -> PathBuf {
        self.mount.join(group.trim_start_matches('/'))
    }

    /// The folder of the group that this process is in.
    pub fn own_folder(&self) -> Option<PathBuf> {
        self.own.as_deref().map(|own| self.folder(own))
    }

    /// That folder and its parents, innermost first. For a group outside of what is mounted, only the mount.
    pub fn around(&self) -> Vec<PathBuf> {
        let own = self.own_folder().unwrap_or_else(|| self.mount.clone());
        own.ancestors().take_while(|folder| folder.starts_with(&self.mount)).map(Path::to_path_buf).collect()
    }
}

/// The group of a controller of version 1, as in `/proc/self/cgroup`; for an empty name, the group of version 2.
pub fn path_of<'a>(own: &'a str, controller: &str) -> Option<&'a str> {
    own.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (names, path) = (parts.next()?, parts.next()?);
        names.split(',').any(|n| n == controller).then(|| around_aside(path))
    })
}

fn around_aside(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some((around, name)) if name.starts_with(PREFIX) && name.ends_with(ASIDE) => {
            if around.is_empty() {
                "/"
            } else {
                around
            }
        }
        _ => path,
    }
}

/// `36 31 0:29 ROOT MOUNT rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct`
///
/// Not parsed with the crate `procfs`, which leaves octal escapes in paths and loses the order of the controllers.
fn hierarchy(line: &str, own: &str) -> Option<Hierarchy> {
    let (place, kind) = line.split_once(" - ")?;
    let mut place = place.split(' ').skip(3);
    let mut path = || Some(PathBuf::from(OsString::from_vec(unescape(place.next()?.as_bytes()))));
    let (root, mount) = (path()?, path()?);
    let mut kind = kind.split(' ');
    let (version, options) = match kind.next()? {
        "cgroup" => (Version::One, kind.nth(1)?),
        "cgroup2" => (Version::Two, ""),
        _ => return None,
    };
    // The mount's options are among them; no controller has such a name.
    let controllers: Vec<String> = options.split(',').filter(|o| !o.is_empty()).map(str::to_string).collect();
    let path = match version {
        Version::Two => path_of(own, ""),
        Version::One => controllers.iter().find_map(|c| path_of(own, c)),
    };
    Some(Hierarchy { mount, version, own: path.and_then(|path| below(path, &root)), controllers })
}

/// A group's path below the mounted part of the hierarchy.
fn below(path: &str, root: &Path) -> Option<String> {
    let rest = Path::new(path).strip_prefix(root).ok()?;
    // Seen from inside another namespace it may be `/../other`, which is not mounted here.
    let is_seen = rest.components().all(|c| matches!(c, Component::Normal(_)));
    is_seen.then(|| format!("/{}", rest.display()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::facts::machine::testing::Tree;

    const HYBRID: &str = "\
31 23 0:28 / {sys}/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755
32 31 0:29 / {sys}/fs/cgroup/unified rw,nosuid shared:10 - cgroup2 cgroup2 rw,nsdelegate
33 31 0:30 / {sys}/fs/cgroup/systemd rw shared:11 - cgroup cgroup rw,xattr,name=systemd
34 31 0:31 / {sys}/fs/cgroup/cpu,cpuacct rw shared:12 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 /docker/4f {sys}/fs/cgroup/memory rw - cgroup cgroup rw,memory
36 31 0:33 /docker/4f {sys}/fs/cgroup/pids rw - cgroup cgroup rw,pids
37 31 0:32 / /elsewhere/memory rw - cgroup cgroup rw,memory
";

    const OWN: &str = "\
5:memory:/docker/4f
4:pids:/other
3:cpu,cpuacct:/user.slice
1:name=systemd:/user.slice/session-1.scope
0::/user.slice/session-1.scope
";

    #[test]
    fn both_versions_beside_each_other() {
        let tree = Tree::new(&[("proc/self/mountinfo", HYBRID), ("proc/self/cgroup", OWN)]);
        let roots = tree.roots();
        let found = Hierarchies::read(&roots);
        let at = |h: Option<&Hierarchy>| {
            let h = h.unwrap();
            (h.mount.strip_prefix(&roots.sys).unwrap().display().to_string(), h.own.clone())
        };
        let own = |path: &str| Some(path.to_string());
        assert_eq!(at(found.unified()), ("fs/cgroup/unified".into(), own("/user.slice/session-1.scope")));
        assert_eq!(at(found.with("cpuacct")), ("fs/cgroup/cpu,cpuacct".into(), own("/user.slice")));
        assert_eq!(at(found.with("memory")), ("fs/cgroup/memory".into(), own("/")), "mounted from its own group on");
        assert_eq!(at(found.with("pids")), ("fs/cgroup/pids".into(), None), "outside of what is mounted");
        assert_eq!(found.with("blkio"), None);
        assert_eq!(found.all().len(), 5, "one that is mounted twice is one");
    }

    #[test]
    fn folders_of_the_own_group() {
        let tree = Tree::new(&[("proc/self/mountinfo", HYBRID), ("proc/self/cgroup", OWN)]);
        let found = Hierarchies::read(&tree.roots());
        let unified = found.unified().unwrap();
        let slice = unified.mount.join("user.slice");
        assert_eq!(unified.around(), [slice.join("session-1.scope"), slice, unified.mount.clone()]);
        let pids = found.with("pids").unwrap();
        assert_eq!((pids.own_folder(), pids.around()), (None, vec![pids.mount.clone()]));
        assert_eq!(pids.folder("/"), pids.mount);
    }

    /// The list of mounts has blanks as octal digits, the list of groups has them as they are.
    #[test]
    fn paths_with_blanks() {
        let tree = Tree::new(&[
            ("proc/self/mountinfo", "31 23 0:28 /my\\040pod {sys}/fs/c\\040g\\134x rw - cgroup2 cgroup2 rw\n"),
            ("proc/self/cgroup", "0::/my pod/a b\n"),
        ]);
        let found = Hierarchies::read(&tree.roots());
        let unified = found.unified().unwrap();
        assert_eq!(unified.mount, tree.roots().sys("fs/c g\\x"));
        assert_eq!(unified.own_folder(), Some(tree.roots().sys("fs/c g\\x/a b")));
    }

    #[test]
    fn from_inside_of_another_namespace() {
        for (path, root, own) in
            [("/../x", "/", None), ("/x", "/..", None), ("/", "/", Some("/")), ("/a/b", "/a", Some("/b"))]
        {
            assert_eq!(below(path, root.as_ref()).as_deref(), own, "{path} of {root}");
        }
    }

    #[test]
    fn a_recorder_that_stepped_aside_is_where_it_was() {
        for (path, own) in
            [("/a/perfwatch-7-aside", "/a"), ("/perfwatch-7-aside", "/"), ("/a/perfwatch-7", "/a/perfwatch-7")]
        {
            assert_eq!(path_of(&format!("0::{path}\n"), ""), Some(own));
        }
    }

    #[test]
    fn nothing_there_and_damage() {
        let tree = Tree::new(&[("proc/self/mountinfo", "\n - cgroup\n1 2 3 / /x - cgroup2\n1 2 3 / /y - cgroup x\n")]);
        let found = Hierarchies::read(&tree.roots());
        assert_eq!(found.all().len(), 1);
        assert_eq!(found.unified().unwrap().own, None);
        assert!(Hierarchies::read(&Tree::new(&[]).roots()).all().is_empty());
    }
    proptest! {
        #[test]
        fn any_texts_do_no_harm(
            any in "[\\PC\n]{0,300}",
            mounts in "(1 |/|/\\.\\./|/a| |- |cgroup|cgroup2| rw,cpu|,|\n){0,60}",
            own in "(0|:|,|cpu|/|/\\.\\.|/a|\n){0,40}",
        ) {
            for (mounts, own) in [(&any, &own), (&mounts, &any), (&mounts, &own)] {
                for found in mounts.lines().filter_map(|line| hierarchy(line, own)) {
                    // Never outside of what is mounted.
                    let inside = found.own.iter().all(|own| !own.contains("/../"));
                    prop_assert!(inside && found.around().iter().all(|folder| folder.starts_with(&found.mount)));
                }
            }
        }
    }
}
