//! The `d` of a path in few bytes: whole numbers, relative moves, no needless separators, and runs of the same height
//! as one line.

use std::fmt::Write;

#[derive(Debug, Default)]
pub struct Path {
    out: String,
    at: (i64, i64),
    /// The last command, which a following pair of numbers repeats.
    command: char,
    /// A horizontal line to this place that is not yet written.
    flat: Option<i64>,
}

impl Path {
    pub fn start(&mut self, x: f64, y: f64) {
        self.flush();
        let (x, y) = (whole(x), whole(y));
        self.out.push('M');
        self.command = 'M';
        self.number(x);
        self.number(y);
        self.at = (x, y);
    }

    /// A line to this point.
    pub fn line(&mut self, x: f64, y: f64) {
        let (x, y) = (whole(x), whole(y));
        if y == self.at.1 {
            self.flat = Some(x);
            return;
        }
        self.flush();
        self.command('l');
        self.number(x - self.at.0);
        self.number(y - self.at.1);
        self.at = (x, y);
    }

    /// Up or down to `y`, then across to `x`.
    pub fn across(&mut self, y: f64, x: f64) {
        let (x, y) = (whole(x), whole(y));
        if y != self.at.1 {
            self.flush();
            let (relative, absolute) = (y - self.at.1, y);
            if digits(relative) < digits(absolute) {
                self.command('v');
                self.number(relative);
            } else {
                self.command('V');
                self.number(absolute);
            }
            self.at.1 = y;
        }
        self.flat = Some(x);
    }

    /// Up or down to `y`. Always absolute, so that a reader finds the ends of an area by it.
    pub fn up(&mut self, y: f64) {
        self.flush();
        self.out.push('V');
        self.command = 'V';
        self.number(whole(y));
        self.at.1 = whole(y);
    }

    pub fn close(&mut self) {
        self.flush();
        self.out.push('z');
        self.command = 'z';
    }

    pub fn done(mut self) -> String {
        self.flush();
        self.out
    }

    fn flush(&mut self) {
        if let Some(x) = self.flat.take().filter(|x| *x != self.at.0) {
            self.command('h');
            self.number(x - self.at.0);
            self.at.0 = x;
        }
    }

    fn command(&mut self, command: char) {
        if self.command != command {
            self.out.push(command);
            self.command = command;
        }
    }

    fn number(&mut self, n: i64) {
        if n >= 0 && self.out.ends_with(|c: char| c.is_ascii_digit()) {
            self.out.push(' ');
        }
        let _ = write!(self.out, "{n}");
    }
}

fn whole(v: f64) -> i64 {
    v.round() as i64
}

fn digits(n: i64) -> usize {
    n.to_string().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_bytes() {
        let mut path = Path::default();
        path.start(0.0, 500.0);
        for x in 1..=480 {
            path.line(f64::from(x) * 2.0, 500.2);
        }
        assert_eq!(path.done(), "M0 500h960", "a constant series");
        let mut path = Path::default();
        path.start(1.4, 1.6);
        path.line(3.0, 0.0);
        path.line(5.0, 10.0);
        path.line(7.0, 10.0);
        path.line(9.0, 9.0);
        assert_eq!(path.done(), "M1 2l2-2 2 10h2l2-1");
    }
}
