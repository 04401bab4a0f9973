//! Example commands for help texts and manual pages.

/// At the end of `record -h`.
pub const RECORD_SHORT: &str = "\
Example: perfwatch record -o my-run -- make -j8
         perfwatch report my-run
See --help for all options.";

/// At the end of `record --help`, and in its manual page.
pub const RECORD: &str = "\
Examples:
  perfwatch record -o my-run -- make -j8            a command, and the machine while it runs
  perfwatch record -o my-run -d 60s                 the machine for a minute
  perfwatch record -i 100ms --processes top=20      at a shorter interval, with the busiest processes; Ctrl-C stops it
  perfwatch record --runs 10 --warmup-runs 1 -o runs -- ./bench
  perfwatch record --runs 5 -L threads=1,2,4 -o scan -- ./bench --threads {threads}
  perfwatch record -q --summary result.json -- make test
  perfwatch record --metrics http://localhost:9100/metrics -o run -- ./load-test
  perfwatch record --append --retain 30d --max-bytes 5G -o /var/lib/perfwatch/here";

/// At the end of the help of `report`.
pub const REPORT: &str = "\
Examples:
  perfwatch report my-run
  perfwatch report my-run --table disk --since +5m --until -1m
  perfwatch report base new --side-by-side
  perfwatch report my-run --by phase -m usage_percent,cycles,ipc
  perfwatch report my-run --html my-run.html                 a page with charts
  perfwatch report my-run --table cpu --csv -";

/// At the end of the help of `export`.
pub const EXPORT: &str = "\
Examples:
  perfwatch export my-run --table cpu --every 10s
  perfwatch export my-run --table perf --wide -o perf.parquet
  perfwatch export my-run --format jsonl -o rows
  perfwatch export my-run -o my-run.pftrace             open it at https://ui.perfetto.dev
  perfwatch export my-run -f openmetrics --since -10m > my-run.om
  perfwatch export --pack my-run.perfwatch my-run       everything in one file";

/// Below the help of `compare`.
pub const COMPARE: &str = "\
Examples:
  perfwatch compare duel                                      the two sides of `perfwatch ab -o duel`
  perfwatch compare base-runs new-runs --out markdown=comment.md
  perfwatch compare --base main/* --new branch/* -m command.wall_s
  perfwatch compare server --base-range 10:00..11:00 --new-range 12:00..13:00
  perfwatch compare --write-gate past/* >>perfwatch.toml     which metrics decide from now on";

const AB: &str = "\
  perfwatch ab --runs 10 --base ./bench-old --new ./bench-new -o duel
  perfwatch ab --control --base ./bench-old --new ./bench-new -o duel
  perfwatch ab --until-decided --max-runs 60 --base ./bench-old --new ./bench-new -o duel";

/// Below the help of `trend`.
pub const TREND: &str = "\
Examples:
  perfwatch trend nightly/*
  perfwatch trend --order-by tag:version -m command.wall_s releases/*
  perfwatch trend --format markdown nightly/* > trend.md";

const MARK: &str = "\
  perfwatch mark start load
  perfwatch mark event cache is warm
  perfwatch mark end load
  perfwatch mark value qps=1234 p99_ms=3.5";

const INFO: &str = "\
  perfwatch info my-run
  perfwatch info base new --diff";

const ANNOTATE: &str = "  perfwatch annotate my-run --tag verdict=slow --note 'the fan was broken'";

const EVENTS: &str = "\
  perfwatch events --available
  perfwatch events cache --json";

const CONFIG: &str = "\
  perfwatch config
  perfwatch config record -- -i 5s";

const COMPLETIONS: &str = "\
  perfwatch completions bash > ~/.local/share/bash-completion/completions/perfwatch
  perfwatch completions zsh > ~/.zfunc/_perfwatch
  perfwatch completions fish > ~/.config/fish/completions/perfwatch.fish";

/// The examples of a subcommand; the empty name means `perfwatch` itself.
pub fn of(command: &str) -> &'static str {
    let lines = |text: &'static str| text.split_once('\n').map_or(text, |(_, lines)| lines);
    match command {
        "" => "  perfwatch record -o my-run -- make -j8\n  perfwatch report my-run",
        "record" => lines(RECORD),
        "report" => lines(REPORT),
        "export" => lines(EXPORT),
        "ab" => AB,
        "compare" => lines(COMPARE),
        "trend" => lines(TREND),
        "mark" => MARK,
        "info" => INFO,
        "annotate" => ANNOTATE,
        "doctor" => "  perfwatch doctor",
        "events" => EVENTS,
        "schema" => "  perfwatch schema cpu disk",
        "recover" => "  perfwatch recover my-run",
        "verify" => "  perfwatch verify my-run\n  perfwatch verify --json runs",
        "compact" => "  perfwatch compact --dry-run my-run",
        "config" => CONFIG,
        "completions" => COMPLETIONS,
        "man" => {
            "  perfwatch man | man -l -\n  perfwatch man record | man -l -\n  perfwatch man --dir /usr/local/share/man/man1"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::super::Cli;
    use super::*;

    /// Splits a line as a shell would; enough for these examples.
    fn words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        let mut is_quoted = false;
        for c in line.chars() {
            match c {
                '\'' => is_quoted = !is_quoted,
                ' ' if !is_quoted => words.push(String::new()),
                c => words.last_mut().unwrap().push(c),
            }
        }
        words
    }

    #[test]
    fn every_command_has_examples_that_parse() {
        let cli = Cli::command();
        for name in cli.get_subcommands().filter(|c| !c.is_hide_set()).map(clap::Command::get_name) {
            assert!(!of(name).is_empty(), "{name}");
            for line in of(name).lines() {
                // The rest of the line is a comment, or for the shell.
                let line = line.trim().split("   ").next().unwrap().split(" > ").next().unwrap();
                let line = line.split(" | ").next().unwrap();
                if let Err(error) = cli.clone().try_get_matches_from(words(line)) {
                    panic!("{line}: {error}");
                }
            }
        }
    }
}
