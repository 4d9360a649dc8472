//! Numbers of as many bytes as they need: seven bits a byte, the lowest first; the highest bit says that more follow.

use super::damaged;
use crate::Result;

/// Appends a number.
pub(super) fn write(mut number: u64, bytes: &mut Vec<u8>) {
    while number >= 128 {
        bytes.push(number as u8 | 128);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Takes a number from the front of `bytes`; `what` it is, for the message.
pub(super) fn read(bytes: &mut &[u8], what: &str) -> Result<usize> {
    let mut number = 0_u64;
    for shift in (0..63).step_by(7) {
        let Some((&byte, rest)) = bytes.split_first() else {
            return Err(damaged(format!("{what} is cut off")));
        };
        *bytes = rest;
        number |= u64::from(byte & 127) << shift;
        if byte < 128 {
            let fits = usize::try_from(number).ok().filter(|_| byte > 0 || shift == 0);
            return fits
                .ok_or_else(|| damaged(format!("{what} is written in a way it must not be")));
        }
    }
    Err(damaged(format!("{what} is too large")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_one_form() {
        for number in [0, 1, 127, 128, 300, u64::MAX >> 1] {
            let mut bytes = Vec::new();
            write(number, &mut bytes);
            let mut rest = bytes.as_slice();
            assert_eq!(read(&mut rest, "it").unwrap() as u64, number);
            assert!(rest.is_empty());
        }
        assert!(read(&mut [0x80, 0].as_slice(), "it").is_err());
        assert!(read(&mut [0x80].as_slice(), "it").is_err());
        assert!(read(&mut [0xff; 10].as_slice(), "it").is_err());
    }
}
