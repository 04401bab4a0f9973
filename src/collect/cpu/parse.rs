//! Parses `/proc/stat` and `/proc/loadavg`.

use super::rows::CpuRow;
use crate::collect::cpu_set::idle_ms;
use crate::collect::stat::{CpuLine, JiffiesPerSec, cpu_line};
use crate::linux::possible::load;
use crate::linux::scan::{ParseError, cut_line, decimal, number, words};

pub fn parse(text: &[u8], hz: JiffiesPerSec) -> Result<CpuRow, ParseError> {
    let (first, mut rest) = cut_line(text);
    let wrong = |what: String| ParseError { line: 1, what };
    let (which, times) = match first.starts_with(b"cpu") {
        true => cpu_line(first, hz).map_err(wrong)?,
        false => return Err(wrong("no `cpu` line".into())),
    };
    if which != CpuLine::All {
        return Err(wrong("a single CPU's line instead of the sum".into()));
    }
    let mut cpu = CpuRow { times, ..CpuRow::default() };
    while rest.starts_with(b"cpu") {
        rest = cut_line(rest).1;
    }

    // The `intr` line starts with the total and continues for kilobytes; the other values come after it. So the total
    // is read from the start of the line, and the others are searched from the end of the file.
    cpu.interrupts = rest.strip_prefix(b"intr ").and_then(|numbers| words(cut_word(numbers)).next().and_then(number));
    for line in rest.rsplit(|b| *b == b'\n') {
        let mut words = words(line);
        let (Some(key), value) = (words.next(), words.next().and_then(number)) else { continue };
        match key {
            b"procs_blocked" => cpu.procs_blocked = value,
            b"procs_running" => cpu.procs_running = value,
            b"processes" => cpu.forks = value,
            b"ctxt" => {
                cpu.context_switches = value;
                break;
            }
            _ => {}
        }
    }
    Ok(cpu)
}

/// How long each online CPU was idle, in milliseconds. Invalid lines are skipped: `cpu_core` reports them.
pub fn idle_of_each(text: &[u8], hz: JiffiesPerSec, each: &mut Vec<(i32, u64)>) {
    each.clear();
    let mut rest = text;
    while rest.starts_with(b"cpu") {
        let (line, tail) = cut_line(rest);
        rest = tail;
        if let Ok((CpuLine::Cpu(cpu), times)) = cpu_line(line, hz) {
            each.push((cpu, idle_ms(&times)));
        }
    }
}

/// The beginning of a line, long enough to contain its first number.
fn cut_word(line: &[u8]) -> &[u8] {
    cut_line(line.get(..32).unwrap_or(line)).0
}

pub fn parse_loadavg(text: &[u8]) -> [Option<f64>; 3] {
    let mut words = words(cut_line(text).0);
    std::array::from_fn(|_| load(words.next().and_then(decimal)))
}

#[cfg(test)]
pub mod tests {
    use super::super::rows::TABLE;
    use super::*;
    use crate::collect::absent;
    use crate::collect::stat::CpuTimes;

    pub const HZ: JiffiesPerSec = JiffiesPerSec(100);

    pub const LINUX_6: &str = "\
cpu  1000 10 200 5000 30 4 50 60 7 0
cpu0 600 5 120 2400 20 2 30 40 7 0
cpu1 400 5 80 2600 10 2 20 20 0 0
intr 987654321 0 9 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
ctxt 123456789
btime 1700000000
processes 4321
procs_running 3
procs_blocked 1
softirq 99 0 1 2 3 4 5 6 7 8 9
";

    #[test]
    fn a_recent_kernel() {
        let cpu = parse(LINUX_6.as_bytes(), HZ).unwrap();
        let times = CpuTimes {
            user: 10_000,
            nice: 100,
            system: 2000,
            idle: 50_000,
            iowait: 300,
            irq: 40,
            softirq: 500,
            steal: Some(600),
            guest: Some(70),
        };
        let expected = CpuRow {
            times,
            interrupts: Some(987_654_321),
            context_switches: Some(123_456_789),
            forks: Some(4321),
            procs_running: Some(3),
            procs_blocked: Some(1),
            load: [None; 3],
            cpu_changes: 0,
            most_ms_per_sec: None,
        };
        assert_eq!(cpu, expected);
        assert_eq!(cpu.others_running(), Some(2), "the reader is one of the three");
    }

    #[test]
    fn linux_2_6_9_has_no_steal_no_guest_and_no_softirq_counts() {
        let text = "cpu  1 2 3 4 5 6 7\ncpu0 1 2 3 4 5 6 7\nintr 50 50\nctxt 60\nbtime 1\nprocesses 70\n";
        let cpu = parse(text.as_bytes(), HZ).unwrap();
        assert_eq!((cpu.times.steal, cpu.times.guest, cpu.procs_running), (None, None, None));
        assert_eq!((cpu.interrupts, cpu.context_switches, cpu.forks), (Some(50), Some(60), Some(70)));
        assert_eq!(
            absent::note(&TABLE, &CpuRow { load: [Some(0.0); 3], ..cpu }).unwrap(),
            "no value on this kernel for steal_ms, guest_ms, procs_running, procs_blocked (/proc/stat, /proc/loadavg)"
        );
    }

    #[test]
    fn an_intr_line_of_many_pages() {
        let text = LINUX_6.replace("intr 987654321", &format!("intr 987654321{}", " 0".repeat(50_000)));
        let cpu = parse(text.as_bytes(), HZ).unwrap();
        assert_eq!((cpu.interrupts, cpu.context_switches), (Some(987_654_321), Some(123_456_789)));
    }

    #[test]
    fn cut_and_damaged_files() {
        assert_eq!(parse(b"", HZ).unwrap_err().to_string(), "line 1: no `cpu` line");
        assert_eq!(parse(b"hello\nworld\n", HZ).unwrap_err().to_string(), "line 1: no `cpu` line");
        assert!(parse(b"cpu0 1 2 3 4 5 6 7\n", HZ).is_err(), "cores, but no sum");
        let only_times = parse(b"cpu  1 2 3 4 5 6 7 8 9 10", HZ).unwrap();
        assert_eq!((only_times.interrupts, only_times.context_switches), (None, None));
        let cpu = parse(b"cpu  1 2 3 4 5 6 7 8 9\nintr x\nctxt 99999999999999999999\nprocesses\n", HZ).unwrap();
        assert_eq!((cpu.interrupts, cpu.context_switches, cpu.forks), (None, None, None));
    }

    #[test]
    fn loads() {
        assert_eq!(parse_loadavg(b"0.42 1.50 12.00 3/512 99\n"), [Some(0.42), Some(1.5), Some(12.0)]);
        assert_eq!(parse_loadavg(b"0.42 x\n"), [Some(0.42), None, None]);
        assert_eq!(parse_loadavg(b""), [None; 3]);
        // The kernel's count of sleepers went below zero and wrapped.
        assert_eq!(parse_loadavg(b"0.01 184467440737095.51 4294967.29 1/2 3\n"), [Some(0.01), None, None]);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text: Vec<u8>) {
            let _ = parse(&text, HZ);
            let mut whole = b"cpu  1 2 3 4 5 6 7 8 9\nintr ".to_vec();
            whole.extend(&text);
            parse(&whole, HZ).unwrap();
            parse_loadavg(&text);
            idle_of_each(&whole, HZ, &mut Vec::new());
        }
    }
}
