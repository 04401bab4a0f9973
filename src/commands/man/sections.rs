//! What a manual page has beyond the options: exit status, environment, files, examples.

use clap::Command;
use clap_mangen::roff::{Roff, bold, roman};

use crate::cli::examples;

const DONE: (&str, &str) = ("0", "Done.");
const PARTLY: (&str, &str) = ("1", "Something could not be done, and was said on standard error; the rest was.");
const USAGE: (&str, &str) = ("2", "Arguments that make no sense.");

/// With a command.
const OF_COMMANDS: [(&str, &str); 5] = [
    ("status of COMMAND", "With a command, its own status; and for what is not the command's:"),
    ("124", "The time of --timeout was over."),
    ("125", "perfwatch could not begin, its arguments included, or --prepare failed: the command was not started."),
    ("126, 127", "The command is not executable; there is none."),
    ("128+n", "Signal n ended the command, or perfwatch before it began."),
];

const CONFIG: (&str, &str) = ("PERFWATCH_CONFIG", "The settings file, where --config does not name one.");
const CONTROL: (&str, &str) = (
    "PERFWATCH_CONTROL",
    "The socket of the recorder, which it sets for a recorded command and its --prepare and --conclude.",
);
const OF_STEPS: (&str, &str) = (
    "PERFWATCH_RUN, PERFWATCH_SIDE, PERFWATCH_WARMUP",
    "Set for --prepare and --conclude of a series: the number of the run, its side, and 1 where it is a warm-up.",
);
const OPTIONS: (&str, &str) = (
    "PERFWATCH_INTERVAL, PERFWATCH_COLLECTORS and so on",
    "Options of record in capitals. A flag counts before them, they before the settings file.",
);

const SETTINGS: (&str, &str) = (
    "perfwatch.toml, ~/.config/perfwatch/perfwatch.toml, /etc/perfwatch.toml",
    "Settings: the first that is there. Each command has a table, such as [record], and there its options' long names are keys.",
);
const RECORDING: [(&str, &str); 4] = [
    ("DIR/_recording.json", "What the recording is of, and how it was made."),
    ("DIR/TABLE/20261120T0700Z-0001.parquet", "The rows of a table in an hour (UTC)."),
    ("DIR/.journal/0001", "The open hour, until it is finished; read by report and recover."),
    ("DIR/_runs.json", "In a folder of runs: which they are, and what each came to."),
];

/// The sections of a page; `name` is that of the command in `perfwatch`, or empty.
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
    // One of the words of `mark` has those of all three.
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
            let alone = ("0", "Done; also when a signal ended the recording.");
            [alone, PARTLY, USAGE].into_iter().chain(OF_COMMANDS).collect()
        }
        "ab" => {
            let of_run = (
                "status of a run",
                "That of a run that failed, after which there are no more; see perfwatch-record(1).",
            );
            vec![DONE, of_run, OF_COMMANDS[2], ("128+n", "Signal n cut the series short.")]
        }
        "mark" => vec![
            ("0", "The mark is stored; or there is no recorder, without --strict."),
            ("1", "The recorder refused it; or there is no recorder, with --strict."),
            ("2", "Arguments that make no sense; or nobody records into the directory that --recording names."),
        ],
        "verify" => vec![
            ("0", "All is as it was written."),
            ("1", "Something is not, or could not be read; it was said on standard error."),
            USAGE,
        ],
        _ => vec![DONE, PARTLY, USAGE],
    }
}

fn see_also(name: &str) -> &'static [&'static str] {
    match name {
        "record" | "ab" => &["mark", "report", "info", "doctor", "events", "config"],
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
