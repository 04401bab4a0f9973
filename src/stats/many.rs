//! Many tests at once: p values adjusted for their number. A NaN stays NaN and is not counted.

/// Holm: of all tests together, the probability that any false one is below its level stays within the level.
pub fn holm(p: &[f64]) -> Vec<f64> {
    adjust(p, |order, count, values| {
        let mut largest = 0.0_f64;
        for (rank, at) in order.iter().enumerate() {
            largest = largest.max(values[*at] * (count - rank) as f64).min(1.0);
            values[*at] = largest;
        }
    })
}

/// Benjamini and Hochberg: of those below a level, at most this share are false on average.
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    adjust(p, |order, count, values| {
        let mut smallest = 1.0_f64;
        for (rank, at) in order.iter().enumerate().rev() {
            smallest = smallest.min(values[*at] * count as f64 / (rank + 1) as f64);
            values[*at] = smallest;
        }
    })
}

/// `work` gets the indices in ascending order of p, their number, and the values.
fn adjust(p: &[f64], work: impl FnOnce(&[usize], usize, &mut [f64])) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).filter(|i| !p[*i].is_nan()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut values = p.to_vec();
    work(&order, order.len(), &mut values);
    values
}
