//! A chart with its title and legend: as a part of the page, or as a file of its own.

use std::fmt::Write;

use super::tables::unbroken;
use crate::chart::axis::{Axis, Base};
use crate::chart::colour::{HEAT, Ink, ink};
use crate::chart::escape::escape;
use crate::chart::frame::{Background, Entry, Frame, stand_alone};
use crate::chart::heat;
use crate::chart::series::{Point, band, mean_line};
use crate::chart::stack::areas;
use crate::chart::time::TimeAxis;
use crate::chart::{HEIGHT, WIDTH};
use crate::table::Unit;
use crate::table::human::scaled;

/// The height of the data in pixels.
const HIGH: u32 = 132;

/// One line of a chart.
pub struct Line<'a> {
    pub name: String,
    /// Its mean, written out as in the tables.
    pub value: String,
    pub points: &'a [Point],
    pub ink: Ink,
    /// Only the edges of the band are drawn, so that several lines can be compared.
    pub is_thin: bool,
}

/// A chart, drawn.
pub struct Figure {
    pub id: String,
    pub title: String,
    /// The column, or what else to know.
    pub subtitle: String,
    legend: Vec<Entry>,
    /// The legend of a heat map.
    levels: String,
    axis: Option<Axis>,
    labels: Vec<String>,
    height: u32,
    units: (usize, usize),
    data: String,
    attributes: String,
    description: String,
}

/// The texts of ticks: short, and different from each other.
pub fn labels(axis: &Axis, unit: Unit) -> Vec<String> {
    let mut labels: Vec<String> = axis.ticks.iter().map(|tick| short(&scaled(*tick, unit))).collect();
    let mut different = labels.clone();
    different.dedup();
    if different.len() < labels.len() {
        labels = axis.ticks.iter().map(|tick| format!("{tick} {}", unit.word()).trim_end().to_string()).collect();
    }
    labels
}

/// `20 MiB` of `20.0 MiB`.
fn short(label: &str) -> String {
    let (number, unit) = label.split_once(' ').unwrap_or((label, ""));
    let number = match number.contains('.') && !number.contains('e') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => number,
    };
    format!("{number} {unit}").trim_end().to_string()
}

pub fn base_of(unit: Unit) -> Base {
    match unit {
        Unit::Bytes | Unit::BytesPerSec | Unit::Kibibytes | Unit::KibibytesPerSec => Base::Bytes,
        _ => Base::Ten,
    }
}

impl Figure {
    /// Lines with bands. None without a value, or if all are zero.
    pub fn lines(
        id: String,
        title: &str,
        subtitle: &str,
        unit: Unit,
        lines: &[Line<'_>],
        time: &TimeAxis,
    ) -> Option<Figure> {
        let points = || lines.iter().flat_map(|line| line.points);
        if points().all(|p| p.low == 0.0 && p.high == 0.0) {
            return None;
        }
        let axis = Axis::of(points().flat_map(|p| [p.low, p.high]), base_of(unit));
        let (mut back, mut front) = (String::new(), String::new());
        for (k, line) in lines.iter().enumerate() {
            let area = band(line.points, time, &axis);
            if !area.is_empty() {
                let fill = if line.is_thin { "0" } else { ".18" };
                let colour = line.ink.colour;
                let _ = write!(
                    back,
                    "<path class=\"b\" data-k=\"{k}\" fill=\"{colour}\" fill-opacity=\"{fill}\" stroke=\"{colour}\" stroke-opacity=\".4\" stroke-width=\".7\" vector-effect=\"non-scaling-stroke\" d=\"{area}\"/>"
                );
            }
            let mean = mean_line(line.points, time, &axis);
            let _ = write!(
                front,
                "<path class=\"m\" data-k=\"{k}\" fill=\"none\" {} stroke-width=\"1.5\" stroke-linejoin=\"round\" vector-effect=\"non-scaling-stroke\" d=\"{mean}\"/>",
                line.ink.stroke()
            );
        }
        let legend = lines.iter().map(|line| Entry {
            ink: line.ink,
            is_area: false,
            name: line.name.clone(),
            value: line.value.clone(),
        });
        Some(Figure::new(id, title, subtitle, legend.collect(), axis, unit, back + &front, ""))
    }

    /// Parts of 100 percent. `lines` have the same points in time as far as they have values; those that are always
    /// zero are left out.
    pub fn shares(
        id: String,
        title: &str,
        subtitle: &str,
        lines: &[Line<'_>],
        peak: Option<&[Point]>,
        time: &TimeAxis,
    ) -> Option<Figure> {
        let lines: Vec<&Line<'_>> = lines.iter().filter(|line| line.points.iter().any(|p| p.mean > 0.0)).collect();
        // The part with the most points says when there are values.
        let columns = lines.iter().map(|line| line.points).max_by_key(|points| points.len())?;
        let part = |line: &&Line<'_>| {
            let mut own = line.points.iter().peekable();
            columns
                .iter()
                .map(|column| {
                    while own.next_if(|p| p.from_us < column.from_us).is_some() {}
                    own.next_if(|p| p.from_us == column.from_us).map_or(0.0, |p| p.mean)
                })
                .collect::<Vec<f64>>()
        };
        let parts: Vec<Vec<f64>> = lines.iter().map(part).collect();
        let axis = Axis::between(0.0, 100.0, Base::Ten);
        let mut data = String::new();
        for (k, area) in areas(columns, &parts, time, &axis).iter().enumerate().rev() {
            let _ = write!(data, "<path class=\"a\" data-k=\"{k}\" fill=\"{}\" d=\"{area}\"/>", ink(k).colour);
        }
        let entry = |(k, line): (usize, &&Line<'_>)| Entry {
            ink: ink(k),
            is_area: true,
            name: line.name.clone(),
            value: line.value.clone(),
        };
        let legend: Vec<Entry> = lines.iter().enumerate().map(entry).collect();
        // The highest samples, which a mean hides.
        if let Some(peak) = peak.filter(|peak| peak.iter().any(|p| p.high > p.mean)) {
            let highest: Vec<Point> = peak.iter().map(|p| Point { mean: p.high, ..*p }).collect();
            let d = mean_line(&highest, time, &axis);
            let _ = write!(
                data,
                "<path class=\"p\" fill=\"none\" stroke=\"currentColor\" stroke-opacity=\".45\" stroke-width=\"1\" vector-effect=\"non-scaling-stroke\" d=\"{d}\"/>"
            );
        }
        Some(Figure::new(id, title, subtitle, legend, axis, Unit::Percent, data, ""))
    }

    /// A row per entity, from 0 to `most`.
    pub fn heat(
        id: String,
        title: &str,
        subtitle: &str,
        names: &[String],
        rows: &[Vec<Option<f64>>],
        (most, unit): (f64, Unit),
    ) -> Option<Figure> {
        let columns = rows.iter().map(Vec::len).max()?;
        let shares: Vec<Vec<Option<f64>>> =
            rows.iter().map(|row| row.iter().map(|v| v.map(|v| v / most)).collect()).collect();
        let legend = [2, 4, 6, 8].map(|level| {
            let share = level as f64 / heat::LEVELS as f64;
            let value = format!("to {}", scaled(share * most, unit));
            (share, value)
        });
        let legend = legend.into_iter().map(|(share, value)| format!(
            "<span><svg width=\"18\" height=\"11\" aria-hidden=\"true\"><rect x=\"2\" y=\"1\" width=\"14\" height=\"9\" fill=\"{HEAT}\" fill-opacity=\"{share}\"/></svg> {value}</span> "
        )).collect::<String>();
        let named =
            names.first().zip(names.last()).map_or(String::new(), |(first, last)| format!("{first} (top) to {last}"));
        let high = (rows.len() as u32 * 6).clamp(HIGH / 2, 2 * HIGH);
        let names: Vec<String> = names.iter().map(|name| name.replace('|', "/")).collect();
        let attributes = format!(
            "data-unit=\"{}\" data-most=\"{most}\" data-names=\"{}\"",
            escape(unit.word()),
            escape(&names.join("|"))
        );
        Some(Figure {
            id,
            title: title.into(),
            subtitle: [subtitle, named.as_str()]
                .iter()
                .filter(|s| !s.is_empty())
                .copied()
                .collect::<Vec<_>>()
                .join(", "),
            legend: Vec::new(),
            axis: None,
            labels: Vec::new(),
            height: high,
            units: (columns, rows.len()),
            data: heat::cells(&shares),
            attributes,
            levels: legend,
            description: format!("{title}: {} rows, {named}", rows.len()),
        })
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of a chart")]
    fn new(
        id: String,
        title: &str,
        subtitle: &str,
        legend: Vec<Entry>,
        axis: Axis,
        unit: Unit,
        data: String,
        more: &str,
    ) -> Figure {
        let attributes = format!(
            "data-low=\"{}\" data-high=\"{}\" data-unit=\"{}\"{more}",
            axis.low,
            axis.high,
            escape(unit.word())
        );
        Figure {
            description: [title, subtitle].join(" ").trim_end().to_string(),
            id,
            title: title.into(),
            subtitle: subtitle.into(),
            labels: labels(&axis, unit),
            legend,
            levels: String::new(),
            axis: Some(axis),
            height: HIGH,
            units: (WIDTH as usize, HEIGHT as usize),
            data,
            attributes,
        }
    }

    fn frame<'a>(&'a self, time: &'a TimeAxis) -> Frame<'a> {
        Frame {
            time,
            axis: self.axis.as_ref(),
            labels: self.labels.clone(),
            height: self.height,
            units: self.units,
            data: self.data.clone(),
            attributes: self.attributes.clone(),
            description: self.description.clone(),
        }
    }

    /// For the page.
    pub fn html(&self, time: &TimeAxis) -> String {
        let mut out = format!("<figure id=\"{}\"><figcaption><b>{}</b>", escape(&self.id), escape(&self.title));
        if !self.subtitle.is_empty() {
            let _ = write!(out, " <small>{}</small>", escape(&self.subtitle));
        }
        out += "<div class=\"legend\">";
        for (k, entry) in self.legend.iter().enumerate() {
            let _ = write!(
                out,
                "<span data-k=\"{k}\">{} {} <b>{}</b></span> ",
                entry.swatch(),
                escape(&entry.name),
                unbroken(&entry.value)
            );
        }
        out += &self.levels;
        out += "</div></figcaption>";
        out + &self.frame(time).fluid() + "</figure>\n"
    }

    /// As a file of its own.
    pub fn svg(&self, about: &str, time: &TimeAxis, background: &Background) -> String {
        let subtitle =
            [self.subtitle.as_str(), about].iter().filter(|s| !s.is_empty()).copied().collect::<Vec<_>>().join(" · ");
        stand_alone(&self.title, &subtitle, &self.legend, &self.frame(time), background)
    }
}
