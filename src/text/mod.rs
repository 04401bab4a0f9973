//! Text for people: printable names, words used in several messages, similar names.

pub mod grid;
pub mod json;
pub mod natural;
pub mod nearest;
pub mod number;
pub mod printable;
pub mod sha256;
pub mod sparkline;
pub mod time;
pub mod words;
