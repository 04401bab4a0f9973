//! Heat maps: a row per entity, a column per time. One path per level of colour, in which each run of equal cells is one
//! stroke: rectangles would be ten times as large.

use std::fmt::Write;

use super::colour::HEAT;

/// The levels above "nothing".
pub const LEVELS: usize = 8;

/// The level of a value from 0 to 1: 0 only for nothing, and [`LEVELS`] for 1.
pub fn level(share: f64) -> usize {
    if share.is_nan() || share <= 0.002 {
        return 0;
    }
    (1 + (share * LEVELS as f64) as usize).min(LEVELS)
}

/// The content of an `<svg>` whose `viewBox` is as wide as there are columns and as high as there are rows. `None`: no
/// value.
pub fn cells(rows: &[Vec<Option<f64>>]) -> String {
    let mut paths: Vec<(String, (i64, i64))> = vec![(String::new(), (0, 0)); LEVELS + 1];
    let mut missing = (String::new(), (0, 0));
    for (y, row) in rows.iter().enumerate() {
        let levels: Vec<Option<usize>> = row.iter().map(|cell| cell.map(level)).collect();
        let mut x = 0;
        while let Some(now) = levels.get(x) {
            let length = levels.iter().skip(x).take_while(|level| *level == now).count().max(1);
            let path = match now {
                Some(0) => None,
                Some(level) => paths.get_mut(*level),
                None => Some(&mut missing),
            };
            if let Some(path) = path {
                run(path, x as i64, y as i64, length);
            }
            x += length;
        }
    }
    let mut out = String::from(
        "<g fill=\"none\" stroke-width=\"1\" transform=\"translate(0 .5)\" shape-rendering=\"crispEdges\">",
    );
    for (n, (path, _)) in paths.iter().enumerate().filter(|(_, (path, _))| !path.is_empty()) {
        let opacity = (n as f64 / LEVELS as f64 * 100.0).round() / 100.0;
        let _ = write!(out, "<path stroke=\"{HEAT}\" stroke-opacity=\"{opacity}\" data-l=\"{n}\" d=\"{path}\"/>");
    }
    if !missing.0.is_empty() {
        let _ = write!(out, "<path stroke=\"currentColor\" stroke-opacity=\".07\" d=\"{}\"/>", missing.0);
    }
    out + "</g>"
}

/// Adds a stroke. Moves are relative to the end of the stroke before.
fn run((path, at): &mut (String, (i64, i64)), x: i64, y: i64, length: usize) {
    let (dx, dy) = (x - at.0, y - at.1);
    let space = if dy < 0 { "" } else { " " };
    let _ = write!(path, "m{dx}{space}{dy}h{length}");
    *at = (x + length as i64, y);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_path_per_level() {
        let rows = vec![vec![Some(0.0), Some(1.0), Some(1.0), Some(0.3)], vec![Some(1.0), None, Some(0.0), Some(0.0)]];
        let cells = cells(&rows);
        assert!(cells.contains("stroke-opacity=\"1\" data-l=\"8\" d=\"m1 0h2m-3 1h1\""), "{cells}");
        assert!(cells.contains("data-l=\"3\" d=\"m3 0h1\""), "{cells}");
        assert!(cells.contains("stroke-opacity=\".07\" d=\"m1 1h1\""), "{cells}");
        assert_eq!(cells.matches("<path").count(), 3);
    }

    #[test]
    fn little_is_not_nothing() {
        assert_eq!([0.0, 0.01, 0.124, 0.126, 0.999, 1.0, 7.0, f64::NAN].map(level), [0, 1, 1, 2, 8, 8, 8, 0]);
    }
}
