//! The files that a command consists of, as far as its command line names them. By their digests, two recordings tell
//! whether they ran the same program.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};

use twox_hash::XxHash3_128;

use super::find::find;
use crate::store::layout::files::open_plain;
use crate::store::manifest::NamedFile;

/// What is read in all. Large files are data, and would take long to read.
const MOST_BYTES: u64 = 256 << 20;
const MOST_FILES: usize = 16;

/// Digests the program and all other plain files that the command line names, also in a script for a shell, in the order
/// of their paths. Those that cannot be read are left out.
pub fn named_files(argv: &[OsString]) -> Vec<NamedFile> {
    let path = std::env::var_os("PATH");
    let (shell, script) = match argv {
        [shell, option, script, ..] if option == "-c" => (Some(shell), Some(script.to_string_lossy())),
        _ => (None, None),
    };
    let words: Vec<OsString> = match &script {
        Some(script) => script.split(is_separator).map(OsString::from).chain(argv.iter().skip(3).cloned()).collect(),
        None => argv.iter().skip(1).cloned().collect(),
    };
    // The first word of a script is usually its program.
    let program = if shell.is_some() { words.iter().find(|word| !word.is_empty()) } else { argv.first() };
    let program = program.and_then(|program| find(program, path.as_deref()).ok());
    let named = words.iter().filter(|word| !word.is_empty()).map(PathBuf::from);
    let all: BTreeSet<PathBuf> = program.into_iter().chain(named).collect();
    let mut left = MOST_BYTES;
    let digested = all.iter().filter_map(|path| {
        let file = digest(path, left)?;
        left -= file.bytes;
        Some(file)
    });
    digested.take(MOST_FILES).collect()
}

/// Between words of a script. Words with quoted spaces are not found, and neither are those with variables.
fn is_separator(c: char) -> bool {
    c.is_whitespace() || "'\";|&<>(){}=`".contains(c)
}

/// `None` for a file with more than `most` bytes, or one that cannot be read.
fn digest(path: &Path, most: u64) -> Option<NamedFile> {
    let file = open_plain(path).ok()?;
    let mut file = file.take(most + 1);
    let (mut bytes, mut hasher) = (0, XxHash3_128::with_seed(0));
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => {
                hasher.write(buffer.get(..read)?);
                bytes += read as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
    (bytes <= most).then(|| NamedFile {
        path: path.display().to_string(),
        bytes,
        xxh3: format!("{:032x}", hasher.finish_128()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_and_files_in_command_lines() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(at("bench.py"), "print()\n").unwrap();
        std::fs::write(at("data"), "").unwrap();
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let paths = |found: Vec<NamedFile>| found.into_iter().map(|file| file.path).collect::<Vec<_>>();
        let shell = find("sh".as_ref(), std::env::var_os("PATH").as_deref()).unwrap().display().to_string();
        let found = named_files(&words(&["sh", &at("bench.py"), "--fast", &at("none")]));
        // XXH3 of these 8 bytes, by `xxhsum -H2`.
        let bench = found.iter().find(|file| file.path == at("bench.py")).unwrap();
        assert_eq!((bench.bytes, bench.xxh3.as_str()), (8, "7c1dae3b48d7468914cbeec5eef7e5a6"));
        let mut expected = vec![at("bench.py"), shell.clone()];
        expected.sort();
        assert_eq!(paths(found), expected);
        let script = format!("exec sh '{}' <{}; ./none", at("bench.py"), at("data"));
        assert_eq!(paths(named_files(&words(&["sh", "-c", &script]))), [at("bench.py"), at("data")]);
        assert_eq!(paths(named_files(&words(&["sh", "-c", "sh -c true"]))), [shell]);
        assert_eq!(named_files(&words(&["sh", "-c", ""])), []);
        assert_eq!(named_files(&[]), []);
        let others = words(&["none", "/dev/zero", &folder.path().display().to_string()]);
        assert_eq!(named_files(&others), [], "a device and a folder");
        assert_eq!(digest(Path::new(&at("bench.py")), 7), None);
    }
}
