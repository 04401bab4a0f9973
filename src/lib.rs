pub mod collector;
pub mod collectors;
pub mod perf;
pub mod sample;
pub mod schema;
pub mod source;
