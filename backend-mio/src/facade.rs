//! The figures of a runtime, through the `metrics` facade.

use crate::sample::SampleKind;
use crate::{RuntimeStats, Sample};

impl RuntimeStats {
    /// Passes all figures to the recorder that is installed for the `metrics` facade. Call it as
    /// often as the figures are needed, but for one runtime of the process only: those of a second
    /// have the same names and would overwrite them.
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
                    // A float is exact up to 2^53, far above any gauge here.
                    metrics::gauge!(name, labels).set(value as f64);
                }
            }
        }
    }
}
