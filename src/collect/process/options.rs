//! What users can ask of collector `process`.

use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use regex_lite::Regex;
use serde::{Serialize, Serializer};

use crate::text::time::{as_seconds, duration};

/// The meaning of `top` without a number.
const TOP: usize = 20;

/// The options of collector `process`.
#[derive(Clone, Debug, Default, Args, Serialize)]
pub struct ProcessOptions {
    /// Also record processes of the machine: all, top=20, or match=REGEX
    ///
    /// At most once per second: all, those with most CPU time and memory (top=20), or those whose name or command line
    /// matches (match=REGEX). The default is none, except the processes of COMMAND and --pid.
    #[arg(long, value_name = "WHICH")]
    pub processes: Option<Processes>,

    /// Record proportional memory (PSS) and OOM score of the command's processes, this often [10s if no TIME is given]
    ///
    /// Pages that processes share are divided among them, so that the sum over processes is right. The kernel walks
    /// through all memory of a process for it: 0.4 to 2 ms each, and more for large ones.
    #[arg(long, value_name = "TIME", value_parser = duration, num_args = 0..=1, default_missing_value = "10s",
        require_equals = true, hide_short_help = true)]
    #[serde(rename = "pss_s", serialize_with = "as_seconds")]
    pub pss: Option<Duration>,
}

/// Processes that have rows although they do not belong to the recorded command.
#[derive(Clone, Debug)]
pub enum Processes {
    All,
    /// This many that used most CPU time since the previous refresh, and this many with most memory.
    Top(usize),
    /// Processes whose name or command line matches.
    Matching(Regex),
}

impl Serialize for Processes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Processes {
    /// The meaning of `top` alone.
    pub const DEFAULT: Processes = Processes::Top(TOP);
}

impl FromStr for Processes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (word, value) = text.split_once('=').map_or((text, None), |(w, v)| (w, Some(v)));
        match (word, value) {
            ("all", None) => Ok(Processes::All),
            ("top", None) => Ok(Processes::DEFAULT),
            ("top", Some(n)) => match n.parse() {
                Ok(n @ 1..) => Ok(Processes::Top(n)),
                _ => Err(format!("`{n}` is not a number of processes: write top=20")),
            },
            ("match", Some(pattern)) if !pattern.is_empty() => Regex::new(pattern)
                .map(Processes::Matching)
                .map_err(|e| format!("`{pattern}` is not a regular expression: {e}")),
            ("match", _) => Err("match= needs a regular expression, for example match='^postgres'".into()),
            _ => Err("possible values are all, top=20, and match=REGEX".into()),
        }
    }
}

impl std::fmt::Display for Processes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Processes::All => write!(f, "all"),
            Processes::Top(n) => write!(f, "top={n}"),
            Processes::Matching(regex) => write!(f, "match={regex}"),
        }
    }
}
