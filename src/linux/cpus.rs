//! Lists of CPUs as perf, the kernel and users write them: `0-3,8`.

use std::collections::BTreeSet;

/// No machine has more. A list from the command line must not fill the memory.
const MOST: u32 = 65_536;

/// The CPUs of a list; `None` if it is not a list.
pub fn parse(list: &str) -> Option<BTreeSet<u32>> {
    let mut cpus = BTreeSet::new();
    for part in list.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (number(first)?, number(last)?);
        if first > last {
            return None;
        }
        cpus.extend(first..=last);
    }
    Some(cpus)
}

fn number(text: &str) -> Option<u32> {
    let text = text.trim();
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|n| *n < MOST)
}

/// How many CPUs this machine can have online; at least one.
#[allow(
    unsafe_code,
    reason = "sysconf(3) has no safe form; the standard library only tells how many this process may use"
)]
pub fn configured() -> u64 {
    // SAFETY: only asks.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_NPROCESSORS_CONF) }).unwrap_or(1).max(1)
}

/// The online CPUs in `/proc/stat`, which begins with a line for all of them and one per CPU.
pub fn of_stat(text: &[u8]) -> impl Iterator<Item = u32> {
    let lines = text.split(|b| *b == b'\n').map_while(|line| line.strip_prefix(b"cpu"));
    lines.filter_map(|line| std::str::from_utf8(line.split(|b| *b == b' ').next()?).ok()?.parse().ok())
}

/// The shortest list of these CPUs.
pub fn format(cpus: &BTreeSet<u32>) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for &cpu in cpus {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(cpu) => *last = cpu,
            _ => ranges.push((cpu, cpu)),
        }
    }
    let parts: Vec<String> = ranges
        .into_iter()
        .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") })
        .collect();
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        assert_eq!(parse("0-3,8\n"), Some(BTreeSet::from([0, 1, 2, 3, 8])));
        assert_eq!(parse("5"), Some(BTreeSet::from([5])));
        for bad in ["", ",", "1-", "-1", "3-1", "a", "0,,1", "99999999", "+1", "0-70000"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn those_of_stat() {
        assert_eq!(of_stat(b"cpu  9 9\ncpu0 1 2\ncpu17 1 2\nintr 5\ncpu3 1\n").collect::<Vec<_>>(), [0, 17]);
        assert_eq!(of_stat(b"garbage").count() + of_stat(b"").count(), 0);
    }

    #[test]
    fn the_shortest_list() {
        assert_eq!(format(&BTreeSet::from([8, 0, 1, 2, 10, 11])), "0-2,8,10-11");
        assert_eq!(format(&BTreeSet::new()), "");
    }
}
