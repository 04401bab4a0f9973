//! What is around the data of a chart: grid, labels, legend.

use std::fmt::Write;

use super::axis::Axis;
use super::colour::Ink;
use super::escape::escape;
use super::time::TimeAxis;
use super::{HEIGHT, WIDTH};

/// Above the data, so that a label at the top fits.
const TOP: u32 = 14;
/// Below the data, for the times.
const BOTTOM: u32 = 18;

/// The `font-family` of all text.
pub const FONT: &str = "system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif";

/// A chart without its title and legend.
pub struct Frame<'a> {
    pub time: &'a TimeAxis,
    /// None for a heat map, whose rows have no values.
    pub axis: Option<&'a Axis>,
    /// The text of each tick of the axis.
    pub labels: Vec<String>,
    /// Of the data, in pixels.
    pub height: u32,
    /// The units of the data: [`WIDTH`] by [`HEIGHT`], or the columns and rows of a heat map.
    pub units: (usize, usize),
    /// What is drawn, in these units.
    pub data: String,
    /// More attributes of the data for a script, escaped.
    pub attributes: String,
    /// For people who do not see it.
    pub description: String,
}

/// Bands and lines behind the data: phases, and events.
#[derive(Clone, Debug, Default)]
pub struct Background {
    /// From and to.
    pub bands: Vec<(i64, i64)>,
    pub lines: Vec<i64>,
}

impl Background {
    /// The grid of times, bands and lines, in [`WIDTH`] by [`HEIGHT`] units.
    pub fn draw(&self, time: &TimeAxis) -> String {
        let mut out = String::new();
        let x = |us: i64| (time.place(us) * WIDTH).clamp(-1.0, WIDTH + 1.0);
        for (n, (from, to)) in self.bands.iter().enumerate() {
            let opacity = if n % 2 == 0 { ".07" } else { ".035" };
            let (from, to) = (x(*from), x(*to));
            let width = (to - from).max(1.0);
            let _ = write!(
                out,
                "<rect x=\"{from:.1}\" width=\"{width:.1}\" height=\"1000\" fill=\"currentColor\" fill-opacity=\"{opacity}\"/>"
            );
        }
        let mut path = |class: &str, all: &mut dyn Iterator<Item = i64>, style: &str| {
            let d: String = all.map(|us| format!("M{:.1} 0v1000", x(us))).collect();
            if !d.is_empty() {
                let _ = write!(
                    out,
                    "<path class=\"{class}\" fill=\"none\" stroke=\"currentColor\" vector-effect=\"non-scaling-stroke\" {style} d=\"{d}\"/>"
                );
            }
        };
        path("tx", &mut time.ticks().into_iter().map(|(us, _)| us), "stroke-opacity=\".1\"");
        path("ev", &mut self.lines.iter().copied(), "stroke-opacity=\".5\" stroke-dasharray=\"2 3\"");
        out
    }
}

/// The times below a chart, with their places in percent of its width.
pub fn times(time: &TimeAxis) -> String {
    let mut out = String::from("<g fill=\"currentColor\" fill-opacity=\".7\" font-size=\"11\">");
    for (us, label) in time.ticks() {
        let place = time.place(us);
        // Not beyond the edges.
        let anchor = match place {
            _ if place < 0.05 => "start",
            _ if place > 0.95 => "end",
            _ => "middle",
        };
        let _ = write!(out, "<text x=\"{:.2}%\" text-anchor=\"{anchor}\">{label}</text>", place * 100.0);
    }
    out + "</g>"
}

impl Frame<'_> {
    /// As wide as its surroundings. It needs the [`shared`] parts in the same page.
    pub fn fluid(&self) -> String {
        let mut out = String::new();
        let _ = write!(
            out,
            "<svg class=\"chart\" width=\"100%\" height=\"{}\" role=\"img\" aria-label=\"{}\">",
            TOP + self.height + BOTTOM,
            escape(&self.description)
        );
        self.inside(&mut out, "<use href=\"#back\"/>", &format!("<use href=\"#time\" y=\"{}\"/>", self.bottom()));
        out + "</svg>"
    }

    fn bottom(&self) -> u32 {
        TOP + self.height + 13
    }

    /// Labels of values to the left, data to the right. The shares of the width are for where no style sheet is
    /// allowed.
    fn inside(&self, out: &mut String, back: &str, times: &str) {
        let (height, (columns, rows)) = (self.height, self.units);
        let is_plain = self.units == (WIDTH as usize, HEIGHT as usize);
        let open = |class: &str, columns: usize, rows: usize, more: &str| {
            format!(
                "<svg class=\"{class}\" y=\"{TOP}\" width=\"100%\" height=\"{height}\" viewBox=\"0 0 {columns} {rows}\" \
                 preserveAspectRatio=\"none\"{more}>"
            )
        };
        let mut lines = String::new();
        if let Some(axis) = self.axis {
            *out += "<svg class=\"ly\" width=\"11%\" overflow=\"visible\" font-size=\"11\" fill=\"currentColor\" fill-opacity=\".75\" text-anchor=\"end\">";
            for (tick, label) in axis.ticks.iter().zip(&self.labels) {
                let y = f64::from(TOP) + (1.0 - axis.place(*tick)) * f64::from(height);
                let _ = write!(lines, "M0 {y:.0}h9999");
                let _ = write!(out, "<text x=\"100%\" y=\"{:.0}\">{}</text>", y + 4.0, escape(label));
            }
            *out += "</svg>";
        }
        *out += "<svg class=\"in\" x=\"12%\" width=\"88%\" overflow=\"visible\">";
        if !lines.is_empty() {
            let _ = write!(out, "<path fill=\"none\" stroke=\"currentColor\" stroke-opacity=\".12\" d=\"{lines}\"/>");
        }
        let attributes = format!(" {}", self.attributes);
        if is_plain {
            *out += &open("plot", columns, rows, attributes.trim_end());
            *out += back;
        } else {
            *out += &open("back", WIDTH as usize, HEIGHT as usize, "");
            *out += back;
            *out += "</svg>";
            *out += &open("plot", columns, rows, attributes.trim_end());
        }
        *out += &self.data;
        *out += "</svg>";
        *out += times;
        *out += "</svg>";
    }
}

/// The parts that all charts of a page have in common.
pub fn shared(time: &TimeAxis, background: &Background) -> String {
    format!(
        "<svg width=\"0\" height=\"0\" aria-hidden=\"true\"><defs><g id=\"back\">{}</g><g id=\"time\">{}</g></defs></svg>",
        background.draw(time),
        times(time)
    )
}

/// An entry of a legend.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub ink: Ink,
    pub is_area: bool,
    pub name: String,
    /// Its mean, written out.
    pub value: String,
}

impl Entry {
    /// A small piece of the line, or a square of the area.
    pub fn swatch(&self) -> String {
        let inside = match self.is_area {
            true => format!("<rect x=\"2\" y=\"1\" width=\"12\" height=\"9\" fill=\"{}\"/>", self.ink.colour),
            false => format!("<path d=\"M0 6h18\" fill=\"none\" stroke-width=\"2.5\" {}/>", self.ink.stroke()),
        };
        format!("<svg width=\"18\" height=\"11\" aria-hidden=\"true\">{inside}</svg>")
    }
}

/// A chart as a file of its own, with title and legend, for light and dark pages.
pub fn stand_alone(
    title: &str,
    subtitle: &str,
    legend: &[Entry],
    frame: &Frame<'_>,
    background: &Background,
) -> String {
    const WIDE: u32 = 840;
    const MARGIN: u32 = 14;
    /// Of a letter, in pixels; generous, because fonts differ.
    const LETTER: f64 = 6.6;
    let mut head = String::new();
    let _ = write!(
        head,
        "<text x=\"0\" y=\"16\" font-size=\"15\" font-weight=\"600\" fill=\"currentColor\">{}</text>\
         <text x=\"0\" y=\"33\" font-size=\"11\" fill=\"currentColor\" fill-opacity=\".7\">{}</text>",
        escape(title),
        escape(subtitle)
    );
    let (mut x, mut y) = (0.0, 53.0);
    for entry in legend {
        let text = format!("{} {}", entry.name, entry.value);
        let wide = 24.0 + LETTER * text.chars().count() as f64 + 12.0;
        if x > 0.0 && x + wide > f64::from(WIDE - 2 * MARGIN) {
            (x, y) = (0.0, y + 17.0);
        }
        let _ = write!(
            head,
            "<g transform=\"translate({x:.0} {y:.0})\"><g transform=\"translate(0 -9)\">{}</g>\
             <text x=\"23\" font-size=\"12\" fill=\"currentColor\">{}</text></g>",
            entry.swatch(),
            escape(&text)
        );
        x += wide;
    }
    let top = if legend.is_empty() { 40.0 } else { y + 8.0 };
    let mut chart = String::new();
    let wide = WIDE - 2 * MARGIN;
    let below = format!("<g transform=\"translate(0 {})\">{}</g>", frame.bottom(), times(frame.time));
    frame.inside(&mut chart, &background.draw(frame.time), &below);
    let high = top + f64::from(TOP + frame.height + BOTTOM + 2 * MARGIN);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDE}\" height=\"{high:.0}\" viewBox=\"0 0 {WIDE} {high:.0}\" \
         font-family=\"{FONT}\" color=\"#1c1f24\" role=\"img\" aria-label=\"{}\">\
         <style>@media (prefers-color-scheme: dark) {{ svg {{ color: #d9dde3 }} .card {{ fill: #16181d }} }}</style>\
         <rect class=\"card\" width=\"{WIDE}\" height=\"{high:.0}\" rx=\"6\" fill=\"#fff\"/>\
         <g transform=\"translate({MARGIN} {MARGIN})\">{head}\
         <svg y=\"{top:.0}\" width=\"{wide}\" height=\"{}\" overflow=\"hidden\">{chart}</svg></g></svg>\n",
        escape(&frame.description),
        TOP + frame.height + BOTTOM
    )
}
