//! Where the lines of an import come from.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::vec;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use keyward_store::tutorial::{BadRow, Tutorial, TutorialKey};

use crate::cli::status::Complaint;
use crate::transfer::{BATCH_KEYS_MAX, Item, Line, ReadError, read_csv, read_json_lines};

use super::Format;

/// Lines, one after the other, until there are no more or an error.
pub(super) type Lines = Box<dyn Iterator<Item = anyhow::Result<Line>>>;

/// Lines, and how far they are.
pub(super) struct Source {
    pub lines: Lines,
    /// Draws on standard error, and nothing unless that is a terminal.
    pub bar: ProgressBar,
    /// What the number of a line is.
    pub unit: &'static str,
}

/// What to say if nobody knows what a file is.
const UNKNOWN_FORMAT: &str =
    "the name of the file does not say what it is; give --format csv or --format jsonl";

/// The tutorial's database.
#[derive(Clone, Debug)]
pub(super) struct TutorialFile(PathBuf);

impl TutorialFile {
    /// Takes `sqlite:` and a path.
    ///
    /// # Errors
    ///
    /// Returns what to write instead.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let path = url.strip_prefix("sqlite:");
        // SQLAlchemy and others differ on whether `///` begins an absolute path.
        let path = path.filter(|path| !path.is_empty() && !path.starts_with("//"));
        let path =
            path.ok_or("write `sqlite:` and the path of the file, such as sqlite:news.db")?;
        Ok(Self(PathBuf::from(path)))
    }
}

impl Source {
    /// Opens a file, or standard input if it is `-`.
    pub(super) fn open_file(path: &Path, format: Option<Format>) -> anyhow::Result<Self> {
        let unknown = || Complaint::Usage(UNKNOWN_FORMAT.to_owned());
        let format = format.or_else(|| format_of(path)).ok_or_else(unknown)?;
        let context = || format!("{} cannot be read", path.display());
        let (bar, lines) = if path == "-" {
            let bar = bar(None, "{spinner} {bytes}");
            let from = BufReader::new(bar.wrap_read(io::stdin()));
            (bar, read(path, format, from)?)
        } else {
            let file = File::open(path).with_context(context)?;
            let len = file.metadata().with_context(context)?.len();
            let bar = bar(Some(len), "{bar:40} {bytes}/{total_bytes}, {eta} left");
            let from = BufReader::new(bar.wrap_read(file));
            (bar, read(path, format, from)?)
        };
        Ok(Self { lines, bar, unit: "line" })
    }

    /// Opens the tutorial's database. With `new_ids`, its keys leave their ids behind.
    pub(super) fn open_tutorial(file: &TutorialFile, new_ids: bool) -> anyhow::Result<Self> {
        let tutorial = Tutorial::open(&file.0)?;
        let bar = bar(Some(tutorial.count()?), "{bar:40} {pos}/{len} keys, {eta} left");
        let page = Vec::new().into_iter();
        let rows = Rows { tutorial, new_ids, page, bar: bar.clone() };
        Ok(Self { lines: Box::new(rows), bar, unit: "id" })
    }
}

fn format_of(path: &Path) -> Option<Format> {
    match path.extension()?.to_ascii_lowercase().to_str()? {
        "csv" => Some(Format::Csv),
        "jsonl" | "ndjson" => Some(Format::Jsonl),
        _ => None,
    }
}

fn read(path: &Path, format: Format, from: impl BufRead + 'static) -> anyhow::Result<Lines> {
    let name = path.display().to_string();
    let explain = move |error| match error {
        ReadError::Io(error) => anyhow::Error::new(error).context(format!("{name} broke off")),
        ReadError::Header(problem) => anyhow::anyhow!("{name}: {problem}"),
    };
    Ok(match format {
        Format::Csv => {
            let lines = read_csv(from).map_err(&explain)?;
            Box::new(lines.map(move |line| line.map_err(&explain)))
        }
        Format::Jsonl => Box::new(read_json_lines(from).map(move |line| line.map_err(&explain))),
    })
}

fn bar(len: Option<u64>, template: &str) -> ProgressBar {
    let bar = len.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// The tutorial's rows, of which a page is in memory.
struct Rows {
    tutorial: Tutorial,
    new_ids: bool,
    page: vec::IntoIter<Result<TutorialKey, BadRow>>,
    bar: ProgressBar,
}

impl Iterator for Rows {
    type Item = anyhow::Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.len() == 0 {
            match self.tutorial.next_page(u32::try_from(BATCH_KEYS_MAX).unwrap_or(u32::MAX)) {
                Ok(page) => self.page = page.into_iter(),
                Err(error) => return Some(Err(error.into())),
            }
            self.bar.inc(self.page.len() as u64);
        }
        Some(Ok(match self.page.next()? {
            Ok(key) => {
                let mut line = Line::from(key);
                if let (true, Ok(Item::Key(key))) = (self.new_ids, &mut line.item) {
                    key.key_id = None;
                }
                line
            }
            Err(BadRow { id, reason }) => {
                Line { number: u64::try_from(id).unwrap_or_default(), item: Err(reason) }
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_follows_from_the_name() {
        assert_eq!(format_of(Path::new("a/b.CSV")), Some(Format::Csv));
        assert_eq!(format_of(Path::new("b.jsonl")), Some(Format::Jsonl));
        assert_eq!(format_of(Path::new("b.x.ndjson")), Some(Format::Jsonl));
        for other in ["b", "-", "b.json", "csv", "b.csv.gz"] {
            assert_eq!(format_of(Path::new(other)), None, "{other}");
        }
    }

    #[test]
    fn the_tutorials_database_is_a_path() {
        assert_eq!(TutorialFile::parse("sqlite:a/news.db").unwrap().0, Path::new("a/news.db"));
        assert_eq!(TutorialFile::parse("sqlite:/a/news.db").unwrap().0, Path::new("/a/news.db"));
        for other in ["news.db", "sqlite:", "sqlite:///news.db", "postgresql://x"] {
            assert!(TutorialFile::parse(other).is_err(), "{other}");
        }
    }
}
