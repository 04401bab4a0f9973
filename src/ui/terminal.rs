//! The terminal: its size, and what it can show.

/// `COLUMNS`, otherwise the width of the terminal on standard output, otherwise 80.
pub fn width() -> usize {
    let asked = std::env::var("COLUMNS").ok().and_then(|c| c.trim().parse().ok()).filter(|c| *c > 0);
    asked.or_else(of_stdout).unwrap_or(80)
}

/// The lines of the terminal on standard output, if it is one.
pub fn height() -> Option<usize> {
    let rows = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?.ws_row;
    (rows > 0).then_some(rows.into())
}

/// Whether the locale says that UTF-8 is shown.
pub fn is_utf8() -> bool {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default().to_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

fn of_stdout() -> Option<usize> {
    let columns = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?.ws_col;
    (columns > 0).then_some(columns.into())
}
