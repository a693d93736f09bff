//! The counters, through the `metrics` facade.

use crate::sample::SampleKind;
use crate::{RuntimeStats, Sample};

impl RuntimeStats {
    /// Gives all figures to the recorder that is installed for the `metrics` facade. Call it as
    /// often as figures are wanted, for one runtime of a process: a second would overwrite them.
    pub fn record(&self) {
        for Sample { name, help, kind, label, value } in self.samples() {
            let labels: &[(&'static str, &'static str)] = match &label {
                Some(label) => std::slice::from_ref(label),
                None => &[],
            };
            match kind {
                SampleKind::Counter => {
                    metrics::describe_counter!(name, help);
                    metrics::counter!(name, labels).absolute(value);
                }
                SampleKind::Gauge => {
                    metrics::describe_gauge!(name, help);
                    // Exact below 2^53, which no queue here reaches.
                    metrics::gauge!(name, labels).set(value as f64);
                }
            }
        }
    }
}
