//! Whole captures of foreign stations through the pcap reader and the decoder.
//!
//! The captures are those of ITI/ICS-Security-Tools (pcaps/IEC60870-104), read from the folder
//! `../shared/pcaps/iti-iec104` beside the repository where it is there. Truth: tshark 4.0.17 with
//! `-Y "iec60870_asdu && !tcp.analysis.retransmission" -T fields -e iec60870_asdu.typeid`, values counted.
#![allow(clippy::unwrap_used, missing_docs)]

use proto_iec104::{Frame, decode_stream};
use std::path::Path;
use transport::pcap::{PcapError, tcp_streams};

fn check(name: &str, asdus: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/pcaps/iti-iec104");
    if !folder.exists() {
        println!("skipped: no captures in {}", folder.display());
        return;
    }
    let file = std::fs::read(folder.join(name)).unwrap();
    let streams = tcp_streams(&file, 2404).unwrap();
    let mut found = 0;
    for stream in streams {
        for (offset, frame) in decode_stream(&stream.octets) {
            match frame {
                Ok(Frame { asdu: Some(_), .. }) => found += 1,
                Ok(Frame { asdu: None, .. }) => {}
                Err(fault) => panic!("{name}: {} to {} at {offset}: {fault}", stream.from, stream.to),
            }
        }
    }
    assert_eq!(found, asdus, "{name}");
}

#[test]
fn every_frame_of_a_capture_is_decoded() {
    check("090813_diverse.pcap", 72);
    check("JavaRMI_and_IEC_Misc.pcap", 128);
}

#[test]
fn other_files_are_no_captures() {
    assert_eq!(tcp_streams(&[], 2404), Err(PcapError::NotPcap));
    assert_eq!(tcp_streams(&[0x0A, 0x0D, 0x0D, 0x0A, 0, 0, 0, 0], 2404), Err(PcapError::NotPcap));
    let mut header = vec![0xD4, 0xC3, 0xB2, 0xA1];
    header.resize(24, 0);
    header[20] = 147;
    assert_eq!(tcp_streams(&header, 2404), Err(PcapError::LinkType(147)));
    // Every cut of a real start ends quietly.
    header[20] = 1;
    header.extend_from_slice(&[0; 8]);
    header.extend_from_slice(&[60, 0, 0, 0, 60, 0, 0, 0]);
    header.extend_from_slice(&[0xFF; 60]);
    for end in 24..header.len() {
        assert_eq!(tcp_streams(&header[..end], 2404), Ok(Vec::new()));
    }
}
