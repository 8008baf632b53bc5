//! The control-room page as bytes: the built output of `web/`, embedded at compile time.
//!
//! Built and committed by `cargo xtask ui`; a build of this crate needs neither Node nor a network. In debug builds
//! the files are read from `dist/` on every call, so a rebuilt page shows without a rebuilt server. This crate knows
//! nothing of HTTP servers: [`asset`] gives the bytes and the header values, the caller writes the response.

use std::borrow::Cow;

use rust_embed::RustEmbed;

/// Names are stable and carry no hash, so every answer must be checked again before use; the [`Asset::etag`] makes
/// that check one short round trip.
pub const CACHE_CONTROL: &str = "no-cache";

/// The page's policy: everything from the own origin, no inline script or style, live data over a WebSocket.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; object-src 'none'; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

#[derive(RustEmbed)]
#[folder = "dist/"]
struct Dist;

/// One file of the page with what its HTTP headers need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// The content, borrowed from the executable in release builds.
    pub bytes: Cow<'static, [u8]>,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// `ETag` with its quotes (RFC 9110 8.8.3): the SHA-256 of the content, so equal bytes keep it across releases.
    pub etag: String,
}

/// The file at a request path; `/` is the page itself. `None` for anything that was not built.
#[must_use]
pub fn asset(path: &str) -> Option<Asset> {
    let name = match path.trim_start_matches('/') {
        "" => "index.html",
        name => name,
    };
    // The embedded list is the only authority: a name that climbs out of it is no name.
    if name.split('/').any(|part| part == ".." || part.is_empty()) {
        return None;
    }
    let file = Dist::get(name)?;
    Some(Asset {
        etag: etag(&file.metadata.sha256_hash()),
        bytes: file.data,
        content_type: content_type(name),
    })
}

/// Every path that [`asset`] answers, in the order of the names.
pub fn paths() -> impl Iterator<Item = Cow<'static, str>> {
    Dist::iter()
}

fn etag(hash: &[u8; 32]) -> String {
    let mut text = String::with_capacity(2 * hash.len() + 2);
    text.push('"');
    for byte in hash {
        for nibble in [byte >> 4, byte & 0x0f] {
            text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
    text.push('"');
    text
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("woff2") => "font/woff2",
        Some("json") => "application/json",
        Some("txt") => "text/plain; charset=utf-8",
        Some(_) | None => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// RFC 9110 8.3 and the IANA media types.
    #[test]
    fn the_page_and_its_parts_have_their_types() {
        for (path, content_type) in [
            ("/", "text/html; charset=utf-8"),
            ("/index.html", "text/html; charset=utf-8"),
            ("/app.js", "text/javascript; charset=utf-8"),
            ("/app.css", "text/css; charset=utf-8"),
            ("/favicon.svg", "image/svg+xml"),
            ("/licences.txt", "text/plain; charset=utf-8"),
            ("/fonts/b612-latin-400-normal.woff2", "font/woff2"),
        ] {
            let asset = asset(path).unwrap_or_else(|| panic!("{path} is not built"));
            assert_eq!(asset.content_type, content_type, "{path}");
            assert!(!asset.bytes.is_empty(), "{path}");
        }
    }

    #[test]
    fn nothing_else_is_served() {
        for path in [
            "/app.js.map",
            "/nothing",
            "/../Cargo.toml",
            "/fonts/../../src/lib.rs",
            "//etc/passwd",
            "/fonts/",
            "/fonts",
        ] {
            assert_eq!(asset(path), None, "{path}");
        }
    }

    #[test]
    fn the_etag_is_the_quoted_sha256() {
        // FIPS 180-4, SHA-256 of "abc".
        let hash = [
            0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
            0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
        ];
        assert_eq!(etag(&hash), "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"");
        assert_ne!(asset("/app.js").unwrap().etag, asset("/app.css").unwrap().etag);
    }

    /// The policy forbids inline script and style and any other origin; the built page must not need them.
    #[test]
    fn the_page_keeps_its_own_policy() {
        let html = String::from_utf8(asset("/").unwrap().bytes.into_owned()).unwrap();
        assert!(!html.contains("<style") && !html.contains(" style=") && !html.contains("onload="));
        assert_eq!(html.matches("<script").count(), html.matches(" src=\"/").count());
        assert!(!html.contains("http://") && !html.contains("https://"));
        let css = String::from_utf8(asset("/app.css").unwrap().bytes.into_owned()).unwrap();
        assert!(!css.contains("url(http") && !css.contains("url(data:") && !css.contains("@import"));
    }

    /// 1.5 MB for everything and no source maps: what the repository and the executable carry.
    #[test]
    fn the_output_stays_small() {
        const DIST_MAX: usize = 1_500_000;
        let mut total = 0;
        for path in paths() {
            assert!(!path.ends_with(".map"), "{path}");
            total += asset(&path).unwrap().bytes.len();
        }
        assert!(total > 0 && total <= DIST_MAX, "{total} bytes");
    }
}
