//! Making an input smaller that a target fails on, so that a person sees what matters.

/// Most tries; each takes one run of the target.
const TRIES_MAX: usize = 2_000;

/// The smallest input found that still fails: pieces are left out, large ones first.
pub fn shrink(mut input: Vec<u8>, fails: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut tries = 0;
    let mut len = input.len().div_ceil(2).max(1);
    loop {
        let mut at = 0;
        let mut is_smaller = false;
        while at < input.len() && tries < TRIES_MAX {
            tries += 1;
            let end = (at + len).min(input.len());
            let mut shorter = input.clone();
            shorter.drain(at..end);
            if fails(&shorter) {
                (input, is_smaller) = (shorter, true);
            } else {
                at = end;
            }
        }
        if TRIES_MAX <= tries || (len == 1 && !is_smaller) {
            return input;
        }
        len = len.div_ceil(2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_matter_is_left_out() {
        let fails = |bytes: &[u8]| bytes.contains(&b'x') && bytes.contains(&b'y');
        assert_eq!(shrink(b"abcxdefghyij".to_vec(), fails), b"xy");
        assert_eq!(shrink(b"yx".to_vec(), fails), b"yx");
        assert_eq!(shrink([&[b'a'; 4_000][..], b"xy"].concat(), fails), b"xy");
        assert_eq!(shrink(b"abc".to_vec(), |_| true), b"");
    }
}
