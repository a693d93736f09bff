//! Columns that line up.

/// Where a column's text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Names.
    Left,
    /// Numbers.
    Right,
}

/// Rows of text in columns as wide as their widest cell, two blanks between them.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<Align>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: &[Align]) -> Table {
        Table { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row with one cell for each column.
    pub fn row<const N: usize>(&mut self, cells: [impl Into<String>; N]) {
        assert_eq!(N, self.columns.len(), "one cell for each column");
        self.rows.push(cells.map(Into::into).to_vec());
    }

    /// The lines, without blanks at their ends and without newlines.
    pub fn lines(&self) -> Vec<String> {
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|column| self.rows.iter().map(|row| width(&row[column])).max().unwrap_or(0))
            .collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).zip(&self.columns);
            let cells = cells.map(|((cell, &columns), align)| match align {
                Align::Left => format!("{cell:<columns$}"),
                Align::Right => format!("{cell:>columns$}"),
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        self.rows.iter().map(line).collect()
    }
}

/// Puts blocks of lines next to each other, four blanks apart.
pub(crate) fn side_by_side(blocks: &[Vec<String>]) -> Vec<String> {
    let height = blocks.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = blocks
        .iter()
        .map(|lines| lines.iter().map(|line| width(line)).max().unwrap_or(0))
        .collect();
    let line = |index: usize| {
        let parts = blocks.iter().zip(&widths).map(|(lines, &columns)| {
            let text = lines.get(index).map_or("", String::as_str);
            format!("{text:<columns$}")
        });
        parts.collect::<Vec<_>>().join("    ").trim_end().to_owned()
    };
    (0..height).map(line).collect()
}

fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&[Align::Left, Align::Right, Align::Left]);
        table.row(["écho", "1,234", ""]);
        table.row(["slow-readers", "5", "late"]);
        assert_eq!(table.lines(), ["écho          1,234", "slow-readers      5  late"]);
    }

    #[test]
    fn a_shorter_block_leaves_its_place_free() {
        let blocks = [vec!["ab".to_owned()], vec!["x".to_owned(), "y".to_owned()]];
        assert_eq!(side_by_side(&blocks), ["ab    x", "      y"]);
    }
}
