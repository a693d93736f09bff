//! The figures of a runtime, through the `metrics` facade.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString,
    Unit,
};
use tidelock_mio::Runtime;

/// A recorder that keeps the values that it gets.
#[derive(Clone, Default)]
struct Notebook {
    figures: Arc<Mutex<BTreeMap<String, f64>>>,
    described: Arc<Mutex<Vec<String>>>,
}

struct Line {
    key: String,
    figures: Arc<Mutex<BTreeMap<String, f64>>>,
}

impl Line {
    fn set(&self, value: f64) {
        self.figures.lock().unwrap().insert(self.key.clone(), value);
    }
}

impl CounterFn for Line {
    fn increment(&self, _value: u64) {
        panic!("{} is absolute", self.key);
    }

    fn absolute(&self, value: u64) {
        self.set(value as f64);
    }
}

impl GaugeFn for Line {
    fn increment(&self, _value: f64) {
        panic!("{} is absolute", self.key);
    }

    fn decrement(&self, _value: f64) {
        panic!("{} is absolute", self.key);
    }

    fn set(&self, value: f64) {
        Line::set(self, value);
    }
}

impl Notebook {
    fn line(&self, key: &Key) -> Arc<Line> {
        let labels = key.labels().map(|label| format!("{}={}", label.key(), label.value()));
        let key = std::iter::once(key.name().to_owned()).chain(labels).collect::<Vec<_>>();
        Arc::new(Line { key: key.join(" "), figures: Arc::clone(&self.figures) })
    }

    fn describe(&self, name: &KeyName) {
        self.described.lock().unwrap().push(name.as_str().to_owned());
    }
}

impl Recorder for Notebook {
    fn describe_counter(&self, key: KeyName, _unit: Option<Unit>, _help: SharedString) {
        self.describe(&key);
    }

    fn describe_gauge(&self, key: KeyName, _unit: Option<Unit>, _help: SharedString) {
        self.describe(&key);
    }

    fn describe_histogram(&self, key: KeyName, _unit: Option<Unit>, _help: SharedString) {
        self.describe(&key);
    }

    fn register_counter(&self, key: &Key, _metadata: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.line(key))
    }

    fn register_gauge(&self, key: &Key, _metadata: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.line(key))
    }

    fn register_histogram(&self, _key: &Key, _metadata: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn every_figure_reaches_the_recorder_that_is_installed() {
    let runtime = Runtime::builder().build().unwrap();
    // The answer comes from the network thread, so that has polled at least once.
    assert_eq!(runtime.handle().info().unwrap(), []);
    let stats = runtime.handle().stats();
    let notebook = Notebook::default();
    metrics::with_local_recorder(&notebook, || stats.record());
    let figures = notebook.figures.lock().unwrap();
    assert_eq!(figures.len(), stats.samples().len());
    assert_eq!(figures["tidelock_sockets state=open"], 0.0);
    assert_eq!(figures["tidelock_calls_total call=poll"], stats.calls.polls as f64);
    assert!(stats.calls.polls > 0);
    assert_eq!(figures["tidelock_turns_total"], stats.turns.count() as f64);
    let described = notebook.described.lock().unwrap();
    for sample in stats.samples() {
        let is_described = described.iter().any(|name| name == sample.name);
        assert!(is_described, "{} has no description", sample.name);
    }
}
