//! The description and the page to browse it, as a browser gets them.

use tempfile::tempdir;

use crate::server::{ADMIN_KEY, Server};

#[test]
fn the_document_is_open_to_anyone_and_holds_no_secret() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let response = server.send("GET", "/openapi.json", &[], "");
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.json()["openapi"], "3.1.0");
    assert!(!response.body.contains(ADMIN_KEY));
}

#[test]
fn the_page_loads_only_files_of_this_server_at_any_path() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let page = server.send("GET", "/docs", &[], "");
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert!(!page.body.contains("<style") && !page.body.contains("style="), "{}", page.body);
    let scripts: Vec<_> = page.body.split("<script").skip(1).collect();
    assert!(scripts.iter().all(|tag| tag.contains("></script>")), "{}", page.body);
    let links = page.body.split(['"']).filter(|text| text.starts_with("docs/"));
    let links: Vec<_> = links.collect();
    assert_eq!(links, ["docs/swagger-ui.css", "docs/swagger-ui-bundle.js", "docs/docs.js"]);
    for link in links {
        let file = server.send("GET", &format!("/{link}"), &[], "");
        assert_eq!(file.status, 200, "{link}");
        assert_eq!(file.header("x-content-type-options"), Some("nosniff"));
        let kind = if link.ends_with("css") { "text/css" } else { "text/javascript" };
        assert!(file.header("content-type").unwrap().starts_with(kind), "{link}");
    }
    for absent in ["/docs/", "/docs/index.html", "/docs/swagger-initializer.js", "/docs/%2e%2e"] {
        assert_eq!(server.send("GET", absent, &[], "").status, 404, "{absent}");
    }
}
