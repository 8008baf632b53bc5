//! Cursors over bytes, little endian first because the field protocols are.

use std::fmt;

/// Fewer bytes than the message announced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Truncated {
    /// Bytes that the next field needs.
    pub need: usize,
    /// Bytes that are left.
    pub have: usize,
}

impl fmt::Display for Truncated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "truncated: need {} octets, have {}", self.need, self.have)
    }
}

impl std::error::Error for Truncated {}

/// Bytes behind the end of the message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Leftover(pub usize);

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} octets left over", self.0)
    }
}

impl std::error::Error for Leftover {}

/// Reads typed values from the front of a slice.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Bytes not yet read.
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Truncated> {
        let Some((head, tail)) = self.rest.split_at_checked(count) else {
            return Err(Truncated { need: count, have: self.rest.len() });
        };
        self.rest = tail;
        Ok(head)
    }

    /// The next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Truncated> {
        let Some((head, tail)) = self.rest.split_first_chunk::<N>() else {
            return Err(Truncated { need: N, have: self.rest.len() });
        };
        self.rest = tail;
        Ok(*head)
    }

    /// All bytes that are left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// One octet.
    pub fn u8(&mut self) -> Result<u8, Truncated> {
        self.array::<1>().map(|[octet]| octet)
    }

    /// Two octets, low first.
    pub fn u16_le(&mut self) -> Result<u16, Truncated> {
        self.array().map(u16::from_le_bytes)
    }

    /// Three octets, low first.
    pub fn u24_le(&mut self) -> Result<u32, Truncated> {
        self.array().map(|[low, middle, high]| u32::from_le_bytes([low, middle, high, 0]))
    }

    /// Four octets, low first.
    pub fn u32_le(&mut self) -> Result<u32, Truncated> {
        self.array().map(u32::from_le_bytes)
    }

    /// Two octets, low first, two's complement.
    pub fn i16_le(&mut self) -> Result<i16, Truncated> {
        self.array().map(i16::from_le_bytes)
    }

    /// Four octets, low first, two's complement.
    pub fn i32_le(&mut self) -> Result<i32, Truncated> {
        self.array().map(i32::from_le_bytes)
    }

    /// Four octets, low first, IEEE 754.
    pub fn f32_le(&mut self) -> Result<f32, Truncated> {
        self.array().map(f32::from_le_bytes)
    }

    /// Succeeds when nothing is left.
    pub const fn finish(self) -> Result<(), Leftover> {
        if self.rest.is_empty() { Ok(()) } else { Err(Leftover(self.rest.len())) }
    }
}

/// Writes typed values behind one another.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// An empty writer with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { bytes: Vec::with_capacity(capacity) }
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Appends bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// One octet.
    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// Two octets, low first.
    pub fn u16_le(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
    }

    /// The low three octets of `value`, low first.
    pub fn u24_le(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes()[..3]);
    }

    /// Four octets, low first.
    pub fn u32_le(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    /// Two octets, low first, two's complement.
    pub fn i16_le(&mut self, value: i16) {
        self.bytes(&value.to_le_bytes());
    }

    /// Four octets, low first, two's complement.
    pub fn i32_le(&mut self, value: i32) {
        self.bytes(&value.to_le_bytes());
    }

    /// Four octets, low first, IEEE 754.
    pub fn f32_le(&mut self, value: f32) {
        self.bytes(&value.to_le_bytes());
    }

    /// The bytes written.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn octet_order_is_low_first() {
        let mut reader = Reader::new(&[0x01, 0x02, 0x03, 0x04, 0x05, 0xFF, 0xFF, 0x00, 0x00, 0x80, 0x3F]);
        assert_eq!(reader.u16_le(), Ok(0x0201));
        assert_eq!(reader.u24_le(), Ok(0x05_0403));
        assert_eq!(reader.i16_le(), Ok(-1));
        assert_eq!(reader.f32_le(), Ok(1.0));
        assert_eq!(reader.clone().finish(), Ok(()));
        assert_eq!(reader.u8(), Err(Truncated { need: 1, have: 0 }));
    }

    #[test]
    fn a_short_read_consumes_nothing() {
        let mut reader = Reader::new(&[1, 2]);
        assert_eq!(reader.u32_le(), Err(Truncated { need: 4, have: 2 }));
        assert_eq!(reader.take(3), Err(Truncated { need: 3, have: 2 }));
        assert_eq!(reader.clone().finish(), Err(Leftover(2)));
        assert_eq!(reader.take(2), Ok(&[1_u8, 2][..]));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(a: u8, b: u16, c in 0..1_u32 << 24, d: u32, e: i16, f: i32) {
            let mut writer = Writer::default();
            writer.u8(a);
            writer.u16_le(b);
            writer.u24_le(c);
            writer.u32_le(d);
            writer.i16_le(e);
            writer.i32_le(f);
            let bytes = writer.finish();
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.u8().unwrap(), a);
            prop_assert_eq!(reader.u16_le().unwrap(), b);
            prop_assert_eq!(reader.u24_le().unwrap(), c);
            prop_assert_eq!(reader.u32_le().unwrap(), d);
            prop_assert_eq!(reader.i16_le().unwrap(), e);
            prop_assert_eq!(reader.i32_le().unwrap(), f);
            prop_assert_eq!(reader.finish(), Ok(()));
        }
    }
}
