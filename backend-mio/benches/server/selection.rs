//! The selection of rows by their names. The bench of tidelock-sim has this file, too.

/// Returns the indices of the rows that the words select, in the order of the rows: the order of
/// the words does not change what is measured before what.
///
/// A word selects the row of that name, or else every row whose name begins with it. Without words
/// all rows are selected.
///
/// # Errors
/// A word that selects no row.
pub(crate) fn select(names: &[&str], words: &[String]) -> Result<Vec<usize>, String> {
    if let Some(word) = words.iter().find(|word| !names.iter().any(|name| name.starts_with(*word)))
    {
        let names = names.join(", ");
        return Err(format!("{word}: no row has a name that begins so; the rows are {names}"));
    }
    let is_selected = |name: &str| {
        words.is_empty()
            || words.iter().any(|word| match names.contains(&word.as_str()) {
                true => name == word,
                false => name.starts_with(word),
            })
    };
    Ok((0..names.len()).filter(|index| is_selected(names[*index])).collect())
}
