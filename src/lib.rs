//! perfwatch: a headless performance recorder for Linux.
//!
//! The library is the program's inside; its interface follows the program and promises nothing more. What is promised are
//! the files: see `docs/FORMAT.md` and `docs/COLUMNS.md`.
//!
//! # A tour
//!
//! Follow one second of a machine from the kernel to the screen.
//!
//! 1. **Tick.** [`recorder::Recorder`] waits on a [`clock::Clock`] for the next multiple of the interval. Tests hand it a clock
//!    on which hours pass at once. Where a phase of the work starts or ends, which a [`mark`] says, there is a tick as well.
//! 2. **Collector.** It asks each [`collector::Collector`] in turn. One that is a file of `/proc` reads it through
//!    [`source::HeldFile`], which stays open, and parses bytes into rows of a Rust type of its own. The list of them all
//!    is [`collectors::REGISTRY`]; [`perf`] is one of them, with counters of its own, or a child process, behind it.
//! 3. **Rows.** A static [`schema::Table`] beside each collector says for every column its name, unit, meaning and the way
//!    from row to value. With it [`sample::Sample`] turns the rows into cells. Whatever the kernel did not say is null.
//! 4. **Journal.** [`sink::Sink`] has the sample [encoded](journal::codec) as differences from the previous tick, puts a
//!    [frame](journal::frame) with a checksum around it, and appends it with one `write`. From here on the tick survives a
//!    kill of the process.
//! 5. **Parquet.** When the hour is over, [`sink::seal`] replays the closed journal on a thread of its own. [`replay`] reads
//!    it back, [`rates`] derives what needs two ticks (rates, percentages, latencies; the rules for null live there and in [`step`]
//!    alone), [`columns`] makes Arrow columns of it. The finished file is renamed into its table's folder.
//!    What is too old goes ([`sink::retain`]); [`compact`] makes days of hours.
//! 6. **Reader.** [`reader::open`] takes the sealed files and what is still in a journal as one, without a lock and with
//!    each tick once. The open hour goes through the same [`replay`], so both show the same values.
//! 7. **Report.** [`report`] summarises column by column into a plain model; one renderer for each format prints it.
//!
//! Knowledge flows one way. Collectors have not heard of Parquet or a terminal; the sink has heard of tables, not of disks;
//! only [`commands`] and [`ui`] print.
//!
//! # The rooms
//!
//! | room | what happens there |
//! |---|---|
//! | [`cli`] | the command line: arguments and their help, no behaviour |
//! | [`config`] | options set in the environment and in `perfwatch.toml`, as defaults of the command line |
//! | [`commands`] | one file a subcommand: arguments → settings → the rooms below |
//! | [`ui`], [`terminal`], [`nearest`] | the progress line and our few words; how wide the terminal is; "did you mean" |
//! | [`printable`] | names from outside as a terminal can show them: everything that is printed passes through it |
//! | [`run`], [`command`] | the recorded command: started held back, signals passed on, orphans, its cost; what its starter and its collectors share |
//! | [`recorder`] | the loop: tick, collectors, sink, and how it went |
//! | [`clock`] | the two clocks, the grid of ticks, and a scripted clock for tests |
//! | [`collector`] | what a collector is, and the one that is a single file |
//! | [`collectors`] | one file for each source of the kernel, and the registry |
//! | [`perf`] | events as a collector: their names, the counters of the kernel, the program `perf stat` |
//! | [`source`] | roots and names → bytes, with the path in every error |
//! | [`cgroup`], [`descriptors`] | where control groups are; room for open files |
//! | [`host`] | facts about the machine that do not change while it is recorded |
//! | [`start`] | facts about a start: revision of the code, CI job, scheduling, limits, load |
//! | [`health`] | the recorder's tables about itself: `tick` and `collector` |
//! | [`mark`] | phases and events that others tell of: the control socket, its client, the table `mark` |
//! | [`schema`] | what a table is: the declaration that all else follows from |
//! | [`catalog`] | all tables, in the order in which users meet them |
//! | [`sample`] | the rows of one tick, in buffers that are used again |
//! | [`step`] | what a counter did between two readings, and what is no growth |
//! | [`rates`] | two rows of an entity → rates, percentages, latencies |
//! | [`columns`] | rows → Arrow columns, in the schema that users read |
//! | [`journal`] | the open hour: frames, their coding, writing and reading them |
//! | [`replay`] | journal → rows as users read them, for sealing and for reading |
//! | [`sink`] | where ticks go: rotation, syncing, sealing |
//! | [`checksums`] | of Parquet files: written in their footers, compared by their readers |
//! | [`recording`], [`manifest`] | where things lie in the directory, and its lock; `_recording.json` |
//! | [`compact`] | the hours of a finished day become one file |
//! | [`runs`] | recordings that belong together: the runs of one command, or of two |
//! | [`reader`] | a recording as tables in pieces, be it live, killed or finished |
//! | [`stats`] | numbers in, numbers out |
//! | [`report`] | reader → model → table, CSV, JSON, Markdown |
//! | [`verify`] | is every byte of a recording as it was written |
//! | [`info`] | what a recording is, and in which facts several differ |

pub mod catalog;
pub mod cgroup;
pub mod checksums;
pub mod cli;
pub mod clock;
pub mod collector;
pub mod collectors;
pub mod columns;
pub mod command;
pub mod commands;
pub mod compact;
pub mod config;
pub mod descriptors;
pub mod health;
pub mod helper;
pub mod host;
pub mod info;
pub mod journal;
pub mod manifest;
pub mod mark;
pub mod nearest;
pub mod perf;
pub mod printable;
pub mod rates;
pub mod reader;
pub mod recorder;
pub mod recording;
pub mod replay;
pub mod report;
pub mod run;
pub mod runs;
pub mod sample;
pub mod schema;
pub mod sink;
pub mod source;
pub mod start;
pub mod stats;
pub mod step;
pub mod terminal;
pub mod ui;
pub mod verify;
pub mod words;
