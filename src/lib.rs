//! perfwatch: a headless performance recorder for Linux.
//!
//! The library is the inside of the program. Its interface follows the program and promises nothing. What is promised are
//! the files: see `docs/FORMAT.md` and `docs/COLUMNS.md`.
//!
//! # A tour
//!
//! Follow one second of a machine from the kernel to the screen.
//!
//! 1. **Tick.** [`record::recorder::Recorder`] waits on a [`linux::clock::Clock`] for the next multiple of the interval. Tests
//!    pass a clock on which hours pass at once. There is also a tick where a phase of the work starts or ends, which a
//!    [`mark`] says.
//! 2. **Collector.** The recorder asks each [`collect::collector::Collector`] in turn. A collector that is one file of `/proc`
//!    reads it through [`linux::files::HeldFile`], which stays open, and parses bytes into rows of its own Rust type. The
//!    list of all collectors is [`collect::REGISTRY`].
//! 3. **Rows.** A static [`table::Table`] next to each collector declares for every column its name, unit, meaning and the way
//!    from row to value. With it [`table::sample::Sample`] turns the rows into cells. What the kernel did not say is null.
//! 4. **Journal.** [`store::write::Sink`] [encodes](store::journal::codec) the sample as differences from the previous tick,
//!    puts it into a [frame](store::journal::frame) with a checksum, and appends it with one `write`. From here on the tick
//!    survives a kill of the process. Then it goes to the other [outlets](store::write::Outlet), if there are any.
//! 5. **Parquet.** When the hour is over, [`store::write::seal`] replays the closed journal on a thread of its own.
//!    [`store::replay`] reads it back, [`table::rates`] derives what needs two ticks (rates, percentages, latencies; the rules
//!    for null are there and in [`table::step`] only), [`table::arrow`] makes Arrow columns of it. The finished file is renamed
//!    into the folder of its table. [`store::write::retain`] deletes what is too old; [`store::compact`] makes days of hours.
//! 6. **Reader.** [`store::read::open`] takes the sealed files and what is still in a journal as one, without a lock and with
//!    each tick once. The open hour goes through the same [`store::replay`], so both show the same values.
//! 7. **Query.** A [`query::Query`] chooses rows, groups them by entity, time or phase, and folds their columns on several
//!    threads.
//! 8. **Report.** [`report`] puts the results into a plain model; one renderer per format prints it.
//!
//! # The modules
//!
//! Each module imports only modules above it in this list; `tests/layers.rs` checks that.
//!
//! | module | what it is for |
//! |---|---|
//! | [`stats`] | numbers in, numbers out |
//! | [`text`] | printable names, words that several messages need, "did you mean" |
//! | [`linux`] | the kernel's side: files under roots, clocks, mounts, control groups, processes, signals, system calls |
//! | [`table`] | what a table is: the declaration that everything else follows from; samples, rates, Arrow columns |
//! | [`events`] | names of perf events, and what this machine offers |
//! | [`facts`] | facts about the machine and about a start of the recorder |
//! | [`store`] | what lies on disk: layout, manifest, journal, sealed files, runs; writing and reading them |
//! | [`workload`] | the recorded command: start, signals, orphans, control group, cost |
//! | [`metric`] | the program's own numbers: names, labels, the text format of Prometheus, the table |
//! | [`mark`] | phases, events and numbers that others tell: requests, the control socket, its client |
//! | [`collect`] | what a collector is, one file per source of the kernel, and the registry |
//! | [`query`] | recordings → rows → groups → statistics, series |
//! | [`record`] | one session from its settings to its end: the loop, the recorded command, the manifest |
//! | [`report`] | query → model → table, CSV, JSON, Markdown |
//! | [`export`] | rows, as recorded or resampled → CSV, JSON, Parquet, Arrow, OpenMetrics, Perfetto |
//! | [`compare`] | two sides of runs → verdicts on metrics → table, Markdown, JSON, CSV, JUnit |
//! | [`trend`] | many runs in order → where metrics changed, and what else did → table, Markdown, JSON, CSV |
//! | [`info`] | what a recording is, and in which facts several differ |
//! | [`cli`] | the command line: arguments and their help, no behaviour |
//! | [`ui`] | messages, the progress line, the width of the terminal |
//! | [`config`] | options from the environment and `perfwatch.toml`, as defaults of the command line |
//! | [`commands`] | one file per subcommand: arguments → settings → the modules above → output |

// Not in `Cargo.toml`, where they would hold for tests as well: a test ends where something is not as expected.
#![cfg_attr(
    not(test),
    deny(
        clippy::disallowed_methods,
        clippy::exit,
        clippy::expect_used,
        clippy::mem_forget,
        clippy::missing_errors_doc,
        clippy::panic,
        clippy::print_stderr,
        clippy::print_stdout,
        clippy::too_many_lines,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

pub mod chart;
pub mod cli;
pub mod collect;
pub mod commands;
pub mod compare;
pub mod config;
pub mod events;
pub mod export;
pub mod facts;
pub mod info;
pub mod linux;
pub mod mark;
pub mod metric;
pub mod page;
pub mod query;
pub mod record;
pub mod report;
pub mod stats;
pub mod store;
pub mod table;
pub mod text;
pub mod trend;
pub mod ui;
pub mod workload;
