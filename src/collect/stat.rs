//! The CPU lines of `/proc/stat`, which `cpu` and `cpu_core` share. Described in the kernel's `filesystems/proc`.

use crate::linux::scan::{ParseError, cut_line, number, words};

/// The number of jiffies per second that the kernel shows (`USER_HZ`, from `sysconf(_SC_CLK_TCK)`): 100 nearly
/// everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JiffiesPerSec(pub u64);

impl JiffiesPerSec {
    /// The value of this machine.
    pub fn here() -> Self {
        JiffiesPerSec(procfs::ticks_per_second())
    }

    fn to_ms(self, jiffies: u64) -> u64 {
        // Multiplied in 128 bits, so that no product overflows.
        let ms = u128::from(jiffies) * 1000 / u128::from(self.0.max(1));
        u64::try_from(ms).unwrap_or(u64::MAX)
    }
}

/// The times of a CPU, or of all of them, since boot. Unit: milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTimes {
    /// Includes `guest`, as counted by the kernel.
    pub user: u64,
    pub nice: u64,
    pub system: u64,
    pub idle: u64,
    pub iowait: u64,
    pub irq: u64,
    pub softirq: u64,
    /// Absent before Linux 2.6.11.
    pub steal: Option<u64>,
    /// Absent before Linux 2.6.24.
    pub guest: Option<u64>,
}

impl CpuTimes {
    /// All except `idle` and `iowait`.
    pub fn busy(&self) -> u64 {
        let parts = [self.user, self.nice, self.system, self.irq, self.softirq, self.steal_or_zero()];
        parts.into_iter().fold(0, u64::saturating_add)
    }

    /// Only for sums: a kernel that does not know steal time counts it elsewhere.
    pub fn steal_or_zero(&self) -> u64 {
        self.steal.unwrap_or(0)
    }
}

/// Which line of `/proc/stat` it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuLine {
    /// The first line: the sum since boot over all CPUs, including offline ones.
    All,
    /// One online CPU.
    Cpu(i32),
}

/// Calls `found` with each CPU line. Nothing after the CPU lines is read: the `intr` line there has a number per
/// interrupt source, thousands on a large machine.
///
/// # Errors
/// If a CPU line is cut off or is not a CPU line.
pub fn cpu_lines(text: &[u8], hz: JiffiesPerSec, mut found: impl FnMut(CpuLine, CpuTimes)) -> Result<(), ParseError> {
    let mut rest = text;
    let mut line_number = 0;
    while rest.starts_with(b"cpu") {
        let (line, tail) = cut_line(rest);
        rest = tail;
        line_number += 1;
        let (which, times) = cpu_line(line, hz).map_err(|what| ParseError { line: line_number, what })?;
        found(which, times);
    }
    Ok(())
}

/// Parses one CPU line; the error says what is wrong with it.
pub fn cpu_line(line: &[u8], hz: JiffiesPerSec) -> Result<(CpuLine, CpuTimes), String> {
    let mut words = words(line);
    let which = match words.next().and_then(|w| w.strip_prefix(b"cpu")) {
        Some(b"") => CpuLine::All,
        Some(digits) => match number(digits).and_then(|n| i32::try_from(n).ok()) {
            Some(cpu) => CpuLine::Cpu(cpu),
            None => return Err(format!("`cpu{}` is not a CPU", String::from_utf8_lossy(digits))),
        },
        None => return Err("not a CPU line".into()),
    };
    // Kernels append fields; those after `guest` are not used.
    let mut ms = [0; 9];
    let mut fields = 0;
    for (slot, word) in ms.iter_mut().zip(words) {
        fields += 1;
        let jiffies = number(word)
            .ok_or_else(|| format!("`{}` in field {fields} is not a number", String::from_utf8_lossy(word)))?;
        *slot = hz.to_ms(jiffies);
    }
    if fields < 7 {
        return Err(format!("expected at least 7 times, found {fields}"));
    }
    let [user, nice, system, idle, iowait, irq, softirq, steal, guest] = ms;
    let steal = (fields > 7).then_some(steal);
    let guest = (fields > 8).then_some(guest);
    Ok((which, CpuTimes { user, nice, system, idle, iowait, irq, softirq, steal, guest }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Result<Vec<(CpuLine, CpuTimes)>, ParseError> {
        let mut found = Vec::new();
        cpu_lines(text.as_bytes(), JiffiesPerSec(100), |which, times| found.push((which, times)))?;
        Ok(found)
    }

    #[test]
    fn jiffies_become_milliseconds() {
        let found = all("cpu  1 2 3 4 5 6 7 8 9 10\ncpu17 10 20 30 40 50 60 70 80 90 100\nintr 5 4 1\n").unwrap();
        let times = |k: u64| CpuTimes {
            user: 10 * k,
            nice: 20 * k,
            system: 30 * k,
            idle: 40 * k,
            iowait: 50 * k,
            irq: 60 * k,
            softirq: 70 * k,
            steal: Some(80 * k),
            guest: Some(90 * k),
        };
        assert_eq!(found, [(CpuLine::All, times(1)), (CpuLine::Cpu(17), times(10))]);
        // 10 + 20 + 30 + 60 + 70 + 80: guest is already in user.
        assert_eq!(times(1).busy(), 270);
    }

    #[test]
    fn clocks_other_than_100_hz() {
        assert_eq!(JiffiesPerSec(1000).to_ms(7), 7);
        assert_eq!(JiffiesPerSec(250).to_ms(7), 28);
        assert_eq!(JiffiesPerSec(1024).to_ms(1024), 1000);
        assert_eq!(JiffiesPerSec(100).to_ms(u64::MAX), u64::MAX, "must not wrap");
        assert_eq!(JiffiesPerSec(0).to_ms(1), 1000, "must not divide by zero");
    }

    #[test]
    fn fields_missing_on_old_kernels_are_null() {
        let before_steal = all("cpu  1 2 3 4 5 6 7\n").unwrap()[0].1;
        assert_eq!((before_steal.steal, before_steal.guest), (None, None));
        assert_eq!(before_steal.busy(), 10 + 20 + 30 + 60 + 70);
        let before_guest = all("cpu  1 2 3 4 5 6 7 8\n").unwrap()[0].1;
        assert_eq!((before_guest.steal, before_guest.guest), (Some(80), None));
    }

    #[test]
    fn damaged_lines_are_named() {
        for (text, message) in [
            ("cpu  1 2 3 4 5 6\n", "line 1: expected at least 7 times, found 6"),
            ("cpu", "line 1: expected at least 7 times, found 0"),
            ("cpu  1 2 3 4 5 6 7\ncpu0 1 2 x 4 5 6 7\n", "line 2: `x` in field 3 is not a number"),
            ("cpu  1 2 3 -4 5 6 7\n", "line 1: `-4` in field 4 is not a number"),
            ("cpu  99999999999999999999 2 3 4 5 6 7\n", "line 1: `99999999999999999999` in field 1 is not a number"),
            ("cpux 1 2 3 4 5 6 7\n", "line 1: `cpux` is not a CPU"),
            ("cpu2147483648 1 2 3 4 5 6 7\n", "line 1: `cpu2147483648` is not a CPU"),
        ] {
            assert_eq!(all(text).unwrap_err().to_string(), message);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text: Vec<u8>) {
            let mut prefixed = b"cpu".to_vec();
            prefixed.extend(text);
            let _ = cpu_lines(&prefixed, JiffiesPerSec(100), |_, t| { t.busy(); });
        }
    }
}
