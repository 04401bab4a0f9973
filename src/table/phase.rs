//! Open phases, and their names.
//!
//! Phases nest. The `phase` of a row contains the names of all open phases, outermost first: `load/warmup`.

/// Separates the names of nested phases.
pub const SEPARATOR: char = '/';

/// Maximum number of open phases: a script that starts more probably forgets to end them.
pub const DEEPEST: usize = 16;

/// The open phases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    open: Vec<String>,
    path: Option<String>,
}

/// Why a start or end was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("no phase `{name}` is open{}", .path.as_ref().map_or_else(String::new, |p| format!(", only {p}")))]
    NotOpen { name: String, path: Option<String> },
    #[error("{DEEPEST} phases are open, which is the maximum: {path}")]
    TooDeep { path: String },
}

impl Phases {
    /// The open phases, outermost first, as in column `phase`; None if no phase is open.
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// # Errors
    /// If too many are open.
    pub fn start(&mut self, name: &str) -> Result<(), Refused> {
        if self.open.len() >= DEEPEST {
            return Err(Refused::TooDeep { path: self.path.clone().unwrap_or_default() });
        }
        self.open.push(name.into());
        self.name();
        Ok(())
    }

    /// Ends the innermost phase with this name. Returns the phases inside it, which also end, outermost first.
    ///
    /// # Errors
    /// If no phase with this name is open.
    pub fn end(&mut self, name: &str) -> Result<Vec<String>, Refused> {
        let Some(at) = self.open.iter().rposition(|open| open == name) else {
            return Err(Refused::NotOpen { name: name.into(), path: self.path.clone() });
        };
        let inside = self.open.split_off(at + 1);
        self.open.truncate(at);
        self.name();
        Ok(inside)
    }

    fn name(&mut self) {
        self.path = (!self.open.is_empty()).then(|| self.open.join(&SEPARATOR.to_string()));
    }
}

/// The path of a phase that starts inside the phase with this path.
pub fn inside(path: Option<&str>, name: &str) -> String {
    path.map_or_else(|| name.to_string(), |path| format!("{path}{SEPARATOR}{name}"))
}

/// Does a row with this path belong to the requested phase? It does if the requested names follow each other in the
/// path: `load` matches `load`, `load/warmup` and `all/load`; `load/warmup` only matches the warm-ups of loads.
pub fn is_within(path: &str, asked: &str) -> bool {
    let (path, asked): (Vec<&str>, Vec<&str>) = (path.split(SEPARATOR).collect(), asked.split(SEPARATOR).collect());
    path.windows(asked.len()).any(|names| names == asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_nest() {
        let mut phases = Phases::default();
        assert_eq!(phases.path(), None);
        phases.start("load").unwrap();
        phases.start("warmup").unwrap();
        assert_eq!(phases.path(), Some("load/warmup"));
        assert_eq!(phases.end("warmup"), Ok(vec![]));
        assert_eq!(phases.path(), Some("load"));
        assert_eq!(phases.end("load"), Ok(vec![]));
        assert_eq!(phases, Phases::default());
    }

    #[test]
    fn an_end_also_ends_the_phases_inside() {
        let mut phases = Phases::default();
        for name in ["a", "b", "a", "c", "d"] {
            phases.start(name).unwrap();
        }
        // The inner `a`.
        assert_eq!(phases.end("a"), Ok(vec!["c".into(), "d".into()]));
        assert_eq!(phases.path(), Some("a/b"));
        let error = phases.end("c").unwrap_err();
        assert_eq!(error.to_string(), "no phase `c` is open, only a/b");
        assert_eq!(phases.end("a"), Ok(vec!["b".into()]));
        assert_eq!(phases.end("a").unwrap_err().to_string(), "no phase `a` is open");
    }

    #[test]
    fn the_number_of_open_phases_is_limited() {
        let mut phases = Phases::default();
        (0..DEEPEST).for_each(|_| phases.start("p").unwrap());
        assert!(
            phases.start("p").unwrap_err().to_string().starts_with("16 phases are open, which is the maximum: p/p/")
        );
        phases.end("p").unwrap();
        assert_eq!(phases.start("q"), Ok(()));
    }

    #[test]
    fn rows_that_belong_to_a_phase() {
        for (asked, within, without) in [
            ("load", &["load", "load/warmup", "all/load", "all/load/x"][..], &["loads", "over load", "x/preload"][..]),
            ("load/warmup", &["load/warmup", "load/warmup/x", "x/load/warmup"], &["load", "load/x/warmup", "warmup"]),
            ("a/a", &["a/a", "xa/a/a", "a/a/a"], &["a", "xa/a", "a/ab", "a/b/a"]),
        ] {
            for path in within {
                assert!(is_within(path, asked), "{path} is within {asked}");
            }
            for path in without {
                assert!(!is_within(path, asked), "{path} is not within {asked}");
            }
        }
    }
}
