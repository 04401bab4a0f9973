//! `--summary FILE`: the result of a recording, as JSON for scripts.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::record::ended::Ended;
use crate::store::layout::Layout;
use crate::store::manifest::CommandFacts;
use crate::text::printable::json;

/// Raised when a key is removed or changes its meaning.
const VERSION: u32 = 1;

/// The file for the summary. It is opened before anything is recorded, so that a file that cannot be written is detected
/// early, and an old summary is not mistaken for the new one.
pub struct SummaryFile(Box<dyn Write>);

impl SummaryFile {
    /// # Errors
    /// When it cannot be written.
    pub fn open(path: &Path) -> Result<SummaryFile> {
        if path == Path::new("-") {
            return Ok(SummaryFile(Box::new(io::stdout())));
        }
        let file = File::create(path).with_context(|| format!("--summary: cannot write {}", path.display()))?;
        Ok(SummaryFile(Box::new(file)))
    }

    /// # Errors
    /// When it cannot be written.
    pub fn write(mut self, summary: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string_pretty(summary)? + "\n";
        // The same values, with terminal control characters escaped.
        let text = json(&text);
        let written = self.0.write_all(text.as_bytes()).and_then(|()| self.0.flush());
        written.context("--summary: cannot write the file")
    }
}

/// The values of the result line. Null means no value, for example because there was no command.
#[derive(Debug, Serialize)]
pub struct Summary {
    version: u32,
    recording: String,
    /// "command", "duration", "SIGINT", …
    end_reason: String,
    command: Option<Vec<String>>,
    /// As a shell returns it: 128+n if signal n ended it, 124 after `--timeout`.
    exit_status: Option<u8>,
    exit_code: Option<i32>,
    signal: Option<i32>,
    timed_out: Option<bool>,
    wall_s: Option<f64>,
    cpu_s: Option<f64>,
    user_s: Option<f64>,
    system_s: Option<f64>,
    max_rss_bytes: Option<u64>,
    /// Peak of the command's control group, with file cache; null if it had none.
    cgroup_memory_peak_bytes: Option<u64>,
    ticks: u64,
    missed_ticks: u64,
    lost_ticks: u64,
    marks: u64,
    /// Number and size of all files of the recording; null if it no longer exists.
    files: Option<u64>,
    bytes: Option<u64>,
    problems: Vec<String>,
}

impl Summary {
    pub fn of(layout: &Layout, ended: &Ended) -> Summary {
        let command = ended.command.as_ref();
        let facts: Option<&CommandFacts> = command.map(|c| &c.facts);
        let cost = facts.and_then(|f| f.cost.as_ref());
        let size = layout.root.is_dir().then(|| layout.size());
        Summary {
            version: VERSION,
            recording: layout.root.display().to_string(),
            end_reason: ended.reason.clone(),
            command: facts.map(|f| f.argv.clone()),
            exit_status: command.map(|c| c.status),
            exit_code: facts.and_then(|f| f.exit_code),
            signal: facts.and_then(|f| f.signal),
            timed_out: facts.map(|f| f.timed_out),
            wall_s: cost.map(|c| c.wall_s),
            cpu_s: cost.map(|c| c.user_s + c.system_s),
            user_s: cost.map(|c| c.user_s),
            system_s: cost.map(|c| c.system_s),
            max_rss_bytes: cost.map(|c| c.max_rss_bytes),
            cgroup_memory_peak_bytes: cost.and_then(|c| c.cgroup_memory_peak_bytes),
            ticks: ended.ticks,
            missed_ticks: ended.missed,
            lost_ticks: ended.lost,
            marks: ended.marks,
            files: size.map(|(files, _)| files),
            bytes: size.map(|(_, bytes)| bytes),
            problems: ended.problems.clone(),
        }
    }
}
