//! Many runs in order: where did a metric change, by how much, and what else changed there?
//!
//! A [`Point`] is one place in the order: a recording, or the runs of one series, which count as one because they share
//! machine, boot and hour. `series` makes one series of values per metric of them, [`judge`] finds the changes, adjusted
//! for the number of metrics, and [`places`] gathers the metrics that change together, with the [facts](difference) that
//! differ there. The forms of output are in [`output`].

pub mod difference;
pub mod judge;
pub mod model;
mod notes;
pub mod output;
pub mod places;
pub mod point;
mod series;

pub use model::{Settings, Trend};
pub use point::{Order, Point};

use model::PointFacts;
use series::Collected;

/// The format of the JSON; see `docs/COMPARING.md`.
pub const JSON_VERSION: u32 = 1;

/// Looks for changes. `points` are in order.
///
/// # Errors
/// If a rule of the gate does not fit its metric.
pub fn trend(points: &[Point], left_out: Vec<String>, settings: &Settings) -> Result<Trend, String> {
    let Collected { metrics, meaningless, elsewhere } = series::collect(points, settings)?;
    let mut metrics = judge::judge(metrics);
    metrics.sort_by(|a, b| a.rank().cmp(&b.rank()).then_with(|| a.metric.cmp(&b.metric)));
    let mut trend = Trend {
        version: JSON_VERSION,
        settings: settings.clone(),
        points: points.iter().map(|point| PointFacts::of(point, &settings.order_by)).collect(),
        left_out,
        notes: Vec::new(),
        places: places::places(&metrics, points),
        metrics,
    };
    trend.notes = elsewhere;
    trend.notes.extend(notes::notes(&trend, meaningless));
    Ok(trend)
}
