//! Where the lines of an import come from.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::vec;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use keyward_api::transfer::{
    BATCH_KEYS_MAX, INACTIVE, ImportDigest, ImportKey, ImportSecret, Item, Line, ReadError, State,
    Text, Time, read_csv, read_json,
};

use crate::output::is_ascii_wanted;
use crate::status::Complaint;
use crate::tutorial::{BadRow, Tutorial, TutorialKey, sqlite_path};

use super::Format;

/// Lines, one after the other, until their end or an error.
pub(super) type Lines = Box<dyn Iterator<Item = anyhow::Result<Line>>>;

/// Lines, and their progress.
pub(super) struct Source {
    pub lines: Lines,
    /// Draws on standard error, and nothing unless that is a terminal.
    pub bar: ProgressBar,
    /// The unit that the number of a line counts.
    pub unit: &'static str,
}

/// The error if the format of a file is unknown.
const UNKNOWN_FORMAT: &str =
    "the format of the file is unknown by its name; give --format csv or --format json";

/// The tutorial's database.
#[derive(Clone, Debug)]
pub(super) struct TutorialFile(PathBuf);

impl TutorialFile {
    /// Takes the URL of a SQLite file, as the tutorial's settings have it.
    ///
    /// # Errors
    ///
    /// Returns the form to write instead.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        sqlite_path(url).map(Self).ok_or_else(|| {
            "write `sqlite:` and the path of the file, such as sqlite:news.db or \
             sqlite:///./news.db"
                .to_owned()
        })
    }
}

impl Source {
    /// Opens a file, or standard input if it is `-`.
    pub(super) fn open_file(path: &Path, format: Option<Format>) -> anyhow::Result<Self> {
        let context = || format!("{} cannot be read", path.display());
        let format = format.or_else(|| format_of(path));
        if path == "-" {
            let bar = bar(None, "{spinner} {bytes}");
            let from = bar.wrap_read(io::stdin());
            return Self::read(path, format, from, bar);
        }
        let file = File::open(path).with_context(context)?;
        let len = file.metadata().with_context(context)?.len();
        let bar = bar(Some(len), "{wide_bar} {bytes}/{total_bytes}, {eta} left");
        let from = bar.wrap_read(file);
        Self::read(path, format, from, bar)
    }

    /// Opens the tutorial's database. With `new_ids`, its keys are imported without their ids.
    pub(super) fn open_tutorial(file: &TutorialFile, new_ids: bool) -> anyhow::Result<Self> {
        let tutorial = Tutorial::open(&file.0)?;
        let bar = bar(Some(tutorial.count()?), "{wide_bar} {pos}/{len} keys, {eta} left");
        let page = Vec::new().into_iter();
        let rows = Rows { tutorial, new_ids, page, bar: bar.clone() };
        Ok(Self { lines: Box::new(rows), bar, unit: "id" })
    }

    fn read(
        path: &Path,
        format: Option<Format>,
        from: impl Read + 'static,
        bar: ProgressBar,
    ) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let explain = move |error| match error {
            ReadError::Io(error) => anyhow::Error::new(error).context(format!("{name} broke off")),
            ReadError::Header(problem) | ReadError::Foreign(problem) | ReadError::Json(problem) => {
                anyhow::anyhow!("{name}: {problem}")
            }
        };
        // That a file is no text is reported before a format that its name does not tell.
        let text = Text::open(from).map_err(&explain)?;
        let unknown = || Complaint::Usage(UNKNOWN_FORMAT.to_owned());
        let (unit, lines): (_, Lines) = match format.ok_or_else(unknown)? {
            Format::Csv => {
                let lines = read_csv(text).map_err(&explain)?;
                ("line", Box::new(lines.map(move |line| line.map_err(&explain))))
            }
            Format::Jsonl | Format::Json => {
                let (unit, lines) = read_json(text);
                (unit, Box::new(lines.map(move |line| line.map_err(&explain))))
            }
        };
        Ok(Self { lines, bar, unit })
    }
}

fn format_of(path: &Path) -> Option<Format> {
    match path.extension()?.to_ascii_lowercase().to_str()? {
        "csv" | "tsv" => Some(Format::Csv),
        "jsonl" | "ndjson" => Some(Format::Jsonl),
        "json" => Some(Format::Json),
        _ => None,
    }
}

fn bar(len: Option<u64>, template: &str) -> ProgressBar {
    let bar = len.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(if is_ascii_wanted() {
            style.progress_chars("#- ").tick_chars("-\\|/ ")
        } else {
            style
        });
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
                let number = key.id.get();
                let mut key = import_key(key);
                if self.new_ids {
                    key.key_id = None;
                }
                Line { number, item: Ok(Item::Key(Box::new(key))) }
            }
            Err(BadRow { id, reason }) => {
                Line { number: u64::try_from(id).unwrap_or_default(), item: Err(reason) }
            }
        }))
    }
}

/// A key of the tutorial's. It keeps its id, so that references to it stay valid.
fn import_key(key: TutorialKey) -> ImportKey {
    let created_at = key.created_at.map(Time);
    let digest = ImportDigest(key.digest);
    let secret = ImportSecret { digest, hint: String::new(), created_at, ends_at: None };
    ImportKey {
        key_id: Some(key.id.get()),
        tier: Some(key.tier),
        state: if key.is_active { State::Active } else { State::Revoked },
        created_at,
        last_used_at: key.last_used_at.map(Time),
        revoked_reason: (!key.is_active).then(|| INACTIVE.to_owned()),
        ..ImportKey::plain(key.name, vec![secret])
    }
}

#[cfg(test)]
mod tests {
    use keyward::digest::Digest;
    use keyward::{KeyId, UnixMillis};

    use super::*;

    #[test]
    fn a_key_of_the_tutorial_keeps_its_id_and_an_inactive_one_is_revoked() {
        let key = TutorialKey {
            id: KeyId::new(7).unwrap(),
            digest: Digest::from_stored([0xab; 32]),
            name: "mobile".to_owned(),
            tier: "pro".to_owned(),
            is_active: false,
            created_at: Some(UnixMillis(1_714_566_896_123)),
            last_used_at: None,
        };
        let text = serde_json::to_string(&import_key(key)).unwrap();
        insta::assert_snapshot!(text, @r#"{"key_id":7,"name":"mobile","tier":"pro","state":"revoked","created_at":"2024-05-01T12:34:56.123Z","revoked_reason":"imported as inactive","secrets":[{"digest":"abababababababababababababababababababababababababababababababab","hint":"","created_at":"2024-05-01T12:34:56.123Z"}]}"#);
    }

    #[test]
    fn the_format_follows_from_the_name() {
        assert_eq!(format_of(Path::new("a/b.CSV")), Some(Format::Csv));
        assert_eq!(format_of(Path::new("b.jsonl")), Some(Format::Jsonl));
        assert_eq!(format_of(Path::new("b.x.ndjson")), Some(Format::Jsonl));
        assert_eq!(format_of(Path::new("b.tsv")), Some(Format::Csv));
        assert_eq!(format_of(Path::new("b.json")), Some(Format::Json));
        for other in ["b", "-", "csv", "b.csv.gz"] {
            assert_eq!(format_of(Path::new(other)), None, "{other}");
        }
    }

    #[test]
    fn the_tutorials_database_is_a_path() {
        for (url, path) in [
            ("sqlite:a/news.db", "a/news.db"),
            ("sqlite:/a/news.db", "/a/news.db"),
            ("sqlite:///./news.db", "./news.db"),
            ("sqlite:///news.db", "news.db"),
            ("sqlite:////a/news.db", "/a/news.db"),
            ("sqlite+aiosqlite:///./news.db", "./news.db"),
        ] {
            assert_eq!(TutorialFile::parse(url).unwrap().0, Path::new(path), "{url}");
        }
        for other in ["news.db", "sqlite:", "sqlite:///", "postgresql://x", "sqlite://a/b"] {
            assert!(TutorialFile::parse(other).is_err(), "{other}");
        }
    }
}
