//! IP, ICMP, UDP and TCP as `nstat` and `sar -n` count them, for IPv4 and IPv6. Sources: `/proc/net/snmp`, `netstat`,
//! `snmp6`, `sockstat` and `sockstat6`, described in the kernel's `networking/snmp_counter`.
//!
//! Each file is read once per tick, also if several tables need it. All values belong to the network namespace in which
//! the recorder was started.

pub mod icmp;
pub mod ip;
mod sockets;
pub mod tcp;
pub mod udp;

use super::collector::{CollectError, Collector, Setup, Unavailable};
use super::cpu::PROBE;
use super::pairs::Pairs;
use crate::linux::files::SharedFile;
use crate::linux::scan::{lines, number, words};
use crate::table::Table;
use crate::table::sample::Sample;

/// Declares a struct of counters with their names in the kernel's files: first those of IPv4, then those of IPv6, where
/// they exist.
macro_rules! kernel_counters {
    ($(#[$doc:meta])* $counters:ident { $($field:ident: $v4:literal $(, $v6:literal)?;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq)]
        struct $counters { $($field: Option<u64>),+ }

        impl $counters {
            /// The names in the order of the fields; an empty name is not in any file.
            const NAMES: [super::Names; [$(stringify!($field)),+].len()] =
                [$(super::Names {
                    column: stringify!($field),
                    v4: $v4.as_bytes(),
                    v6: concat!($($v6)?).as_bytes(),
                }),+];

            fn from_values([$($field),+]: [Option<u64>; Self::NAMES.len()]) -> Self {
                Self { $($field),+ }
            }
        }
    };
}
use kernel_counters;

/// A column with a counter of the row's `counters`, and its rate.
macro_rules! count {
    ($row:ty, $field:ident, $doc:literal) => {
        count!($row, $field, crate::table::Unit::Count, $doc)
    };
    ($row:ty, $field:ident, $unit:expr, $doc:literal) => {
        crate::table::counter(stringify!($field), $unit, $doc, |row: &$row| row.counters.$field.into())
            .with_rate(concat!(stringify!($field), "_per_sec"))
    };
}
use count;

/// A column with a counter of the row's `counters` that rarely grows: without a rate, which takes room in every file.
/// Reports and pages show its growth per second all the same.
macro_rules! rare {
    ($row:ty, $field:ident, $doc:literal) => {
        crate::table::counter(stringify!($field), crate::table::Unit::Count, $doc, |row: &$row| {
            row.counters.$field.into()
        })
    };
}
use rare;

/// What a counter is called.
#[derive(Clone, Copy)]
struct Names {
    column: &'static str,
    v4: &'static [u8],
    v6: &'static [u8],
}

const V4: &str = "v4";
const V6: &str = "v6";

/// Where the counters of a protocol are.
struct Protocol<const N: usize> {
    v4: Vec<PairsOfFile<N>>,
    v6: Option<LinesOfFile<N>>,
}

/// Values in the order of the names.
type Values<const N: usize> = [Option<u64>; N];

impl<const N: usize> Protocol<N> {
    /// `v4` are files and the beginnings of the lines in them; `v6` is the beginning of the names in `snmp6`.
    ///
    /// # Errors
    /// If none of the files can be opened.
    fn open(
        setup: &Setup,
        names: [Names; N],
        v4: &[(&SharedFile, &'static [u8])],
        v6: Option<&'static [u8]>,
    ) -> Result<(Protocol<N>, Vec<String>), Unavailable> {
        let mut notes = Vec::new();
        let mut protocol = Protocol { v4: Vec::new(), v6: None };
        for (file, prefix) in v4 {
            match file.open() {
                Ok(()) => protocol
                    .v4
                    .push(PairsOfFile { file: (*file).clone(), pairs: Pairs::new(prefix, names.map(|name| name.v4)) }),
                Err(error) => notes.push(error.to_string()),
            }
        }
        // Missing if IPv6 is off. Not worth a note: nothing is sent with it then.
        if let Some(prefix) = v6.filter(|_| setup.net.snmp6.open().is_ok()) {
            let v6 = names.map(|name| name.v6);
            protocol.v6 = Some(LinesOfFile { file: setup.net.snmp6.clone(), prefix, names: v6 });
        }
        if protocol.v4.is_empty() && protocol.v6.is_none() {
            return Err(Unavailable::new(notes.join("; ")));
        }
        let first = [protocol.v4(PROBE, &mut notes), protocol.v6(PROBE, &mut notes)];
        if first == [None; 2] {
            notes.push(nothing().to_string());
            return Err(Unavailable::new(notes.join("; ")));
        }
        if notes.is_empty() {
            notes.extend(absent(&names, first));
        }
        Ok((protocol, notes))
    }

    /// The values of IPv4; `None` if there are none at this tick.
    fn v4(&mut self, tick: u64, warnings: &mut Vec<String>) -> Option<Values<N>> {
        let mut found: Option<Values<N>> = None;
        for PairsOfFile { file, pairs } in &mut self.v4 {
            // A name is in one of the files.
            match file.with(tick, |text| pairs.read(text)) {
                Ok(Some(values)) => {
                    let found = found.get_or_insert([None; N]);
                    found.iter_mut().zip(values).for_each(|(found, value)| *found = found.or(value));
                }
                Ok(None) => {}
                Err(error) => warnings.push(error.to_string()),
            }
        }
        found
    }

    /// The values of IPv6; `None` if there are none at this tick.
    fn v6(&mut self, tick: u64, warnings: &mut Vec<String>) -> Option<Values<N>> {
        let LinesOfFile { file, prefix, names } = self.v6.as_ref()?;
        match file.with(tick, |text| values_of_lines(text, prefix, names)) {
            Ok(values) => values.iter().any(Option::is_some).then_some(values),
            Err(error) => {
                warnings.push(error.to_string());
                None
            }
        }
    }

    /// The rows of both families.
    ///
    /// # Errors
    /// If there are no values of either.
    fn rows<R>(
        &mut self,
        tick: u64,
        out: &mut Sample,
        row: impl Fn(&'static str, Values<N>) -> R,
    ) -> Result<Vec<R>, CollectError> {
        let v4 = self.v4(tick, &mut out.warnings).map(|values| row(V4, values));
        let v6 = self.v6(tick, &mut out.warnings).map(|values| row(V6, values));
        let rows: Vec<R> = v4.into_iter().chain(v6).collect();
        if rows.is_empty() { Err(nothing()) } else { Ok(rows) }
    }
}

/// A note that names the columns without a value in the first reading, of IPv4 and IPv6.
fn absent<const N: usize>(names: &[Names; N], [v4, v6]: [Option<Values<N>>; 2]) -> Option<String> {
    let (has_v4, has_v6) = (v4.is_some(), v6.is_some());
    let values = v4.unwrap_or([None; N]).into_iter().zip(v6.unwrap_or([None; N]));
    let is_expected = |name: &Names| has_v4 && !name.v4.is_empty() || has_v6 && !name.v6.is_empty();
    let is_absent =
        |(name, (v4, v6)): &(&Names, (Option<u64>, Option<u64>))| is_expected(name) && v4.is_none() && v6.is_none();
    let columns: Vec<&str> = names.iter().zip(values).filter(is_absent).map(|(name, _)| name.column).collect();
    (!columns.is_empty()).then(|| format!("no value on this kernel for {}", columns.join(", ")))
}

fn nothing() -> CollectError {
    CollectError::Other("the kernel's files have none of the counters of this protocol".into())
}

/// A row: the counters of a family.
#[derive(Debug, PartialEq)]
struct OfFamily<C> {
    family: &'static str,
    counters: C,
}

/// Collects a protocol that has nothing but counters of each family.
struct FamilyCollector<C: 'static, const N: usize> {
    protocol: Protocol<N>,
    table: &'static Table<OfFamily<C>>,
    counters: fn(Values<N>) -> C,
}

impl<C: Send, const N: usize> Collector for FamilyCollector<C, N> {
    fn collect(&mut self, tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        let row = |family, values| OfFamily { family, counters: (self.counters)(values) };
        let rows = self.protocol.rows(tick, out, row)?;
        out.push(self.table, &rows);
        Ok(())
    }
}

/// Two lines of `snmp` or `netstat`.
struct PairsOfFile<const N: usize> {
    file: SharedFile,
    pairs: Pairs<N>,
}

/// Lines of `snmp6`.
struct LinesOfFile<const N: usize> {
    file: SharedFile,
    prefix: &'static [u8],
    names: [&'static [u8]; N],
}

/// Lines such as `Ip6InReceives  3`. Names differ between kernels, and some lines only appear when there is a value.
fn values_of_lines<const N: usize>(text: &[u8], prefix: &[u8], names: &[&[u8]; N]) -> Values<N> {
    let mut found = [None; N];
    for line in lines(text).filter(|line| line.starts_with(prefix)) {
        let mut words = words(line);
        let (Some(name), Some(value)) = (words.next(), words.next()) else { continue };
        if let Some((_, found)) = names.iter().zip(&mut found).find(|(wanted, _)| **wanted == name) {
            *found = number(value);
        }
    }
    found
}

#[cfg(test)]
mod tests;
