//! Where a series has become steady.

use super::means::mean;

/// Samples per batch.
const BATCH: usize = 5;

/// The number of samples to leave out at the start, by MSER-5 (White): what is left has the smallest squared error of
/// its mean. None if that would be half of the series or more: it has no steady state.
pub fn steady_from(values: &[f64]) -> Option<usize> {
    let batches: Vec<f64> = values.chunks_exact(BATCH).map(mean).collect();
    let half = batches.len().div_ceil(2);
    let mut best = None;
    let (mut sum, mut squares, mut count) = (0.0, 0.0, 0.0);
    let center = mean(&batches);
    // From the end, so that each step adds one batch.
    for (cut, batch) in batches.iter().enumerate().rev() {
        let off = batch - center;
        (sum, squares, count) = (sum + off, squares + off * off, count + 1.0);
        if cut > half {
            continue;
        }
        let error = (squares - sum * sum / count).max(0.0) / (count * count);
        // Of equal ones the earliest.
        if best.is_none_or(|(least, _)| error <= least) {
            best = Some((error, cut));
        }
    }
    let (_, cut) = best?;
    (cut < half).then_some(cut * BATCH)
}
