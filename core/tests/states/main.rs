//! Walks every cell of the tables in `docs/states.md`: the documentation is the expectation.
//!
//! Each cell builds a world in the row's state, performs the column's command or event, works until
//! the Mux is idle, and records the reaction: the error of the call, the messages, the new state.

mod cell;
mod puppet;
mod rows;
mod sequences;

use cell::{COMMANDS, EVENTS};
use rows::ROWS;

const DOCUMENT: &str = include_str!("../../docs/states.md");

/// Returns the rows of the documented table whose first header is `title`.
fn documented(title: &str) -> Vec<Vec<String>> {
    let header = format!("| {title} |");
    let lines = DOCUMENT.lines().skip_while(|line| !line.starts_with(&header));
    lines
        .take_while(|line| line.starts_with('|'))
        .filter(|line| !line.starts_with("|-"))
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

/// Returns the rows of the table as the Mux behaves.
fn measured(title: &str, columns: &[cell::Column]) -> Vec<Vec<String>> {
    let mut table = vec![vec![title.to_owned()]];
    table[0].extend(columns.iter().map(|column| column.name.to_owned()));
    for row in ROWS {
        let mut cells = vec![row.name.to_owned()];
        cells.extend(columns.iter().map(|column| cell::measure(row, column)));
        table.push(cells);
    }
    table
}

fn as_markdown(table: &[Vec<String>]) -> String {
    let mut text = String::new();
    for (index, cells) in table.iter().enumerate() {
        text += &format!("| {} |\n", cells.join(" | "));
        if index == 0 {
            text += &format!("|{}\n", "---|".repeat(cells.len()));
        }
    }
    text
}

fn compare(title: &str, columns: &[cell::Column]) {
    let (documented, measured) = (documented(title), measured(title, columns));
    let mut differences = Vec::new();
    for (index, row) in measured.iter().enumerate() {
        for (column, cell) in row.iter().enumerate() {
            let expected = documented.get(index).and_then(|row| row.get(column));
            if expected != Some(cell) {
                let (row, column) = (&row[0], &measured[0][column]);
                differences.push(format!("{row} × {column}: documented {expected:?}, is {cell:?}"));
            }
        }
    }
    assert!(
        differences.is_empty() && documented.len() == measured.len(),
        "{} cells differ:\n{}\n\nas measured:\n{}",
        differences.len(),
        differences.join("\n"),
        as_markdown(&measured)
    );
}

#[test]
fn every_cell_of_state_by_command_is_as_documented() {
    compare("state × command", COMMANDS);
}

#[test]
fn every_cell_of_state_by_event_is_as_documented() {
    compare("state × event", EVENTS);
}
