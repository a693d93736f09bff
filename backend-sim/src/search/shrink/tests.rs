//! Shrinking with made-up judges, and of a defect that a user's service could have.

use tidelock_net::words::decision::{Decision, Position, Value};

use super::*;
use crate::tide::{ScriptFault, ScriptOperation, When};

fn operation(label: &str, nanos: u64, text: &str) -> ScriptOperation {
    let words = text.split(' ').map(str::to_owned).collect();
    ScriptOperation { label: label.into(), when: When::At { nanos }, words, note: String::new() }
}

/// Options that may be any number from 1 to a million.
const OPTIONS: [&str; 8] = [
    "batch_max",
    "hand_over_max",
    "accepts_per_turn",
    "reads_per_turn",
    "sockets_per_turn",
    "commands_per_turn",
    "messages_per_batch",
    "sockets_max",
];

/// Connections with messages, decisions about all of them, faults, options.
fn large() -> Script {
    let mut script = Script { scenario: "echo".into(), noise: Some(77), ..Script::default() };
    for number in 0..12 {
        let label = format!("c{number}");
        script.operations.push(operation(&label, 2_000_123, "client connect server:9000"));
        for message in 0..5 {
            let text = format!("client send {label} {message} {}", 700 + message);
            let name = format!("s{}", number * 5 + message);
            script.operations.push(operation(&name, 3_000_457 + message * 1_000, &text));
            let key = Position::Offset(100 * message + 7);
            let kind = if message % 2 == 0 { "cut" } else { "reset" };
            let value = Value::Number(1 + message);
            script.decisions.push(Decision::new(format!("{label}/in"), key, kind, value));
        }
    }
    for number in 0..6 {
        script.faults.push(ScriptFault {
            label: format!("p{number}"),
            when: When::After(format!("c{number}")),
            words: vec!["pause".into(), "client".into()],
            until_nanos: Some(30_123_456),
            note: String::new(),
        });
    }
    for (number, option) in OPTIONS.iter().enumerate() {
        script.config.push(((*option).to_owned(), (number * 1_000).to_string()));
    }
    script
}

/// Fails if a message of at least 100 bytes is sent on a connection that is opened, with a reset
/// on it, while the third option is large; in another way if there is no operation at all.
fn judge(script: &Script) -> Option<Failing> {
    let events = script.operations.len() as u64;
    let failing = |signature: &str| Failing { signature: signature.to_owned(), events };
    if script.operations.is_empty() {
        return Some(failing("other"));
    }
    let is_open = |label: &str| script.operations.iter().any(|one| one.label == label);
    let sends = script.operations.iter().filter(|operation| operation.words[1] == "send");
    let is_bad = |operation: &ScriptOperation| {
        let on = operation.words[2].as_str();
        let size: u64 = operation.words[4].parse().expect("a size");
        let is_reset =
            |decision: &Decision| decision.entity == format!("{on}/in") && decision.kind == "reset";
        size >= 100 && is_open(on) && script.decisions.iter().any(is_reset)
    };
    let is_large = |(name, value): &(String, String)| {
        name == OPTIONS[3] && value.parse::<u64>().is_ok_and(|value| value > 5)
    };
    let is_failing = sends.into_iter().any(is_bad) && script.config.iter().any(is_large);
    is_failing.then(|| failing("same"))
}

fn judged(script: &Script) -> Option<String> {
    judge(script).map(|failing| failing.signature)
}

fn shrink(script: Script, may_go_on: &dyn Fn(u64) -> bool) -> Shrunk {
    Shrinker::new(script, "same".to_owned(), &judge, may_go_on).shrink()
}

/// Every script with one line less.
fn one_less(script: &Script) -> Vec<Script> {
    let mut scripts = Vec::new();
    for at in 0..script.decisions.len() {
        scripts.push(delete::decisions(script, at..at + 1));
    }
    for at in 0..script.faults.len() {
        scripts.push(delete::faults(script, at..at + 1));
    }
    for at in 0..script.operations.len() {
        scripts.push(delete::operations(script, &[at]));
    }
    for at in 0..script.config.len() {
        let mut less = script.clone();
        less.config.remove(at);
        scripts.push(less);
    }
    scripts
}

#[test]
fn what_is_left_is_needed_and_simple() {
    let shrunk = shrink(large(), &|_runs| true);
    let script = &shrunk.script;
    assert!(shrunk.is_minimal);
    assert_eq!((script.operations.len(), script.decisions.len()), (2, 1), "{script}");
    assert_eq!((script.faults.len(), script.config.len()), (0, 1), "{script}");
    assert_eq!(script.noise, Some(0));
    for less in one_less(script) {
        assert_ne!(judged(&less).as_deref(), Some("same"), "{less}");
    }
    assert_eq!(script.operations[0].when, When::At { nanos: 1_000_000 });
    assert_eq!(script.operations[1].words[4], "100", "{script}");
    assert_eq!(script.config[0].1, "6", "{script}");
    assert_eq!(script.decisions[0].value, Value::Number(1), "{script}");
    assert_eq!(script.decisions[0].note, "decisive");
    assert!(shrunk.decisive.as_deref().is_some_and(|line| line.starts_with("at c")), "{shrunk:?}");
    assert_eq!(shrunk.others.keys().collect::<Vec<_>>(), ["other"]);
    assert!(shrunk.runs < 500, "{} runs", shrunk.runs);
}

#[test]
fn a_budget_ends_it_with_the_best_so_far() {
    for budget in [0, 1, 5, 20] {
        let shrunk = shrink(large(), &|runs| runs < budget);
        assert!(shrunk.runs <= budget, "{} of {budget}", shrunk.runs);
        assert!(!shrunk.is_minimal);
        assert_eq!(judged(&shrunk.script).as_deref(), Some("same"), "{budget}");
    }
}

#[test]
fn what_waited_for_a_deleted_operation_takes_its_time() {
    let mut script = large();
    script.operations[1].when = When::After("c0".to_owned());
    let less = delete::operations(&script, &[0]);
    assert_eq!(less.operations[0].when, When::At { nanos: 2_000_123 });
    assert_eq!(less.faults[0].when, When::At { nanos: 2_000_123 });
    assert_eq!(less.faults[1].when, When::After("c1".to_owned()));
}
