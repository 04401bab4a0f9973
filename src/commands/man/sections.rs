//! The sections of a manual page after the options: exit status, environment, files, examples.

use clap::Command;
use clap_mangen::roff::{Roff, bold, roman};

use crate::cli::examples;

const DONE: (&str, &str) = ("0", "Done.");
const PARTLY: (&str, &str) = ("1", "Part of the work failed and was reported on standard error; the rest was done.");
const USAGE: (&str, &str) = ("2", "Invalid arguments.");

/// Only when a command is recorded.
const OF_COMMANDS: [(&str, &str); 5] = [
    ("status of COMMAND", "With a command: its exit status. For failures that are not the command's:"),
    ("124", "The --timeout was reached."),
    (
        "125",
        "perfwatch could not start (this includes invalid arguments), or --prepare failed; the command was not started.",
    ),
    ("126, 127", "The command is not executable (126), or was not found (127)."),
    ("128+n", "Signal n ended the command, or ended perfwatch before the command started."),
];

const CONFIG: (&str, &str) = ("PERFWATCH_CONFIG", "The settings file, if --config is not given.");
const CONTROL: (&str, &str) = (
    "PERFWATCH_CONTROL",
    "The socket of the recorder. It is set for the recorded command, and for --prepare and --conclude.",
);
const OF_STEPS: (&str, &str) = (
    "PERFWATCH_RUN, PERFWATCH_SIDE, PERFWATCH_WARMUP",
    "Set for --prepare and --conclude of a series: the number of the run, its side, and 1 for a warm-up.",
);
const OPTIONS: (&str, &str) = (
    "PERFWATCH_INTERVAL, PERFWATCH_COLLECTORS and so on",
    "Options of record, in capitals. They override the settings file; flags override them.",
);

const SETTINGS: (&str, &str) = (
    "perfwatch.toml, ~/.config/perfwatch/perfwatch.toml, /etc/perfwatch.toml",
    "Settings; the first existing file is used. It has one table per command, such as [record]; the keys are the long names of the options.",
);
const RECORDING: [(&str, &str); 4] = [
    ("DIR/_recording.json", "The manifest: facts about the machine and how the recording was made."),
    ("DIR/TABLE/20261120T0700Z-0001.parquet", "The rows of a table for one hour (UTC)."),
    ("DIR/.journal/0001", "The journal of the current hour; report and recover can read it."),
    ("DIR/_runs.json", "In a folder of runs: the list of runs with their results."),
];

/// The sections of a page. `name`: the subcommand of `perfwatch`, or empty.
pub fn of(command: &Command, name: &str) -> Roff {
    let mut page = Roff::new();
    list(&mut page, "EXIT STATUS", &exit_statuses(name));
    let environment: &[(&str, &str)] = match name {
        "mark" => &[CONTROL],
        "record" | "ab" => &[CONFIG, OPTIONS, CONTROL, OF_STEPS],
        "config" | "" => &[CONFIG, OPTIONS, CONTROL],
        _ => &[CONFIG],
    };
    list(&mut page, "ENVIRONMENT", environment);
    let files: Vec<(&str, &str)> = match name {
        "mark" | "man" | "completions" | "schema" | "events" | "doctor" | "config" => vec![SETTINGS],
        _ => RECORDING.into_iter().chain([SETTINGS]).collect(),
    };
    list(&mut page, "FILES", &files);
    // `mark start`, `mark end` and `mark event` have the examples of `mark`.
    let lines = examples::of(name);
    if !lines.is_empty() {
        page.control("SH", ["EXAMPLES"]);
        page.control("nf", []);
        for line in lines.lines() {
            page.text([roman(line)]);
        }
        page.control("fi", []);
    }
    let others: Vec<String> = std::iter::once("perfwatch".to_string())
        .filter(|_| !name.is_empty())
        .chain(see_also(name).iter().map(|name| format!("perfwatch-{name}")))
        .collect();
    if command.get_subcommands().next().is_none() {
        page.control("SH", ["SEE ALSO"]);
        page.text([roman(others.iter().map(|name| format!("{name}(1)")).collect::<Vec<_>>().join(", "))]);
    }
    page
}

fn exit_statuses(name: &str) -> Vec<(&'static str, &'static str)> {
    match name {
        "record" => {
            let alone = ("0", "Done, also if a signal ended the recording.");
            [alone, PARTLY, USAGE].into_iter().chain(OF_COMMANDS).collect()
        }
        "ab" => {
            let of_run = (
                "status of a run",
                "The status of a failed run, after which no more runs are started; see perfwatch-record(1).",
            );
            vec![DONE, of_run, OF_COMMANDS[2], ("128+n", "Signal n ended the series early.")]
        }
        "compare" => vec![
            ("0", "No metric that decides has regressed."),
            ("1", "Something could not be read, or a metric that decides exists on one side only."),
            USAGE,
            ("3", "A metric that decides has regressed."),
            ("4", "One is inconclusive, with --fail-on inconclusive."),
            ("5", "Machines or settings differ, with --on-mismatch fail."),
        ],
        "trend" => vec![
            ("0", "Done, whatever was found."),
            ("1", "Something could not be read, and was reported on standard error; the rest was looked at."),
            USAGE,
        ],
        "mark" => vec![
            ("0", "The mark is stored, or no recorder is running (without --strict)."),
            ("1", "The recorder refused the mark, or no recorder is running (with --strict)."),
            ("2", "Invalid arguments, or no recorder is running for the directory given with --recording."),
        ],
        "verify" => vec![
            ("0", "Everything is as it was written."),
            ("1", "Something has changed or could not be read, and was reported on standard error."),
            USAGE,
        ],
        _ => vec![DONE, PARTLY, USAGE],
    }
}

fn see_also(name: &str) -> &'static [&'static str] {
    match name {
        "compare" => &["ab", "trend", "record", "report", "info"],
        "trend" => &["compare", "record", "annotate", "info"],
        "ab" => &["compare", "mark", "report", "info", "doctor", "events", "config"],
        "record" => &["mark", "report", "info", "doctor", "events", "config"],
        "report" => &["record", "info", "schema"],
        "doctor" | "events" => &["record"],
        "config" => &["record", "report"],
        "mark" => &["record", "report"],
        "schema" => &["report"],
        _ => &["record", "report"],
    }
}

fn list(page: &mut Roff, title: &str, entries: &[(&str, &str)]) {
    page.control("SH", [title]);
    for (name, text) in entries {
        page.control("TP", []);
        page.text([bold(*name)]);
        page.text([roman(*text)]);
    }
}
