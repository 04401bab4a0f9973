//! Hints for words and options of other tools: what they are called in perfwatch.

use crate::text::words::quoted;

/// A hint for a word that is not a subcommand.
pub fn command(word: &str) -> Option<&'static str> {
    Some(match word {
        "cmp" | "diff" | "benchcmp" | "regression" => {
            "`perfwatch compare BASE NEW` compares runs, `perfwatch info A B --diff` prints the facts in which recordings differ, \
             and `perfwatch ab` records two commands alternately"
        }
        "history" | "nightly" | "bisect" | "changes" | "changepoint" | "changepoints" | "timeline" | "otava"
        | "hunter" => "`perfwatch trend DIR…` shows where a metric changed in many runs, and what else did there",
        "plot" | "graph" | "chart" | "view" | "html" | "gui" => {
            "`perfwatch report DIR --html FILE` writes a page with charts, `--svg FOLDER` single charts; the tables are Parquet files, \
             so in a notebook read them with pd.read_parquet('DIR/cpu')"
        }
        "csv" | "dump" | "cat" | "convert" | "sadf" | "jsonl" | "arrow" | "openmetrics" | "perfetto" | "resample" => {
            "`perfwatch export DIR` writes the rows as CSV, JSON, Arrow, OpenMetrics or a Perfetto trace, also resampled, and \
             `perfwatch report DIR --json` prints the summary; the tables are Parquet files already"
        }
        "stat" | "bench" | "benchmark" | "hyperfine" => {
            "`perfwatch record -- COMMAND` records a command, `perfwatch record --runs 10 -- COMMAND` repeats it; \
             --warmup-runs 1, -L NAME=1,2,4 and --export-json FILE do what they do in hyperfine"
        }
        "run" | "exec" | "time" | "wrap" => "`perfwatch record -- COMMAND` records a command",
        "start" | "collect" | "monitor" | "watch" | "log" | "sample" | "sar" | "capture" | "daemon" | "trace" => {
            "`perfwatch record -o DIR` records until it is stopped; `perfwatch mark start NAME` begins a phase of a recording"
        }
        "stop" | "kill" | "end" => {
            "Ctrl-C or `kill PID` stops a recorder, and its recording is complete; `perfwatch mark end NAME` ends a phase"
        }
        "top" | "ps" | "htop" => {
            "`perfwatch record --processes top=20` records the busiest processes, `perfwatch report DIR --table process` shows them"
        }
        "list" | "ls" => {
            "`perfwatch info DIR…` describes recordings, `perfwatch schema` lists tables, `perfwatch events` lists perf events"
        }
        "show" | "print" | "summary" | "stats" | "analyze" | "analyse" | "head" | "tail" => {
            "`perfwatch report DIR` prints the figures, `perfwatch info DIR` the facts about the recording"
        }
        "query" | "sql" => {
            "any reader of Parquet can query a recording: duckdb -c \"select * from 'DIR/cpu/*.parquet'\"; \
             `perfwatch schema` lists the columns"
        }
        "tables" | "columns" | "metrics" | "fields" => "`perfwatch schema` lists tables and columns",
        "tag" | "note" | "label" => "`perfwatch annotate DIR --tag KEY=VALUE --note TEXT`",
        "phase" | "event" | "region" => "`perfwatch mark start NAME`, `mark end NAME` and `mark event TEXT`",
        "value" | "metric" | "gauge" | "counter" => {
            "`perfwatch mark value NAME=NUMBER` stores a number of the program; `perfwatch record --metrics` reads Prometheus text"
        }
        "merge" => "`perfwatch compact DIR` merges the files of finished days",
        "pack" | "zip" | "archive" | "bundle" => {
            "`perfwatch export --pack FILE DIR` puts a recording into one file, which all commands read"
        }
        "unpack" | "unzip" | "extract" => {
            "a packed recording is a ZIP archive: `unzip FILE -d DIR`; all commands read it as it is"
        }
        "repair" | "fix" | "seal" => {
            "`perfwatch recover DIR` converts the journal of a killed recorder into Parquet files"
        }
        "clean" | "prune" | "gc" | "rotate" => {
            "`perfwatch record --retain 30d --max-bytes 5G` deletes old files while it records"
        }
        "attach" | "pid" => "`perfwatch record --pid PID` records a running process",
        "completion" | "complete" => "`perfwatch completions SHELL`",
        "check" | "test" | "status" | "probe" => "`perfwatch doctor` shows what can be recorded here",
        "settings" | "options" | "env" => "`perfwatch config` shows the settings",
        "serve" | "server" | "listen" | "scrape" | "exporter" | "prometheus" | "push" => {
            "perfwatch has no server: `perfwatch record -o DIR` writes files; one is finished every hour, or as set with --rotate 5m"
        }
        "delete" | "remove" => "a recording is only a directory: `rm -r DIR` deletes it",
        "manual" => "`perfwatch man`",
        "version" => "`perfwatch --version`",
        _ => return None,
    })
}

/// A hint for an option that a command does not have.
pub fn option(command: &str, flag: &str) -> Option<&'static str> {
    Some(match (command, flag) {
        ("record" | "ab", "--warmup" | "-w") => {
            "--warmup-runs K (with --runs) runs the command K times first; these runs do not count"
        }
        ("record" | "ab", "-r" | "--repeat" | "-n" | "--iterations" | "--count" | "--min-runs" | "-m") => {
            "--runs N runs the command N times"
        }
        ("record" | "ab", "-e" | "--event" | "--events") => "--perf-events EVENTS",
        ("record", "-I" | "--interval-print" | "--every" | "--period" | "--freq" | "-F" | "--delay") => {
            "-i, --interval 500ms"
        }
        ("record" | "ab", "-p") => {
            "--pid PID records a running process; --prepare SCRIPT runs a script before the command"
        }
        ("record", "-P" | "--process") => "--processes top=20 (or all, or match=REGEX)",
        ("record", "-a" | "--all-cpus" | "-A") => {
            "the whole system is always recorded; --perf-per-cpu counts events per CPU"
        }
        ("record", "-C" | "--cpu") => "--cpus 0-3",
        ("record", "-G" | "--cgroup-name") => {
            "--perf-cgroup CGROUP counts events of a cgroup, --cgroups PATTERN records them"
        }
        ("record", "--per-core" | "--per-socket" | "--per-thread" | "--per-node" | "--per-die") => {
            "--perf-per core (or socket, thread, node, die)"
        }
        ("record", "-f" | "--force" | "--overwrite") => {
            "nothing is overwritten: --append continues a recording, or choose a new --output"
        }
        ("record" | "ab", "-s" | "--setup") => "--prepare SCRIPT runs a script before each run",
        ("record" | "ab", "--cleanup") => "--conclude SCRIPT runs a script after each run",
        ("record" | "ab", "-N" | "--shell") => "the command runs without a shell; use `-- sh -c '…'` for one",
        ("record" | "ab", "--show-output") => "the output of the command is always shown",
        ("record", "-t" | "--time" | "--for") => "-d, --duration 60s",
        ("record" | "ab", "--dir" | "--directory" | "--file" | "--path") => "-o, --output DIR",
        ("record", "--command" | "--cmd") => "the command comes after `--`, at the end of the line",
        ("record", "-T") => "--tag KEY=VALUE",
        ("record", "-D" | "--parameter-scan" | "--parameter") => "-L NAME=1,2,4 runs the command with each value",
        ("record" | "ab", "--json" | "--format" | "-j" | "--export") => {
            "--summary FILE and (of a series) --export-json FILE write the result as JSON; `perfwatch report DIR --json` prints all figures"
        }
        ("record", "--csv" | "-x" | "--export-csv" | "--export-markdown") => {
            "`perfwatch report DIR --csv OUT` writes CSV of a recording"
        }
        _ => return reading_option(command, flag),
    })
}

/// A hint for an option of a command that reads recordings.
fn reading_option(command: &str, flag: &str) -> Option<&'static str> {
    Some(match (command, flag) {
        ("report", "-o" | "--output" | "--out") => {
            "the report goes to standard output; --html FILE writes a page, --csv DIR every row into files"
        }
        ("report", "--every" | "--resample" | "--wide") => {
            "`perfwatch export DIR --every 10s` writes resampled rows, and --wide puts entities side by side"
        }
        ("export", "-m" | "--metric" | "--metrics" | "--fields" | "--column") => "-c, --columns NAME",
        ("export", "-i" | "--interval" | "--resample" | "--freq" | "--bucket" | "--step" | "-e") => {
            "--every TIME, such as --every 10s"
        }
        ("export", "--pivot") => "--wide",
        ("export", "--csv") => "--format csv, and -o PATH",
        ("export", "--json") => "--format jsonl",
        ("export", "--unpack" | "--unzip" | "--extract") => {
            "a packed recording is a ZIP archive: `unzip FILE -d DIR`; all commands read it as it is"
        }
        ("report", "-p" | "--name") => "--phase NAME, --table NAME, --metric NAME",
        ("report", "-s" | "--start" | "--from" | "--begin" | "-b") => "--since TIME",
        ("report", "-e" | "--end" | "--to") => "--until TIME",
        ("report", "--columns" | "--column" | "--fields") => "-m, --metric NAME; --width is that of the terminal",
        ("report", "--percentile" | "--quantile" | "--quantiles") => "--percentiles 50,90,99.9",
        ("report", "--stat" | "--stats") => {
            "--width 120 shows all statistics, and so does --json; --percentiles 50,90,99.9 are those of your choice"
        }
        ("report", "--live" | "--watch" | "-w") => "--follow shows the report again until the recording ends",
        ("report", "--group-by" | "--per-phase" | "--phases") => "--by phase",
        ("report", "--changes" | "--biggest") => "--top shows what changed most",
        ("report", "--sparkline" | "--spark" | "--graph") => "--sparklines",
        ("report", "--markdown" | "--md") => "--format markdown",
        ("report", "--plot" | "--chart") => "--html FILE writes a page with charts, --svg FOLDER single charts",
        ("report", "-v" | "--verbose") => "--all shows every entity and metric",
        ("report", "--diff" | "--compare") => {
            "--side-by-side shows two recordings in one table, `perfwatch compare A B` says which differences are more than noise, \
             and `perfwatch info A B --diff` prints the facts that differ"
        }
        _ => return None,
    })
}

/// A hint for a word in place of `start`, `end` or `event`.
pub fn mark(word: &str) -> String {
    match word {
        "begin" | "open" | "enter" | "push" | "new" => "`perfwatch mark start NAME` begins a phase".into(),
        "stop" | "finish" | "close" | "leave" | "pop" | "done" | "exit" => {
            "`perfwatch mark end NAME` ends a phase".into()
        }
        "phase" | "region" | "span" | "section" => {
            "`perfwatch mark start NAME` begins a phase, `perfwatch mark end NAME` ends it".into()
        }
        "note" | "point" | "instant" | "message" | "log" => {
            "`perfwatch mark event TEXT` notes that something happened".into()
        }
        name => {
            let name = quoted(name);
            format!(
                "`perfwatch mark start {name}` and `perfwatch mark end {name}` are a phase, `perfwatch mark event {name}` notes that \
                 something happened"
            )
        }
    }
}

/// Commands that exist only in a shell.
const BUILTINS: [&str; 15] = [
    "cd", "export", "source", ".", "ulimit", "umask", "alias", "set", "eval", "exec", "for", "while", "if", "type",
    "wait",
];

/// A hint for a command that was not found, if it is meant for a shell.
pub fn script(words: &[String]) -> Option<String> {
    let first = words.first()?;
    let names_variable = |text: &str| {
        let name = text.split_once('=').map(|(name, _)| name)?;
        (!name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')).then_some(())
    };
    if names_variable(first).is_some() && !first.contains(char::is_whitespace) {
        let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        return Some(format!("`perfwatch record -- env {}` sets a variable", words.join(" ")));
    }
    let is_script = first.chars().any(|c| c.is_whitespace() || ";|&<>()$`*?!{}\"'\\~".contains(c));
    if !is_script && !BUILTINS.contains(&first.as_str()) {
        return None;
    }
    let script = if words.len() == 1 { first.clone() } else { words.join(" ") };
    Some(format!("a script is recorded by `perfwatch record -- sh -c {}`", quoted_always(&script)))
}

fn quoted_always(script: &str) -> String {
    format!("'{}'", script.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::super::Cli;
    use super::*;

    #[test]
    fn words_of_other_tools() {
        for word in ["cmp", "diff", "plot", "csv", "stat", "run", "list", "show", "start", "stop", "top", "query"] {
            let hint = command(word).unwrap_or_else(|| panic!("{word}"));
            assert!(hint.contains("perfwatch"), "{word}");
        }
        assert!(command("xyzzy").is_none());
        assert!(mark("begin").contains("mark start NAME") && mark("stop").contains("mark end NAME"));
        assert!(mark("big load").contains("mark start 'big load'"));
    }

    #[test]
    fn hints_name_commands_that_exist() {
        let cli = Cli::command();
        let known = |name: &str| cli.get_subcommands().any(|c| c.get_name() == name);
        let words = [
            "diff",
            "plot",
            "csv",
            "pack",
            "resample",
            "stat",
            "run",
            "start",
            "stop",
            "top",
            "list",
            "show",
            "query",
            "tables",
            "tag",
            "phase",
            "merge",
            "repair",
            "clean",
            "attach",
            "completion",
            "check",
            "settings",
            "manual",
        ];
        for word in words {
            assert!(!known(word), "{word} is a command: its hint is never seen");
            let hint = command(word).unwrap();
            for (at, _) in hint.match_indices("`perfwatch ") {
                let name = hint[at + 11..].split([' ', '`']).next().unwrap();
                assert!(known(name), "{word}: {hint}");
            }
        }
    }

    #[test]
    fn what_is_meant_for_a_shell() {
        let of = |words: &[&str]| script(&words.iter().map(|w| w.to_string()).collect::<Vec<_>>());
        assert_eq!(
            of(&["sleep 1; echo it's"]).unwrap(),
            r"a script is recorded by `perfwatch record -- sh -c 'sleep 1; echo it'\''s'`"
        );
        assert!(of(&["cd", "/tmp"]).unwrap().contains("sh -c 'cd /tmp'"));
        assert_eq!(of(&["A=1", "make", "-j 4"]).unwrap(), "`perfwatch record -- env A=1 make '-j 4'` sets a variable");
        assert_eq!(of(&["nowhere", "-x"]), None);
        assert_eq!(of(&["./a.out"]), None);
    }
}
