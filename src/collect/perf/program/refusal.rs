//! Why a trial run of perf gave no rows: its exit status and its messages, which differ between versions.
//!
//! The messages are in perf's `tools/perf/util/evsel.c` and `builtin-stat.c`.

use std::io;
use std::path::Path;

use super::child::{self, FinishedPerf, Said};
use crate::collect::collector::Unavailable;
use crate::collect::perf::facts::Facts;
use crate::events::generic::CPU_CLOCK;

/// perf's exit status for a command line that it does not understand.
const USAGE: i32 = 129;

/// Why a trial run gave no rows.
#[derive(Debug)]
pub enum Failure {
    NotStarted(io::Error),
    /// It did not end within this many seconds.
    TooLong(u64),
    /// It ended normally, but printed no counts.
    Silent,
    /// perf refused with this message; `errno` is set if its meaning is known.
    Refused {
        words: String,
        errno: Option<i32>,
    },
    /// perf does not understand the name of an event.
    Unknown,
    /// perf is too old for an option.
    NoOption(String),
    /// A script named perf that found no binary to run.
    Wrapper(String),
    TooMany,
}

impl Failure {
    /// For a run that had no rows, or did not end normally.
    pub fn from_finished(finished: &FinishedPerf, limit_s: u64) -> Failure {
        let Some(status) = finished.status else { return Failure::TooLong(limit_s) };
        let said = &finished.said;
        let words = said.first_words();
        match status.code() {
            // perf itself has no such status.
            Some(2 | 126 | 127) => Failure::Wrapper(words),
            _ if is_of_wrapper(said) => Failure::Wrapper(words),
            Some(USAGE) if is_about_names(said) => Failure::Unknown,
            Some(0) => Failure::Silent,
            code => match unknown_option(said).filter(|_| code == Some(USAGE)) {
                Some(option) => Failure::NoOption(option),
                None => Failure::Refused { words: child::describe(status, &words), errno: errno_of(said) },
            },
        }
    }

    /// Whether perf might count the other events without the one that it refuses.
    pub fn may_be_of_one_event(&self) -> bool {
        match self {
            Failure::Refused { errno, .. } => {
                !errno.is_some_and(|e| [libc::EMFILE, libc::ENFILE, libc::ENOSYS, libc::ESRCH].contains(&e))
            }
            other => matches!(other, Failure::Unknown | Failure::Silent),
        }
    }

    /// What helps against a refusal, if that is known.
    pub fn advice(&self, facts: &Facts) -> Option<String> {
        match self {
            Failure::Refused { errno, .. } => errno.and_then(|errno| facts.advise(errno)),
            _ => None,
        }
    }

    /// For a perf that was asked for one event.
    pub fn reason_for_one_event(self, facts: &Facts) -> String {
        match self {
            Failure::Refused { errno: Some(errno), .. } if is_about_us(errno) => facts.explain(errno),
            Failure::Refused { .. } | Failure::Unknown | Failure::Silent => "unknown to perf, or refused by it".into(),
            Failure::NotStarted(error) => error.to_string(),
            Failure::Wrapper(words) => words,
            Failure::NoOption(option) => format!("this perf has no option {option}"),
            Failure::TooLong(_) => "perf hangs on it".into(),
            Failure::TooMany => {
                "left out: perf refuses the list, and the limit of attempts to find the event was reached".into()
            }
        }
    }

    pub fn into_unavailable(self, program: &Path, facts: &Facts) -> Unavailable {
        let by_hand = by_hand(program);
        let program = program.display();
        match self {
            Failure::NotStarted(error) => {
                let advice = match error.raw_os_error() {
                    Some(libc::EAGAIN) => Some("there are too many processes or threads: see `ulimit -u`".into()),
                    Some(errno @ (libc::EMFILE | libc::ENFILE | libc::ENOMEM)) => facts.advise(errno),
                    _ => None,
                };
                Unavailable::new(format!("cannot run {program}: {error}"))
                    .advise(advice.unwrap_or_else(|| "name a working perf with --perf-path".into()))
            }
            Failure::TooLong(limit_s) => {
                Unavailable::new(format!("{program} did not finish a trial run in {limit_s} s")).advise(by_hand)
            }
            Failure::Unknown => Unavailable::new(format!("{program} does not know the events"))
                .advise("`perfwatch events` lists the events that count here"),
            Failure::Silent => {
                Unavailable::new(format!("{program} cannot count: perf printed no counts")).advise(by_hand)
            }
            Failure::Refused { words, errno } => Unavailable::new(format!("{program} cannot count: {words}"))
                .advise(errno.and_then(|errno| facts.advise(errno)).unwrap_or(by_hand)),
            Failure::NoOption(option) => no_option(&program.to_string(), &option),
            Failure::Wrapper(words) => {
                let words = if words.is_empty() { String::new() } else { format!(" ({words})") };
                Unavailable::new(format!("{program} is a wrapper without a perf for this kernel{words}"))
                    .advise("install linux-tools-$(uname -r) or linux-perf, or name a perf binary with --perf-path")
            }
            Failure::TooMany => Unavailable::new(format!("{program} refuses the events")),
        }
    }
}

/// The advice if nothing better is known.
pub fn by_hand(program: &Path) -> String {
    format!("try `{} stat -a -e {CPU_CLOCK} true` by hand", program.display())
}

/// Whether this is about the caller and the machine rather than the event.
fn is_about_us(errno: i32) -> bool {
    matches!(
        errno,
        libc::EMFILE
            | libc::ENFILE
            | libc::EACCES
            | libc::EPERM
            | libc::ENOSYS
            | libc::ENOMEM
            | libc::EBUSY
            | libc::ESRCH
    )
}

/// The scripts of Ubuntu and Debian.
fn is_of_wrapper(said: &Said) -> bool {
    ["perf not found", "not found for kernel"].iter().any(|words| said.has(words))
        || ["E: linux-perf", "E: linux-tools"].iter().any(|words| said.has(words)) && said.has("is not installed")
}

/// perf 4.4 has its own message for unknown PMUs.
fn is_about_names(said: &Said) -> bool {
    ["event syntax error", "invalid or unsupported event"].iter().any(|words| said.has(words))
}

/// "Error: unknown switch `j'", "Error: unknown option `per-die'".
fn unknown_option(said: &Said) -> Option<String> {
    let text = said.first_text();
    let after = |words: &str| text.split_once(words).map(|(_, rest)| rest);
    let name = |rest: &str| rest.split(['\'', '`', '\n', '=']).next().unwrap_or_default().trim().to_string();
    let switch = after("unknown switch `").map(|rest| format!("-{}", name(rest)));
    switch.or_else(|| after("unknown option `").map(|rest| format!("--{}", name(rest))))
}

/// Options that older perf versions lack, with the version that added them, and what to do without.
fn no_option(program: &str, option: &str) -> Unavailable {
    let (what, since, instead) = match option {
        "-j" => ("prints no JSON", "6.0", "leave out --perf-format: every perf prints CSV"),
        "-I" => ("counts no intervals", "3.9", "leave out --perf-path and --perf-backend perf"),
        "--per-die" => ("does not count per die", "5.3", "count --perf-per socket or core"),
        "--per-node" => ("does not count per node", "5.8", "count --perf-per socket"),
        "--per-cache" => ("does not count per cache", "6.5", "count --perf-per core"),
        "--per-cluster" => ("does not count per cluster", "6.11", "count --perf-per core"),
        other => {
            return Unavailable::new(format!("{program} is too old: it has no option {other}"))
                .advise("name a newer perf with --perf-path");
        }
    };
    Unavailable::new(format!("{program} {what} (that came with perf {since})"))
        .advise(format!("{instead}, or name a newer perf with --perf-path"))
}

/// The error number that the kernel would use for perf's message.
fn errno_of(said: &Said) -> Option<i32> {
    // "The sys_perf_event_open() syscall returned with 22 (Invalid argument) for event (cycles)."
    let number = || {
        let text = said.first_text();
        let (_, rest) = text.split_once("returned with ")?;
        rest.split_whitespace().next()?.trim_start_matches('-').parse().ok().filter(|n| (1..4096).contains(n))
    };
    let known: &[(&str, i32)] = &[
        ("Too many open files in system", libc::ENFILE),
        ("Too many events are opened", libc::EMFILE),
        ("Too many open files", libc::EMFILE),
        ("counters are busy", libc::EBUSY),
        ("taken by another profiler", libc::EBUSY),
        ("in use by another", libc::EBUSY),
        ("Device or resource busy", libc::EBUSY),
        ("annot allocate memory", libc::ENOMEM),
        ("ot enough memory", libc::ENOMEM),
        ("No space left on device", libc::ENOSPC),
        ("Problems finding threads of monitor", libc::ESRCH),
        ("No such process", libc::ESRCH),
        ("Function not implemented", libc::ENOSYS),
        ("No permission to enable", libc::EPERM),
        ("may not have permission", libc::EACCES),
        ("observability operations is limited", libc::EACCES),
        ("Permission denied", libc::EACCES),
        ("Operation not permitted", libc::EPERM),
        ("failed to parse CPUs map", libc::ENODEV),
        ("No such device", libc::ENODEV),
        ("Invalid argument", libc::EINVAL),
    ];
    number().or_else(|| known.iter().find(|(words, _)| said.has(words)).map(|(_, errno)| *errno))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    fn finished(status: i32, said: &str) -> FinishedPerf {
        let mut words = Said::default();
        words.add(said.as_bytes());
        FinishedPerf { status: Some(ExitStatus::from_raw(status << 8)), output: Vec::new(), said: words }
    }

    fn unavailable(status: i32, said: &str, facts: &Facts) -> (String, String) {
        let found = Failure::from_finished(&finished(status, said), 5).into_unavailable(Path::new("PERF"), facts);
        (found.reason, found.advice.unwrap_or_default())
    }

    /// Messages of versions 4.4 to 7.2, and what helps.
    #[test]
    fn messages_of_perf_and_what_helps() {
        let user = Facts { paranoid: Some(2), uid: 1000, ..Facts::default() };
        for (status, said, advice) in [
            (
                255,
                "Error:\nToo many events are opened.\nProbably the maximum number of open file descriptors has been \
                 reached.\nHint: Try again after reducing the number of events.\nHint: Try increasing the limit with \
                 'ulimit -n <limit>'\n",
                "raise `ulimit -n`, or ask for fewer events or CPUs",
            ),
            (1, "Error:\nToo many events are opened.\n", "raise `ulimit -n`, or ask for fewer events or CPUs"),
            (
                255,
                "Error:\nThe sys_perf_event_open() syscall returned with 24 (Too many open files) for event \
                 (cpu-clock).\n/bin/dmesg | grep -i perf may provide additional information.\nNo \
                 CONFIG_PERF_EVENTS=y kernel support configured?\n",
                "raise `ulimit -n`",
            ),
            (255, "failed to create 'go' pipe: Too many open files\n", "raise `ulimit -n`"),
            (255, "Error:\nThe PMU cpu counters are busy and in use by another process.\n", "end the other program"),
            (
                255,
                "Error:\nThe PMU counters are busy/taken by another profiler.\nWe found oprofile daemon running, \
                 please stop it and try again.\n",
                "end the other program",
            ),
            (
                255,
                "Error:\nYou may not have permission to collect system-wide stats.\n\nConsider tweaking \
                 /proc/sys/kernel/perf_event_paranoid,\n",
                "run as root, or `sysctl kernel.perf_event_paranoid=0`",
            ),
            (
                255,
                "Error:\nAccess to performance monitoring and observability operations is limited.\n",
                "run as root, or `sysctl kernel.perf_event_paranoid=0`",
            ),
            (255, "Error:\nNo permission to enable cpu-clock event.\n", "run as root, or `sysctl"),
            (234, "Problems finding threads of monitor\n\n Usage: perf stat\n", "it has ended"),
            (22, "Problems finding threads of monitor\n", "it has ended"),
            (234, "failed to parse CPUs map\n", "name CPUs that are on-line"),
            (
                255,
                "The sys_perf_event_open() syscall returned with 38 (Function not implemented) for event (cs).\n",
                "in a container",
            ),
            (255, "Error:\nSomething that nobody knows.\n", "try `PERF stat -a -e cpu-clock true` by hand"),
            (0, "", "try `PERF stat -a -e cpu-clock true` by hand"),
            (129, "  Error: unknown switch `j'\n\n Usage: perf stat [<options>]\n", "leave out --perf-format"),
            (129, "  Error: unknown option `per-die'\n\n Usage: perf stat\n", "count --perf-per socket"),
            (129, "  Error: unknown switch `I'\n\n usage: perf stat\n", "--perf-backend perf"),
            (129, "  Error: unknown option `log-fd'\n", "name a newer perf with --perf-path"),
            (129, "event syntax error: 'nosuch'\n  \\___ parser error\n", "`perfwatch events` lists"),
            (129, "invalid or unsupported event: 'nosuch/x/'\nRun 'perf list'\n", "`perfwatch events` lists"),
            (2, "WARNING: perf not found for kernel 6.8.0-31\n", "install linux-tools-$(uname -r)"),
            (127, "/usr/bin/perf: line 24: exec: perf_4.4: not found\n", "install linux-tools-$(uname -r)"),
            (1, "E: linux-perf-4.19 is not installed.\n", "install linux-tools-$(uname -r)"),
        ] {
            let (reason, found) = unavailable(status, said, &user);
            assert!(found.contains(advice), "{said}\n{reason}\n{found}");
            assert!(reason.starts_with("PERF "), "{reason}");
        }
    }

    #[test]
    fn an_old_perf_is_recognised_by_missing_options() {
        let (reason, advice) = unavailable(129, "  Error: unknown switch `j'\n\n Usage: perf\n", &Facts::default());
        assert_eq!(reason, "PERF prints no JSON (that came with perf 6.0)");
        assert_eq!(advice, "leave out --perf-format: every perf prints CSV, or name a newer perf with --perf-path");
    }

    #[test]
    fn a_program_that_cannot_be_started() {
        let advice = |errno: i32| {
            let failure = Failure::NotStarted(io::Error::from_raw_os_error(errno));
            failure.into_unavailable(Path::new("PERF"), &Facts::default()).advice.unwrap()
        };
        assert!(advice(libc::EMFILE).contains("`ulimit -n`") && advice(libc::EAGAIN).contains("`ulimit -u`"));
        assert!(advice(libc::ENOENT).contains("--perf-path") && advice(libc::ENOEXEC).contains("--perf-path"));
    }
}
