//! `perfwatch.toml`: one table per command; its keys are the long names of the command's options.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use clap::{ArgAction, Command};
use toml::de::{DeTable, DeValue};

use super::{ConfigError, Origin, Setting, option_names, options};
use crate::compare::gate;
use crate::store::layout::files::{open_plain, read_text};
use crate::text::nearest::did_you_mean;

const NAME: &str = "perfwatch.toml";

/// The settings file to use, and whether the user named it: the named file, otherwise the first of the usual files that
/// exists.
pub fn find(named: Option<PathBuf>) -> Option<(PathBuf, bool)> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(named) = named.or_else(|| variable("PERFWATCH_CONFIG")) {
        return Some((named, true));
    }
    let personal = variable("XDG_CONFIG_HOME").or_else(|| Some(variable("HOME")?.join(".config")));
    let usual =
        [Some(NAME.into()), personal.map(|p| p.join("perfwatch").join(NAME)), Some(Path::new("/etc").join(NAME))];
    usual.into_iter().flatten().find(|path| path.exists()).map(|path| (path, false))
}

/// A file in the current directory must not belong to another user: settings name programs to run, and a user who works
/// in someone else's directory has not asked for that person's settings.
fn must_be_ours(file: &File) -> io::Result<()> {
    let me = rustix::process::geteuid().as_raw();
    // With sudo, the file may also belong to the user who called it.
    let sudo = std::env::var("SUDO_UID").ok().filter(|_| me == 0).and_then(|uid| uid.parse().ok());
    let owner = file.metadata()?.uid();
    if [Some(0), Some(me), sudo].contains(&Some(owner)) {
        return Ok(());
    }
    let why = format!(
        "the file belongs to another user ({owner}); --config {NAME} reads it anyway, --config /dev/null reads none"
    );
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
}

/// The text of a file.
///
/// # Errors
/// When it cannot be read.
pub fn read(path: &Path, is_named: bool) -> Result<String, ConfigError> {
    // /dev/null is the usual way to say "no file", and the only device that is accepted.
    if path == Path::new("/dev/null") {
        return Ok(String::new());
    }
    let read = || {
        let file = open_plain(path)?;
        if !is_named && path == Path::new(NAME) {
            must_be_ours(&file)?;
        }
        let text = read_text(&file)?;
        String::from_utf8(text).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not text in UTF-8"))
    };
    let cannot = |error| ConfigError(format!("cannot read the settings in {}: {error}", path.display()));
    read().map_err(cannot)
}

/// The settings in the text of a file.
///
/// # Errors
/// When it contains an unknown name, or a value of a wrong type.
pub fn parse(cli: &Command, path: &Path, text: &str) -> Result<Vec<Setting>, ConfigError> {
    let line_of = |at: usize| 1 + text.as_bytes()[..at.min(text.len())].iter().filter(|b| **b == b'\n').count();
    let wrong = |at: usize, why: String| ConfigError(format!("{}:{}: {why}", path.display(), line_of(at)));
    let document = DeTable::parse(text)
        .map_err(|error| wrong(error.span().map_or(0, |s| s.start), error.message().trim().to_string()))?;
    let mut settings = Vec::new();
    for (name, table) in document.get_ref() {
        // It has metrics, not options.
        if name.get_ref() == gate::TABLE {
            continue;
        }
        let at = name.span().start;
        let DeValue::Table(table) = table.get_ref() else {
            let key = name.get_ref();
            return Err(wrong(
                at,
                format!("`{key}` is not in a table; options of `record` belong below a line `[record]`"),
            ));
        };
        let commands = || cli.get_subcommands().filter(|c| options(c).next().is_some());
        let Some(command) = commands().find(|c| c.get_name() == name.get_ref()) else {
            if cli.get_subcommands().any(|c| c.get_name() == name.get_ref()) {
                return Err(wrong(at, format!("`{}` has no options that could be set", name.get_ref())));
            }
            let near = did_you_mean(name.get_ref(), commands().map(Command::get_name));
            let names = commands().map(|c| c.get_name().to_string()).chain([gate::TABLE.to_string()]);
            let all = names.map(|name| format!("[{name}]")).collect::<Vec<_>>().join(", ");
            return Err(wrong(at, format!("no command is called `{}`{near}; there are {all}", name.get_ref())));
        };
        for (key, value) in table {
            let at = key.span().start;
            let Some(arg) = options(command).find(|arg| arg.get_long() == Some(key.get_ref())) else {
                let near = did_you_mean(key.get_ref(), option_names(command));
                let (key, command) = (key.get_ref(), command.get_name());
                return Err(wrong(
                    at,
                    format!("`{command}` has no option `{key}`{near}; see `perfwatch {command} --help`"),
                ));
            };
            let mut values = Vec::new();
            texts(value.get_ref(), &mut values).map_err(|why| wrong(at, format!("{}: {why}", key.get_ref())))?;
            if !matches!(arg.get_action(), ArgAction::Append) && values.len() > 1 {
                // The option itself takes a list separated by commas.
                values = vec![values.join(",")];
            }
            settings.push((
                at,
                Setting {
                    command: command.get_name().to_string(),
                    option: key.get_ref().to_string(),
                    values,
                    origin: Origin::File { path: path.to_path_buf(), line: line_of(at) },
                },
            ));
        }
    }
    settings.sort_by_key(|(at, _)| *at);
    Ok(settings.into_iter().map(|(_, setting)| setting).collect())
}

/// A value as on the command line; a list as one text per item.
fn texts(value: &DeValue, into: &mut Vec<String>) -> Result<(), &'static str> {
    match value {
        DeValue::String(text) => into.push(text.to_string()),
        DeValue::Integer(number) => {
            let value = i64::from_str_radix(number.as_str(), number.radix()).map_err(|_| "the number is too large")?;
            into.push(value.to_string());
        }
        DeValue::Float(number) => into.push(number.as_str().to_string()),
        DeValue::Boolean(value) => into.push(value.to_string()),
        DeValue::Datetime(instant) => into.push(instant.to_string()),
        DeValue::Array(list) => list.iter().try_for_each(|item| texts(item.get_ref(), into))?,
        DeValue::Table(_) => {
            return Err("the value of an option is a text, a number, true or false, or a list of these");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use proptest::prelude::*;

    use crate::cli::Cli;

    fn parsed(text: &str) -> Result<Vec<Setting>, String> {
        parse(&Cli::command(), Path::new("p.toml"), text).map_err(|e| e.to_string())
    }

    fn one(text: &str) -> (String, Vec<String>, String) {
        let setting = parsed(text).unwrap().remove(0);
        (setting.option, setting.values, setting.origin.to_string())
    }

    #[test]
    fn values_of_all_kinds_with_their_lines() {
        let s = |text: &str| text.to_string();
        assert_eq!(one("# so\n[record]\ninterval = '500ms'\n"), (s("interval"), vec![s("500ms")], s("p.toml:3")));
        assert_eq!(one("[record]\n\n\ninterval = 2"), (s("interval"), vec![s("2")], s("p.toml:4")));
        assert_eq!(one("[record]\ninterval = 0.5"), (s("interval"), vec![s("0.5")], s("p.toml:2")));
        assert_eq!(one("[record]\nappend = true"), (s("append"), vec![s("true")], s("p.toml:2")));
        assert_eq!(one("record.tag = ['a=1', 'b=2']"), (s("tag"), vec![s("a=1"), s("b=2")], s("p.toml:1")));
        assert_eq!(one("record.tag = 'a=1,2'"), (s("tag"), vec![s("a=1,2")], s("p.toml:1")));
        assert_eq!(one("record.pid = [1, 0x10]"), (s("pid"), vec![s("1"), s("16")], s("p.toml:1")));
        assert_eq!(one("record.collectors = ['cpu', 'disk']"), (s("collectors"), vec![s("cpu,disk")], s("p.toml:1")));
        assert_eq!(
            one("report.since = 2026-11-20T07:30:00Z"),
            (s("since"), vec![s("2026-11-20T07:30:00Z")], s("p.toml:1"))
        );
        assert_eq!(parsed("[record]\nsync = 1\n[report]\nall = true\n[record.xyzzy]").unwrap_err(), MISPLACED);
    }

    const MISPLACED: &str = "p.toml:5: `record` has no option `xyzzy`; see `perfwatch record --help`";

    #[test]
    fn errors_name_the_line_and_the_nearest_known_name() {
        let said = |text: &str| parsed(text).unwrap_err();
        assert_eq!(
            said("[record]\n\nintervall = '1s'"),
            "p.toml:3: `record` has no option `intervall` (did you mean `interval`?); see `perfwatch record --help`"
        );
        assert!(
            said("[recrod]\n")
                .starts_with("p.toml:1: no command is called `recrod` (did you mean `record`?); there are [")
        );
        assert!(said("interval = '1s'").starts_with("p.toml:1: `interval` is not in a table"));
        assert!(said("[record]\ninterval = 1s").starts_with("p.toml:2: "));
        assert!(said("[record]\nhelp = true").contains("no option `help`"));
        assert!(said("[record]\nconfig = 'x'").contains("no option `config`"));
        assert!(said("[record]\nsync = 1\nsync = 2").starts_with("p.toml:3: "));
        assert!(said("record.tag = [{ a = 1 }]").contains("tag: the value of an option is"));
    }
    #[test]
    fn deep_nesting_is_refused() {
        for piece in ["[", "{a=", "a."] {
            for begin in ["[record]\ntag = ", "[record.", "record.", ""] {
                let said = parsed(&format!("{begin}{}", piece.repeat(100_000))).unwrap_err();
                assert!(said.starts_with("p.toml:") && said.len() < 1000, "{begin}{piece}: {said}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_gives_settings_or_an_error_with_its_line(
            any in "[\\PC\n]{0,300}",
            known in "(\\[|\\]|record|report|\\.|interval|tag|pid| = |'|\"|1|-|0x|_|e|,|#|\\{|\\}|true|inf|2026-11-20|\n){0,60}",
        ) {
            for text in [any, known] {
                match parsed(&text) {
                    Ok(settings) => prop_assert!(settings.iter().all(|s| text.contains(&s.option))),
                    Err(said) => prop_assert!(said.starts_with("p.toml:"), "{said}"),
                }
            }
        }
    }
}
