//! A library that pretends to be NVML (`tests/fixtures/nvml/fake.rs`), compiled once per test program.
#![allow(dead_code, reason = "each test file uses its part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The library in a folder of its own, with a script.
pub struct Fake {
    folder: tempfile::TempDir,
}

/// A card with all values, as an H100 reports them.
pub const H100: &str = "driver = 580.159.04
0.bus = 00000000:3B:00.0
0.name = NVIDIA H100 80GB HBM3
0.uuid = GPU-11111111
0.utilization = 97 34
0.memory_v2 = 85520809984 503316480 1059913728
0.memory = 85520809984 83957579776 1563230208
0.power = 298448
0.power_limit = 700000
0.energy = 2412955 500
0.temperature = 53
0.clock_graphics = 1410
0.clock_sm = 1400
0.clock_memory = 2619
0.reasons = 0x4
0.ecc_1_0 = 7
0.encoder = 3
0.decoder = 0
";

impl Fake {
    /// `None`, with a word, where there is no compiler.
    pub fn new(script: &str) -> Option<Fake> {
        static LIBRARY: OnceLock<Option<(tempfile::TempDir, PathBuf)>> = OnceLock::new();
        let Some((_, library)) = LIBRARY.get_or_init(compile) else {
            eprintln!("skipped: rustc cannot compile the library");
            return None;
        };
        // A copy, because a library that is loaded twice from one file is one library.
        let fake = Fake { folder: tempfile::tempdir().unwrap() };
        fs::copy(library, fake.file()).unwrap();
        fake.says(script);
        Some(fake)
    }

    pub fn file(&self) -> PathBuf {
        self.folder.path().join("libnvidia-ml.so.1")
    }

    pub fn script(&self) -> PathBuf {
        self.folder.path().join("script")
    }

    /// Replaces the script, at once.
    pub fn says(&self, script: &str) {
        let next = self.folder.path().join("next");
        fs::write(&next, script).unwrap();
        fs::rename(next, self.script()).unwrap();
    }

    /// How often this was asked.
    pub fn calls(&self, key: &str) -> usize {
        let calls = fs::read_to_string(self.folder.path().join("calls")).unwrap_or_default();
        calls.lines().filter(|line| *line == key).count()
    }
}

fn compile() -> Option<(tempfile::TempDir, PathBuf)> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/nvml/fake.rs");
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("libfake.so");
    let rustc = std::env::var_os("RUSTC").unwrap_or("rustc".into());
    // It may be there, and not work for this user.
    Command::new(&rustc).arg("--version").output().ok().filter(|output| output.status.success())?;
    let mut command = Command::new(rustc);
    command.args(["--edition", "2024", "--crate-type", "cdylib", "--cap-lints", "allow", "-C", "panic=abort", "-o"]);
    let output = command.arg(&library).arg(source).output().ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some((folder, library))
}
