//! Lists that are too long to be looked at whole.

use keyward::conformance::pages::{fill, fitting_nothing};
use keyward::store::Reports as _;

use crate::sample::open;

#[tokio::test]
async fn a_page_may_be_empty_and_not_the_last() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("keyward.db"));
    fill(&store).await;
    let first = store.list_keys(fitting_nothing()).await.unwrap();
    assert!(first.keys.is_empty() && first.next.is_some(), "{first:?}");
}
