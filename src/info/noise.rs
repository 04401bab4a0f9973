//! Facts that differ in every session, such as the load before the start and the number of threads. They are shown only
//! if they differ by more than normal variation between runs.

use super::tree::Tree;

/// A difference up to the largest of these limits is noise: `per_cpu` times the CPUs, `least`, or `part` of the larger
/// value.
struct Noise {
    per_cpu: f64,
    least: f64,
    part: f64,
}

const LOAD: Noise = Noise { per_cpu: 0.25, least: 0.5, part: 0.2 };
const RUNNING: Noise = Noise { per_cpu: 0.5, least: 2.0, part: 0.2 };
const THREADS: Noise = Noise { per_cpu: 0.0, least: 20.0, part: 0.1 };

fn noise_of(fact: &str) -> Option<Noise> {
    Some(match fact {
        "session.load.load1" | "session.load.load5" | "session.load.load15" => LOAD,
        "session.load.threads_running" => RUNNING,
        "session.load.threads" => THREADS,
        _ => return None,
    })
}

/// Do the values of a fact differ between the sides by no more than noise? For a side with several values, the nearest
/// value counts.
pub fn is_noise(fact: &str, sides: &[Vec<Option<&Tree>>], cpus: f64) -> bool {
    let Some(noise) = noise_of(fact) else { return false };
    let mut ranges = Vec::new();
    for values in sides {
        let mut range: Option<(f64, f64)> = None;
        for value in values {
            // An unknown value differs from a known one.
            let Some(Tree::Number(n)) = value else { return false };
            range = Some(range.map_or((*n, *n), |(least, most)| (least.min(*n), most.max(*n))));
        }
        ranges.extend(range);
    }
    let highest = ranges.iter().map(|(least, _)| *least).fold(f64::MIN, f64::max);
    let lowest = ranges.iter().map(|(_, most)| *most).fold(f64::MAX, f64::min);
    highest - lowest <= (noise.per_cpu * cpus).max(noise.least).max(noise.part * highest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(fact: &str, sides: &[&[f64]], cpus: f64) -> bool {
        let trees: Vec<Vec<Tree>> = sides.iter().map(|s| s.iter().map(|n| Tree::Number(*n)).collect()).collect();
        let sides: Vec<Vec<Option<&Tree>>> = trees.iter().map(|side| side.iter().map(Some).collect()).collect();
        !is_noise(fact, &sides, cpus)
    }

    #[test]
    fn differences_larger_than_noise() {
        let load = "session.load.load1";
        assert!(!told(load, &[&[0.3], &[0.7]], 2.0));
        assert!(told(load, &[&[0.3], &[2.1]], 2.0));
        // With 64 CPUs, 10 more is a sixth of the CPUs, and 30 more is half of them.
        assert!(!told(load, &[&[2.0], &[12.0]], 64.0));
        assert!(told(load, &[&[2.0], &[32.0]], 64.0));
        assert!(!told(load, &[&[60.0], &[70.0]], 2.0));
        // The runs of one side differ more than the sides do.
        assert!(!told(load, &[&[0.2, 3.0], &[2.8, 6.0]], 1.0));
        assert!(told(load, &[&[0.2, 0.4], &[2.8, 6.0]], 1.0));
        assert!(!told("session.load.threads_running", &[&[1.0], &[3.0], &[2.0]], 2.0));
        assert!(told("session.load.threads_running", &[&[1.0], &[9.0]], 2.0));
        assert!(!told("session.load.threads", &[&[210.0], &[219.0]], 2.0));
        assert!(told("session.load.threads", &[&[210.0], &[900.0]], 2.0));
        assert!(told("host.cpus_online", &[&[2.0], &[3.0]], 2.0), "never noise");
        let known = Tree::Number(1.0);
        assert!(!is_noise(load, &[vec![Some(&known)], vec![None]], 2.0));
    }
}
