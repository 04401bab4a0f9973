//! The options of collector `metric`.

use clap::Args;
use serde::Serialize;

use super::target::Target;

/// The options of collector `metric`.
#[derive(Clone, Debug, Default, Args, Serialize)]
pub struct MetricOptions {
    /// Also record the program's own numbers from here, in Prometheus text (repeatable)
    ///
    /// A file that the program writes, http://HOST:PORT/PATH (without a path: /metrics), or a UNIX socket. It is read once
    /// per second, or per tick if that is longer, without delaying ticks.
    #[arg(long, value_name = "FILE|URL|unix:PATH", value_parser = Target::parse, hide_short_help = true)]
    pub metrics: Vec<Target>,
}

impl MetricOptions {
    /// Nothing is asked for, so nothing is noted in the manifest.
    pub fn is_empty(&self) -> bool {
        self.metrics.is_empty()
    }
}
