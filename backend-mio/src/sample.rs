//! The figures of a runtime one by one, with names for monitoring systems.

use crate::RuntimeStats;

/// One figure of a [`RuntimeStats`], named by the conventions of Prometheus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sample {
    /// The name, with the unit last; that of a counter ends in `_total`.
    pub name: &'static str,
    /// The meaning, in words.
    pub help: &'static str,
    /// The kind of the figure.
    pub kind: SampleKind,
    /// A label and its value, which tell apart several figures of one name.
    pub label: Option<(&'static str, &'static str)>,
    /// The figure.
    pub value: u64,
}

/// The kind of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SampleKind {
    /// A figure that never decreases.
    Counter,
    /// A figure that may decrease.
    Gauge,
}

impl RuntimeStats {
    /// Returns all figures; those of one name are adjacent. The durations of turns appear as their
    /// number and their sum; [`turns`](Self::turns) has the whole histogram.
    pub fn samples(&self) -> Vec<Sample> {
        let mut samples = Vec::with_capacity(64);
        self.sample_sockets(&mut samples);
        self.sample_traffic(&mut samples);
        self.sample_limits(&mut samples);
        self.sample_threads(&mut samples);
        samples
    }

    fn sample_sockets(&self, to: &mut Vec<Sample>) {
        let mux = &self.mux;
        let help = "Sockets, by state.";
        to.extend(mux.sockets().map(|(state, count)| {
            labelled(gauge("tidelock_sockets", help, count), "state", state.name())
        }));
        to.push(counter("tidelock_sockets_opened_total", "Sockets opened.", mux.opened));
        to.push(counter("tidelock_sockets_closed_total", "Sockets closed.", mux.closed));
        let help = "Sockets closed by a timeout.";
        to.extend(mux.timeouts().map(|(which, count)| {
            let sample = counter("tidelock_timeouts_total", help, count);
            labelled(sample, "timeout", which.name())
        }));
    }

    fn sample_traffic(&self, to: &mut Vec<Sample>) {
        let mux = &self.mux;
        let help = "Payload bytes.";
        for (direction, bytes) in [("in", mux.bytes_in), ("out", mux.bytes_out)] {
            let sample = counter("tidelock_bytes_total", help, bytes);
            to.push(labelled(sample, "direction", direction));
        }
        let help = "Messages delivered to services, and messages of services sent.";
        for (direction, messages) in [("in", mux.messages_in), ("out", mux.messages_out)] {
            let sample = counter("tidelock_messages_total", help, messages);
            to.push(labelled(sample, "direction", direction));
        }
        let calls = &self.calls;
        let calls = [
            ("poll", calls.polls),
            ("accept", calls.accepts),
            ("connect", calls.connects),
            ("read", calls.reads),
            ("write", calls.writes),
            ("receive", calls.receives),
            ("send", calls.sends),
        ];
        let help = "System calls of the network threads.";
        to.extend(calls.map(|(call, count)| {
            labelled(counter("tidelock_calls_total", help, count), "call", call)
        }));
    }

    fn sample_limits(&self, to: &mut Vec<Sample>) {
        let mux = &self.mux;
        let help = "Unsent payload, plus 64 bytes for each message.";
        to.push(gauge("tidelock_charged_bytes", help, self.charged_bytes));
        let help = "Sends refused because an outbox, or all of them together, were full.";
        to.push(counter("tidelock_sends_refused_total", help, mux.sends_refused));
        let help = "Sends refused because the socket was gone or closing.";
        to.push(counter("tidelock_stale_sends_total", help, self.stale_sends));
        let help = "Times that a service's mailbox became full.";
        to.push(counter("tidelock_mailboxes_filled_total", help, mux.mailboxes_filled));
        let help = "Times that a listener found the table of sockets full.";
        to.push(counter("tidelock_listeners_stalled_total", help, mux.listeners_stalled));
        let help = "Connections that waited because they exceeded their listener's rate.";
        to.push(counter("tidelock_accepts_paced_total", help, mux.accepts_paced));
        let help = "Sockets that failed while open.";
        to.push(counter("tidelock_sockets_broken_total", help, mux.broken));
        let help = "Sockets that never opened.";
        to.push(counter("tidelock_opens_failed_total", help, mux.opens_failed));
        let help = "Attempts at an address while another address of the name was tried.";
        to.push(counter("tidelock_attempts_beside_total", help, mux.attempts_beside));
        let help = "Connections won by such an attempt.";
        to.push(counter("tidelock_connects_by_racer_total", help, mux.connects_by_racer));
        let help = "Accepts that failed, not counting connections already gone.";
        to.push(counter("tidelock_accepts_failed_total", help, mux.accepts_failed));
        let help = "Connections that were gone before they were accepted.";
        to.push(counter("tidelock_accepts_aborted_total", help, mux.accepts_aborted));
        let help = "Messages whose service was gone.";
        to.push(counter("tidelock_messages_undelivered_total", help, mux.undelivered));
        let help = "Events about sockets that were gone.";
        to.push(counter("tidelock_stale_events_total", help, mux.stale_events));
        let help = "Commands about sockets that were gone.";
        to.push(counter("tidelock_stale_commands_total", help, mux.stale_commands));
    }

    fn sample_threads(&self, to: &mut Vec<Sample>) {
        let turns = &self.turns;
        to.push(counter("tidelock_turns_total", "Turns.", turns.count()));
        let nanos = u64::try_from(turns.sum().as_nanos()).unwrap_or(u64::MAX);
        to.push(counter("tidelock_turn_nanoseconds_total", "Time spent in turns.", nanos));
        let help = "Times that another thread woke a network thread.";
        to.push(counter("tidelock_wake_ups_total", help, self.calls.wake_ups));
        let help = "Batches of messages handed over to workers.";
        to.push(counter("tidelock_hand_overs_total", help, self.calls.hand_overs));
        let help = "Commands that wait for a network thread.";
        to.push(gauge("tidelock_commands_queued", help, self.commands_queued));
        to.push(gauge("tidelock_services", "Services alive.", self.services));
        let help = "Services with messages that are not running.";
        to.push(gauge("tidelock_services_waiting", help, self.services_waiting));
        let help = "Services running on workers.";
        to.push(gauge("tidelock_services_running", help, self.services_running));
    }
}

fn counter(name: &'static str, help: &'static str, value: u64) -> Sample {
    Sample { name, help, kind: SampleKind::Counter, label: None, value }
}

fn gauge(name: &'static str, help: &'static str, value: u64) -> Sample {
    Sample { name, help, kind: SampleKind::Gauge, label: None, value }
}

fn labelled(sample: Sample, label: &'static str, value: &'static str) -> Sample {
    Sample { label: Some((label, value)), ..sample }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn figures_have_names_of_their_own_and_those_of_one_name_stand_together() {
        let samples = RuntimeStats::default().samples();
        let mut seen = BTreeSet::new();
        let mut last = "";
        for sample in &samples {
            assert!(seen.insert((sample.name, sample.label)), "{sample:?} appears twice");
            let is_new =
                !seen.iter().any(|(name, label)| *name == sample.name && *label != sample.label);
            assert!(is_new || last == sample.name, "figures of {} are not adjacent", sample.name);
            assert_eq!(sample.name.ends_with("_total"), sample.kind == SampleKind::Counter);
            assert!(sample.help.ends_with('.'), "{:?} is not a sentence", sample.help);
            last = sample.name;
        }
    }
}
