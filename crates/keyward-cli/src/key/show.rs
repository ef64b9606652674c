//! `keyward key show`: one key and its latest usage.

use clap::Args;

use crate::client::Route;

use super::{usage, view};
use crate::connection::Common;
use crate::number;
use crate::output::Output;

pub(super) const EXAMPLES: [&str; 2] =
    ["keyward key show 7", "keyward key show 7 --json | jq .usage.total"];

#[derive(Debug, Args)]
pub struct Show {
    /// The key's id, as `list` shows it
    #[arg(value_parser = number::id)]
    id: u64,
    #[command(flatten)]
    common: Common,
}

impl Show {
    pub(super) fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        let client = self.common.client()?;
        let mut key = client.get(&Route::key(self.id))?;
        let usage = client.get(&Route::key(self.id).join("usage"))?;
        if self.common.json {
            if let Some(fields) = key.json.as_object_mut() {
                fields.insert("usage".to_owned(), usage.json);
            }
            return Ok(out.json(&key.json)?);
        }
        view::print(&key, out)?;
        out.line("")?;
        Ok(usage::print(&usage.body, Some(usage::LATEST_SHOWN), out)?)
    }
}
