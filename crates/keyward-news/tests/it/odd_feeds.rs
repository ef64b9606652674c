//! Feeds as they are, not as they should be.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use keyward_axum::keyward::UnixMillis;
use keyward_news::feed::{self, FEED_LEN_MAX, Feed, FeedError, Origin};
use proptest::prelude::*;
use serde_json::Value;
use url::Url;

/// 2026-01-01T00:00:00Z
const NOW: UnixMillis = UnixMillis(1_767_225_600_000);

const DATE: &str = "2025-06-03T10:00:00Z";

fn read(bytes: impl AsRef<[u8]>) -> Feed {
    feed::read(Origin::file("feed"), bytes.as_ref(), NOW).unwrap()
}

fn read_from(address: &str, text: &str) -> Feed {
    let address = Url::parse(address).unwrap();
    let origin = Origin { name: address.as_str(), address: Some(&address), charset: None };
    feed::read(origin, text.as_bytes(), NOW).unwrap()
}

/// The fields of the only article.
fn one(bytes: impl AsRef<[u8]>) -> Value {
    let feed = read(bytes);
    assert_eq!(feed.articles.len(), 1, "{feed:?}");
    serde_json::to_value(&feed.articles[0]).unwrap()
}

fn rss(item: &str) -> String {
    format!(
        "<rss version=\"2.0\"><channel><title>Quay</title><link>https://quay.example/</link>\
         <item>{item}</item></channel></rss>"
    )
}

fn item(title: &str, rest: &str) -> String {
    rss(&format!("<title>{title}</title><link>https://quay.example/1</link>{rest}"))
}

fn atom(entry: &str) -> String {
    format!(
        "<feed xmlns=\"http://www.w3.org/2005/Atom\"><title>Quay</title><id>urn:quay</id>\
         <link rel=\"self\" href=\"https://quay.example/news/feed\"/>\
         <entry><id>urn:quay:1</id><updated>{DATE}</updated>{entry}</entry></feed>"
    )
}

fn urls(feed: &Feed) -> Vec<&str> {
    feed.articles.iter().map(keyward_news::NewArticle::url).collect()
}

#[track_caller]
fn check_title(feed: impl AsRef<[u8]>, title: &str) {
    assert_eq!(one(feed)["title"], title);
}

#[test]
fn characters_are_decoded_before_xml_is_read() {
    let xml = format!("<?xml version='1.0' encoding='UTF-16'?>{}", item("Tïde", ""));
    for bytes_of in [u16::to_be_bytes, u16::to_le_bytes] {
        let marked: Vec<u8> = format!("\u{feff}{xml}").encode_utf16().flat_map(bytes_of).collect();
        check_title(&marked, "Tïde");
        check_title(marked.get(2..).unwrap(), "Tïde");
    }
    check_title(xml.replace("UTF-16", "ISO-8859-1"), "Tïde");
    let mut latin = xml.replace("UTF-16", "ISO-8859-1").into_bytes();
    let at = latin.windows(2).position(|pair| pair == "ï".as_bytes()).unwrap();
    latin.splice(at..at + 2, [0xef]);
    check_title(&latin, "Tïde");
    let late = format!("<!-- {} -->\n{xml}", "x".repeat(500));
    check_title(&late, "Tïde");
}

#[test]
fn what_is_compressed_is_decompressed_within_a_bound() {
    let gzip = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let mut text = item("Packed", "");
    check_title(gzip(&text), "Packed");
    text.push_str(&" ".repeat(FEED_LEN_MAX + 1 - text.len()));
    let error = feed::read(Origin::file("feed"), &gzip(&text), NOW).unwrap_err();
    assert!(matches!(error, FeedError::TooLong { .. }), "{error:?}");
}

#[test]
fn what_is_not_well_formed_costs_nothing_else() {
    check_title(item("Wind & tide", ""), "Wind & tide");
    check_title(item("a &nbsp;&ntilde;&unknown; b", ""), "a ñ&unknown; b");
    check_title(item("1 < 2", ""), "1 < 2");
    check_title(item("One", "<description>a<br>b"), "One");
    check_title(item("One", "<enclosure url=x length=1></nothing>"), "One");
    check_title(item("One", "</channel x><foo:bar>"), "One");
    check_title(format!("junk {}", item("One", "")), "One");
    check_title(format!("<html><body>{}</body></html>", item("One", "")), "One");
    let missing_end = item("One", "</item><item><title>Two</title><link>/2</link>");
    assert_eq!(read(missing_end.replace("</item><item>", "<item>")).articles.len(), 2);
    check_title(item("<![CDATA[<b>A</b> &amp; B]]>", ""), "A & B");
}

#[test]
fn any_version_of_any_format_is_read() {
    let item = "<item><title>One</title><link>https://quay.example/1</link></item>";
    let channel = "<title>Quay</title><link>https://quay.example/</link>";
    let roots = [
        format!("<rss><channel>{channel}{item}</channel></rss>"),
        format!("<RSS version=\"0.90\"><Channel>{channel}{item}</Channel></RSS>"),
        format!(
            "<rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\" \
             xmlns=\"http://my.netscape.com/rdf/simple/0.9/\">\
             <channel>{channel}</channel>{item}</rdf:RDF>"
        ),
        format!("<channel>{channel}{item}</channel>"),
        "<feed version=\"0.3\" xmlns=\"http://purl.org/atom/ns#\"><title>Quay</title>\
         <entry><title>One</title><link rel=\"alternate\" href=\"https://quay.example/1\"/>\
         </entry></feed>"
            .to_owned(),
        "<a:feed xmlns:a=\"urn:unknown\"><a:title>Quay</a:title><a:entry><a:title>One</a:title>\
         <a:link href=\"https://quay.example/1\"/></a:entry></a:feed>"
            .to_owned(),
    ];
    for root in roots {
        let article = one(&root);
        assert_eq!((&article["source"], &article["title"]), (&"Quay".into(), &"One".into()));
    }
}

#[test]
fn json_feed_is_read_with_what_readers_coerce() {
    let json = r#"{"version":"http://jsonfeed.org/version/1","title":"Quay","items":[
        {"id":7,"url":"https://quay.example/7","title":null,"content_html":"<p>One &amp; all</p>",
         "tags":"none","date_published":"2025-06-03T10:00:00Z"}, 5]}"#;
    let feed = read(format!("\u{feff}{json}"));
    assert_eq!((feed.articles.len(), feed.left_out), (1, 1));
    assert_eq!(feed.notes, ["item 2: the entry has no link to a page; left out"]);
    let article = serde_json::to_value(&feed.articles[0]).unwrap();
    assert_eq!(article["guid"], "7");
    assert_eq!((&article["title"], &article["published_at"]), (&"One & all".into(), &DATE.into()));
}

#[test]
fn relative_links_are_resolved() {
    let relative = rss("<title>A</title><link>/2025/a</link>");
    assert_eq!(urls(&read(&relative)), ["https://quay.example/2025/a"]);
    let fetched = read_from("https://feeds.example/quay/rss", &relative.replace("/2025/", "2025/"));
    assert_eq!(urls(&fetched), ["https://feeds.example/quay/2025/a"]);
    let entry = r#"<link href="a"/>"#;
    assert_eq!(urls(&read(atom(entry))), ["https://quay.example/news/a"]);
    let based = atom(entry).replace("<feed ", "<feed xml:base='https://base.example/x/' ");
    let based = based.replace("<entry>", "<entry xml:base='y/'>");
    assert_eq!(urls(&read(based)), ["https://base.example/x/y/a"]);
    let cdn = rss("<title>A</title><link>//cdn.example/a</link>");
    assert_eq!(urls(&read(cdn)), ["https://cdn.example/a"]);
}

#[test]
fn what_is_left_out_is_counted_and_said() {
    let item = "</item><item><title>B</title><link>javascript:alert(1)</link>";
    let feed = read(rss(&format!("<title>A</title><link>/a</link>{item}")).replace("><", ">\n<"));
    assert_eq!((feed.articles.len(), feed.left_out), (1, 1));
    assert_eq!(feed.notes, ["line 9: the entry has no link to a page; left out"]);
    let many = rss(&"</item><item>".repeat(30));
    let feed = read(many);
    assert_eq!((feed.left_out, feed.notes.len()), (31, 21));
    assert_eq!(feed.notes[20], "and 11 more of this kind");
}

#[test]
fn a_feed_that_is_cut_short_keeps_what_is_whole() {
    let whole = item("One", "</item>\n<item><title>Two</title><link>/2</link>");
    let (cut, _) = whole.split_once("/2</link>").unwrap();
    let feed = read(cut);
    assert_eq!((feed.articles.len(), feed.left_out), (1, 1));
    let cut = "line 2: the feed ends in the middle of this entry; left out";
    assert_eq!(feed.notes, [cut]);
    let (cut, _) = whole.split_once("</channel>").unwrap();
    let feed = read(cut);
    assert_eq!((feed.articles.len(), feed.left_out), (2, 0));
    assert_eq!(feed.notes, ["the feed ends before its end; entries may be missing"]);
}

#[test]
fn an_entry_without_a_title_or_a_link_borrows_one() {
    let untitled = rss("<link>/1</link><description>&lt;p&gt;It is late.&lt;/p&gt;</description>");
    check_title(&untitled, "It is late.");
    check_title(untitled.replace("It is late.", &"word ".repeat(50)), &{
        let words = ["word"; 20].join(" ");
        format!("{words}…")
    });
    check_title(rss("<link>/1</link>"), "https://quay.example/1");
    let linkless = one(rss("<title>A</title>"));
    assert_eq!(
        (&linkless["url"], &linkless["guid"]),
        (&"https://quay.example/".into(), &"A".into())
    );
}

#[test]
fn an_odd_type_costs_at_most_its_own_text() {
    for kind in ["HTML", "text/plain", "text/html", "foo", "", "application/xhtml+xml"] {
        let entry = format!("<link href='/1'/><title type='{kind}'>Plain</title>");
        check_title(atom(&entry), "Plain");
    }
    let tag = "<link href='/1'/><title>The &lt;b&gt; tag</title>";
    check_title(atom(tag), "The <b> tag");
    check_title(atom(&tag.replace("<title>", "<title type='html'>")), "The tag");
    let elements = "<link href='/1'/><title type='xhtml'><div>a &lt; <b>b</b></div></title>";
    check_title(atom(elements), "a < b");
}

#[test]
fn a_description_is_the_text_of_its_html() {
    let check = |inside: &str, text: &str| {
        assert_eq!(one(item("One", inside))["description"], text, "{inside}");
    };
    check("<description>So <i>good</i> <b>today</b>.</description>", "So good today.");
    let code = "<description><![CDATA[<p>Use <code>Vec&lt;T&gt;</code></p>]]></description>";
    check(code, "Use Vec<T>");
    check("<media:group><media:description>Film</media:description></media:group>", "Film");
    let both = "<content:encoded>long</content:encoded><description>short</description>";
    check(both, "short");
}

#[test]
fn a_good_date_is_not_hidden_by_a_bad_one() {
    let dates = "<dc:date>soon</dc:date><pubDate>2025-06-03 10:00</pubDate>";
    let feed = read(item("One", dates));
    assert_eq!(serde_json::to_value(&feed.articles[0]).unwrap()["published_at"], DATE);
    assert_eq!(feed.notes, [r#"line 1: "soon" is no date that can be read"#]);
    let late = "<pubDate>later</pubDate><dc:date>2025-06-03T12:00:00+02:00</dc:date>";
    assert_eq!(one(item("One", late))["published_at"], DATE);
    assert_eq!(one(item("One", "<pubDate>3/6/2025</pubDate>"))["published_at"], Value::Null);
}

#[test]
fn a_feed_is_known_by_its_id_or_address_and_named_by_its_title_or_host() {
    assert_eq!(one(atom("<title>A</title><link href='/1'/>"))["feed"], "urn:quay");
    let untitled = item("One", "").replace("<title>Quay</title>", "");
    assert_eq!(one(&untitled)["source"], "quay.example");
    let nameless = untitled.replace("<link>https://quay.example/</link>", "");
    assert_eq!(one(&nameless)["source"], "quay.example");
    let fetched = read_from("https://feeds.example/1", &nameless);
    assert_eq!(fetched.articles[0].feed(), Some("https://feeds.example/1"));
}

fn feeds() -> impl Strategy<Value = Vec<u8>> {
    let json =
        r#"{"version":"https://jsonfeed.org/version/1","items":[{"id":1,"url":"http://a"}]}"#;
    let html = item("<b>T</b> &amp;", "<description>a &lt;b c='&gt;'&gt;<i>x</i></description>");
    let dated = item("D", "<pubDate>Tue, 03 Jun 2025 10:00:00 +0000</pubDate><dc:date>2025-06");
    prop::sample::select(vec![html, dated, atom("<title type='html'>x</title>"), json.to_owned()])
        .prop_map(String::into_bytes)
}

proptest! {
    #[test]
    fn no_damage_makes_the_reader_fail(
        mut bytes in feeds(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<prop::sample::Index>(),
    ) {
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        let result = feed::read(Origin::file("feed"), &bytes, NOW);
        prop_assert!(!matches!(result, Err(FeedError::Fault { .. })), "{bytes:?}");
    }
}
