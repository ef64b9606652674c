//! Where articles come from: a feed, or the tutorial's database.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use anyhow::Context as _;
use keyward_axum::{Clock as _, SystemClock};
use keyward_cli::client::Fetcher;
use keyward_cli::tutorial::sqlite_path;
use keyward_news::feed::{self, FEED_LEN_MAX, Feed, Origin};
use keyward_news::tutorial::Tutorial;

/// The first bytes of every SQLite database.
const SQLITE_MAGIC: &[u8] = b"SQLite format 3\0";

/// Articles, page by page.
pub(super) enum Source {
    /// A feed, until it is given.
    Feed(Option<Feed>),
    Tutorial(Tutorial),
}

impl Source {
    /// Reads a feed from a URL, a file or standard input. Each error begins with its name.
    pub(super) fn open(fetcher: &Fetcher, name: &str) -> anyhow::Result<Self> {
        if let Some(path) = sqlite_path(name) {
            return Ok(Self::Tutorial(Tutorial::open(&path)?));
        }
        let (mut address, mut charset) = (None, None);
        let bytes = if name == "-" {
            read_bounded(io::stdin().lock()).context("-: standard input cannot be read")?
        } else if name.starts_with("http://") || name.starts_with("https://") {
            let cannot = || format!("{name}: cannot be fetched");
            let fetched = fetcher.fetch(name, FEED_LEN_MAX).with_context(cannot)?;
            (address, charset) = (fetched.address, fetched.charset);
            fetched.bytes
        } else {
            let opened = File::open(name);
            opened.and_then(read_bounded).with_context(|| format!("{name}: cannot be read"))?
        };
        if bytes.starts_with(SQLITE_MAGIC) && name != "-" && address.is_none() {
            return Ok(Self::Tutorial(Tutorial::open(Path::new(name))?));
        }
        let charset = charset.as_deref();
        let origin = Origin { name, address: address.as_ref(), charset };
        let now = SystemClock::start().now().unix;
        Ok(Self::Feed(Some(feed::read(origin, &bytes, now)?)))
    }

    /// The next articles; `None` if there are no more.
    pub(super) fn next_page(&mut self) -> anyhow::Result<Option<Feed>> {
        match self {
            Self::Feed(feed) => Ok(feed.take()),
            Self::Tutorial(tutorial) => Ok(tutorial.next_page()?),
        }
    }
}

/// Reads one byte more than a feed may have, so that a longer one is noticed.
fn read_bounded(from: impl io::Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(FEED_LEN_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
