//! JUnit XML: a test case per gated metric, which CI systems show like any other test.

use std::fmt::Write;

use super::words;
use crate::compare::comparison::Comparison;
use crate::text::printable::printable;

pub fn junit(comparison: &Comparison) -> String {
    let gated: Vec<_> = comparison.metrics.iter().filter(|metric| metric.gated).collect();
    let failures = gated.iter().filter(|metric| metric.must_not_pass()).count();
    let skipped = gated.iter().filter(|metric| metric.is_undecided()).count();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        out,
        "<testsuite name=\"perfwatch compare\" tests=\"{}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\">",
        gated.len()
    );
    for metric in gated {
        let said = format!(
            "{}: {} to {}, {} ({})",
            words::verdict(metric),
            words::value(metric.judged.base, metric),
            words::value(metric.judged.new, metric),
            words::change(metric),
            words::interval(metric),
        );
        let (name, said) = (escaped(&metric.metric), escaped(&said));
        let _ = write!(out, "  <testcase classname=\"perfwatch\" name=\"{name}\">");
        let _ = match (metric.must_not_pass(), metric.is_undecided()) {
            (true, _) => write!(out, "<failure type=\"{}\" message=\"{said}\"/>", metric.verdict),
            (_, true) => write!(out, "<skipped message=\"{said}\"/>"),
            _ => write!(out, "<system-out>{said}</system-out>"),
        };
        out.push_str("</testcase>\n");
    }
    out.push_str("</testsuite>\n");
    out
}

fn escaped(text: &str) -> String {
    let text = printable(text);
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
