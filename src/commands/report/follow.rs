//! `report --follow`: the report of a running recording, again and again until it ends.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use super::print::rendered;
use super::{Outcome, Problems, Progress, Usage, open_chosen, report};
use crate::cli::report::{Format, ReportArgs};
use crate::commands::output::{write_all, write_as_it_is};
use crate::linux::clock;
use crate::linux::poll::{PollFd, PollFlags, is_readable, wait};
use crate::linux::signal::{SignalFd, SignalSet};
use crate::report::model::Report;
use crate::store::read::piece::{RecordingState, Source};
use crate::table::TableDef;
use crate::text::printable::json;
use crate::ui::terminal;

/// A report is made so rarely that making it takes at most this part of a CPU.
const MOST_SHARE: u32 = 20;

/// # Errors
/// [`Usage`] if there is not exactly one recording; otherwise as a single report.
pub fn follow(
    args: &ReportArgs,
    catalog: &[TableDef],
    open: &impl Fn(&Path) -> anyhow::Result<Box<dyn Source>>,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    if args.output.form() == Format::Csv {
        return Err(Usage("--follow prints tables, Markdown or JSON, not CSV".into()).into());
    }
    let signals = Signals::block()?;
    let mut screen = Screen::new(args.output.form() == Format::Table && io::stdout().is_terminal());
    let mut problems = Problems::default();
    let mut first = true;
    loop {
        let (began, cpu_us) = (clock::instant(), clock::process_cpu_us());
        let (opened, chosen) = open_chosen(args, catalog, open, &mut problems)?;
        match opened.sources.len() {
            1 => {}
            // It could not be opened, which was said.
            0 => return Ok(problems.outcome()),
            _ => return Err(Usage("--follow shows one recording".into()).into()),
        }
        let report = report(args, opened, &chosen, &mut problems, &mut Progress::hidden())?;
        let is_live = report.recordings.iter().any(|r| r.state == Some(RecordingState::Live));
        let every = every(args, &report);
        let text = block(args, &chosen, report)?;
        let is_last = !is_live;
        if is_last || !screen.is_on {
            screen.close(out)?;
            let gap = if first || args.output.is_json() || screen.was_on { "" } else { "\n" };
            if is_closed(write_all(out, &format!("{gap}{text}")))? || is_last {
                return Ok(problems.outcome());
            }
        } else {
            screen.draw(&text, out)?;
        }
        first = false;
        let cost = Duration::from_micros(clock::process_cpu_us().saturating_sub(cpu_us));
        let pause = every.max(cost.saturating_mul(MOST_SHARE)).saturating_sub(began.elapsed());
        if signals.wait(pause) {
            if screen.is_on {
                screen.close(out)?;
                write_all(out, &text)?;
            }
            return Ok(problems.outcome());
        }
    }
}

/// One report; as JSON on one line.
fn block(args: &ReportArgs, chosen: &super::Chosen, report: Report) -> anyhow::Result<String> {
    match args.output.form() {
        Format::Json => Ok(serde_json::to_string(&report)? + "\n"),
        _ => rendered(args, chosen, report),
    }
}

/// As asked, or the interval of the recording, at least a tenth of a second.
fn every(args: &ReportArgs, report: &Report) -> Duration {
    const SHORTEST: Duration = Duration::from_millis(100);
    let interval = report.recordings.iter().find_map(|r| Duration::try_from_secs_f64(r.interval_s?).ok());
    args.follow.flatten().or(interval).unwrap_or(Duration::from_secs(1)).max(SHORTEST)
}

/// Has the reader of our output ended? [`write_all`] does not tell.
fn is_closed(written: anyhow::Result<()>) -> anyhow::Result<bool> {
    written?;
    let out = io::stdout();
    let mut fds = [PollFd::new(&out, PollFlags::empty())];
    let found = wait(&mut fds, Some(Duration::ZERO)).unwrap_or(0);
    Ok(found > 0 && fds[0].revents().intersects(PollFlags::ERR | PollFlags::HUP))
}

/// The signals that end it: they are read instead of ending the program in the middle of a screen.
struct Signals {
    fd: SignalFd,
    set: SignalSet,
}

impl Signals {
    fn block() -> io::Result<Signals> {
        let set = SignalSet::new([libc::SIGINT, libc::SIGTERM, libc::SIGHUP]);
        set.block()?;
        Ok(Signals { fd: SignalFd::open(&set)?, set })
    }

    /// Waits; true if a signal arrived.
    fn wait(&self, pause: Duration) -> bool {
        let has_arrived = || self.fd.read().is_ok();
        // An interrupted wait is only shorter.
        is_readable(&self.fd, Some(pause)).unwrap_or(false) && has_arrived()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        let _ = self.set.unblock();
    }
}

/// The second screen of a terminal, on which reports are drawn; the first one stays as it was.
struct Screen {
    /// It is used.
    is_on: bool,
    is_open: bool,
    was_on: bool,
}

impl Screen {
    fn new(is_on: bool) -> Screen {
        Screen { is_on, is_open: false, was_on: is_on }
    }

    /// As much of the text as fits.
    fn draw(&mut self, text: &str, out: &mut dyn Write) -> anyhow::Result<()> {
        let height = terminal::height().unwrap_or(24).max(2);
        let lines: Vec<&str> = text.lines().collect();
        let mut drawn = String::new();
        if !self.is_open {
            // The second screen, without a cursor.
            drawn += "\u{1b}[?1049h\u{1b}[?25l";
            self.is_open = true;
        }
        drawn += "\u{1b}[H";
        let fits = if lines.len() > height { height - 1 } else { lines.len() };
        for (n, line) in lines.iter().take(fits).enumerate() {
            // Each line is written over the one before it, which does not flicker.
            drawn += &format!("{}{}\u{1b}[K", if n > 0 { "\r\n" } else { "" }, json(line));
        }
        if fits < lines.len() {
            drawn += &format!("\r\n… {} more lines; --table shows fewer tables\u{1b}[K", lines.len() - fits);
        }
        drawn += "\u{1b}[J";
        write_as_it_is(out, &drawn)
    }

    fn close(&mut self, out: &mut dyn Write) -> anyhow::Result<()> {
        if std::mem::take(&mut self.is_open) { write_as_it_is(out, LEAVE) } else { Ok(()) }
    }
}

/// The first screen, with its cursor.
const LEAVE: &str = "\u{1b}[?25h\u{1b}[?1049l";

impl Drop for Screen {
    /// After an error.
    fn drop(&mut self) {
        if self.is_open {
            let _ = io::stdout().write_all(LEAVE.as_bytes()).and_then(|()| io::stdout().flush());
        }
    }
}
