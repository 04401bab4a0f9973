//! The messages and the progress of a session on the terminal.

use std::path::Path;

use super::checks;
use super::settings::is_listed;
use crate::cli::record::RecordArgs;
use crate::record::notice::{Listener, Notice, Severity};
use crate::record::progress::Progress;
use crate::record::settings::Settings;
use crate::store::manifest::CollectorFacts;
use crate::ui::{self, Messages, ProgressLine};

pub struct Screen<'a> {
    pub messages: Messages,
    args: &'a RecordArgs,
    settings: &'a Settings,
    line: ProgressLine,
}

impl<'a> Screen<'a> {
    pub fn new(args: &'a RecordArgs, settings: &'a Settings) -> Screen<'a> {
        let messages = Messages { quiet: args.quiet, verbose: args.verbose };
        Screen { messages, args, settings, line: ProgressLine::hidden() }
    }

    /// Was this collector requested, so that its absence is reported in full?
    fn is_asked(&self, name: &str) -> bool {
        let has_command = self.settings.workload.is_some();
        let sources = &self.args.sources;
        match name {
            "perf" if sources.perf.asks_for_events() => true,
            "metric" => !sources.metric.is_empty(),
            "gpu" if sources.gpu.nvml.is_some() => true,
            "process" if sources.process.processes.is_some() => !has_command,
            "cgroup" if !sources.cgroup.cgroups.is_empty() => !has_command,
            name => !has_command && is_listed(self.args, name),
        }
    }
}

impl Listener for Screen<'_> {
    fn hear(&mut self, notice: &Notice) {
        let messages = self.messages;
        self.line.suspend(|| match notice.severity() {
            Severity::Detail => messages.detail(&notice.to_string()),
            Severity::News => messages.news(&notice.to_string()),
            Severity::Warning => messages.warn(&notice.to_string()),
            Severity::WorkloadWarning => ui::message(&format!("warning: {notice}")),
            Severity::Error => ui::message(&notice.to_string()),
        });
    }

    fn opened(&mut self) {
        let idle = checks::without_effect(self.args, |name| self.settings.collectors.contains(name));
        idle.iter().for_each(|text| self.messages.warn(text));
    }

    /// Reports what this machine does not have. With a command only what was requested, because the output of the command
    /// is more important.
    fn taken(&mut self, facts: &[CollectorFacts]) {
        let is_told = |fact: &CollectorFacts| {
            self.settings.workload.is_none() || self.messages.verbose || self.is_asked(&fact.name)
        };
        let told: Vec<_> = facts.iter().filter(|fact| is_told(fact)).cloned().collect();
        self.messages.about_collectors(&told, |name| self.is_asked(name));
    }

    fn sampling(&mut self, root: &Path, facts: &[CollectorFacts]) {
        // Only the command writes to the terminal.
        if self.settings.workload.is_none() {
            self.line = ProgressLine::new(&self.messages, self.settings.duration, facts);
        }
        if self.line.is_shown() {
            let how = match self.settings.duration {
                Some(_) => "stops by itself, or with Ctrl-C",
                None => "Ctrl-C stops it",
            };
            self.messages.news(&format!("recording into {}; {how}", root.display()));
        }
    }

    fn shows_progress(&self) -> bool {
        self.line.is_shown()
    }

    fn progress(&mut self, progress: &Progress) {
        self.line.draw(progress);
    }

    fn over(&mut self) {
        self.line.clear();
    }
}
