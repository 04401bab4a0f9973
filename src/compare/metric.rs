//! What is compared: its name, unit, and which change of it matters.

use std::fmt;

use crate::stats::means::Sample;
use crate::table::{Better, Unit};

/// Which number of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Statistic {
    /// Weighted as the column declares.
    Mean,
    P50,
    P95,
    /// How much it grew, or was in all.
    Total,
}

/// Identifies a metric in every recording: `command.wall_s`, `memory.used_bytes.p95`, `cpu_core[max].usage_percent`,
/// `disk[nvme0n1].read_iops`, `load: cpu.usage_percent` in the phase `load`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// If each phase is compared by itself.
    pub phase: Option<String>,
    pub table: &'static str,
    /// An entity, or how several are combined (`max`); None if there is only one, or all are combined as usual.
    pub entity: Option<String>,
    pub column: &'static str,
    pub statistic: Statistic,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(phase) = &self.phase {
            write!(f, "{phase}: ")?;
        }
        f.write_str(self.table)?;
        if let Some(entity) = &self.entity {
            write!(f, "[{entity}]")?;
        }
        write!(f, ".{}", self.column)?;
        match self.statistic {
            Statistic::P50 => f.write_str(".p50"),
            Statistic::P95 => f.write_str(".p95"),
            Statistic::Mean | Statistic::Total => Ok(()),
        }
    }
}

/// Facts about a metric that do not depend on recordings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Facts {
    pub unit: Unit,
    pub better: Option<Better>,
    /// The smallest step between two values of one run.
    pub quantum: f64,
    /// Smaller absolute changes do not matter.
    pub min_abs: f64,
}

impl Facts {
    /// With the quantum and the smallest change that matters of its unit.
    pub fn of_unit(unit: Unit, better: Option<Better>) -> Facts {
        const KIB: f64 = 1024.0;
        const MIB: f64 = 1024.0 * KIB;
        let (quantum, min_abs) = match unit {
            // Memory and storage are counted in pages, or in units of 1 KiB.
            Unit::Bytes => (4.0 * KIB, MIB),
            Unit::Kibibytes => (1.0, KIB),
            Unit::Pages => (1.0, 256.0),
            Unit::BytesPerSec => (1.0, MIB),
            Unit::KibibytesPerSec => (1.0 / KIB, KIB),
            Unit::PagesPerSec => (0.0, 256.0),
            // CPU time in steps of 10 ms, over a second or more.
            Unit::Percent => (0.01, 1.0),
            Unit::Count => (1.0, 100.0),
            Unit::CountPerSec => (0.0, 100.0),
            Unit::Seconds => (1e-4, 0.01),
            Unit::Milliseconds => (1.0, 20.0),
            Unit::Microseconds => (1.0, 100.0),
            Unit::Nanoseconds => (1.0, 100e3),
            Unit::MillisecondsPerSec => (0.0, 10.0),
            Unit::MicrosecondsPerSec => (0.0, 10e3),
            Unit::Celsius => (1.0, 2.0),
            Unit::Megahertz => (1.0, 50.0),
            Unit::Watts => (1e-3, 1.0),
            Unit::WattHours => (0.01, 0.1),
            Unit::Volts => (1e-3, 0.05),
            Unit::Amperes => (1e-3, 0.1),
            Unit::Rpm => (1.0, 100.0),
            Unit::Microwatts => (1e3, 1e6),
            Unit::Microjoules => (1e3, 1e6),
            Unit::None | Unit::Other(_) => (0.0, 0.0),
        };
        Facts { unit, better, quantum, min_abs: min_abs.max(2.0 * quantum) }
    }

    /// With another smallest change that matters, but at least two steps.
    #[must_use]
    pub fn at_least(self, min_abs: f64) -> Facts {
        Facts { min_abs: min_abs.max(2.0 * self.quantum), ..self }
    }

    /// With another quantum.
    #[must_use]
    pub fn in_steps_of(self, quantum: f64) -> Facts {
        Facts { quantum, min_abs: self.min_abs.max(2.0 * quantum), ..self }
    }
}

/// A metric of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    pub name: Name,
    pub facts: Facts,
    pub value: f64,
    /// Its spread within the run, if it was asked for: the mean is `value`, the count that of independent values.
    pub within: Option<Sample>,
    /// It decides the exit status unless a gate file says otherwise.
    pub is_gated: bool,
}

impl Measured {
    /// A value that decides nothing unless it is asked for.
    pub fn new(name: Name, facts: Facts, value: f64) -> Measured {
        Measured { name, facts, value, within: None, is_gated: false }
    }

    /// With the right to decide.
    #[must_use]
    pub fn gated(self, is_gated: bool) -> Measured {
        Measured { is_gated, ..self }
    }
}
