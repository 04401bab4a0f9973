//! Times that decrease although they must not.

use crate::collect::stat::CpuTimes;

/// Some hypervisors let steal time decrease at every reading.
const STEAL_DECREASED: &str =
    "steal time decreased: in such intervals steal_percent is null, and the other percentages are shares of the rest";

/// The warning for a time that decreased; printed once.
pub fn decrease_warning(before: &CpuTimes, now: &CpuTimes) -> Option<String> {
    if before.steal.zip(now.steal).is_some_and(|(before, now)| now < before) {
        return Some(STEAL_DECREASED.into());
    }
    let back = steady_part_that_fell(before, now)?;
    Some(format!("{back} time decreased: in such intervals the percentages are null"))
}

/// The name of a time that decreased although it must not: any except idle time and steal.
pub fn steady_part_that_fell(before: &CpuTimes, now: &CpuTimes) -> Option<&'static str> {
    let of = |times: &CpuTimes| [times.user, times.nice, times.system, times.irq, times.softirq];
    let names = ["user", "nice", "system", "irq", "softirq"];
    let mut parts = names.into_iter().zip(of(before).into_iter().zip(of(now)));
    parts.find(|(_, (before, now))| now < before).map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_decrease_are_named() {
        let now = CpuTimes { user: 100, system: 50, idle: 900, steal: Some(30), ..CpuTimes::default() };
        let with = |change: fn(&mut CpuTimes)| {
            let mut before = now;
            change(&mut before);
            decrease_warning(&before, &now)
        };
        assert_eq!(with(|_| ()), None);
        assert_eq!(with(|t| t.idle = 901), None, "idle time may decrease");
        assert_eq!(with(|t| t.steal = None), None);
        assert!(with(|t| t.steal = Some(31)).unwrap().starts_with("steal time decreased"));
        assert!(with(|t| t.system = 51).unwrap().starts_with("system time decreased"));
    }
}
