//! One record.

use super::super::super::console::Console;
use super::super::super::failure::Failure;
use super::super::lists::or_none;
use super::super::print_table;
use crate::casework::RecordDetail;

pub(super) fn record(console: &mut Console, detail: &RecordDetail) -> Result<(), Failure> {
    let columns = detail.record.columns();
    let rows = columns.map(|(name, values)| vec![name.to_owned(), values.join("; ")]);
    print_table(console, &["column", "value"], rows)?;
    console.say(&format!("shared under: {}", or_none(&detail.agreements)))?;
    console.say(&format!("level: {}", detail.dossier.level))?;
    Ok(())
}
