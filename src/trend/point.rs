//! The places in the order of runs.

use std::cmp::Ordering;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

use crate::compare::Run;
use crate::text::natural::natural;

/// One place: a recording, or the runs of one series.
#[derive(Debug)]
pub struct Point {
    pub name: String,
    /// What was named: the recording, or the folder of the runs.
    pub path: PathBuf,
    /// At least one.
    pub runs: Vec<Run>,
}

impl Point {
    pub fn of(path: PathBuf, runs: Vec<Run>) -> Point {
        Point { name: path.display().to_string(), path, runs }
    }

    /// When the first of its runs began, RFC 3339.
    pub fn started(&self) -> Option<&str> {
        let started = self.runs.iter().filter_map(|run| Some(run.session()?.started.as_str()));
        started.filter(|text| time(text).is_some()).min_by_key(|text| time(text))
    }

    /// The value of a tag, of the first run that has it.
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.runs.iter().find_map(|run| run.manifest.as_ref()?.tags.get(key)).map(String::as_str)
    }
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    text.parse().ok()
}

/// The order of the points.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// When they were recorded.
    #[default]
    Time,
    /// As they were named.
    Given,
    /// The value of a tag: numbers in it by their size. Of equal ones by time.
    Tag(String),
}

impl Order {
    pub fn tag(&self) -> Option<&str> {
        match self {
            Order::Tag(key) => Some(key),
            Order::Time | Order::Given => None,
        }
    }

    /// Sorts points. Those that have no place in this order are returned, with the reason.
    pub fn sort(&self, points: Vec<Point>) -> (Vec<Point>, Vec<String>) {
        let why = |point: &Point| match self {
            Order::Time if point.started().is_none() => Some("it is not known when it was recorded".to_string()),
            Order::Tag(key) if point.tag(key).is_none() => Some(format!("it has no tag `{key}`")),
            _ => None,
        };
        let mut left_out = Vec::new();
        let mut sorted = Vec::new();
        for point in points {
            match why(&point) {
                Some(why) => left_out.push(format!("{}: {why}", point.path.display())),
                None => sorted.push(point),
            }
        }
        sorted.sort_by(|a, b| self.compare(a, b));
        (sorted, left_out)
    }

    fn compare(&self, a: &Point, b: &Point) -> Ordering {
        let by_time = || a.started().and_then(time).cmp(&b.started().and_then(time));
        match self {
            Order::Time => by_time(),
            Order::Given => Ordering::Equal,
            Order::Tag(key) => natural(a.tag(key).unwrap_or(""), b.tag(key).unwrap_or("")).then_with(by_time),
        }
    }
}

impl FromStr for Order {
    type Err = String;

    fn from_str(text: &str) -> Result<Order, String> {
        match text {
            "time" => Ok(Order::Time),
            "given" => Ok(Order::Given),
            _ => match text.strip_prefix("tag:").filter(|key| !key.is_empty()) {
                Some(key) => Ok(Order::Tag(key.into())),
                None => Err("time, given, or tag:KEY is needed, such as tag:version".into()),
            },
        }
    }
}

impl std::fmt::Display for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Order::Time => f.write_str("time"),
            Order::Given => f.write_str("given"),
            Order::Tag(key) => write!(f, "tag:{key}"),
        }
    }
}

impl Serialize for Order {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Shortens the names to what comes after the folder that all paths have in common.
pub fn shorten(points: &mut [Point]) {
    let parents = points.iter().map(|point| point.path.parent().unwrap_or(Path::new("")).to_path_buf());
    let Some(common) = parents.reduce(|a, b| common(&a, &b)) else { return };
    for point in points {
        let short = point.path.strip_prefix(&common).ok().filter(|path| !path.as_os_str().is_empty());
        point.name = short.unwrap_or(&point.path).display().to_string();
    }
}

fn common(a: &Path, b: &Path) -> PathBuf {
    let same = |(a, b): &(Component<'_>, Component<'_>)| a == b;
    a.components().zip(b.components()).take_while(same).map(|(a, _)| a).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::machine::Host;
    use crate::store::manifest::{Manifest, Session};

    fn point(path: &str, started: &str, version: Option<&str>) -> Point {
        let mut manifest = Manifest::new(started.into(), Host::default());
        manifest.sessions.push(Session { started: started.into(), ..Session::default() });
        manifest.tags.extend(version.map(|version| ("version".to_string(), version.to_string())));
        Point::of(path.into(), vec![Run::by_cost(path.into(), manifest)])
    }

    fn sorted(order: &str) -> (Vec<String>, Vec<String>) {
        let points = vec![
            point("runs/c", "2026-11-03T00:00:00Z", Some("v1.10")),
            point("runs/a", "2026-11-02T23:30:00-02:00", Some("v1.9")),
            point("runs/b", "2026-11-01T00:00:00Z", None),
        ];
        let (mut points, left_out) = order.parse::<Order>().unwrap().sort(points);
        shorten(&mut points);
        (points.into_iter().map(|point| point.name).collect(), left_out)
    }

    #[test]
    fn orders() {
        assert_eq!(sorted("given").0, ["c", "a", "b"]);
        // 23:30 two hours west of Greenwich is 01:30 of the next day.
        assert_eq!(sorted("time").0, ["b", "c", "a"]);
        let (names, left_out) = sorted("tag:version");
        assert_eq!((names, left_out), (vec!["a".into(), "c".into()], vec!["runs/b: it has no tag `version`".into()]));
        assert!("tag:".parse::<Order>().is_err() && "size".parse::<Order>().is_err());
    }

    #[test]
    fn names_are_as_short_as_possible() {
        let mut points = vec![point("a/b/x/1", "", None), point("a/b/y/1", "", None)];
        shorten(&mut points);
        assert_eq!((points[0].name.as_str(), points[1].name.as_str()), ("x/1", "y/1"));
        let mut one = vec![point("run", "", None)];
        shorten(&mut one);
        assert_eq!(one[0].name, "run");
    }
}
