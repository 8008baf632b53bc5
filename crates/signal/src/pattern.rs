//! Names of points by pattern.

/// Whether a text matches a pattern in which `*` stands for any octets, none among them, and `?` for one. O(pattern · text).
pub fn pattern_matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[t] => {
                p += 1;
                t += 1;
            }
            Some(_) | None => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                p = at + 1;
                t = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::pattern_matches;

    #[test]
    fn patterns() {
        let check = |pattern: &str, text: &str, wanted: bool| {
            assert_eq!(pattern_matches(pattern, text), wanted, "{pattern} {text}");
        };
        check("S4/*", "S4/L2-4/P", true);
        check("*/P", "S4/L2-4/P", true);
        check("S?/V", "S4/V", true);
        check("S?/V", "S14/V", false);
        check("*a*b*c", "xxaxxbxxbc", true);
        check("*a*b*c", "xxaxxbxx", false);
        check("", "x", false);
        check("*", "", true);
        check("S4/V", "S4/V2", false);
    }
}
