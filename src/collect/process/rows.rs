//! The table `process`.

use std::sync::Arc;

use super::process_table::KnownProcess;
use super::waits::Waited;
use crate::linux::name::Name;
use crate::linux::possible::tasks;
use crate::linux::process::kernel::Io;
use crate::linux::process::stat::TicksUsed;
use crate::table::Unit::{Bytes, Count, Milliseconds, None as NoUnit, Percent};
use crate::table::{Chart, Charts, Table, counter, entity, entity_int, flag, gauge, gauge_float, label, label_int};

/// A process at a tick.
pub struct ProcessRow {
    pid: u32,
    comm: Name,
    ppid: u32,
    state: u8,
    in_command: bool,
    started_ms: Option<i64>,
    is_new: bool,
    usage_percent: Option<f64>,
    own: TicksUsed,
    rss_bytes: Option<u64>,
    peak_rss_bytes: Option<u64>,
    threads: u64,
    io: Option<Io>,
    waited: Option<Waited>,
    wait_percent: Option<f64>,
    swap_bytes: Option<u64>,
    pss_bytes: Option<u64>,
    oom_score: Option<u64>,
    command_line: Option<Arc<str>>,
}

pub static PROCESS: Table<ProcessRow> = Table {
    name: "process",
    source: "/proc/PID/stat, statm, io, status, cmdline, smaps_rollup; task/TID/schedstat; its CPU clock",
    doc: "Processes: those of the recorded command (`record -- COMMAND`, at every tick), of `--pid`, and those that \
          `--processes` selects (at most once per second). A row shows what a process used itself, with all its \
          threads; its children have their own rows.",
    charts: Charts::Drawn(&[
        Chart::lines("CPU time, in percent of one CPU", &["usage_percent"]),
        Chart::lines("Waiting for a CPU, in percent of the time of one thread", &["wait_percent"]),
        Chart::lines("Resident memory", &["rss_bytes"]),
        Chart::lines("Storage I/O", &["read_bytes", "write_bytes"]),
    ]),
    columns: &[
        entity_int("pid", "Process ID.", |p: &ProcessRow| p.pid.into()).orders(),
        entity("comm", "Name of the process, at most 15 bytes.", |p: &ProcessRow| p.comm.as_str().into()).may_change(),
        label_int("ppid", NoUnit, "Process ID of the parent.", |p: &ProcessRow| p.ppid.into()),
        label(
            "state",
            "R running, S sleeping, D waiting for a device, T stopped, Z zombie (ended, not yet waited for), I idle.",
            |p| state(p.state).into(),
        ),
        flag("in_command", "True if the process belongs to the recorded command, or to a process of `--pid`.", |p| {
            p.in_command.into()
        }),
        label_int(
            "started_ms",
            Milliseconds,
            "Start time since 1970 (UTC). Distinguishes two processes with the same process ID.",
            |p: &ProcessRow| p.started_ms.into(),
        )
        .began(),
        flag(
            "is_new",
            "True in the first row of a process that began during the recording: its counters began at zero, so their \
             whole value is growth. False in all other rows, and for processes that existed at the first sample.",
            |p| p.is_new.into(),
        ),
        gauge_float(
            "usage_percent",
            Percent,
            "CPU time of all its threads in the interval, in percent of one CPU: 250 means two and a half CPUs.",
            |p: &ProcessRow| p.usage_percent.map(crate::table::significant).into(),
        )
        .over_interval(),
        counter("user_ms", Milliseconds, "CPU time in user mode.", |p: &ProcessRow| milliseconds(p.own.user_ticks))
            .at_most_per_sec(Milliseconds.most_of_all_cpus()),
        counter("system_ms", Milliseconds, "CPU time in the kernel.", |p: &ProcessRow| {
            milliseconds(p.own.system_ticks)
        })
        .at_most_per_sec(Milliseconds.most_of_all_cpus()),
        gauge(
            "rss_bytes",
            Bytes,
            "Resident memory, including pages shared with others; null if the process has ended.",
            |p: &ProcessRow| p.rss_bytes.into(),
        ),
        gauge(
            "peak_rss_bytes",
            Bytes,
            "Maximum resident memory so far, noted by the kernel (VmHWM); null outside the recorded command.",
            |p: &ProcessRow| p.peak_rss_bytes.into(),
        ),
        gauge("threads", Count, "Number of threads.", |p: &ProcessRow| tasks(Some(p.threads)).into()),
        counter("minor_faults", Count, "Page faults that needed no reading.", |p: &ProcessRow| {
            p.own.minor_faults.into()
        }),
        counter("major_faults", Count, "Page faults that read from storage.", |p: &ProcessRow| {
            p.own.major_faults.into()
        }),
        counter(
            "read_bytes",
            Bytes,
            "Bytes read from storage, including children that it waited for; null for processes of other users.",
            |p: &ProcessRow| p.io.map(|io| io.read_bytes).into(),
        ),
        counter(
            "write_bytes",
            Bytes,
            "Bytes written to storage, including children that it waited for; null for processes of other users.",
            |p: &ProcessRow| p.io.map(|io| io.write_bytes).into(),
        ),
        counter(
            "wait_ms",
            Milliseconds,
            "Time in which its threads could run, and no CPU ran them, summed. A process with n threads is asked at most \
             every n times 10 ms; null in between, and where the kernel has no schedstat. What a thread waited between \
             the last reading and its end is missing.",
            |p: &ProcessRow| p.waited.map(|w| w.cpu_ns / 1_000_000).into(),
        ),
        gauge_float(
            "wait_percent",
            Percent,
            "Time in which its threads waited for a CPU since the reading before, in percent: 250 means two and a half \
             threads. A process that is slower at the same CPU time waited here.",
            |p: &ProcessRow| p.wait_percent.map(crate::table::significant).into(),
        )
        .over_interval()
        .lower_is_better(),
        counter(
            "context_switches",
            Count,
            "How often a CPU began to run one of its threads; read together with wait_ms.",
            |p: &ProcessRow| p.waited.map(|w| w.runs).into(),
        ),
        counter(
            "io_wait_ms",
            Milliseconds,
            "Time in which its threads waited for storage, summed; read together with wait_ms. Null where the kernel does \
             not count it (kernel.task_delayacct).",
            |p: &ProcessRow| p.waited.and_then(|w| w.io_ticks).map(in_milliseconds).into(),
        ),
        gauge(
            "pss_bytes",
            Bytes,
            "Proportional memory: each page divided by the number of processes that share it. Only with --pss, and in the \
             rows for which it was read.",
            |p: &ProcessRow| p.pss_bytes.into(),
        ),
        gauge(
            "swap_bytes",
            Bytes,
            "Memory in swap, as of the last time that the process ran; null outside the recorded command.",
            |p: &ProcessRow| p.swap_bytes.into(),
        ),
        gauge(
            "oom_score",
            Count,
            "How likely the kernel ends it when memory runs out, 0 to 1000 (2000 on old kernels). Read with pss_bytes.",
            |p: &ProcessRow| p.oom_score.into(),
        ),
        label(
            "command_line",
            "The arguments, separated by blanks; the first 256 bytes. Read when the process has its first row, and again \
             after an exec. Null for kernel threads.",
            |p: &ProcessRow| p.command_line.as_deref().into(),
        )
        .may_change(),
    ],
};

impl ProcessRow {
    /// `started_ms` is computed from the process's clock ticks since boot.
    pub fn from_known(known: &KnownProcess, page_size: u64, started_ms: Option<i64>) -> ProcessRow {
        let stat = &known.stat;
        ProcessRow {
            pid: stat.pid,
            comm: stat.comm,
            ppid: stat.ppid,
            state: stat.state,
            in_command: known.kin.is_some(),
            started_ms,
            is_new: known.is_new,
            usage_percent: known.usage_percent,
            own: stat.own,
            // A zombie has no memory, which is not the same as zero.
            rss_bytes: (stat.state != b'Z').then(|| stat.rss_pages.saturating_mul(page_size)),
            peak_rss_bytes: known.peak_rss_bytes,
            threads: stat.threads,
            io: known.io,
            waited: known.waits.now,
            wait_percent: known.waits.percent,
            swap_bytes: known.swap_bytes,
            pss_bytes: known.pss_bytes,
            oom_score: known.oom_score,
            command_line: known.command_line.clone(),
        }
    }
}

pub fn in_milliseconds(ticks: u64) -> u64 {
    ticks.saturating_mul(1000) / procfs::ticks_per_second().max(1)
}

fn milliseconds(ticks: u64) -> crate::table::Value<'static> {
    in_milliseconds(ticks).into()
}

fn state(letter: u8) -> &'static str {
    const LETTERS: &str = "RSDTtZXIWPKx";
    LETTERS.find(char::from(letter)).and_then(|i| LETTERS.get(i..=i)).unwrap_or("?")
}
