//! What processes use of a card.

use std::collections::BTreeMap;

use super::card::Card;
use super::error::NvmlError;
use super::functions::{Device, ProcessMemory, ProcessSample};
use super::library::Library;
use crate::linux::files::Roots;
use crate::linux::gpu::{ProcessReading, comm};

/// Adds these processes, if they use the card.
///
/// # Errors
/// If the card does not list its processes.
pub fn read(
    library: &Library,
    card: &mut Card,
    pids: &[u32],
    roots: &Roots,
    found: &mut Vec<ProcessReading>,
) -> Result<(), NvmlError> {
    let before = found.len();
    // On a divided card, each instance has its own processes.
    let parts: Vec<(Device, Option<String>)> = match card.instances.as_slice() {
        [] => vec![(card.device, None)],
        instances => instances.iter().map(|i| (i.device, Some(i.id.clone()))).collect(),
    };
    for (device, instance) in parts {
        for (pid, memory_bytes) in memory_of(&library.processes(device)?, pids) {
            let (gpu, instance) = (card.gpu.clone(), instance.clone());
            found.push(ProcessReading {
                pid,
                comm: comm(roots, pid),
                gpu,
                instance,
                memory_bytes,
                usage_percent: None,
            });
        }
    }
    let ours = found.get_mut(before..).unwrap_or_default();
    if ours.is_empty() || !card.instances.is_empty() || !card.has_samples {
        return Ok(());
    }
    match library.process_samples(card.device, card.sampled_us) {
        Ok(samples) => {
            for process in ours {
                process.usage_percent = mean_of(&samples, process.pid, card.sampled_us);
            }
            card.sampled_us = samples.iter().map(|sample| sample.time_us).fold(card.sampled_us, u64::max);
            Ok(())
        }
        Err(error) if error.is_permanent() => {
            card.has_samples = false;
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// The memory of each of these processes. One that computes and draws is listed twice, with the same memory.
fn memory_of(listed: &[ProcessMemory], pids: &[u32]) -> BTreeMap<u32, Option<u64>> {
    let mut memory = BTreeMap::new();
    for process in listed.iter().filter(|process| pids.contains(&process.pid)) {
        let bytes = Some(process.used).filter(|bytes| *bytes != u64::MAX);
        let known = memory.entry(process.pid).or_insert(bytes);
        *known = bytes.max(*known);
    }
    memory
}

/// The mean of a process's samples after this time; a process that did not run in a period has none.
fn mean_of(samples: &[ProcessSample], pid: u32, after_us: u64) -> Option<f64> {
    let of_it = samples.iter().filter(|s| s.pid == pid && s.time_us > after_us && s.sm <= 100);
    let (sum, count) = of_it.fold((0.0, 0.0), |(sum, count), s| (sum + f64::from(s.sm), count + 1.0));
    (count > 0.0).then(|| sum / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_computes_and_draws_counts_once() {
        let process = |pid, used| ProcessMemory { pid, used, ..ProcessMemory::default() };
        let listed = [process(7, 100), process(8, 5), process(7, 100), process(9, u64::MAX), process(9, 3)];
        assert_eq!(memory_of(&listed, &[7, 9, 10]), BTreeMap::from([(7, Some(100)), (9, Some(3))]));
        assert_eq!(memory_of(&[process(9, u64::MAX)], &[9]), BTreeMap::from([(9, None)]));
    }

    #[test]
    fn only_new_and_possible_samples_count() {
        let sample = |pid, time_us, sm| ProcessSample { pid, time_us, sm, ..ProcessSample::default() };
        let samples = [sample(7, 10, 90), sample(7, 20, 40), sample(7, 30, 60), sample(8, 30, 5), sample(7, 31, 255)];
        assert_eq!(mean_of(&samples, 7, 10), Some(50.0));
        assert_eq!(mean_of(&samples, 7, 31), None);
        assert_eq!(mean_of(&samples, 6, 0), None);
    }
}
