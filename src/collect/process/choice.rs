//! Which processes of the machine have rows.

use regex_lite::Regex;

use super::options::Processes;
use super::process_table::{KnownProcess, ProcessTable};

/// The IDs of the chosen processes, sorted, out of `candidates`, which were all refreshed.
pub fn choose(wanted: &Processes, processes: &mut ProcessTable, candidates: &[u32]) -> Vec<u32> {
    let mut chosen = match wanted {
        Processes::All => candidates.to_vec(),
        Processes::Top(n) => {
            let mut chosen =
                most(*n, processes, candidates, |p| p.usage_percent.filter(|u| *u > 0.0).map(f64::to_bits));
            chosen.extend(most(*n, processes, candidates, |p| Some(p.stat.rss_pages).filter(|pages| *pages > 0)));
            chosen
        }
        // Not ourselves: our own command line contains the expression.
        Processes::Matching(regex) => {
            let others = candidates.iter().copied().filter(|pid| *pid != std::process::id());
            others.filter(|pid| matches(regex, processes, *pid)).collect()
        }
    };
    chosen.sort_unstable();
    chosen.dedup();
    chosen
}

/// Those with the largest `key`, which must not be negative; if equal, the older ones.
fn most(
    n: usize,
    processes: &ProcessTable,
    candidates: &[u32],
    key: impl Fn(&KnownProcess) -> Option<u64>,
) -> Vec<u32> {
    let keyed = candidates.iter().filter_map(|pid| Some((std::cmp::Reverse(key(processes.known.get(pid)?)?), *pid)));
    let mut keyed: Vec<_> = keyed.collect();
    if keyed.len() > n {
        keyed.select_nth_unstable(n);
        keyed.truncate(n);
    }
    keyed.into_iter().map(|(_, pid)| pid).collect()
}

/// Evaluated once per name of a process.
fn matches(regex: &Regex, processes: &mut ProcessTable, pid: u32) -> bool {
    let Some(process) = processes.known.get(&pid) else { return false };
    if let Some(known) = process.is_match {
        return known;
    }
    let is_match = regex.is_match(process.stat.comm.as_str())
        || processes.command_line(pid).is_some_and(|line| regex.is_match(&line));
    if let Some(process) = processes.known.get_mut(&pid) {
        process.is_match = Some(is_match);
    }
    is_match
}

#[cfg(test)]
mod tests {
    use super::super::process_table::Trunk;
    use super::*;
    use crate::linux::files::Roots;

    #[test]
    fn accepted_values() {
        for (text, shown) in [("all", "all"), ("top", "top=20"), ("top=3", "top=3"), ("match=^a.*=b$", "match=^a.*=b$")]
        {
            assert_eq!(text.parse::<Processes>().unwrap().to_string(), shown);
        }
        for bad in ["", "none", "top=", "top=0", "top=x", "match", "match=", "match=(", "all=1", "pid=7"] {
            assert!(bad.parse::<Processes>().is_err(), "{bad}");
        }
    }

    /// A `/proc` with processes given as (number, name, user ticks, resident pages).
    fn proc(processes: &[(u32, &str, u64, u64)]) -> (tempfile::TempDir, ProcessTable) {
        let dir = tempfile::tempdir().unwrap();
        write(&dir, processes);
        let roots = Roots { proc: dir.path().into(), sys: dir.path().into() };
        let mut processes = ProcessTable::open(&roots, Trunk::default()).unwrap();
        processes.list().unwrap();
        (dir, processes)
    }

    fn write(dir: &tempfile::TempDir, processes: &[(u32, &str, u64, u64)]) {
        for (pid, comm, ticks, pages) in processes {
            let folder = dir.path().join(pid.to_string());
            std::fs::create_dir_all(&folder).unwrap();
            let stat = format!("{pid} ({comm}) S 1 1 1 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 1 0 50 4096 {pages} 0\n");
            std::fs::write(folder.join("stat"), stat).unwrap();
            std::fs::write(folder.join("cmdline"), format!("/usr/bin/{comm}\0--name\0{comm}-{pid}\0")).unwrap();
        }
    }

    fn refreshed(processes: &mut ProcessTable, now_s: u64, previous_s: Option<u64>) -> Vec<u32> {
        processes.refresh(|_| true, now_s * 1_000_000_000, previous_s.map(|s| s * 1_000_000_000));
        processes.known.keys().copied().collect()
    }

    #[test]
    fn the_busiest_and_the_largest() {
        let before =
            [(10, "idle", 700, 5), (11, "busy", 0, 6), (12, "large", 900, 900), (13, "medium", 3, 50), (14, "k", 0, 0)];
        let (dir, mut processes) = proc(&before);
        let pids = refreshed(&mut processes, 1, None);
        assert_eq!(choose(&Processes::Top(2), &mut processes, &pids), [12, 13], "no usage is known yet");
        write(&dir, &[(11, "busy", 90, 6), (13, "medium", 4, 50)]);
        let pids = refreshed(&mut processes, 2, Some(1));
        assert_eq!(choose(&Processes::Top(1), &mut processes, &pids), [11, 12]);
        assert_eq!(
            choose(&Processes::Top(9), &mut processes, &pids),
            [10, 11, 12, 13],
            "14 did not run and has no memory"
        );
        assert_eq!(choose(&Processes::All, &mut processes, &pids), [10, 11, 12, 13, 14]);
    }

    #[test]
    fn by_name_or_command_line_and_again_after_exec() {
        let (dir, mut processes) = proc(&[(20, "sh", 0, 1), (21, "postgres", 0, 1)]);
        let of = |processes: &mut ProcessTable, pattern: &str| {
            processes.known.values_mut().for_each(|p| p.is_match = None);
            let pids: Vec<u32> = processes.known.keys().copied().collect();
            choose(&format!("match={pattern}").parse().unwrap(), processes, &pids)
        };
        assert_eq!(of(&mut processes, "^post"), [21]);
        assert_eq!(of(&mut processes, "--name sh-20"), [20]);
        assert_eq!(of(&mut processes, "no such"), [0u32; 0]);
        let wanted: Processes = "match=^post".parse().unwrap();
        assert_eq!(choose(&wanted, &mut processes, &[20, 21]), [0u32; 0], "remembered");
        write(&dir, &[(20, "postgres", 5, 1)]);
        refreshed(&mut processes, 1, None);
        assert_eq!(choose(&wanted, &mut processes, &[20, 21]), [20]);
    }
}
