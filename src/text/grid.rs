//! Columns of text on a terminal, each as wide as its widest cell.

/// The alignment of a column's cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
    /// Sentences, in the last column: broken between words at the edge of the terminal.
    Words,
}

/// The last column moves below the others if fewer characters than this are left for it.
const NARROWEST_WORDS: usize = 30;
/// Its indentation in that case.
const BELOW: usize = 6;

/// Rows of cells, and lines between them that span all columns.
#[derive(Clone, Debug)]
pub struct Grid {
    columns: Vec<Align>,
    /// Blanks before the first column, and between columns.
    indent: usize,
    gap: usize,
    /// Maximum length of a cell in the first column, and in the others; longer cells are broken.
    most: [usize; 2],
    rows: Vec<Row>,
}

#[derive(Clone, Debug)]
enum Row {
    Cells(Vec<String>),
    Line(String),
}

impl Grid {
    pub fn new(columns: impl IntoIterator<Item = Align>) -> Grid {
        Grid { columns: columns.into_iter().collect(), indent: 0, gap: 2, most: [usize::MAX; 2], rows: Vec::new() }
    }

    pub fn indent(mut self, indent: usize) -> Grid {
        self.indent = indent;
        self
    }

    /// Breaks cells that are longer than this, at least one character.
    pub fn most(mut self, most: usize) -> Grid {
        self.most = [most.max(1); 2];
        self
    }

    /// The same, except in the first column.
    pub fn most_after_first(mut self, most: usize) -> Grid {
        self.most = [usize::MAX, most.max(1)];
        self
    }

    pub fn row<C: Into<String>>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.rows.push(Row::Cells(cells.into_iter().map(Into::into).collect()));
    }

    /// A line between two rows, printed as it is.
    pub fn line(&mut self, line: impl Into<String>) {
        self.rows.push(Row::Line(line.into()));
    }

    /// The lines for a terminal of this many columns, without trailing blanks. A column without text takes no room.
    pub fn lines(&self, width: usize) -> Vec<String> {
        let widths = self.widths();
        let mut out = Vec::new();
        for row in &self.rows {
            match row {
                Row::Line(line) => out.push(line.trim_end().to_string()),
                Row::Cells(cells) => self.add(cells, &widths, width, &mut out),
            }
        }
        out
    }

    /// The same as one text.
    pub fn text(&self, width: usize) -> String {
        self.lines(width).into_iter().map(|line| line + "\n").collect()
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths = vec![0; self.columns.len()];
        for row in &self.rows {
            let Row::Cells(cells) = row else { continue };
            for (n, (width, cell)) in widths.iter_mut().zip(cells).enumerate() {
                *width = (*width).max(columns(cell).min(self.most[n.min(1)]));
            }
        }
        widths
    }

    fn add(&self, cells: &[String], widths: &[usize], width: usize, out: &mut Vec<String>) {
        let mut parts: Vec<(usize, Vec<String>, Align)> = Vec::new();
        let mut at = self.indent;
        let mut below = Vec::new();
        for ((cell, align), wide) in cells.iter().zip(&self.columns).zip(widths).filter(|(_, wide)| **wide > 0) {
            if *align != Align::Words {
                parts.push((at, folded(cell, *wide), *align));
                at += wide + self.gap;
            } else if at + NARROWEST_WORDS > width {
                below = folded(cell, width.saturating_sub(BELOW).max(1));
            } else {
                parts.push((at, folded(cell, width - at), *align));
            }
        }
        for n in 0..parts.iter().map(|(_, lines, _)| lines.len()).max().unwrap_or(0) {
            let mut line = String::new();
            for ((start, lines, align), wide) in parts.iter().zip(widths.iter().filter(|wide| **wide > 0)) {
                let text = lines.get(n).map_or("", String::as_str);
                let right = if *align == Align::Right { wide.saturating_sub(columns(text)) } else { 0 };
                pad(&mut line, start + right);
                line.push_str(text);
            }
            out.push(line.trim_end().to_string());
        }
        out.extend(below.into_iter().filter(|line| !line.is_empty()).map(|line| " ".repeat(BELOW) + &line));
    }
}

/// How many columns of a terminal a text takes: one per character, which holds for names and numbers of a machine.
pub fn columns(text: &str) -> usize {
    text.chars().count()
}

fn pad(line: &mut String, to: usize) {
    let missing = to.saturating_sub(columns(line));
    line.extend(std::iter::repeat_n(' ', missing));
}

/// Lines of at most this many characters, broken between words where that is possible. At least one line.
pub fn folded(text: &str, width: usize) -> Vec<String> {
    if columns(text) <= width {
        return vec![text.to_string()];
    }
    let mut lines = vec![String::new()];
    let mut length = 0;
    for word in text.split_inclusive(' ') {
        let size = columns(word.trim_end());
        if length > 0 && length + size > width {
            lines.push(String::new());
            length = 0;
        }
        for c in word.chars() {
            if length >= width && c != ' ' {
                lines.push(String::new());
                length = 0;
            }
            if let Some(line) = lines.last_mut().filter(|_| c != ' ' || length > 0) {
                line.push(c);
                length += 1;
            }
        }
    }
    lines.iter().map(|line| line.trim_end().to_string()).collect()
}

/// Adds a sentence, broken between words; lines after the first are indented by two more.
pub fn wrap(out: &mut String, text: &str, indent: usize, width: usize) {
    let mut line = " ".repeat(indent);
    let mut begun = false;
    for word in text.split(' ') {
        if begun && columns(&line) + 1 + columns(word) > width {
            out.push_str(line.trim_end());
            out.push('\n');
            line = " ".repeat(indent + 2);
            begun = false;
        }
        if begun {
            line.push(' ');
        }
        line.push_str(word);
        begun = true;
    }
    out.push_str(line.trim_end());
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut grid = Grid::new([Align::Left, Align::Right, Align::Right]);
        grid.row(["cpu", "mean", ""]);
        grid.line("between  ");
        grid.row(["usage", "7.5 %", ""]);
        grid.row(["é", "-", ""]);
        assert_eq!(grid.text(80), "cpu     mean\nbetween\nusage  7.5 %\né          -\n");
    }

    #[test]
    fn words_are_broken_at_the_edge() {
        let mut grid = Grid::new([Align::Left, Align::Words]).indent(2);
        grid.row(["name", "one two three four five six seven eight nine ten"]);
        grid.row(["x", ""]);
        let text = "  name  one two three four five six\n        seven eight nine ten\n  x\n";
        assert_eq!(grid.text(40), text);
        let below = "  name\n      one two three four\n      five six seven eight\n      nine ten\n  x\n";
        assert_eq!(grid.text(26), below);
    }

    #[test]
    fn long_cells_are_broken() {
        let mut grid = Grid::new([Align::Left, Align::Left]).most(5);
        grid.row(["abcdefgh", "a b c d"]);
        assert_eq!(grid.text(80), "abcde  a b c\nfgh    d\n");
    }

    #[test]
    fn long_words_go_on_below() {
        assert_eq!(folded("ab cde f", 5), ["ab", "cde f"]);
        assert_eq!(folded("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(folded("", 3), [""]);
    }

    proptest::proptest! {
        #[test]
        fn nothing_is_lost_and_no_line_is_too_long(text in "[a-zé ]{0,60}", width in 1usize..50) {
            let lines = folded(&text, width);
            assert!(lines.iter().all(|line| columns(line) <= width));
            let squeezed = |text: &str| text.replace(' ', "");
            assert_eq!(squeezed(&lines.concat()), squeezed(&text));
        }
    }
}
