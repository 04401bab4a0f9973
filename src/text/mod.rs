//! Text for people: printable names, words that several messages need, near names.

pub mod grid;
pub mod nearest;
pub mod number;
pub mod printable;
pub mod time;
pub mod words;
