//! Properties of a column: storage type, meaning, unit, and which direction is better.

use std::fmt;

use super::names::intern;

/// How a column is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Int32,
    Int64,
    Float64,
    Bool,
    /// A dictionary-encoded string.
    Text,
}

impl Type {
    const ALL: [Type; 5] = [Type::Int32, Type::Int64, Type::Float64, Type::Bool, Type::Text];

    pub const fn word(self) -> &'static str {
        match self {
            Type::Int32 => "int32",
            Type::Int64 => "int64",
            Type::Float64 => "float64",
            Type::Bool => "bool",
            Type::Text => "string",
        }
    }

    pub fn from_word(word: &str) -> Option<Type> {
        Type::ALL.into_iter().find(|ty| ty.word() == word)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// The meaning of a column, which determines how it is summarised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Identifies the subject of the row: a device, a core. Rows of one table and tick differ in it.
    Entity,
    /// A state or text that is not part of the row's identity.
    Label,
    /// Grows from boot, stored as the kernel reports it.
    Counter,
    /// The value at the tick.
    Gauge,
    /// A value over the interval since the previous sample of the entity: a rate, a percentage, a latency.
    Interval,
    /// What happened in the interval: it can be summed, and divided by the length of the interval. In files and for
    /// users its word is `interval`, as in versions without this kind; the fact `amount` marks it.
    Amount,
}

impl Kind {
    /// A number that can be summarised.
    pub const fn is_metric(self) -> bool {
        matches!(self, Kind::Counter | Kind::Gauge | Kind::Interval | Kind::Amount)
    }

    /// Those with a word of their own.
    const ALL: [Kind; 5] = [Kind::Entity, Kind::Label, Kind::Counter, Kind::Gauge, Kind::Interval];

    pub const fn word(self) -> &'static str {
        match self {
            Kind::Entity => "entity",
            Kind::Label => "label",
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Interval | Kind::Amount => "interval",
        }
    }

    /// The kind of this [word](Kind::word).
    pub fn from_word(word: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// The unit of a column, which determines the suffix of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Names, states, and pure numbers such as a load average.
    None,
    /// Things counted: packets, operations, faults.
    Count,
    Bytes,
    Kibibytes,
    Pages,
    Percent,
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
    Celsius,
    Megahertz,
    Watts,
    Microwatts,
    /// The kernel's unit of energy.
    Microjoules,
    WattHours,
    Volts,
    Amperes,
    /// Revolutions per minute.
    Rpm,
    CountPerSec,
    BytesPerSec,
    KibibytesPerSec,
    PagesPerSec,
    MicrosecondsPerSec,
    MillisecondsPerSec,
    /// A unit that only another perfwatch knows, by its word.
    Other(&'static str),
}

impl Unit {
    const ALL: [Unit; 25] = [
        Unit::None,
        Unit::Count,
        Unit::Bytes,
        Unit::Kibibytes,
        Unit::Pages,
        Unit::Percent,
        Unit::Seconds,
        Unit::Milliseconds,
        Unit::Microseconds,
        Unit::Nanoseconds,
        Unit::Celsius,
        Unit::Megahertz,
        Unit::Watts,
        Unit::Microwatts,
        Unit::Microjoules,
        Unit::WattHours,
        Unit::Volts,
        Unit::Amperes,
        Unit::Rpm,
        Unit::CountPerSec,
        Unit::BytesPerSec,
        Unit::KibibytesPerSec,
        Unit::PagesPerSec,
        Unit::MicrosecondsPerSec,
        Unit::MillisecondsPerSec,
    ];

    /// The unit of this [word](Unit::word).
    pub fn from_word(word: &str) -> Unit {
        Unit::ALL.into_iter().find(|unit| unit.word() == word).unwrap_or_else(|| Unit::Other(intern(word)))
    }

    /// The word of the unit in field metadata and in the column reference; empty if there is no unit.
    pub const fn word(self) -> &'static str {
        match self {
            Unit::None => "",
            Unit::Count => "count",
            Unit::Bytes => "bytes",
            Unit::Kibibytes => "KiB",
            Unit::Pages => "pages",
            Unit::Percent => "percent",
            Unit::Seconds => "s",
            Unit::Milliseconds => "ms",
            Unit::Microseconds => "us",
            Unit::Nanoseconds => "ns",
            Unit::Celsius => "celsius",
            Unit::Megahertz => "MHz",
            Unit::Watts => "W",
            Unit::Microwatts => "uW",
            Unit::Microjoules => "uJ",
            Unit::WattHours => "Wh",
            Unit::Volts => "V",
            Unit::Amperes => "A",
            Unit::Rpm => "rpm",
            Unit::CountPerSec => "count/s",
            Unit::BytesPerSec => "bytes/s",
            Unit::KibibytesPerSec => "KiB/s",
            Unit::PagesPerSec => "pages/s",
            Unit::MicrosecondsPerSec => "us/s",
            Unit::MillisecondsPerSec => "ms/s",
            Unit::Other(word) => word,
        }
    }

    /// The unit of the rate of a counter with this unit.
    pub const fn per_sec(self) -> Unit {
        match self {
            Unit::Bytes => Unit::BytesPerSec,
            Unit::Kibibytes => Unit::KibibytesPerSec,
            Unit::Pages => Unit::PagesPerSec,
            Unit::Microseconds => Unit::MicrosecondsPerSec,
            Unit::Milliseconds => Unit::MillisecondsPerSec,
            Unit::Microjoules => Unit::Microwatts,
            _ => Unit::CountPerSec,
        }
    }

    /// More than a counter with this unit can grow per second on any machine; larger growth is not believed. 250 GB/s
    /// is twice the throughput of the fastest network interface or disk array; 10^10 packets, operations or pages per
    /// second, a million things that wait at once, and a megawatt, are equally impossible.
    pub const fn most_per_sec(self) -> f64 {
        match self {
            Unit::Bytes => 250e9,
            Unit::Kibibytes => 250e6,
            Unit::Count | Unit::Pages => 1e10,
            Unit::Milliseconds => 1e9,
            Unit::Microseconds => 1e12,
            Unit::Nanoseconds => 1e15,
            Unit::Microjoules => 1e12,
            _ => f64::INFINITY,
        }
    }

    /// More than all CPUs of a machine can spend per second, or wait in total, in this unit of time: Linux supports
    /// 8,192 CPUs.
    pub const fn most_of_all_cpus(self) -> f64 {
        match self.in_a_second() {
            Some(second) => 1e4 * second,
            None => f64::INFINITY,
        }
    }

    /// A limit for a counter of time that cannot grow by more than a second per second: ten times that shows that the
    /// value is not its own.
    pub const fn most_of_one(self) -> f64 {
        match self.in_a_second() {
            Some(second) => 10.0 * second,
            None => f64::INFINITY,
        }
    }

    /// The number of these units in a second; None if it is not a unit of time.
    pub const fn in_a_second(self) -> Option<f64> {
        match self {
            Unit::Seconds => Some(1.0),
            Unit::Milliseconds => Some(1e3),
            Unit::Microseconds => Some(1e6),
            Unit::Nanoseconds => Some(1e9),
            _ => None,
        }
    }

    /// Valid suffixes for names of columns with this unit; empty if the unit requires none.
    pub const fn suffixes(self) -> &'static [&'static str] {
        match self {
            Unit::Bytes => &["_bytes", "bytes_sent", "bytes_recv"],
            Unit::Percent => &["_percent", "_avg10"],
            Unit::Seconds => &["_s"],
            Unit::Milliseconds => &["_ms"],
            Unit::Microseconds => &["_us", "_us_mean", "_us_max"],
            Unit::Nanoseconds => &["_ns"],
            Unit::Celsius => &["_celsius"],
            Unit::Megahertz => &["_mhz"],
            Unit::Watts => &["_w"],
            Unit::Microwatts => &["_uw"],
            Unit::Microjoules => &["_uj"],
            Unit::WattHours => &["_wh"],
            Unit::Volts => &["_v"],
            Unit::Amperes => &["_a"],
            Unit::Rpm => &["_rpm"],
            Unit::BytesPerSec | Unit::KibibytesPerSec | Unit::PagesPerSec => &["_per_sec"],
            Unit::CountPerSec => &["_per_sec", "_iops"],
            _ => &[],
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// Can a counter go back without having been reset?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steadiness {
    /// It cannot.
    Steady,
    /// The kernel may decrease it slightly; in sums such a step counts as it is.
    Wobbles,
    /// It may go back at any time. Sums leave it out where its growth is not known.
    Unsteady,
}

impl Steadiness {
    const ALL: [Steadiness; 3] = [Steadiness::Steady, Steadiness::Wobbles, Steadiness::Unsteady];

    pub const fn word(self) -> &'static str {
        match self {
            Steadiness::Steady => "steady",
            Steadiness::Wobbles => "wobbles",
            Steadiness::Unsteady => "unsteady",
        }
    }

    pub fn from_word(word: &str) -> Option<Steadiness> {
        Steadiness::ALL.into_iter().find(|steadiness| steadiness.word() == word)
    }
}

/// Which direction is better when two recordings are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    Lower,
    Higher,
}

impl Better {
    pub const fn word(self) -> &'static str {
        match self {
            Better::Lower => "lower",
            Better::Higher => "higher",
        }
    }

    pub fn from_word(word: &str) -> Option<Better> {
        [Better::Lower, Better::Higher].into_iter().find(|better| better.word() == word)
    }
}
