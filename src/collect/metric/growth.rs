//! From the numbers of two answers of one program to rows: how much its counters grew.

use std::collections::HashMap;

use crate::metric::exposition::{Exposed, Sample, too_many};
use crate::metric::table::Row;
use crate::metric::{MOST_SERIES, Series};
use crate::table::significant;

/// The last number of each series.
#[derive(Debug, Default)]
pub struct Growth {
    last: HashMap<Series, Last>,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    mono_ns: u64,
    value: Option<f64>,
}

/// Rows of one answer with the same time since the previous number of their series.
#[derive(Debug, PartialEq)]
pub struct Rows {
    pub elapsed_s: Option<f64>,
    pub rows: Vec<Row>,
}

impl Growth {
    /// The rows of an answer that was whole at this time. The second value says what is left out.
    pub fn rows(&mut self, mono_ns: u64, exposed: Exposed) -> (Vec<Rows>, Option<String>) {
        let mut left_out = exposed.left_out;
        let mut all: Vec<Rows> = Vec::new();
        for Sample { series, kind, is_counter, value } in exposed.samples {
            let is_full = self.last.len() >= MOST_SERIES;
            let last = match self.last.get_mut(&series) {
                Some(last) => Some(std::mem::replace(last, Last { mono_ns, value })),
                // A series that goes on after others have gone is one more all the same: each is a text in every file.
                None if is_full => {
                    left_out.get_or_insert_with(too_many);
                    continue;
                }
                None => {
                    self.last.insert(series.clone(), Last { mono_ns, value });
                    None
                }
            };
            let elapsed_s = last.map(|last| mono_ns.saturating_sub(last.mono_ns) as f64 / 1e9).filter(|s| *s > 0.0);
            let row = if is_counter {
                let grew = value.zip(last.and_then(|last| last.value)).map(|(now, before)| now - before);
                // Less than before: the program was started again, and nobody knows what it counted in between.
                let per_sec = grew.filter(|grew| *grew >= 0.0).zip(elapsed_s).map(|(grew, s)| significant(grew / s));
                Row { series, kind, value: None, total: value, per_sec }
            } else {
                Row { series, kind, value, total: None, per_sec: None }
            };
            match all.last_mut() {
                Some(rows) if rows.elapsed_s == elapsed_s => rows.rows.push(row),
                _ => all.push(Rows { elapsed_s, rows: vec![row] }),
            }
        }
        (all, left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::exposition::parse;

    /// `seconds: text` → `elapsed | series value total per_sec`, with `-` for null.
    fn rows(answers: &[(u64, &str)]) -> Vec<Vec<String>> {
        let mut growth = Growth::default();
        let shown = |v: Option<f64>| v.map_or("-".to_string(), |v| v.to_string());
        let answers = answers.iter().map(|(s, text)| {
            let (all, left_out) = growth.rows(s * 1_000_000_000, parse(text.as_bytes(), None).unwrap());
            assert_eq!(left_out, None);
            let lines = all.iter().flat_map(|Rows { elapsed_s, rows }| {
                rows.iter().map(move |r| {
                    let [value, total, per_sec] = [r.value, r.total, r.per_sec].map(shown);
                    format!("{} | {} {value} {total} {per_sec}", shown(*elapsed_s), r.series)
                })
            });
            lines.collect()
        });
        answers.collect()
    }

    #[test]
    fn counters_are_judged_by_their_growth() {
        let of = |n: f64, q: f64| format!("# TYPE n counter\nn {n}\nq {q}\n");
        let texts = [(10, of(100.5, 5.0)), (12, of(103.5, 7.0)), (15, of(2.0, 0.0)), (16, of(6.0, 1.0))];
        let answers: Vec<(u64, &str)> = texts.iter().map(|(s, text)| (*s, text.as_str())).collect();
        assert_eq!(
            rows(&answers),
            [
                ["- | n - 100.5 -", "- | q 5 - -"],
                ["2 | n - 103.5 1.5", "2 | q 7 - -"],
                ["3 | n - 2 -", "3 | q 0 - -"],
                ["1 | n - 6 4", "1 | q 1 - -"],
            ]
        );
    }

    #[test]
    fn a_series_that_was_missing_has_its_own_time() {
        let found = rows(&[
            (1, "# TYPE a counter\n# TYPE b counter\na 1\nb 1\n"),
            (2, "# TYPE a counter\na 2\n"),
            (4, "# TYPE a counter\n# TYPE b counter\nnew 1\na 2\nb 7\n"),
            (5, "# TYPE a counter\na NaN\n"),
            (6, "# TYPE a counter\na 9\n"),
        ]);
        assert_eq!(found[2], ["- | new 1 - -", "2 | a - 2 0", "3 | b - 7 2"]);
        assert_eq!((found[3].join(";"), found[4].join(";")), ("1 | a - - -".into(), "1 | a - 9 -".into()));
    }

    #[test]
    fn the_number_of_series_is_limited_over_all_answers() {
        let mut growth = Growth::default();
        for n in 0..=MOST_SERIES / 5000 {
            let text: String = (0..5000).map(|k| format!("a{{id=\"{n}_{k}\"}} 1\n")).collect();
            let (rows, left_out) = growth.rows(n as u64, parse(text.as_bytes(), None).unwrap());
            assert_eq!((rows.is_empty(), left_out.is_some()), (n == MOST_SERIES / 5000, n == MOST_SERIES / 5000));
        }
    }
}
