//! The files that git keeps: those of the project, and no output of a tool.

use std::process::Command;

use crate::tidy::root;

fn git(arguments: &[&str]) -> String {
    let output = Command::new("git").current_dir(root()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn no_file_is_kept_that_is_to_be_ignored() {
    let kept = git(&["ls-files", "--cached", "--ignored", "--exclude-standard"]);
    let first: Vec<_> = kept.lines().take(5).collect();
    assert!(first.is_empty(), "{first:?} and {} more", kept.lines().count() - first.len());
}
