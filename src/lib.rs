pub mod collector;
pub mod collectors;
pub mod journal;
pub mod sample;
pub mod schema;
pub mod source;
