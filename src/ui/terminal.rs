//! The width of the terminal.

/// `COLUMNS`, otherwise the width of the terminal on standard output, otherwise 80.
pub fn width() -> usize {
    let asked = std::env::var("COLUMNS").ok().and_then(|c| c.trim().parse().ok()).filter(|c| *c > 0);
    asked.or_else(of_stdout).unwrap_or(80)
}

fn of_stdout() -> Option<usize> {
    let columns = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?.ws_col;
    (columns > 0).then_some(columns.into())
}
