//! perfwatch: a headless performance recorder for Linux.

pub mod catalog;
pub mod cli;
pub mod clock;
pub mod collector;
pub mod collectors;
pub mod columns;
pub mod commands;
pub mod health;
pub mod host;
pub mod journal;
pub mod manifest;
pub mod nearest;
pub mod perf;
pub mod rates;
pub mod reader;
pub mod recorder;
pub mod recording;
pub mod replay;
pub mod report;
pub mod sample;
pub mod schema;
pub mod sink;
pub mod source;
pub mod stats;
pub mod terminal;
pub mod ui;
