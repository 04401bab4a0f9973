//! `--parameter-list`: a side for each combination of values.

use std::collections::BTreeMap;

use super::side::Side;
use crate::cli::parameters::ParameterList;
use crate::cli::record::RecordArgs;
use crate::commands::Usage;

/// The sides: all combinations of the lists, those of the last list next to each other.
///
/// # Errors
/// When a parameter is given twice, or is used nowhere.
pub fn sides(args: &RecordArgs) -> Result<Vec<Side>, Usage> {
    let lists = &args.parameter_lists;
    check(args)?;
    let mut combinations: Vec<Vec<(&str, &str)>> = vec![Vec::new()];
    for ParameterList { name, values } in lists {
        let mut longer = Vec::new();
        for before in &combinations {
            longer.extend(values.iter().map(|value| [&before[..], &[(name.as_str(), value.as_str())]].concat()));
        }
        combinations = longer;
    }
    let mut sides: Vec<Side> = Vec::new();
    for combination in combinations {
        let mut side = side(args, &combination);
        side.name = Some(free(folder(&combination), &sides));
        sides.push(side);
    }
    Ok(sides)
}

fn check(args: &RecordArgs) -> Result<(), Usage> {
    let lists = &args.parameter_lists;
    for (n, ParameterList { name, .. }) in lists.iter().enumerate() {
        if lists[..n].iter().any(|other| other.name == *name) {
            return Err(Usage(format!("--parameter-list {name}: it is given twice")));
        }
        let place = format!("{{{name}}}");
        let words = args.command.iter().filter_map(|word| word.to_str());
        let mut texts = words.chain([&args.prepare, &args.conclude].into_iter().flatten().map(String::as_str));
        if !texts.any(|text| text.contains(&place)) {
            return Err(Usage(format!(
                "--parameter-list {name}: {place} is not in the command, --prepare or --conclude, so that all runs would be \
                 the same"
            )));
        }
    }
    Ok(())
}

fn side(args: &RecordArgs, combination: &[(&str, &str)]) -> Side {
    let fill = |text: &str| filled(text, combination);
    Side {
        name: None,
        // A word that is not UTF-8 stays as it is.
        command: args
            .command
            .iter()
            .map(|word| word.to_str().map_or_else(|| word.clone(), |w| fill(w).into()))
            .collect(),
        prepare: args.prepare.as_deref().map(fill),
        conclude: args.conclude.as_deref().map(fill),
        tags: combination.iter().map(|(name, value)| format!("{name}={value}")).collect(),
        parameters: combination.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect::<BTreeMap<_, _>>(),
    }
}

/// The text with `{name}` replaced by the value. A value is not searched for other names.
fn filled(text: &str, combination: &[(&str, &str)]) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let found = combination
            .iter()
            .find_map(|(name, value)| Some((value, rest.strip_prefix('{')?.strip_prefix(name)?.strip_prefix('}')?)));
        let (written, after) = found.map_or(("{", &rest[1..]), |(value, after)| (*value, after));
        out.push_str(written);
        rest = after;
    }
    out + rest
}

/// `threads=4,size=1`, as a name that every file system accepts.
fn folder(combination: &[(&str, &str)]) -> String {
    const MOST_BYTES: usize = 100;
    let all = combination.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",");
    let safe = all.chars().map(|c| if c.is_alphanumeric() || "=,._-+@%".contains(c) { c } else { '_' });
    let mut name = String::new();
    for c in safe {
        if name.len() + c.len_utf8() > MOST_BYTES {
            break;
        }
        name.push(c);
    }
    name
}

/// The name, with a number if another side has it.
fn free(name: String, sides: &[Side]) -> String {
    let is_free = |name: &str| sides.iter().all(|side| side.name.as_deref() != Some(name));
    let numbered = (2..).map(|n| format!("{name}-{n}"));
    std::iter::once(name.clone()).chain(numbered).find(|name| is_free(name)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn sides_of(line: &str) -> Result<Vec<Side>, Usage> {
        let Command::Record(args) = Cli::try_parse_from(line.split(' ')).unwrap().command else { panic!("{line}") };
        sides(&args)
    }

    #[test]
    fn every_combination_is_a_side() {
        let line = "perfwatch record --runs 2 -L n=1,2 -L m=x,y --prepare make_{m} -- ./bench -j{n} {m}{n} {k} {n";
        let sides = sides_of(line).unwrap();
        let texts: Vec<String> = sides.iter().map(Side::text).collect();
        assert_eq!(texts[..2], ["./bench -j1 x1 '{k}' '{n'", "./bench -j1 y1 '{k}' '{n'"]);
        let names: Vec<&str> = sides.iter().filter_map(|side| side.name.as_deref()).collect();
        assert_eq!(names, ["n=1,m=x", "n=1,m=y", "n=2,m=x", "n=2,m=y"]);
        assert_eq!(sides[3].prepare.as_deref(), Some("make_y"));
        assert_eq!(sides[3].tags, ["n=2", "m=y"]);
        assert_eq!(sides[3].parameters["m"], "y");
    }

    #[test]
    fn names_for_the_file_system() {
        let sides = sides_of("perfwatch record --runs 2 -L file=/a/b,_a_b,.. -- cat {file}").unwrap();
        let names: Vec<&str> = sides.iter().filter_map(|side| side.name.as_deref()).collect();
        assert_eq!(names, ["file=_a_b", "file=_a_b-2", "file=.."]);
        let long = format!("perfwatch record --runs 2 -L n={} -- x {{n}}", "ä".repeat(200));
        assert_eq!(sides_of(&long).unwrap()[0].name.as_ref().unwrap().len(), 100);
    }

    /// A value is not a template.
    #[test]
    fn values_are_not_searched_for_names() {
        assert_eq!(filled("{a} {b}", &[("a", "{b}"), ("b", "{a}")]), "{b} {a}");
    }

    #[test]
    fn mistakes() {
        let why = |line: &str| sides_of(line).unwrap_err().to_string();
        assert!(why("perfwatch record --runs 2 -L n=1 -L n=2 -- x {n}").contains("given twice"));
        assert!(why("perfwatch record --runs 2 -L n=1,2 -- x").contains("{n} is not in the command"));
    }
}
