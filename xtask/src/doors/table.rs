//! The results of the matrix, as a table on a terminal.

use super::proxy::Proxy;
use super::rows;

/// What came of one cell for one proxy.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) proxy: Proxy,
    pub(crate) cell: &'static str,
    /// Whether the proxy has values of its own there.
    pub(crate) is_own: bool,
    /// The differences from the expected values, one a line.
    pub(crate) faults: Vec<String>,
}

/// The table: a line for each cell, a column for each proxy.
pub(crate) fn table(cells: &[&str], proxies: &[Proxy], outcomes: &[Outcome]) -> String {
    let width = cells.iter().map(|cell| cell.len()).max().unwrap_or_default();
    let names: String = proxies.iter().map(|proxy| format!("  {:<10}", proxy.name())).collect();
    let mut text = format!("{:width$}{names}\n", "");
    for cell in cells {
        let words: String = proxies
            .iter()
            .map(|proxy| {
                let found = outcomes.iter().find(|it| it.proxy == *proxy && it.cell == *cell);
                format!("  {:<10}", word(found))
            })
            .collect();
        text += &format!("{cell:width$}{words}\n");
    }
    text += "\nok: as every proxy. own: as it can, which is on its page:\n";
    for deviation in rows::deviations().filter(|it| proxies.contains(&it.proxy)) {
        text += &format!("{}: {}\n", deviation.proxy.name(), deviation.reason);
    }
    text
}

fn word(outcome: Option<&Outcome>) -> &'static str {
    match outcome {
        None => "-",
        Some(outcome) if !outcome.faults.is_empty() => "WRONG",
        Some(outcome) if outcome.is_own => "own",
        Some(_) => "ok",
    }
}

/// A line for each fault: the proxy, the cell, the expected and the seen values.
pub(crate) fn faults(outcomes: &[Outcome]) -> Vec<String> {
    let each = outcomes.iter().flat_map(|outcome| {
        let Outcome { proxy, cell, faults, .. } = outcome;
        faults.iter().map(move |fault| format!("{}, {cell}: {fault}", proxy.name()))
    });
    each.collect()
}
