//! A series as a line of bars.

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Where a level begins.
const MARK: char = '│';

/// At most `width` characters, a bar for each value; if there is no room for all, each bar is the mean of neighbours.
/// Nothing is drawn where no value is. `marks`: indices of values before which a mark is. The lowest bar is the smallest
/// value.
pub fn sparkline(values: &[Option<f64>], marks: &[usize], width: usize) -> String {
    above(values, f64::INFINITY, marks, width)
}

/// The same with bars that begin at zero, so that a small change of a large value looks small.
pub fn from_zero(values: &[Option<f64>], width: usize) -> String {
    above(values, 0.0, &[], width)
}

/// The lowest bar is the smallest value, or `floor` if that is smaller.
fn above(values: &[Option<f64>], floor: f64, marks: &[usize], width: usize) -> String {
    let known = || values.iter().flatten().copied().filter(|v| v.is_finite());
    let (least, most) = (known().fold(floor, f64::min), known().fold(f64::NEG_INFINITY, f64::max));
    let bar = |v: f64| {
        let height = if most > least { (v - least) / (most - least) } else { 0.0 };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 7")]
        let height = (height * BARS.len() as f64) as usize;
        BARS[height.min(BARS.len() - 1)]
    };
    let bars = values.len().min(width.saturating_sub(marks.len()).max(1));
    let mut line = String::new();
    for n in 0..bars {
        let (from, to) = (n * values.len() / bars, (n + 1) * values.len() / bars);
        line.extend(marks.iter().filter(|mark| (from..to).contains(mark)).map(|_| MARK));
        let of_bar: Vec<f64> = values[from..to].iter().flatten().copied().collect();
        line.push(if of_bar.is_empty() { ' ' } else { bar(crate::stats::means::mean(&of_bar)) });
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_and_marks() {
        let values: Vec<Option<f64>> = [0.0, 1.0, 2.0, 7.0, 8.0].map(Some).into();
        assert_eq!(sparkline(&values, &[3], 80), "▁▂▃│██");
        assert_eq!(sparkline(&[Some(5.0), None, Some(5.0)], &[], 80), "▁ ▁");
        // Means of two: 0.5, 4.5 and 8.
        assert_eq!(sparkline(&[values.clone(), vec![Some(8.0)]].concat(), &[], 3), "▁▅█");
        assert_eq!(sparkline(&values, &[3], 4).chars().count(), 4);
        let large: Vec<Option<f64>> = [900.0, 920.0, 0.0, 450.0].map(Some).into();
        assert_eq!((from_zero(&large, 9).as_str(), from_zero(&[Some(0.0); 2], 9).as_str()), ("██▁▄", "▁▁"));
        assert_eq!((sparkline(&[], &[], 10), sparkline(&[None], &[], 0)), (String::new(), " ".into()));
    }
}
