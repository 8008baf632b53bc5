//! The small part of regular expressions that `batchedit` is written with: `.`, `*`, `+`, `?`, `^`, `$`.

/// Whether a pattern is found in a text. Time is bounded by the product of their lengths, squared.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    match pattern.split_first() {
        Some(('^', rest)) => here(rest, &text),
        Some(_) | None => (0..=text.len()).any(|from| here(&pattern, &text[from..])),
    }
}

/// Whether the pattern fits at the beginning of the text: a set of places in the pattern, moved by each character.
fn here(pattern: &[char], text: &[char]) -> bool {
    let mut places = vec![false; pattern.len() + 1];
    places[0] = true;
    widen(pattern, &mut places);
    if ends(pattern, &places, text.is_empty()) {
        return true;
    }
    for (at, &c) in text.iter().enumerate() {
        let mut next = vec![false; pattern.len() + 1];
        for place in 0..pattern.len() {
            if places[place] && (pattern[place] == '.' || pattern[place] == c) {
                match pattern.get(place + 1) {
                    Some('*' | '+') => {
                        next[place] = true;
                        next[place + 2] = true;
                    }
                    Some('?') => next[place + 2] = true,
                    Some(_) | None => next[place + 1] = true,
                }
            }
        }
        places = next;
        widen(pattern, &mut places);
        if ends(pattern, &places, at + 1 == text.len()) {
            return true;
        }
    }
    false
}

/// What may be missing is passed over.
fn widen(pattern: &[char], places: &mut [bool]) {
    for place in 0..pattern.len() {
        if places[place] && matches!(pattern.get(place + 1), Some('*' | '?')) {
            places[place + 2] = true;
        }
    }
}

fn ends(pattern: &[char], places: &[bool], at_end: bool) -> bool {
    let n = pattern.len();
    places[n] || (at_end && n > 0 && pattern[n - 1] == '$' && places[n - 1])
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn names_are_found() {
        let check = |pattern: &str, text: &str, expected: bool| {
            assert_eq!(matches(pattern, text), expected, "{pattern} in {text}");
        };
        check(".*", "shape_1", true);
        check(".*", "", true);
        check("ape", "shape", true);
        check("^ape", "shape", false);
        check("^sh.*_1$", "shape_1", true);
        check("^sh.*_1$", "shape_12", false);
        check("a+b?c", "aac", true);
        check("a+b?c", "abbc", false);
        check("x", "", false);
    }
}
