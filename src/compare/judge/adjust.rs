//! p values of metrics that are tested together.

use super::Judged;
use crate::stats::many;
use crate::table::Better;

/// A metric whose p value is to be adjusted, with its better direction.
pub type Tested<'j> = (&'j mut Judged, Option<Better>);

/// Adjusts the p values of metrics that are tested together.
///
/// For gated metrics by Holm, so that one false alarm in twenty comparisons is the most. Whether a metric is worse is
/// asked in this direction only, which finds more of what is worse with the same runs; whether it is better, in both.
/// For the others by Benjamini and Hochberg in both directions: a few of those that are shown are false. Before that,
/// each p value counts as often as the runs are looked at.
pub fn adjust(metrics: &mut [Tested<'_>], is_gated: bool) {
    // Of all looks together.
    let known = |judged: &Judged, p: Option<f64>| p.map_or(f64::NAN, |p| (p / judged.share(1.0)).min(1.0));
    let both: Vec<f64> = metrics.iter().map(|(judged, _)| known(judged, judged.p)).collect();
    let p_worse = |(judged, better): &Tested<'_>| better.map_or(judged.p, |better| judged.p_worse(better));
    let adjusted: Vec<f64> = if is_gated {
        let worse: Vec<f64> = metrics.iter().map(|tested| known(tested.0, p_worse(tested))).collect();
        let directions: Vec<bool> = metrics.iter().map(|tested| p_worse(tested).is_some_and(|p| p < 0.5)).collect();
        let is_worse = |n: usize| directions[n];
        let (of_worse, of_both) = (many::holm(&worse), many::holm(&both));
        (0..both.len()).map(|n| if is_worse(n) { of_worse[n] } else { of_both[n] }).collect()
    } else {
        many::benjamini_hochberg(&both)
    };
    for ((judged, _), p) in metrics.iter_mut().zip(adjusted) {
        judged.p_adjusted = Some(p).filter(|p| !p.is_nan());
    }
}
