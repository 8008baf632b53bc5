//! `tieline decode`: what a capture or a piece of hex says, frame by frame.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use catalog::{DecodedFrame, PROTOCOLS, ProtocolEntry};
use clap::Args;
use transport::pcap;

/// Arguments of `tieline decode`.
#[derive(Args, Debug)]
pub(crate) struct DecodeArgs {
    #[arg(help = format!("Protocol, by its name in configurations: {}", known()))]
    protocol: String,
    /// A capture (classic pcap), a file with hex text or octets, `-` for standard input, or hex itself.
    #[arg(value_name = "FILE|HEX")]
    input: String,
    /// TCP port of the protocol in a capture, where it is not a registered one.
    #[arg(long)]
    port: Option<u16>,
    /// No count of frames and faults on standard error.
    #[arg(long, short)]
    quiet: bool,
}

fn protocol(name: &str) -> anyhow::Result<&'static ProtocolEntry> {
    let found = PROTOCOLS.iter().find(|entry| entry.name.eq_ignore_ascii_case(name));
    found.ok_or_else(|| anyhow::anyhow!("no protocol {name:?} (known: {})", known()))
}

fn known() -> String {
    PROTOCOLS.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", ")
}

/// Octets that belong together, and where they are from.
struct Stream {
    title: Option<String>,
    octets: Vec<u8>,
}

/// Runs `tieline decode`.
pub(crate) fn decode(args: &DecodeArgs) -> anyhow::Result<ExitCode> {
    let protocol = protocol(&args.protocol)?;
    let streams = streams(args, protocol)?;
    let (mut text, mut frames, mut faults) = (String::new(), 0_usize, 0_usize);
    for stream in &streams {
        if let Some(title) = &stream.title {
            let _ = writeln!(text, "# {title}");
        }
        for frame in (protocol.decode)(&stream.octets) {
            match frame.text {
                Ok(_) => frames += 1,
                Err(_) => faults += 1,
            }
            describe(&mut text, &frame);
        }
    }
    super::write(None, text.as_bytes())?;
    if frames == 0 {
        let faults = if faults > 0 { format!(", {faults} faults") } else { String::new() };
        anyhow::bail!("no frame of {} found{faults}", protocol.title);
    }
    if !args.quiet {
        let _ = writeln!(std::io::stderr(), "{frames} frames, {faults} faults, {} streams", streams.len());
    }
    Ok(ExitCode::SUCCESS)
}

/// `OFFSET  text`, further lines indented.
fn describe(out: &mut String, frame: &DecodedFrame) {
    let text = match &frame.text {
        Ok(text) => text.clone(),
        Err(fault) => format!("fault: {fault}"),
    };
    for (at, line) in text.lines().enumerate() {
        let _ = if at == 0 {
            writeln!(out, "{:08x}  {line}", frame.offset)
        } else {
            writeln!(out, "          {line}")
        };
    }
}

fn streams(args: &DecodeArgs, protocol: &ProtocolEntry) -> anyhow::Result<Vec<Stream>> {
    let path = Path::new(&args.input);
    let bytes = if super::is_standard(path) || path.exists() {
        super::read(path)?
    } else {
        return match hex(&args.input) {
            Ok(octets) => Ok(vec![Stream { title: None, octets }]),
            Err(_) => anyhow::bail!("{}: neither a file nor hex", args.input),
        };
    };
    let file = super::shown(path);
    if is_pcapng(&bytes) || pcap::is_pcap(&bytes) {
        let port = args.port.unwrap_or(protocol.ports.0);
        return capture(&bytes, port).map_err(|error| anyhow::anyhow!("{file}: {error}"));
    }
    if !looks_like_text(&bytes) {
        return Ok(vec![Stream { title: None, octets: bytes }]);
    }
    let octets = hex(&String::from_utf8_lossy(&bytes)).map_err(|HexFault { line, reason }| {
        anyhow::anyhow!("{file}:{line}: {reason} (hex: 68 04 43 00 00 00)")
    })?;
    Ok(vec![Stream { title: None, octets }])
}

fn is_pcapng(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x0A, 0x0D, 0x0D, 0x0A])
}

/// The streams of a capture. What flows through the TLS port is not readable, so that one is not looked at.
fn capture(bytes: &[u8], port: u16) -> Result<Vec<Stream>, pcap::PcapError> {
    let streams = pcap::tcp_streams(bytes, port)?;
    let titled = streams.into_iter().map(|stream| Stream {
        title: Some(format!("{} -> {}", stream.from, stream.to)),
        octets: stream.octets,
    });
    Ok(titled.collect())
}

/// Whether bytes are meant to be read: printable ASCII and blanks only.
fn looks_like_text(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace())
}

/// Why a text is no hex.
#[derive(PartialEq, Debug)]
struct HexFault {
    line: usize,
    reason: String,
}

/// Octets of hex text: pairs of digits, with or without blanks, colons, commas and `0x` between them; `#` begins a
/// comment.
fn hex(text: &str) -> Result<Vec<u8>, HexFault> {
    let mut octets = Vec::new();
    for (line, content) in (1..).zip(text.lines()) {
        let content = content.split('#').next().unwrap_or("");
        for word in content.split(|c: char| c.is_whitespace() || matches!(c, ':' | ',' | '-')) {
            let digits = word.strip_prefix("0x").unwrap_or(word);
            let fault = |reason: &str| HexFault { line, reason: format!("{word:?} {reason}") };
            let values =
                digits.chars().map(|digit| digit.to_digit(16).and_then(|value| u8::try_from(value).ok()));
            let values: Vec<u8> = values.collect::<Option<_>>().ok_or_else(|| fault("is not hex"))?;
            if !values.len().is_multiple_of(2) {
                return Err(fault("has an odd number of digits"));
            }
            octets.extend(values.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]));
        }
    }
    if octets.is_empty() {
        return Err(HexFault { line: 1, reason: "no octets".to_owned() });
    }
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_in_the_usual_forms() {
        let testfr = [0x68, 4, 0x43, 0, 0, 0];
        let check = |text: &str, expected: Result<&[u8], (usize, &str)>| match (hex(text), expected) {
            (Ok(octets), Ok(expected)) => assert_eq!(octets, expected, "{text}"),
            (Err(fault), Err((line, part))) => {
                assert_eq!((fault.line, fault.reason.contains(part)), (line, true), "{text}: {fault:?}");
            }
            (found, _) => panic!("{text}: {found:?}"),
        };
        check("680443000000", Ok(&testfr));
        check("68 04 43 00 00 00", Ok(&testfr));
        check("68:04:43:00:00:00\n", Ok(&testfr));
        check("0x68, 0x04, 0x43, 0x00, 0x00, 0x00", Ok(&testfr));
        check("# TESTFR\n6804 # start\n4300 0000", Ok(&testfr));
        check("6804\n43 0", Err((2, "odd")));
        check("6804 4g", Err((1, "not hex")));
        check("", Err((1, "no octets")));
        check("# nothing\n", Err((1, "no octets")));
    }

    #[test]
    fn a_frame_is_one_indented_paragraph() {
        let mut text = String::new();
        describe(&mut text, &DecodedFrame { offset: 16, text: Ok("I\n  ASDU".into()) });
        describe(&mut text, &DecodedFrame { offset: 32, text: Err("cut".into()) });
        assert_eq!(text, "00000010  I\n            ASDU\n00000020  fault: cut\n");
    }
}
