//! Charts as SVG: axes, lines with a band from the smallest to the largest value, stacked shares, heat maps, sparklines.
//!
//! Nothing here knows recordings. A chart is drawn with presentation attributes only, so that it looks the same where
//! style sheets are not allowed: text and grid have the colour of the surrounding text, and series have colours that
//! are legible on white and on black. A series is one `<path>`, whatever its number of values, because browsers are
//! slow with many elements.
//!
//! The inner part of a chart is [`WIDTH`] by [`HEIGHT`] units and stretched to the size of the chart, so values can be
//! read back from a path with a precision of a thousandth of the axis.

pub mod axis;
pub mod colour;
pub mod escape;
pub mod frame;
pub mod heat;
pub mod path;
pub mod series;
pub mod spark;
pub mod stack;
pub mod time;

/// The units of the inner part of a chart.
pub const WIDTH: f64 = 960.0;
pub const HEIGHT: f64 = 1000.0;
