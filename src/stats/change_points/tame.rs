//! Single values that are far off their neighbours say nothing about a change, but would hide one, or look like one if a
//! few happen to lie together. They are drawn in (Hampel's filter). A change that lasts for three values is not affected,
//! because the median of five neighbours follows it.

use crate::stats::median;

/// Values on each side that are neighbours.
const REACH: usize = 2;
/// In standard deviations of a normal distribution with the same median deviation; one of 2,000 normal values is farther.
const FAR: f64 = 8.0;
/// The standard deviation of a normal distribution over its median absolute deviation.
const OF_MEDIAN: f64 = 1.4826;

/// The values, with those that are far off their neighbours at the limit, and the indices of these.
pub fn tamed(values: &[f64]) -> (Vec<f64>, Vec<usize>) {
    let centre: Vec<f64> = (0..values.len())
        .map(|i| &values[i.saturating_sub(REACH)..(i + REACH + 1).min(values.len())])
        .filter_map(median)
        .collect();
    let off: Vec<f64> = values.iter().zip(&centre).map(|(v, c)| (v - c).abs()).collect();
    let limit = FAR * OF_MEDIAN * median(&off).unwrap_or(0.0);
    let is_far = |i: &usize| limit > 0.0 && off[*i] > limit;
    let far: Vec<usize> = (0..values.len()).filter(is_far).collect();
    let mut tamed = values.to_vec();
    for i in &far {
        tamed[*i] = values[*i].clamp(centre[*i] - limit, centre[*i] + limit);
    }
    (tamed, far)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_value_is_drawn_in_and_a_step_is_not() {
        let noise = [0.0, 1.0, -1.0, 0.5, -0.5, 1.0, 0.0, -1.0, 0.5, 0.0, 1.0, -0.5];
        let outlier: Vec<f64> = noise.iter().enumerate().map(|(i, v)| if i == 4 { 1000.0 } else { *v }).collect();
        let (values, far) = tamed(&outlier);
        assert_eq!(far, [4]);
        assert!(values[4] > 1.0 && values[4] < 20.0, "{values:?}");
        assert!(values.iter().enumerate().all(|(i, v)| i == 4 || *v == outlier[i]));
        let step: Vec<f64> = noise.iter().enumerate().map(|(i, v)| if i >= 9 { v + 1000.0 } else { *v }).collect();
        assert_eq!(tamed(&step), (step.clone(), vec![]));
        // More than half of the values are the same: no scale, nothing is far.
        assert_eq!(tamed(&[1.0, 1.0, 1.0, 9.0, 1.0, 1.0]).1, Vec::<usize>::new());
    }
}
