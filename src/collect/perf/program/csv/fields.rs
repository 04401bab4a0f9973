//! The fields of a line.

/// A copy remembers a position in the line.
#[derive(Clone, Copy)]
pub struct Fields<'l> {
    pub rest: Option<&'l str>,
    pub separator: char,
}

impl<'l> Fields<'l> {
    pub fn next(&mut self) -> Option<&'l str> {
        let rest = self.rest?;
        match rest.split_once(self.separator) {
            Some((field, rest)) => {
                self.rest = Some(rest);
                Some(field)
            }
            None => {
                self.rest = None;
                Some(rest)
            }
        }
    }
}
