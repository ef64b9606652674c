//! Tests of the text that is left of HTML.

use super::*;

#[track_caller]
fn check(html: &str, text: &str) {
    assert_eq!(of_html(html), text, "{html}");
}

#[test]
fn html_becomes_text() {
    check("<p>Hello, <b>W</b>orld!</p>\n<p>Again</p>", "Hello, World! Again");
    check("one<br/>two<!-- <b>three</b> -->", "one two");
    check("a<script>if (1 < 2) { alert('</b>') }</SCRIPT >b", "a b");
    check("a<style>p > b { }</style><p>b", "a b");
    check("Tom &amp; Jerry&#8217;s &#x1F408; &unknown; &", "Tom & Jerry’s 🐈 &unknown; &");
    check("Ma&ntilde;ana, &Aring;se &rarr; 100&nbsp;km", "Mañana, Åse → 100 km");
    check("&lt;p&gt;escaped twice&lt;/p&gt;", "escaped twice");
    check("<![CDATA[<p>wrapped twice</p>]]>", "wrapped twice");
    check("<a title=\"x > y\" href='https://a.example/'>link</a> after", "link after");
    check("<o:p>from a word processor</o:p>", "from a word processor");
    check("<IMG SRC=x><BR>LOUD", "LOUD");
    check("", "");
}

#[test]
fn what_only_looks_like_a_tag_is_text() {
    for text in [
        "1 < 2 > 0 and a<",
        "if a<b then the harbour closes",
        "if a <b then c> d",
        "Vec<T>, Option<String>, Box<Object> and Map<K, V>",
        "std::vec<std::string> of <your name>",
        "a <b && c> d",
        "I <3 you",
        "<- left, right ->",
    ] {
        check(text, text);
    }
    let code = "<p>Use <code>Vec&lt;T&gt;</code>, and write <code>if a &lt;b</code> first.</p>";
    check(code, "Use Vec<T>, and write if a <b first.");
    check("The <code>&lt;b&gt;</code> tag is <b>bold</b>", "The <b> tag is bold");
}

#[test]
fn references_are_read_where_tags_are_text() {
    assert_eq!(of_references("The <b> of A &#8211; Z &amp; AT&T"), "The <b> of A – Z & AT&T");
    assert_eq!(of_plain("The <b> of\n A &#8211; Z\t"), "The <b> of A &#8211; Z");
}

#[test]
fn a_text_may_be_cut_in_a_tag() {
    check("cut in a tag <img src=\"x", "cut in a tag");
    check("cut in a tag <img", "cut in a tag");
    check("cut in a tag</p", "cut in a tag");
    check("cut in a comment <!-- never", "cut in a comment");
}

#[test]
fn no_tag_is_left_and_none_arises_from_what_is_left() {
    for text in ["<<b>script>", "<<i></i>b>", "<<!---->a>", "a<\u{1}b>", "<scr<b>ipt>x", "<b <i>>x"]
    {
        let once = without_tags(text);
        assert_eq!(without_tags(&once), once, "{text}");
    }
    assert_eq!(without_tags("<<b>script>"), "< script>");
    assert_eq!(without_tags("<p>Tom &amp; <b>Jerry</b></p>"), "Tom &amp; Jerry");
}

#[test]
fn long_text_is_cut_between_characters() {
    assert_eq!(cut("äöü".to_owned(), 3), "äöü");
    assert_eq!(cut("äöü".to_owned(), 2), "äö");
    assert_eq!(cut("ä öü".to_owned(), 2), "ä");
}

#[test]
fn an_excerpt_ends_between_words() {
    assert_eq!(excerpt("The ferry is late.", 18), "The ferry is late.");
    assert_eq!(excerpt("The ferry is late.", 17), "The ferry is…");
    assert_eq!(excerpt("The ferry, is", 11), "The ferry…");
    assert_eq!(excerpt("ÄÖÜÄÖÜ", 3), "ÄÖ…");
}
