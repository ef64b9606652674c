//! New inputs made of old ones: bits flipped, pieces cut, doubled, moved, taken from others.
//!
//! Everything follows from the generator that is passed in: the same seed makes the same inputs.

use std::ops::Range;

use fastrand::Rng;

/// Most bytes of nearly all inputs: small ones are tried often.
const LEN_MAX: usize = 8 * 1024;
/// Most bytes of the few large ones, which reach the limits of lines, heads and records.
const LARGE_LEN_MAX: usize = 192 * 1024;
/// One input in so many is made large.
const LARGE_EVERY: u32 = 512;
/// Most changes that one input gets.
const CHANGES_MAX: u32 = 8;
/// Most bytes of a piece that is doubled, moved or taken from another input.
const PIECE_MAX: usize = 64;
/// Bytes that mean something to many parsers.
const BYTES: &[u8] = b"\0\x01\t\n\r \"#%&',-./0:;<=>?@A[\\]^_`a{|}~\x7f\x80\xbf\xc3\xef\xfe\xff";

/// Makes an input of one in the pool, with pieces of others and with words of the target.
///
/// An empty pool counts as one that holds the empty input.
#[must_use]
pub fn mutate(rng: &mut Rng, pool: &[Vec<u8>], words: &[&[u8]]) -> Vec<u8> {
    let mut input = rng.choice(pool).cloned().unwrap_or_default();
    let most = LEN_MAX.max(input.len());
    for _ in 0..rng.u32(1..=CHANGES_MAX) {
        change(rng, &mut input, pool, words);
    }
    input.truncate(most);
    if rng.u32(..LARGE_EVERY) == 0 {
        repeat(rng, &mut input, LARGE_LEN_MAX);
    }
    input.truncate(LARGE_LEN_MAX);
    input
}

fn change(rng: &mut Rng, input: &mut Vec<u8>, pool: &[Vec<u8>], words: &[&[u8]]) {
    let at = rng.usize(..=input.len());
    match rng.u32(..10) {
        0 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << rng.u32(..8);
            }
        }
        1 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = byte_of(rng);
            }
        }
        2 => input.insert(at, byte_of(rng)),
        3 => drop(input.drain(piece(rng, input.len()))),
        4 => input.truncate(at),
        5 => {
            let word = rng.choice(words).copied().unwrap_or_default();
            input.splice(at..at, word.iter().copied());
        }
        6 => {
            let word = rng.choice(words).copied().unwrap_or_default();
            let replaced = piece(rng, input.len());
            input.splice(replaced, word.iter().copied());
        }
        7 => {
            let moved: Vec<u8> = input.drain(piece(rng, input.len())).collect();
            let to = rng.usize(..=input.len());
            input.splice(to..to, moved);
        }
        8 => {
            let most = input.len() + PIECE_MAX * 4;
            repeat(rng, input, most);
        }
        _ => {
            let other = rng.choice(pool).map(Vec::as_slice).unwrap_or_default();
            let taken = other.get(piece(rng, other.len())).unwrap_or_default();
            // Added, or in place of a piece.
            let replaced = if rng.bool() { at..at } else { piece(rng, input.len()) };
            input.splice(replaced, taken.iter().copied());
        }
    }
}

/// Repeats a piece in its place until the whole has about so many bytes.
fn repeat(rng: &mut Rng, input: &mut Vec<u8>, most: usize) {
    let repeated = piece(rng, input.len());
    let (end, copy) = (repeated.end, input.get(repeated).unwrap_or_default().to_vec());
    if copy.is_empty() {
        return;
    }
    let times = rng.usize(..=most.saturating_sub(input.len()) / copy.len());
    input.splice(end..end, copy.repeat(times));
}

/// A range inside of so many bytes; short, but for one in eight.
fn piece(rng: &mut Rng, len: usize) -> Range<usize> {
    let begin = rng.usize(..=len);
    let most = if rng.u32(..8) == 0 { len } else { PIECE_MAX };
    begin..begin + rng.usize(..=most.min(len - begin))
}

fn byte_of(rng: &mut Rng) -> u8 {
    if rng.bool() { rng.choice(BYTES).copied().unwrap_or_default() } else { rng.u8(..) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(seed: u64) -> Vec<Vec<u8>> {
        let pool = [b"name,digest\n".to_vec(), b"one".to_vec()];
        let mut rng = Rng::with_seed(seed);
        (0..5_000).map(|_| mutate(&mut rng, &pool, &[b"[WORD]"])).collect()
    }

    #[test]
    fn the_same_seed_makes_the_same_inputs() {
        assert_eq!(made(7), made(7));
        assert_ne!(made(7), made(8));
    }

    #[test]
    fn inputs_are_bounded_and_some_are_large() {
        let lens: Vec<_> = made(1).iter().map(Vec::len).collect();
        assert!(lens.iter().all(|len| *len <= LARGE_LEN_MAX));
        assert!(lens.iter().any(|len| LEN_MAX < *len));
        assert!(lens.contains(&0));
    }

    #[test]
    fn words_and_pieces_of_others_come_in() {
        let inputs = made(2);
        let has = |part: &[u8]| {
            inputs.iter().any(|input| input.windows(part.len()).any(|window| window == part))
        };
        assert!(has(b"[WORD]"));
        let text = |input: &Vec<u8>| String::from_utf8_lossy(input).into_owned();
        assert!(inputs.iter().map(text).any(|text| text.contains("one") && text.contains("name")));
    }

    #[test]
    fn nothing_at_all_can_be_mutated() {
        let mut rng = Rng::with_seed(3);
        let inputs: Vec<_> = (0..1_000).map(|_| mutate(&mut rng, &[], &[])).collect();
        assert!(inputs.iter().any(|input| !input.is_empty()));
    }
}
