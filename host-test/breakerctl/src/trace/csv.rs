//! A table of calls, with a line of titles.

use std::borrow::Cow;

use anyhow::{Context as _, bail, ensure};

use super::fields::{COLUMNS, Field, Fields};

/// Reads its lines.
///
/// # Errors
///
/// What is wrong, with the line.
pub(super) fn rows(text: &str) -> anyhow::Result<Vec<Fields<'_>>> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    let mut lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let (first, header) = lines.next().context("it is empty")?;
    let titles = split(header);
    let columns = titles.iter().map(|title| {
        Field::named(title).with_context(|| {
            format!(
                "line {first}: no column is called {title:?}: there are {COLUMNS}. Access logs are \
                 read in Envoy's and Istio's own text formats, and as a JSON object on each line"
            )
        })
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    for (field, name) in
        [(Field::Time, "time"), (Field::Took, "duration"), (Field::Status, "status")]
    {
        if !columns.iter().any(|(known, _)| *known == field) {
            bail!("line {first}: the column `{name}` is missing");
        }
    }
    let row = |(number, line)| {
        let cells = split(line);
        ensure!(
            cells.len() == titles.len(),
            "line {number}: there are {} columns, and {} titles",
            cells.len(),
            titles.len()
        );
        let mut row = Fields::new(number);
        for (column, cell) in columns.iter().zip(cells) {
            row.add(*column, cell);
        }
        Ok(row)
    };
    lines.map(row).collect()
}

/// The cells of a line, those in quotes without them.
fn split(line: &str) -> Vec<Cow<'_, str>> {
    let mut cells = Vec::new();
    let mut quoted = false;
    let ends = |c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    };
    for cell in line.split(ends) {
        let cell = cell.trim();
        let inner = cell.strip_prefix('"').and_then(|cell| cell.strip_suffix('"'));
        cells.push(match inner {
            Some(inner) if inner.contains('"') => inner.replace("\"\"", "\"").into(),
            Some(inner) => inner.into(),
            None => cell.into(),
        });
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_in_quotes_may_have_commas_and_quotes() {
        assert_eq!(split("a, b ,"), ["a", "b", ""]);
        assert_eq!(split(r#""a,b","c ""d""",e"#), ["a,b", "c \"d\"", "e"]);
    }
}
