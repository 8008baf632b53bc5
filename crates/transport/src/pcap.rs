//! TCP streams of a capture in the classic libpcap format, for decoding.
//!
//! Enough for captures of field protocols on Ethernet, Linux cooked and raw IP: IPv4 and IPv6, VLAN tags, segments
//! in any order, retransmissions left out. Fragments of IP packets are left out, and said so by a gap.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Most octets kept of one direction of a connection.
const STREAM_MAX: usize = 256 * 1024 * 1024;

/// Why a file is no capture.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PcapError {
    /// Not the classic format; pcapng is converted by `tshark -F pcap`.
    #[error("no classic pcap file (convert pcapng with: tshark -r IN -F pcap -w OUT)")]
    NotPcap,
    /// A link type that is not read here.
    #[error("link type {0} is not read; Ethernet, Linux cooked and raw IP are")]
    LinkType(u32),
}

/// One direction of a TCP connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TcpStream {
    /// Sender.
    pub from: SocketAddr,
    /// Receiver.
    pub to: SocketAddr,
    /// Its octets in order; where the capture has a gap, the stream begins anew.
    pub octets: Vec<u8>,
}

/// Whether a file begins like a capture that this module reads.
pub fn is_pcap(file: &[u8]) -> bool {
    byte_order(file).is_some()
}

/// The directions of all TCP connections with `port` at either end, in the order of their first octets.
pub fn tcp_streams(file: &[u8], port: u16) -> Result<Vec<TcpStream>, PcapError> {
    let order = byte_order(file).ok_or(PcapError::NotPcap)?;
    let link_type = word(file, 20, order).ok_or(PcapError::NotPcap)?;
    if !matches!(link_type, 1 | 12 | 101 | 113 | 228 | 229) {
        return Err(PcapError::LinkType(link_type));
    }
    let mut assembly = Assembly::default();
    let mut at = 24_usize;
    while let Some(length) = word(file, at + 8, order).and_then(|length| usize::try_from(length).ok()) {
        at += 16;
        let Some(packet) = file.get(at..at.saturating_add(length)) else { break };
        at += length;
        if let Some(segment) = network_layer(packet, link_type).and_then(tcp_segment)
            && (segment.from.port() == port || segment.to.port() == port)
        {
            assembly.take(&segment);
        }
    }
    Ok(assembly.streams)
}

#[derive(Clone, Copy)]
enum ByteOrder {
    Little,
    Big,
}

fn byte_order(file: &[u8]) -> Option<ByteOrder> {
    match file.first_chunk::<4>()? {
        [0xD4, 0xC3, 0xB2, 0xA1] | [0x4D, 0x3C, 0xB2, 0xA1] => Some(ByteOrder::Little),
        [0xA1, 0xB2, 0xC3, 0xD4] | [0xA1, 0xB2, 0x3C, 0x4D] => Some(ByteOrder::Big),
        _ => None,
    }
}

fn word(bytes: &[u8], at: usize, order: ByteOrder) -> Option<u32> {
    let octets = *bytes.get(at..)?.first_chunk::<4>()?;
    Some(match order {
        ByteOrder::Little => u32::from_le_bytes(octets),
        ByteOrder::Big => u32::from_be_bytes(octets),
    })
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk::<2>().map(|octets| u16::from_be_bytes(*octets))
}

/// The IP packet in a frame.
fn network_layer(frame: &[u8], link_type: u32) -> Option<&[u8]> {
    match link_type {
        1 => {
            let mut at = 12;
            while matches!(half(frame, at)?, 0x8100 | 0x88A8) {
                at += 4;
            }
            matches!(half(frame, at)?, 0x0800 | 0x86DD).then(|| frame.get(at + 2..))?
        }
        113 => frame.get(16..),
        _ => Some(frame),
    }
}

struct Segment<'a> {
    from: SocketAddr,
    to: SocketAddr,
    sequence: u32,
    syn: bool,
    octets: &'a [u8],
}

fn tcp_segment(packet: &[u8]) -> Option<Segment<'_>> {
    let (from, to, tcp) = match packet.first()? >> 4 {
        4 => ipv4(packet)?,
        6 => ipv6(packet)?,
        _ => return None,
    };
    let header = usize::from(tcp.get(12)? >> 4) * 4;
    Some(Segment {
        from: SocketAddr::new(from, half(tcp, 0)?),
        to: SocketAddr::new(to, half(tcp, 2)?),
        sequence: word(tcp, 4, ByteOrder::Big)?,
        syn: tcp.get(13)? & 2 != 0,
        octets: tcp.get(header..)?,
    })
}

fn ipv4(packet: &[u8]) -> Option<(IpAddr, IpAddr, &[u8])> {
    const TCP: u8 = 6;
    let header = usize::from(packet.first()? & 0x0F) * 4;
    let total = usize::from(half(packet, 2)?);
    let fragment = half(packet, 6)? & 0x3FFF;
    if *packet.get(9)? != TCP || fragment != 0 {
        return None;
    }
    let address = |at: usize| packet.get(at..)?.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets));
    // Captured on a host with segmentation offload the length is 0; then the frame's end is the packet's.
    let end = if total == 0 { packet.len() } else { total.min(packet.len()) };
    Some((address(12)?.into(), address(16)?.into(), packet.get(header..end)?))
}

fn ipv6(packet: &[u8]) -> Option<(IpAddr, IpAddr, &[u8])> {
    const TCP: u8 = 6;
    if *packet.get(6)? != TCP {
        return None;
    }
    let address = |at: usize| packet.get(at..)?.first_chunk::<16>().map(|octets| Ipv6Addr::from(*octets));
    let end = (40 + usize::from(half(packet, 4)?)).min(packet.len());
    Some((address(8)?.into(), address(24)?.into(), packet.get(40..end)?))
}

/// Where one direction stands.
struct Place {
    stream: usize,
    next: u32,
    /// Segments that came before their predecessor.
    early: BTreeMap<u32, Vec<u8>>,
}

#[derive(Default)]
struct Assembly {
    streams: Vec<TcpStream>,
    places: BTreeMap<(SocketAddr, SocketAddr), Place>,
}

/// Early segments kept per direction; beyond it the missing one is taken as lost.
const EARLY_MAX: usize = 64;

impl Assembly {
    fn take(&mut self, segment: &Segment<'_>) {
        let key = (segment.from, segment.to);
        if segment.syn {
            self.places.remove(&key);
            return;
        }
        if segment.octets.is_empty() {
            return;
        }
        let streams = &mut self.streams;
        let place = self.places.entry(key).or_insert_with(|| {
            let stream = TcpStream { from: segment.from, to: segment.to, octets: Vec::new() };
            streams.push(stream);
            Place { stream: streams.len() - 1, next: segment.sequence, early: BTreeMap::new() }
        });
        place.early.insert(segment.sequence, segment.octets.to_vec());
        place.advance(streams);
        if place.early.len() > EARLY_MAX
            && let Some((&first, _)) = place.early.first_key_value()
        {
            let stream = TcpStream { from: segment.from, to: segment.to, octets: Vec::new() };
            streams.push(stream);
            place.stream = streams.len() - 1;
            place.next = first;
            place.advance(streams);
        }
    }
}

impl Place {
    /// Appends what follows; what was seen before is left out.
    fn advance(&mut self, streams: &mut [TcpStream]) {
        let Some(stream) = streams.get_mut(self.stream) else { return };
        loop {
            let ready = self.early.iter().map(|(&sequence, octets)| (sequence, octets.len())).find(
                |(sequence, _)| {
                    // In serial number arithmetic: at or behind what is expected next.
                    self.next.wrapping_sub(*sequence) < 1 << 31
                },
            );
            let Some((sequence, _)) = ready else { return };
            let Some(octets) = self.early.remove(&sequence) else { return };
            let seen = usize::try_from(self.next.wrapping_sub(sequence)).unwrap_or(usize::MAX);
            let new = octets.get(seen..).unwrap_or_default();
            let room = STREAM_MAX.saturating_sub(stream.octets.len());
            let kept = new.get(..room.min(new.len())).unwrap_or_default();
            stream.octets.extend_from_slice(kept);
            self.next = self.next.wrapping_add(u32::try_from(new.len()).unwrap_or(0));
        }
    }
}
