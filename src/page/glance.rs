//! Where the time went: for each resource how much it was used, how much tasks waited for it, and when. The rules are
//! simple and written below each verdict, so that a reader can judge them.

use super::section::Section;
use crate::chart::series::Point;
use crate::chart::spark;
use crate::query::number::Number;
use crate::report::model::{Metric, Recording};
use crate::table::Unit;
use crate::table::human::{digits, scaled};

/// How busy a resource was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// There is no value.
    Unknown,
    Low,
    /// Busy part of the time.
    Some,
    /// Busy, or waited for, much of the time.
    High,
}

impl Level {
    pub fn word(self) -> &'static str {
        match self {
            Level::Unknown => "not known",
            Level::Low => "low",
            Level::Some => "moderate",
            Level::High => "high",
        }
    }
}

/// One resource.
#[derive(Debug)]
pub struct Verdict {
    pub name: &'static str,
    /// In a sentence: "the CPU".
    pub phrase: &'static str,
    pub level: Level,
    /// How much of the time it was the limit, from 0 to 1, by which resources are compared.
    pub weight: f64,
    pub words: String,
    pub spark: String,
    /// When it was busiest.
    pub when: Option<(i64, i64)>,
    /// The section with its charts.
    pub table: &'static str,
}

/// The values of a recording by name.
pub struct Facts<'a> {
    pub recording: &'a Recording,
    pub sections: &'a [Section<'a>],
    pub span: (i64, i64),
}

impl Facts<'_> {
    fn metric(&self, table: &str, entity: &str, name: &str) -> Option<&Metric> {
        let table = self.recording.tables.iter().find(|t| t.table == table)?;
        table
            .entities
            .iter()
            .find(|e| entity.is_empty() || e.name() == entity)?
            .metric(name)
            .filter(|m| m.stats.count > 0)
    }

    fn mean(&self, table: &str, entity: &str, name: &str) -> Option<f64> {
        self.metric(table, entity, name)?.stats.mean
    }

    fn max(&self, table: &str, entity: &str, name: &str) -> Option<f64> {
        self.metric(table, entity, name)?.stats.max.map(Number::as_f64)
    }

    fn p95(&self, table: &str, entity: &str, name: &str) -> Option<f64> {
        self.metric(table, entity, name)?.stats.p95.map(Number::as_f64)
    }

    /// The entity with the largest mean, and the mean.
    fn largest(&self, table: &str, name: &str) -> Option<(String, f64)> {
        let table = self.recording.tables.iter().find(|t| t.table == table)?;
        let means = table.entities.iter().filter_map(|e| Some((e.name(), e.metric(name)?.stats.mean?)));
        means.max_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// The sum over all entities of their means.
    fn sum(&self, table: &str, name: &str) -> Option<f64> {
        let table = self.recording.tables.iter().find(|t| t.table == table)?;
        table.entities.iter().filter_map(|e| e.metric(name)?.stats.mean).reduce(|a, b| a + b)
    }

    /// The values of a metric over time, of an entity.
    fn points(&self, table: &str, entity: &str, name: &str) -> &[Point] {
        let section = self.sections.iter().find(|s| s.table.table == table);
        let points = section.and_then(|s| {
            let n = s.table.entities.iter().position(|e| entity.is_empty() || e.name() == entity)?;
            Some(s.series.points(name, n))
        });
        points.unwrap_or_default()
    }

    fn spark(&self, points: &[Point]) -> String {
        spark::line(&super::data::thin(points, self.span))
    }

    pub fn verdicts(&self) -> Vec<Verdict> {
        vec![self.cpu(), self.memory(), self.disk(), self.network(), self.others()]
    }

    fn cpu(&self) -> Verdict {
        let (usage, waited) = (self.mean("cpu", "", "usage_percent"), self.mean("pressure", "cpu", "some_percent"));
        let points = self.points("cpu", "", "usage_percent");
        let busy = share(points, 85.0);
        let mut words = Vec::new();
        if let Some(usage) = usage {
            let max = self.max("cpu", "", "usage_percent").unwrap_or(usage);
            words.push(format!("{} % busy, at most {} %", digits(usage), digits(max)));
            words.extend(self.states());
        }
        words.extend(
            waited.filter(|w| *w >= 1.0).map(|w| format!("tasks waited for a CPU {} % of the time", digits(w))),
        );
        let one = self
            .largest("cpu_core", "usage_percent")
            .filter(|(_, core)| *core >= 85.0 && usage.is_some_and(|u| u < 60.0));
        words.extend(one.iter().map(|(name, core)| format!("CPU {name} alone was {} % busy", digits(*core))));
        // One thread can keep one CPU busy; it moves between them.
        let command = self
            .mean("command", "", "usage_percent")
            .filter(|c| (85.0..=110.0).contains(c) && usage.is_some_and(|u| u < 85.0));
        words.extend(command.map(|c| format!("the command used about one CPU ({} %)", digits(c))));
        let weight = busy.max(waited.unwrap_or(0.0) / 100.0);
        let weight = if one.is_some() || command.is_some() { weight.max(0.85) } else { weight };
        let of_command = self.points("command", "", "usage_percent");
        let (alone, is_part) = (share(of_command, 80.0), command.is_none());
        if is_part && alone >= NOTICEABLE {
            words.push("the command kept a CPU busy part of the time".into());
        }
        let busiest = when(points, 50.0);
        let is_of_others = busiest.is_some_and(|time| self.is_of_others(time, points, of_command));
        if is_of_others {
            words.push("other programs used most of it when it was busiest".into());
        }
        let weight = if is_part { weight.max(alone) } else { weight };
        Verdict {
            name: "CPU",
            phrase: if is_of_others { "the CPU, because of other programs" } else { "the CPU" },
            level: level(usage, weight, usage.is_some_and(|u| u >= 25.0)),
            weight,
            words: words.join("; "),
            spark: self.spark(points),
            when: if is_part && alone > busy { when(of_command, 80.0) } else { busiest },
            table: "cpu",
        }
    }

    /// Did the command use less than half of the CPU time in this time? `all`: in percent of all CPUs, `of_command`: of one.
    fn is_of_others(&self, time: (i64, i64), all: &[Point], of_command: &[Point]) -> bool {
        let cpus = self.recording.tables.iter().find(|table| table.table == "cpu_core").map(|t| t.entities.len());
        let mean = |points: &[Point]| {
            let inside = points.iter().filter(|point| point.to_us > time.0 && point.to_us <= time.1).map(|p| p.mean);
            let (sum, count) = inside.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
            (count > 0.0).then(|| sum / count)
        };
        let shares = cpus.zip(mean(all)).zip(mean(of_command));
        shares.is_some_and(|((cpus, all), of_command)| of_command < 0.5 * all * cpus as f64)
    }

    /// `mostly in user mode`.
    fn states(&self) -> Option<String> {
        let of = |name: &str| self.mean("cpu", "", name).unwrap_or(0.0);
        let user = of("user_percent") + of("nice_percent");
        let kernel = of("system_percent") + of("irq_percent") + of("softirq_percent");
        (user + kernel >= 1.0).then(|| format!("{} % in user mode, {} % in the kernel", digits(user), digits(kernel)))
    }

    fn memory(&self) -> Verdict {
        let used = self.mean("memory", "", "usage_percent");
        let most = self.max("memory", "", "usage_percent");
        let waited = self.mean("pressure", "memory", "some_percent").unwrap_or(0.0);
        let swap = self.mean("paging", "", "swap_io_bytes_per_sec").unwrap_or(0.0);
        let killed = self.metric("paging", "", "oom_kill").and_then(|m| m.stats.total).map_or(0.0, Number::as_f64);
        let mut words = Vec::new();
        if let (Some(used), Some(most)) = (used, most) {
            let bytes = self
                .max("memory", "", "used_bytes")
                .map_or(String::new(), |b| format!(" ({})", scaled(b, Unit::Bytes)));
            words.push(format!("{} % used, at most {} %{bytes}", digits(used), digits(most)));
        }
        if swap > 0.0 {
            words.push(format!("swap I/O {}", scaled(swap, Unit::BytesPerSec)));
        }
        if waited >= 1.0 {
            words.push(format!("tasks waited for memory {} % of the time", digits(waited)));
        }
        if killed > 0.0 {
            words.push(format!("{killed} processes were killed for lack of memory"));
        }
        let swapping = if swap >= 1_048_576.0 { 0.3 } else { 0.0 };
        let weight = (waited / 100.0).max(swapping).max(if killed > 0.0 { 0.5 } else { 0.0 });
        let pressed = self.points("pressure", "memory", "some_percent");
        let points = self.points("memory", "", "usage_percent");
        Verdict {
            name: "Memory",
            phrase: "memory",
            level: level(used, weight, most.is_some_and(|m| m >= 85.0)),
            weight,
            words: words.join("; "),
            spark: self.spark(points),
            when: when(pressed, 10.0).or_else(|| when(points, 85.0)),
            table: "memory",
        }
    }

    fn disk(&self) -> Verdict {
        let read = self.sum("disk", "read_bytes_per_sec");
        let written = self.sum("disk", "write_bytes_per_sec");
        let waited = self.mean("pressure", "io", "some_percent");
        let iowait = self.mean("cpu", "", "iowait_percent").unwrap_or(0.0);
        let busiest = self.largest("disk", "util_percent");
        let mut words = Vec::new();
        if let (Some(read), Some(written)) = (read, written) {
            words.push(format!(
                "{} read, {} written",
                scaled(read, Unit::BytesPerSec),
                scaled(written, Unit::BytesPerSec)
            ));
        }
        if let Some((name, util)) = &busiest {
            let p95 = self.p95("disk", name, "util_percent").unwrap_or(*util);
            words.push(format!("{name} busy {} % of the time, p95 {} %", digits(*util), digits(p95)));
        }
        words.extend(waited.filter(|w| *w >= 1.0).map(|w| format!("tasks waited for I/O {} % of the time", digits(w))));
        if iowait >= 1.0 {
            words.push(format!("CPUs idle with I/O pending {} %", digits(iowait)));
        }
        let util = busiest.as_ref().map_or(0.0, |(name, _)| share(self.points("disk", name, "util_percent"), 85.0));
        let weight = (waited.unwrap_or(0.0) / 100.0).max(iowait / 100.0).max(util);
        let pressed = self.points("pressure", "io", "some_percent");
        let name = busiest.map_or(String::new(), |(name, _)| name);
        let points = self.points("disk", &name, "util_percent");
        let shown = if pressed.iter().any(|p| p.mean >= 1.0) { pressed } else { points };
        Verdict {
            name: "Disk",
            phrase: "the disks",
            level: level(read.or(waited), weight, points.iter().any(|p| p.mean >= 50.0)),
            weight,
            words: words.join("; "),
            spark: self.spark(shown),
            when: when(shown, 10.0),
            table: "disk",
        }
    }

    fn network(&self) -> Verdict {
        let received = self.sum("network", "bytes_recv_per_sec");
        let sent = self.sum("network", "bytes_sent_per_sec");
        let lost: f64 = ["errors_in_per_sec", "errors_out_per_sec", "drops_in_per_sec", "drops_out_per_sec"]
            .iter()
            .filter_map(|name| self.sum("network", name))
            .sum();
        let again = self.mean("socket", "", "tcp_retransmits_per_sec").unwrap_or(0.0);
        let overflows = self.mean("socket", "", "tcp_listen_overflows_per_sec").unwrap_or(0.0);
        let mut words = Vec::new();
        if let (Some(received), Some(sent)) = (received, sent) {
            words.push(format!(
                "{} received, {} sent",
                scaled(received, Unit::BytesPerSec),
                scaled(sent, Unit::BytesPerSec)
            ));
        }
        for (v, what) in [(lost, "errors and drops"), (again, "retransmits"), (overflows, "listen overflows")] {
            if v > 0.0 {
                words.push(format!("{what} {}", scaled(v, Unit::CountPerSec)));
            }
        }
        let name = self.largest("network", "bytes_recv_per_sec").map_or(String::new(), |(name, _)| name);
        let (points, sending) =
            (self.points("network", &name, "bytes_recv_per_sec"), self.points("network", &name, "bytes_sent_per_sec"));
        let top = |points: &[Point]| points.iter().map(|p| p.mean).fold(0.0, f64::max);
        let points = if top(sending) > top(points) { sending } else { points };
        // The speed of a link is not recorded, so only what went wrong can be judged.
        let is_faulty = lost > 1.0 || again > 10.0 || overflows > 0.0;
        let weight = if is_faulty { 0.1 } else { 0.0 };
        let is_active = received.unwrap_or(0.0) + sent.unwrap_or(0.0) >= 10.0 * 1_048_576.0;
        Verdict {
            name: "Network",
            phrase: "the network",
            level: level(received, weight, is_active),
            weight,
            words: words.join("; "),
            spark: self.spark(points),
            when: when(points, (top(points) / 2.0).max(1_048_576.0)),
            table: "network",
        }
    }

    /// What others took: the hypervisor for other machines, and the quota of a control group.
    fn others(&self) -> Verdict {
        let stolen = self.mean("cpu", "", "steal_percent");
        let throttled = self.largest("cgroup", "throttled_percent").filter(|(_, v)| *v > 0.0);
        let mut words = Vec::new();
        if let Some(stolen) = stolen {
            let max = self.max("cpu", "", "steal_percent").unwrap_or(stolen);
            words.push(format!("{} % of CPU time stolen by other tenants, at most {} %", digits(stolen), digits(max)));
        }
        words.extend(
            throttled
                .iter()
                .map(|(name, v)| format!("quota of control group {name} reached in {} % of periods", digits(*v))),
        );
        let points = self.points("cpu", "", "steal_percent");
        // A tenth of the time is already much.
        let weight = (stolen.unwrap_or(0.0) / 25.0).min(1.0).max(throttled.map_or(0.0, |(_, v)| v / 100.0));
        Verdict {
            name: "Other tenants, limits",
            phrase: "other tenants of the machine, or a quota",
            level: level(stolen, weight, stolen.is_some_and(|s| s >= 1.0)),
            weight,
            words: words.join("; "),
            spark: self.spark(points),
            when: when(points, 5.0),
            table: "cpu",
        }
    }
}

/// Below this share of the time a resource is not called the limit.
pub const NOTICEABLE: f64 = 0.1;

fn level(value: Option<f64>, weight: f64, is_active: bool) -> Level {
    match (value, weight, is_active) {
        (_, 0.4.., _) => Level::High,
        (_, NOTICEABLE.., _) | (_, _, true) => Level::Some,
        (Some(_), ..) => Level::Low,
        (None, ..) => Level::Unknown,
    }
}

/// The share of the points with at least this value.
fn share(points: &[Point], least: f64) -> f64 {
    let high = points.iter().filter(|p| p.mean >= least).count();
    if points.is_empty() { 0.0 } else { high as f64 / points.len() as f64 }
}

/// The longest time in which the value was at least this large, bridging dips of up to five points. None if it was
/// large all the time, or never.
fn when(points: &[Point], least: f64) -> Option<(i64, i64)> {
    const DIP: usize = 5;
    let high: Vec<usize> = points.iter().enumerate().filter(|(_, p)| p.mean >= least).map(|(n, _)| n).collect();
    let mut best: Option<(usize, usize)> = None;
    for run in high.chunk_by(|a, b| b - a <= DIP) {
        if let (Some(from), Some(to)) = (run.first(), run.last())
            && best.is_none_or(|(a, b)| to - from > b - a)
        {
            best = Some((*from, *to));
        }
    }
    let (from, to) = best?;
    if from <= 1 && to + 2 >= points.len() {
        return None;
    }
    // A sample is about the time before it.
    let before = points
        .get(from.saturating_sub(1))
        .filter(|_| points.get(from).is_some_and(|p| p.is_joined && p.from_us == p.to_us));
    Some((before.or(points.get(from))?.from_us, points.get(to)?.to_us))
}
