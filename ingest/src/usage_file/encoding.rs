//! Encodings of the Parquet format: bit packing, runs, and differences.

/// Values of a miniblock of [`delta_binary_packed`].
const MINIBLOCK: usize = 32;
/// Values of a block.
const BLOCK: usize = 128;
/// Equal neighbours from which on a run is shorter than packing.
const RUN_MIN: usize = 16;

/// An unsigned number, seven bits a byte, the lowest first.
pub(super) fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

fn zigzag(value: i64) -> u64 {
    (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned()
}

/// Numbers of `width` bits each, the lowest bits first, the last byte filled with zeros.
fn pack(values: impl Iterator<Item = u64>, width: u32, out: &mut Vec<u8>) {
    if width == 0 {
        return;
    }
    let (mut waiting, mut bits) = (0_u128, 0);
    for value in values {
        waiting |= u128::from(value) << bits;
        bits += width;
        if bits >= 64 {
            out.extend_from_slice(&waiting.to_le_bytes()[..8]);
            waiting >>= 64;
            bits -= 64;
        }
    }
    out.extend_from_slice(&waiting.to_le_bytes()[..bits.div_ceil(8) as usize]);
}

/// Bits that the numbers below `count` need.
pub(super) fn width_of(count: usize) -> u32 {
    usize::BITS - count.saturating_sub(1).leading_zeros()
}

/// Runs of equal numbers, and packed ones between them.
pub(super) fn runs(values: &[u32], width: u32, out: &mut Vec<u8>) {
    let mut packed_from = 0;
    let mut at = 0;
    while at + RUN_MIN <= values.len() {
        let value = values[at];
        if values[at + 1] != value || values[at..at + RUN_MIN].iter().any(|other| *other != value) {
            // Packed values stand in groups of eight.
            at += 8;
            continue;
        }
        let length = values[at..].iter().take_while(|other| **other == value).count();
        packed(&values[packed_from..at], width, out);
        run(value, length, width, out);
        at += length;
        packed_from = at;
    }
    packed(&values[packed_from..], width, out);
}

/// The same number so many times.
pub(super) fn run(value: u32, length: usize, width: u32, out: &mut Vec<u8>) {
    varint((length as u64) << 1, out);
    out.extend_from_slice(&value.to_le_bytes()[..width.div_ceil(8) as usize]);
}

fn packed(values: &[u32], width: u32, out: &mut Vec<u8>) {
    if values.is_empty() {
        return;
    }
    let groups = values.len().div_ceil(8);
    varint((groups as u64) << 1 | 1, out);
    let padding = groups * 8 - values.len();
    pack(values.iter().map(|value| u64::from(*value)).chain(std::iter::repeat_n(0, padding)), width, out);
}

/// Definition levels of which not all are the same, from bits that are set where a value is.
pub(super) fn levels(bits: impl ExactSizeIterator<Item = bool>, out: &mut Vec<u8>) {
    varint((bits.len().div_ceil(8) as u64) << 1 | 1, out);
    let (mut byte, mut filled) = (0_u8, 0);
    for bit in bits {
        byte |= u8::from(bit) << filled;
        filled += 1;
        if filled == 8 {
            out.push(byte);
            (byte, filled) = (0, 0);
        }
    }
    if filled > 0 {
        out.push(byte);
    }
}

/// `DELTA_BINARY_PACKED`: the differences of neighbours, packed by blocks.
pub(super) fn delta_binary_packed(values: &[i64], out: &mut Vec<u8>) {
    varint(BLOCK as u64, out);
    varint((BLOCK / MINIBLOCK) as u64, out);
    varint(values.len() as u64, out);
    let Some((first, rest)) = values.split_first() else {
        varint(0, out);
        return;
    };
    varint(zigzag(*first), out);
    let mut previous = *first;
    let mut deltas = [0_i64; BLOCK];
    for block in rest.chunks(BLOCK) {
        let mut least = i64::MAX;
        for (delta, value) in deltas.iter_mut().zip(block) {
            *delta = value.wrapping_sub(previous);
            least = least.min(*delta);
            previous = *value;
        }
        let above = |delta: i64| delta.wrapping_sub(least).cast_unsigned();
        let deltas = &deltas[..block.len()];
        varint(zigzag(least), out);
        let widths_at = out.len();
        out.extend_from_slice(&[0; BLOCK / MINIBLOCK]);
        for (place, miniblock) in deltas.chunks(MINIBLOCK).enumerate() {
            let all = miniblock.iter().fold(0, |all, delta| all | above(*delta));
            let width = u64::BITS - all.leading_zeros();
            out[widths_at + place] = width.to_le_bytes()[0];
            let padding = MINIBLOCK - miniblock.len();
            pack(miniblock.iter().map(|delta| above(*delta)).chain(std::iter::repeat_n(0, padding)), width, out);
        }
    }
}
